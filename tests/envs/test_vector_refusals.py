"""What a vector environment refuses, and that it changes nothing then."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from support.vectors import assert_same, make_both, play

from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.vector_env import MarioVectorEnv

_core = pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

ENV_ID = "MarioRL-1-1-v0"
NUM_COLUMNS, NUM_FLAGS = len(_core.INFO_COLUMNS), len(_core.INFO_FLAGS)


def test_closing_twice_is_fine_and_use_afterwards_is_not():
    vector = gym.make_vec(ENV_ID, num_envs=2)
    vector.reset(seed=0)
    state = vector.save_state(0)
    vector.close()
    vector.close()
    uses = [
        lambda: vector.step([0, 0]),
        vector.reset,
        vector.render,
        lambda: vector.ram,
        lambda: vector.save_state(0),
        lambda: vector.load_state(0, state),
        lambda: pickle.dumps(vector),
    ]
    for use in uses:
        with pytest.raises(ClosedEnvironmentError, match="closed: make a new one"):
            use()


def test_use_before_reset():
    vector = gym.make_vec(ENV_ID, num_envs=2, render_mode="rgb_array")
    uses = [
        lambda: vector.step([0, 0]),
        vector.render,
        lambda: vector.save_state(0),
        lambda: vector.load_state(0, b""),
        lambda: vector.reset(options={"reset_mask": np.array([True, False])}),
    ]
    for use in uses:
        with pytest.raises(ResetNeeded, match="reset"):
            use()
    vector.reset(options={"reset_mask": np.array([True, True])})
    vector.step([0, 0])
    vector.close()


@pytest.mark.parametrize(
    ("actions", "error", "message"),
    [
        (
            [0],
            ValueError,
            r"the actions are 2 integers from 0 to 4, one for each environment; got .*\(1,\)",
        ),
        ([[0, 0]], ValueError, r"shape \(1, 2\)"),
        (0, ValueError, r"shape \(\)"),
        ([[0], [0, 1]], ValueError, "the actions are 2 integers"),
        ([0.0, 1.0], TypeError, "got an array of float64"),
        ([True, False], TypeError, "got an array of bool"),
        (["right", "left"], TypeError, "got an array of <U5"),
        ([None, 0], TypeError, "got an array of object"),
        ([0, 5], ValueError, "the action 5 of environment 1 is out of range; accepted are 0 to 4"),
        ([-1, 0], ValueError, "the action -1 of environment 0 is out of range"),
        (np.array([2**64 - 1, 0], np.uint64), ValueError, "of environment 0 is out of range"),
    ],
)
def test_bad_actions_step_no_game(actions, error, message):
    vector = gym.make_vec(ENV_ID, num_envs=2, sticky=0.25)
    vector.reset(seed=0)
    vector.step([1, 1])
    before, draws = vector.ram, [each.bit_generator.state for each in vector.np_random]
    with pytest.raises(error, match=message):
        vector.step(actions)
    np.testing.assert_array_equal(vector.ram, before)
    assert [each.bit_generator.state for each in vector.np_random] == draws
    vector.step([1, 1])
    vector.close()


@pytest.mark.parametrize(
    ("actions", "error"),
    [
        ([[True] * 3] * 2, TypeError),
        ([[0, 0, 0], [0, np.nan, 0]], ValueError),
        ([[0, 0], [0, 0]], ValueError),
        ([["a", "b", "c"]] * 2, TypeError),
    ],
)
def test_bad_continuous_actions_step_no_game(actions, error):
    vector = gym.make_vec(ENV_ID, num_envs=2, actions="continuous")
    vector.reset(seed=0)
    before = vector.ram
    with pytest.raises(error, match="-1 to 1"):
        vector.step(actions)
    np.testing.assert_array_equal(vector.ram, before)
    vector.close()


@pytest.mark.parametrize(
    "actions",
    [
        np.array([[-128, 127, -128], [5, -1, 1]], np.int8),
        np.array([[-1.0000001, 3, 0], [np.inf, -np.inf, 1e-9]]),
    ],
    ids=["int8", "float64"],
)
def test_continuous_actions_are_clipped(actions):
    ours, theirs = make_both(ENV_ID, 2, actions="continuous")
    clipped, _ = make_both(ENV_ID, 2, actions="continuous")
    for each in (ours, theirs, clipped):
        each.reset(seed=0)
    for _ in range(4):
        result = ours.step(actions)
        assert_same(result, theirs.step(actions))
        assert_same(result, clipped.step(np.clip(actions, -1, 1)))
    for each in (ours, theirs, clipped):
        each.close()


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"options": "stage"}, ValueError, "options is 'stage'; accepted are None and a dict"),
        ({"options": {"stage": "9-1"}}, ValueError, "unknown stage '9-1'"),
        ({"options": {"stage": ["1-1", "9-1"]}}, ValueError, "unknown stage '9-1'"),
        ({"options": {"stage": ["1-1"]}}, ValueError, "'stage' is a list of 1; accepted are one"),
        ({"options": {"start": 1}}, ValueError, "unknown reset option 'start'"),
        ({"options": {"reset_mask": [True, False]}}, TypeError, "accepted is an array of bool"),
        ({"options": {"reset_mask": np.ones(2)}}, TypeError, "accepted is an array of bool"),
        ({"options": {"reset_mask": np.ones(3, bool)}}, ValueError, "each of the 2 environments"),
        ({"options": {"reset_mask": np.zeros(2, bool)}}, ValueError, "one of them True"),
        ({"seed": [1]}, ValueError, "seed is a list of 1"),
        ({"seed": -5}, gym.error.Error, "greater or equal to zero"),
        ({"seed": [0, "1"]}, gym.error.Error, "must be a python integer"),
    ],
)
def test_bad_resets_change_nothing(kwargs, error, message):
    vector = gym.make_vec(ENV_ID, num_envs=2)
    vector.reset(seed=40)
    play(vector, 3)
    before = vector.save_state(0), vector.save_state(1), vector.np_random_seed
    with pytest.raises(error, match=message):
        vector.reset(**{"seed": 1, **kwargs})
    assert (vector.save_state(0), vector.save_state(1), vector.np_random_seed) == before
    vector.step([1, 1])
    vector.close()


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, "num_envs is 0; accepted is an integer, 1 or more"),
        ({"num_envs": 2**70}, ValueError, "num_envs is 1180591620717411303424; accepted is an in"),
        ({"num_threads": 0}, ValueError, "num_threads is 0"),
        ({"num_threads": 2**70}, ValueError, "num_threads is 1180591620717411303424"),
        ({"num_threads": "all"}, ValueError, "num_threads is 'all'"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps is 0"),
        ({"max_episode_steps": 2**70}, ValueError, "max_episode_steps is 1180591620717411303424"),
        ({"stall": 2**70}, ValueError, "stall is 1180591620717411303424"),
        ({"autoreset_mode": "Never"}, ValueError, "unknown autoreset_mode 'Never'; .*'SameStep'"),
        ({"autoreset_mode": "sameStep"}, ValueError, r"did you mean 'SameStep'\?"),
        ({"stage": "9-9"}, ValueError, "unknown stage '9-9'"),
        ({"skip": 0}, ValueError, "skip is 0"),
        ({"render_mode": "ansi"}, ValueError, "render_mode is 'ansi'"),
        ({"emulator": "mesen"}, ValueError, "unknown emulator 'mesen'"),
        ({"frame_skip": 4}, TypeError, "frame_skip"),
    ],
)
def test_unknown_arguments(keywords, error, message):
    with pytest.raises(error, match=message):
        gym.make_vec(ENV_ID, **{"num_envs": 2, **keywords})


def test_the_class_itself_takes_the_native_core_alone():
    with pytest.raises(ValueError, match="emulator is 'nes-py'; many games at once accept 'nat"):
        MarioVectorEnv(2, stage="1-1", emulator="nes-py")
    with pytest.raises(ValueError, match="render_mode is 'human'"):
        MarioVectorEnv(2, stage="1-1", render_mode="human")


def native_games(count=2):
    cartridge = _core.Cartridge(find_rom().read_bytes())
    return [_core.Game(cartridge) for _ in range(count)]


@pytest.mark.parametrize(
    ("spoilt", "error", "message"),
    [
        ({"games": []}, ValueError, "at least one and none of them twice"),
        ({"games": 2 * native_games(1)}, ValueError, "at least one and none of them twice"),
        ({"games": ["game"]}, ValueError, "a list of Game objects"),
        ({"games": 5}, TypeError, "not iterable"),
        ({"resizer": 84}, TypeError, "made by a Resizer or None; got 84"),
        ({"view": "green"}, ValueError, "unknown view 'green'; accepted are 'gray', 'rgb'"),
        ({"layout": "middle"}, ValueError, "unknown layout 'middle'; accepted are 'frames', 'fir"),
        ({"layout": 1}, ValueError, "unknown layout 1; accepted are"),
        ({"skip": 0}, ValueError, "skip is 0; accepted is an integer, 1 to"),
        ({"stack": 2**40}, ValueError, "stack is 1099511627776"),
        ({"num_threads": 0}, ValueError, "num_threads is 0"),
    ],
)
def test_the_native_core_makes_no_bad_vector(spoilt, error, message):
    good = {"games": native_games(), "resizer": None, "view": "ram", "layout": "frames"}
    with pytest.raises(error, match=message):
        _core.Vector(**{**good, "skip": 4, "stack": 1, "num_threads": 1, **spoilt})


@pytest.mark.parametrize(
    ("spoilt", "error", "message"),
    [
        ({"orders": np.ones(2, np.uint8)}, ValueError, "env 0 cannot do 1, or has nothing loaded"),
        ({"orders": np.full(2, 9, np.uint8)}, ValueError, "env 0 cannot do 9"),
        ({"obs": np.zeros(4095, np.uint8)}, ValueError, "observations has 4095 bytes"),
        ({"rewards": np.zeros(2, np.float32)}, ValueError, "rewards has 8 bytes, 4 an item"),
        ({"columns": np.zeros((2, NUM_COLUMNS), np.int64).T}, ValueError, "not C-contiguous"),
        ({"sticky": np.zeros(2, np.bool_)}, ValueError, "sticky has 2 bytes"),
        ({"buttons": None}, TypeError, "bytes-like object"),
        ({"flags": b"ab"}, BufferError, "not writable"),
    ],
)
def test_the_native_core_plays_no_bad_orders(spoilt, error, message):
    vector = _core.Vector(native_games(), None, "ram", 4, 1, "frames", 2)
    arrays = {
        "orders": np.zeros(2, np.uint8),
        "buttons": np.zeros(2, np.uint8),
        "sticky": None,
        "num_noops": np.zeros(2, np.int32),
        "obs": np.zeros((2, 2048), np.uint8),
        "rewards": np.zeros(2),
        "terminated": np.zeros(2, np.bool_),
        "num_frames": np.zeros(2, np.int32),
        "columns": np.zeros((NUM_COLUMNS, 2), np.int64),
        "flags": np.zeros((NUM_FLAGS, 2), np.bool_),
        "terms": np.zeros((0, 2)),
    }
    vector.play(*arrays.values())
    with pytest.raises(error, match=message):
        vector.play(*{**arrays, **spoilt}.values())
    vector.play(*arrays.values())


def test_the_native_core_notices_other_rules():
    games = native_games()
    vector = _core.Vector(games, None, "ram", 4, 1, "frames", 1)
    games[1].set_rules({"flag": 1.0}, True)
    arrays = [np.zeros(2, np.uint8), np.zeros(2, np.uint8), None, np.zeros(2, np.int32)]
    arrays += [np.zeros((2, 2048), np.uint8), np.zeros(2), np.zeros(2, np.bool_)]
    arrays += [np.zeros(2, np.int32), np.zeros((NUM_COLUMNS, 2), np.int64)]
    arrays += [np.zeros((NUM_FLAGS, 2), np.bool_)]
    with pytest.raises(ValueError, match="env 1 has another number of reward terms now"):
        vector.play(*arrays, np.zeros((0, 2)))
