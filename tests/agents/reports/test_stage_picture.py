"""The picture of a stage with a route on it."""

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.reports.drawing import CHOSEN, RANDOM
from mario_rl_agents.reports.stage_picture import draw_route

from mario_rl_envs import routes
from mario_rl_envs.game import ram


@pytest.fixture(scope="module")
def picture():
    return np.asarray(draw_route(routes.load("1-1")))


def test_it_is_the_stage_without_the_score(picture):
    height, width, _ = picture.shape
    assert height == 240 - 32
    assert 3_161 < width < 3_161 + 256  # the flag is on it
    assert tuple(picture[60, 700]) == (104, 136, 252)  # the sky
    assert not np.any(np.all(picture[:, :] == 22, axis=2))  # nothing is missing


def test_what_does_not_move_is_where_a_screen_has_it(picture):
    env = gym.make("MarioRL-1-1-v0", actions="joypad", skip=1).unwrapped
    env.reset()
    left_before = 0
    for joypad in routes.load("1-1").frames[:800].tolist():
        screen, *_ = env.step(joypad)
        left, left_before = left_before, ram.screen_left(env.ram.tobytes())
    env.close()
    assert left > 500
    ground = slice(208, 232)  # that everybody walks on
    same = np.all(screen[ground] == picture[176:200, left : left + 256], axis=2)
    assert same.mean() > 0.99


def test_the_line_is_where_mario_was(picture):
    yellow, red = (np.all(picture == color, axis=2) for color in (CHOSEN, RANDOM))
    for mask in (yellow, red):
        assert mask.sum() > 500
    on_the_way = (yellow | red).any(axis=0)
    assert on_the_way[48:3_150].mean() > 0.95
    assert not on_the_way[:40].any()
    assert yellow[208 - 32 - 8 - 4, 48]  # it begins with a dot, where he stands at the start


def test_areas_stand_below_one_another():
    image = draw_route(routes.load("1-2"))
    assert image.height == 2 * 208 + 8
    assert image.width < 3_000  # the second begins on the left, too


def test_what_the_route_does_not_show_is_left_out():
    assert draw_route(routes.load("8-4")).width < 4_000 < 4_828  # where it ends


def test_a_route_that_ends_early_is_drawn_as_far_as_it_goes():
    route = routes.play("1-1", routes.load("1-1").joypad[:60])
    assert draw_route(route).width < 800


def test_the_whole_game_has_no_picture():
    with pytest.raises(ValueError, match="the whole game has no picture"):
        draw_route(routes.play(None, np.array([128], np.uint8)))
