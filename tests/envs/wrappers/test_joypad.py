"""Joypad bytes of choices and of numbers."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from support.recorder import Recorder, start

from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.wrappers import ContinuousJoypad, JoypadSpace


def test_joypad_space_presses_the_buttons():
    recorder = Recorder()
    env = start(JoypadSpace(recorder, "right_only"))
    assert env.action_space == Discrete(5)
    for action in range(5):
        env.step(np.int64(action))
    right, a, b = BUTTONS["right"], BUTTONS["A"], BUTTONS["B"]
    assert recorder.actions == [0, right, right | a, right | b, right | a | b]
    assert env.get_action_meanings()[4] == "right + A + B"


def test_joypad_bytes_are_those_of_nes_py():
    env = start(JoypadSpace(Recorder(), [[name] for name in BUTTONS] + [["NOOP"], []]))
    for action in range(10):
        env.step(action)
    assert env.unwrapped.actions == [1, 2, 4, 8, 16, 32, 64, 128, 0, 0]


@pytest.mark.parametrize("action", [-1, 5, 99])
def test_joypad_action_out_of_range(action):
    env = start(JoypadSpace(Recorder()))
    with pytest.raises(
        ValueError, match=f"the action {action} is out of range; accepted are 0 to 4"
    ):
        env.step(action)


@pytest.mark.parametrize("action", ["right", 1.5, None, ["right"]])
def test_joypad_action_of_the_wrong_type(action):
    env = start(JoypadSpace(Recorder()))
    with pytest.raises(TypeError, match="an action is an integer from 0 to 4; got"):
        env.step(action)


@pytest.mark.parametrize("wrapper", [JoypadSpace, ContinuousJoypad])
def test_joypad_wrappers_need_joypad_bytes(wrapper):
    with pytest.raises(
        ValueError, match=rf"{wrapper.__name__} needs .* Discrete\(256\); this one has"
    ):
        wrapper(gym.make("CartPole-v1"))


# ContinuousJoypad


@pytest.mark.parametrize(
    ("action", "buttons"),
    [
        ([0, 0, 0], []),
        ([0.1, -1, -1], ["right"]),
        ([-0.1, 0, 0], ["left"]),
        ([1, 1, 1], ["right", "A", "B"]),
        ([0, 0, 0.5], ["B"]),
        ([0, 1e-6, 0], ["A"]),
        ([1.0000001, 7, -np.inf], ["right", "A"]),
        ([-np.inf, 0, 2], ["left", "B"]),
    ],
)
def test_continuous_joypad_thresholds(action, buttons):
    env = start(ContinuousJoypad(Recorder()))
    env.step(np.array(action, np.float32))
    assert env.unwrapped.actions == [sum(BUTTONS[name] for name in buttons)]


@pytest.mark.parametrize("action", [[0, 0], [0, float("nan"), 0], 0.5, [[0], [0, 1]]])
def test_continuous_action_of_another_shape_or_nan(action):
    env = start(ContinuousJoypad(Recorder()))
    with pytest.raises(ValueError, match="an action is three numbers from -1 to 1; got"):
        env.step(action)


def test_continuous_actions_of_integers():
    env = start(ContinuousJoypad(Recorder()))
    env.step(np.array([-128, 127, -128], np.int8))
    assert env.unwrapped.actions == [BUTTONS["left"] | BUTTONS["A"]]


@pytest.mark.parametrize("action", ["right", ["0", "1", "0"], [True, False, False], [10**400] * 3])
def test_continuous_action_of_the_wrong_type(action):
    env = start(ContinuousJoypad(Recorder()))
    with pytest.raises(TypeError, match="an action is three numbers from -1 to 1; got"):
        env.step(action)
