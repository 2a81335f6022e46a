"""The frames and colors of an image as its channels."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from mario_rl_envs.checks import unknown_name
from mario_rl_envs.image_space import image_space, is_image_space
from mario_rl_envs.specs import PipelineWrapper

CHANNELS: Final = ("first", "last")

_NUM_COLORS: Final = 3


class ChannelsObservation(
    PipelineWrapper, gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs
):
    """Observe one image whose channels are the frames of a stack and their colors.

    The channels are those of the oldest frame, then those of the next. Libraries take images of
    three axes, most of PyTorch's with the channels first, TensorFlow's and RLlib's last.

    Example:
        >>> import gymnasium as gym
        >>> from mario_rl_envs.wrappers import ChannelsObservation
        >>> env = ChannelsObservation(gym.make("MarioRL-1-1-v0", grayscale=False), "first")
        >>> env.observation_space.shape
        (12, 84, 84)
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], channels: str = "first") -> None:
        """Wrap an environment of images.

        Args:
            env: Its observations are uint8: [H, W], a stack [S, H, W], or either in colors,
                [..., 3].
            channels: "first": [C, H, W]; "last": [H, W, C]. C is S times the colors, 1 or 3.

        Raises:
            ValueError: The observations are not such images, or `channels` is neither.
        """
        if channels not in CHANNELS:
            raise ValueError(unknown_name("channels", channels, CHANNELS))
        RecordConstructorArgs.__init__(self, channels=channels)
        gym.ObservationWrapper.__init__(self, env)
        space = env.observation_space
        shape = space.shape or ()
        has_colors = len(shape) > 2 and shape[-1] == _NUM_COLORS
        if not is_image_space(space) or len(shape) - has_colors not in (2, 3):
            raise ValueError(
                "ChannelsObservation needs observations that are images, uint8 from 0 to 255, "
                f"[H, W], [S, H, W], [H, W, 3] or [S, H, W, 3]; this environment has {space}"
            )
        colors = _NUM_COLORS if has_colors else 1
        *stack, height, width = shape[:-1] if has_colors else shape
        self._full_shape = (*(stack or [1]), height, width, colors)  # [S, H, W, colors]
        num_channels = self._full_shape[0] * colors
        if channels == "first":
            self._axes, new_shape = (0, 3, 1, 2), (num_channels, height, width)
        else:
            self._axes, new_shape = (1, 2, 0, 3), (height, width, num_channels)
        self.observation_space = image_space(new_shape)

    def observation(self, observation: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the image, uint8, [C, H, W] or [H, W, C]."""
        frames = observation.reshape(self._full_shape).transpose(self._axes)
        return np.ascontiguousarray(frames).reshape(self.observation_space.shape)
