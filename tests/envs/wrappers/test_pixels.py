"""The stack of frames, and the spaces of images."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from support.recorder import Recorder

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.wrappers import FrameStackObservation


@pytest.mark.parametrize("padding", ["reset", "zero", np.full(1, 7, np.float32)])
@pytest.mark.parametrize("stack", [1, 2, 5])
def test_stack_is_gymnasiums(stack, padding):
    env = FrameStackObservation(Recorder(), stack, padding_type=padding)
    plain = gym.wrappers.FrameStackObservation(Recorder(), stack, padding_type=padding)
    assert env.observation_space == plain.observation_space
    for _ in range(3):
        np.testing.assert_array_equal(env.reset()[0], plain.reset()[0])
        for action in range(2 * stack + 1):
            (obs, *rest), (expected, *expected_rest) = env.step(action), plain.step(action)
            np.testing.assert_array_equal(obs, expected)
            assert obs.dtype == expected.dtype
            assert rest == expected_rest
            obs[:] = -1  # is the caller's own


def test_stack_needs_arrays():
    with pytest.raises(ValueError, match="needs observations in a Box; got Discrete"):
        FrameStackObservation(gym.make("FrozenLake-v1"), 2)


def test_spaces_of_images_share_their_arrays_but_not_their_generators():
    one, other = gym.make("MarioRL-1-1-v0"), gym.make("MarioRL-1-1-v0")
    spaces = [env.observation_space for env in (one, other)]
    assert spaces[0] == spaces[1] == Box(0, 255, (4, 84, 84), np.uint8)
    assert np.shares_memory(spaces[0].low, spaces[1].low)
    spaces[0].seed(1)
    spaces[1].seed(1)
    first = spaces[0].sample()
    spaces[0].sample()
    np.testing.assert_array_equal(spaces[1].sample(), first)
    one.close()
    other.close()
