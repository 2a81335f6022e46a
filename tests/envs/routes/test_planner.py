"""The planner clears stages, whatever happens on the way, and plans the same for one seed."""

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs.game.actions import RIGHT_ONLY, joypad_byte
from mario_rl_envs.routes import Planner

ACTIONS = {joypad_byte(buttons): action for action, buttons in enumerate(RIGHT_ONLY)}
BYTES = [joypad_byte(buttons) for buttons in RIGHT_ONLY]


def play(stage, *, seed=0, noise=0.0, num_games=1, limit=800):
    """Return the infos at the end of games, and all that was pressed."""
    envs = gym.make_vec(f"MarioRL-{stage}-v0", num_envs=1, noop_max=30, num_threads=1)
    planner, generator = Planner(seed=seed), np.random.default_rng(seed)
    ends, pressed = [], []
    for game in range(num_games):
        envs.reset(seed=game)
        planner.begin(envs.save_state(0))
        last = 0
        for _ in range(limit):
            joypad = planner.press()
            if generator.random() < noise:
                joypad = last
            planner.advance(joypad)
            last = joypad
            pressed.append(joypad)
            _, _, terminated, truncated, info = envs.step([ACTIONS[joypad]])
            if terminated[0] or truncated[0]:
                break
        ends.append((bool(info["flag_get"][0]), int(info["x_pos"][0])))
    envs.close()
    return ends, pressed


@pytest.mark.parametrize("stage", ["1-1", "1-3", "1-4"])
def test_stages_of_all_kinds_are_cleared(stage):
    ends, pressed = play(stage)
    assert ends[0][0], ends
    assert set(pressed) <= set(Planner.BUTTONS) == set(BYTES)


def test_it_swims_whatever_else_is_pressed():
    ends, _ = play("2-2", noise=0.1)
    assert [cleared for cleared, _ in ends] == [True], ends


def test_it_goes_on_where_something_else_was_pressed():
    ends, _ = play("1-4", noise=0.25, num_games=6)
    assert sum(cleared for cleared, _ in ends) >= 4, ends


def test_a_seed_decides_all():
    _, first = play("1-3", seed=1, limit=150)
    assert play("1-3", seed=1, limit=150)[1] == first
    assert play("1-3", seed=2, limit=150)[1] != first


def test_it_runs_where_nothing_is_in_the_way():
    _, pressed = play("1-1", limit=4)
    assert pressed == [joypad_byte(("right", "B"))] * 4


def test_what_is_no_state_is_refused():
    planner = Planner()
    with pytest.raises(TypeError, match="a save state is bytes"):
        planner.begin("1-1")
    with pytest.raises(ValueError, match="no save state"):
        planner.begin(b"1-1")
    with pytest.raises(ValueError, match="seed"):
        Planner(seed=-1)


def test_it_finds_a_way_out_of_what_running_on_ends_in():
    envs = gym.make_vec("MarioRL-1-1-v0", num_envs=1, num_threads=1)
    envs.reset(seed=0)
    states, positions = [], []
    while True:
        states.append(envs.save_state(0))
        _, _, terminated, _, info = envs.step([ACTIONS[joypad_byte(("right", "B"))]])
        positions.append(info["x_pos"][0])
        if terminated[0]:
            break
    planner = Planner()
    assert planner.rescue(states[-1], 20) is None  # too late
    plan = planner.rescue(states[-24], 30)  # running on does for the planner's usual 18
    assert len(plan) >= 30
    envs.reset(options={"state": states[-24]})
    for joypad in plan[:30]:
        _, _, terminated, _, info = envs.step([ACTIONS[joypad]])
        assert not terminated[0]
    assert info["x_pos"][0] > positions[-24] + 3 * 30
    envs.close()
    with pytest.raises(ValueError, match="num_decisions is 33; accepted"):
        planner.rescue(states[0], 33)
