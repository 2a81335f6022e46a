"""The panel: what it shows of a decision, and how the game stands beside it."""

import itertools
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.reports.actions import shown_actions
from mario_rl_agents.reports.drawing import (
    BAR,
    CHOSEN,
    FAINT,
    RANDOM,
    TRACK,
    Frame,
    banner,
)
from mario_rl_agents.reports.mario import Joypad
from mario_rl_agents.reports.moment import Moment
from mario_rl_agents.reports.panel import Panel, beside

import mario_rl_envs  # noqa: F401  registers MarioRL-1-1-v0
from mario_rl_envs.game.actions import joypad_byte

CAPTION, TILE = 18, 12
LEFT, RIGHT, BOTTOM = 20, 380, 466


def moment(
    action: Any, ratings: np.ndarray | None = None, obs: Any = None, *, is_random: bool = False
) -> Moment:
    obs = np.zeros(4, np.float32) if obs is None else obs
    return Moment(ratings, (0.0, 1.0), action, is_random, obs, 3, 12.0, None)


def make_panel(env: gym.Env, **keywords: Any) -> Panel:
    return Panel(env, title="title", subtitle="subtitle", **keywords)


def count(frame: Frame, color: Any) -> int:
    return int((frame == color).all(axis=2).sum())


@pytest.fixture
def cartpole() -> Iterator[gym.Env]:
    env = gym.make("CartPole-v1")
    yield env
    env.close()


def test_of_many_actions_the_best_rated_and_the_chosen_one_are_shown() -> None:
    ratings = np.arange(20.0)
    assert shown_actions(ratings, 19, 20, 12) == list(range(8, 20))
    assert shown_actions(ratings, 3, 20, 12) == [3, *range(9, 20)]
    assert shown_actions(None, 15, 20, 12) == [*range(11), 15]
    assert shown_actions(ratings[:12], 3, 12, 12) == list(range(12))
    assert shown_actions(ratings[:12], 3, 12, 7) == [3, *range(6, 12)]


def test_the_game_is_enlarged_by_whole_pixels_to_even_sizes() -> None:
    picture = np.full((31, 33, 3), 7, np.uint8)
    panel = np.zeros((480, 400, 3), np.uint8)
    frame = beside(picture, panel)
    assert frame.shape == (480, 496 + 400, 3)  # 15 times as large: 465 x 495
    assert (frame[:, :495] == 7).all(axis=2).sum() == 465 * 495
    tall = np.zeros((601, 32, 3), np.uint8)
    assert beside(tall, panel).shape == (602, 32 + 400, 3)
    assert beside(picture, None).shape == (466, 496, 3)


def test_a_banner_stands_over_the_game_alone() -> None:
    picture = np.full((240, 256, 3), 200, np.uint8)
    panel = np.full((480, 400, 3), 9, np.uint8)
    plain, written = beside(picture, panel), beside(picture, panel, banner("killed by an enemy"))
    np.testing.assert_array_equal(written[:, 512:], plain[:, 512:])
    assert count(written, CHOSEN) > 300
    changed = np.flatnonzero((written != plain).any(axis=(1, 2)))
    assert changed[0] > 62  # under Mario's score
    assert changed[-1] < 160
    np.testing.assert_array_equal(picture, 200)  # the caller's own


def test_without_ratings_the_choice_is_named_and_no_bar_is_drawn(cartpole: gym.Env) -> None:
    panel = make_panel(cartpole)
    rated = panel.draw(moment(1, np.array([0.2, 0.9])))
    unrated = panel.draw(moment(1))
    assert rated.shape == unrated.shape == (480, 400, 3)
    yellow = [count(frame, CHOSEN) for frame in (rated, unrated)]
    assert yellow[0] > 2000 > yellow[1] > 0  # a bar; a name


def test_long_texts_are_cut_at_the_margin(cartpole: gym.Env) -> None:
    panel = Panel(cartpole, title="x" * 300, subtitle="y" * 10_000)
    frame = panel.draw(moment(1, np.array([-1234567.0, 0.9])))
    assert (frame[:, RIGHT + 1 :] == frame[0, 0]).all()


@pytest.mark.parametrize(("torque", "side"), [(1.0, 1), (-1.0, -1)])
def test_a_continuous_action_is_a_bar_from_zero(torque: float, side: int) -> None:
    env = gym.make("Pendulum-v1")  # torque from -2 to 2
    obs = np.zeros(3, np.float32)
    frame = make_panel(env).draw(moment(np.array([torque], np.float32), obs=obs))
    env.close()
    track = frame[150:170, LEFT + 128 : RIGHT - 62]
    columns = np.flatnonzero((track == CHOSEN).all(axis=2).sum(axis=0) >= 10)
    middle, quarter = track.shape[1] / 2, track.shape[1] / 4
    ends = sorted((middle, middle + side * quarter))
    assert [columns[0], columns[-1]] == pytest.approx(ends, abs=2)


def test_marios_continuous_action_has_names() -> None:
    env = gym.make("MarioRL-1-1-v0", actions="continuous", observation="ram")
    assert env.get_wrapper_attr("get_action_meanings")() == ["left or right", "A", "B"]
    obs, _ = env.reset()
    action = np.array([1.0, -1.0, 0.5], np.float32)
    frame = make_panel(env).draw(moment(action, obs=obs))
    red = make_panel(env).draw(moment(action, obs=obs, is_random=True))
    env.close()
    assert count(frame[140:250], CHOSEN) > 2000 > count(frame[140:250], RANDOM)
    assert count(red[140:250], RANDOM) > 2000 > count(red[140:250], CHOSEN)


def test_the_joypad_shows_what_is_pressed() -> None:
    env = gym.make("MarioRL-1-1-v0", actions="joypad", observation="ram")
    obs, _ = env.reset()
    panel = make_panel(env, action_view=Joypad())
    pressed = [
        count(panel.draw(moment(joypad_byte(buttons), obs=obs))[120:250], CHOSEN)
        for buttons in ([], ["right"], ["right", "A"], ["right", "A", "B"])
    ]
    env.close()
    assert pressed[0] == 0
    assert all(more > fewer + 400 for fewer, more in itertools.pairwise(pressed))


def test_tiles_are_drawn_as_the_agent_sees_them() -> None:
    env = gym.make("MarioRL-1-1-v0", observation="tiles")
    tiles, _ = env.reset()
    frame = make_panel(env).draw(moment(0, obs=tiles))
    env.close()
    top = BOTTOM - 13 * TILE
    drawn = frame[top + TILE // 2 : BOTTOM : TILE, LEFT + TILE // 2 : LEFT + 16 * TILE : TILE]
    assert drawn.shape == (13, 16, 3)
    colors = {tuple(drawn[tiles == kind][0].tolist()) for kind in np.unique(tiles)}
    assert len(colors) == len(np.unique(tiles)) >= 3
    for kind in np.unique(tiles):
        assert (drawn[tiles == kind] == drawn[tiles == kind][0]).all()
        color = tuple(drawn[tiles == kind][0].tolist())
        assert count(frame[top:BOTTOM, LEFT + 16 * TILE + 10 :], color) > 100  # the legend


@pytest.mark.parametrize(("rows", "columns", "kinds"), [(4, 4, 10), (16, 24, 3)])
def test_a_grid_of_another_environment_fits(rows: int, columns: int, kinds: int) -> None:
    space = gym.spaces.Box(0, kinds - 1, (rows, columns), np.uint8)
    obs = np.resize(np.arange(kinds, dtype=np.uint8), (rows, columns))
    frame = seen_pictures(space, obs)
    height = max(rows * TILE, kinds * 16)
    background = frame[0, 0]
    for kind in range(kinds):
        row, column = np.argwhere(obs == kind)[0]
        y, x = BOTTOM - height + row * TILE + TILE // 2, LEFT + column * TILE + TILE // 2
        assert count(frame[BOTTOM - height :, LEFT + columns * TILE + 10 :], frame[y, x]) > 100
    assert (frame[BOTTOM + 1 :] == background).all()
    assert (frame[:, RIGHT + 1 :] == background).all()


def test_memory_is_drawn_and_its_changes_are_yellow() -> None:
    env = gym.make("MarioRL-1-1-v0", observation="ram")
    memory, _ = env.reset()
    panel = make_panel(env)
    env.close()
    first = panel.draw(moment(0, obs=memory))
    changed = memory.copy()
    changed[[0, 70, 2047]] += 1
    second = panel.draw(moment(0, obs=changed))
    seen = BOTTOM - 200, BOTTOM - 40  # rows of 32 x 64 bytes, 5 pixels each
    assert count(first[slice(*seen)], CHOSEN) == 0
    dots = second[seen[0] : seen[1] : 5, LEFT : LEFT + 320 : 5].reshape(2048, 3)
    assert np.flatnonzero((dots == CHOSEN).all(axis=1)).tolist() == [0, 70, 2047]


def seen_pictures(space: gym.spaces.Box, obs: np.ndarray, **attributes: Any) -> Frame:
    class Seeing(gym.Env):
        observation_space = space
        action_space = gym.spaces.Discrete(2)

    return make_panel(Seeing()).draw(moment(0, obs=obs))


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((84, 84), [120]),
        ((2, 84, 84), [50, 100]),
        ((84, 84, 4), [50, 100, 150, 200]),
        ((6, 84, 84), [90, 120, 150, 180]),
        ((84, 84, 3), [40]),
        ((2, 84, 84, 3), [60, 160]),
    ],
)
def test_pictures_are_drawn_however_they_lie(shape: tuple[int, ...], levels: list[int]) -> None:
    obs = np.zeros(shape, np.uint8)
    if shape == (84, 84):
        obs[:] = 120
    elif shape == (84, 84, 3):
        obs[:] = 40
    elif len(shape) == 4:
        obs[0], obs[1] = 60, 160
    elif shape[0] == 6:
        obs[:] = 30 * (1 + np.arange(6))[:, None, None]
    elif shape[0] == 2:
        obs[0], obs[1] = 50, 100
    else:
        obs[:] = 50 * (1 + np.arange(4))
    frame = seen_pictures(gym.spaces.Box(0, 255, shape, np.uint8), obs)
    side = 84 if len(levels) > 2 else 126
    row = frame[BOTTOM - side // 2]
    assert [
        row[LEFT + index * (side + 8) + side // 2].tolist() for index in range(len(levels))
    ] == [[level] * 3 for level in levels]


@pytest.mark.parametrize("grayscale", [True, False])
@pytest.mark.parametrize("stack", [None, 2, 4])
def test_marios_pictures_are_drawn_alike_wherever_their_channels_are(
    grayscale: bool, stack: int | None
) -> None:
    frames = []
    for channels in (None, "first", "last"):
        keywords: dict[str, Any] = {
            "grayscale": grayscale,
            "stack": stack,
            "channels": channels,
        }
        env = gym.make("MarioRL-1-1-v0", **keywords)
        env.reset()
        for _ in range(5):
            obs, *_ = env.step(3)
        frames.append(make_panel(env).draw(moment(0, obs=obs)))
        env.close()
    side = 84 if stack == 4 else 126
    assert np.ptp(frames[0][BOTTOM - side : BOTTOM, LEFT : LEFT + side]) > 100  # a picture
    for other in frames[1:]:
        np.testing.assert_array_equal(frames[0], other)


def test_numbers_are_bars_from_zero(cartpole: gym.Env) -> None:
    # Half of the bounds of position and angle; velocities have none.
    obs = np.array([2.4, 0.0, -0.2095, 0.0], np.float32)
    frame = make_panel(cartpole).draw(moment(1, obs=obs))
    rows = [frame[BOTTOM - 20 * (4 - index) + 10] for index in range(4)]
    lengths = [int((row == BAR).all(axis=1).sum()) for row in rows]
    width = int((rows[3] == TRACK).all(axis=1).sum())
    assert lengths[0] == pytest.approx(width / 4, abs=3)
    assert lengths[2] == pytest.approx(lengths[0], abs=2)
    assert lengths[1] <= 1


def test_many_numbers_and_other_spaces_have_their_form() -> None:
    many = seen_pictures(gym.spaces.Box(-1, 1, (100,)), np.linspace(-1, 1, 100))
    assert count(many, BAR) > 500

    class Counting(gym.Env):
        observation_space = gym.spaces.Discrete(500)
        action_space = gym.spaces.MultiDiscrete([3, 4])

    frame = make_panel(Counting()).draw(moment(np.array([2, 1]), obs=np.int64(77)))
    assert count(frame[120:170], CHOSEN) > 20
    assert count(frame[430:], FAINT) > 20
