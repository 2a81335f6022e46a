"""Starts are played to once, and kept in the process."""

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs import routes, save_state, starts
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.history import FrameFormat, History
from mario_rl_envs.starts import Start, StartOptions, Starts

ENV_ID = "MarioRL-1-1-v0"


def count_steps(env, monkeypatch):
    """Return a list that every step of the game is noted in."""
    steps = []
    step = env._game.step
    monkeypatch.setattr(
        env._game, "step", lambda joypad, *, draw: steps.append(joypad) or step(joypad, draw=draw)
    )
    return steps


def test_the_way_to_a_start_is_played_once(monkeypatch):
    env = gym.make(ENV_ID)
    raw = env.unwrapped
    steps = count_steps(raw, monkeypatch)
    first, info = env.reset(options={"route_fraction": 0.2})
    num_frames = 4 * int(0.2 * routes.load("1-1").num_steps)
    assert len(steps) == num_frames
    again, same = env.reset(options={"route_fraction": 0.2})
    np.testing.assert_array_equal(again, first)
    assert same == info
    assert len(steps) == num_frames
    # Without a stack nothing more has to be seen; another stack has to see it once.
    raw.reset(options={"route_fraction": 0.2})
    assert len(steps) == num_frames
    other = gym.make(ENV_ID, stack=3)
    other.close()
    env.close()


def test_a_reset_hashes_and_parses_nothing(monkeypatch):
    env, vector = gym.make(ENV_ID), gym.make_vec(ENV_ID, num_envs=2)
    for each in (env, vector):
        for options in (None, {"stage": "4-2"}, {"route_fraction": 0.1}):
            each.reset(seed=0, options=options)

    def refuse(*args, **kwargs):
        raise AssertionError("a save state was made or read")

    for name in ("pack", "unpack"):
        monkeypatch.setattr(save_state, name, refuse)
    for each in (env, vector):
        for options in (None, {"stage": "4-2"}, {"route_fraction": 0.1}):
            each.reset(seed=0, options=options)
    monkeypatch.undo()
    env.close()
    vector.close()


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_environments_share_where_stages_begin(emulator, monkeypatch):
    one, other = (SuperMarioBrosEnv("3-1", emulator=emulator) for _ in range(2))
    first, _ = one.reset()

    def refuse(*_):
        raise AssertionError("the start screen was skipped again")

    monkeypatch.setattr(starts, "begin_stage", refuse)
    np.testing.assert_array_equal(other.reset()[0], first)
    one.close()
    other.close()


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_the_way_to_a_start_is_not_recorded(emulator):
    """It would take a hundred megabytes."""
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list", emulator=emulator)
    env.reset()
    env.step(128)
    kept = []

    def observe():
        is_native = emulator == "native"
        kept.append(env._emulator.game.num_recorded if is_native else env._game._recorder.frames)
        return np.zeros(1, np.uint8)

    history = History(FrameFormat((), 4, (2, 1)), observe)
    env.reset(options={"route_fraction": 0.05, "history": history})
    assert kept in ([0, 0], [None, None])
    assert len(env.render()) == 1
    env.close()


def test_the_way_to_a_start_is_not_recorded_in_the_vector(monkeypatch):
    vector = gym.make_vec(ENV_ID, num_envs=1, render_mode="rgb_array_list")
    vector.reset()
    vector.step([1])
    kept = []
    observe = vector._games._observe
    monkeypatch.setattr(
        vector._games,
        "_observe",
        lambda emulator: kept.append(emulator.game.num_recorded) or observe(emulator),
    )
    vector.reset(options={"route_fraction": 0.05})
    assert kept == [0, 0, 0]
    assert len(vector.render()[0]) == 1
    vector.close()


def test_the_starts_used_longest_ago_are_dropped(monkeypatch):
    monkeypatch.setattr(starts, "_MAX_KEPT", 2)
    env = SuperMarioBrosEnv("1-1")
    num_steps = routes.load("1-1").num_steps
    fractions = [(index + 0.5) / num_steps for index in (1, 2, 3)]
    for fraction in (*fractions[:2], fractions[0], fractions[2]):
        env.reset(options={"route_fraction": fraction})
    assert list(env._starts._kept) == [Start("1-1", 1), Start("1-1", 3)]
    steps = count_steps(env, monkeypatch)
    env.reset(options={"route_fraction": fractions[0]})
    assert steps == []
    env.reset(options={"route_fraction": fractions[1]})
    assert len(steps) == 8
    env.close()


def test_two_stacks_over_one_environment():
    """Each has frames of its own of the same start."""
    long, short = (gym.make(ENV_ID, stack=stack) for stack in (4, 2))
    expected = [env.reset(options={"route_fraction": 0.1})[0] for env in (long, short)]
    raw = long.unwrapped
    kept = raw._starts._kept
    assert [len(each.frames) for each in kept.values()] == [1]
    short.unwrapped._starts._kept = kept
    np.testing.assert_array_equal(short.reset(options={"route_fraction": 0.1})[0], expected[1])
    assert [len(each.frames) for each in kept.values()] == [2]
    np.testing.assert_array_equal(long.reset(options={"route_fraction": 0.1})[0], expected[0])
    long.close()
    short.close()


def test_the_generator_is_used_where_there_is_a_choice_only():
    several = Starts(None, ["1-1", "4-2", "2-3"])
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    for each, options in (
        (Starts("1-1", None), {}),
        (Starts(None, None), {}),
        (Starts(None, None), {"stage": "3-1"}),
        (several, {"stage": "3-1"}),
        (Starts(None, None), {"route_fraction": 0.5}),
    ):
        each._draw(each.check(options, "native"), generator)
    assert generator.bit_generator.state == before
    drawn = {several._draw(StartOptions(), generator).stage for _ in range(30)}
    assert drawn == {"1-1", "4-2", "2-3"}
