"""Frames and colors as channels, on any environment of images."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box

from mario_rl_envs.wrappers import ChannelsObservation


class Images(gym.Env):
    """Shows images of random numbers."""

    def __init__(self, shape):
        self.observation_space = Box(0, 255, shape, np.uint8)
        self.action_space = gym.spaces.Discrete(1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(256, size=self.observation_space.shape, dtype=np.uint8), {}


@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7), (5, 7, 3), (2, 5, 7, 3)])
@pytest.mark.parametrize("channels", ["first", "last"])
def test_channels_are_those_of_a_literal_loop(shape, channels):
    plain = Images(shape)
    env = ChannelsObservation(plain, channels)
    image, _ = env.reset(seed=1)
    frames, _ = plain.reset(seed=1)
    if shape in ((5, 7), (5, 7, 3)):
        frames = frames[None]
    if shape[-1] != 3:
        frames = frames[..., None]
    planes = [frame[..., color] for frame in frames for color in range(frame.shape[-1])]
    np.testing.assert_array_equal(image, np.stack(planes, 0 if channels == "first" else -1))
    assert env.observation_space == Box(0, 255, image.shape, np.uint8)
    assert env.spec is None


@pytest.mark.parametrize(
    "space",
    [Box(0, 4, (13, 16), np.uint8), Box(0, 255, (84,), np.uint8), Box(0, 1, (4, 84, 84))],
)
def test_other_observations_are_refused(space):
    env = Images((1,))
    env.observation_space = space
    with pytest.raises(ValueError, match="needs observations that are images, uint8 from 0 to 255"):
        ChannelsObservation(env)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"unknown channels 'lasst'; .* did you mean 'last'"):
        ChannelsObservation(Images((5, 7)), "lasst")
