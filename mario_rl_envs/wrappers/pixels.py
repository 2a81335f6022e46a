"""Gymnasium's own grayscale, resize and stack wrappers, made leaner.

The first two keep their work in a lambda, which no pickle takes, and `ResizeObservation` refuses
the list that JSON makes of its tuple. They have no state, so they are pickled as what made them.
Above the native console they ask it for the picture instead of converting one, see `direct.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import wrappers
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from mario_rl_envs.image_space import image_space
from mario_rl_envs.wrappers.direct import HasView, PixelView, view_of


class GrayscaleObservation(HasView, wrappers.GrayscaleObservation[Any, Any, Any]):
    """`gymnasium.wrappers.GrayscaleObservation` that can be pickled."""

    def __init__(self, env: gym.Env[Any, Any], keep_dim: bool = False) -> None:
        """Wrap an environment of RGB images.

        Args:
            env: Its observations are uint8, [H, W, 3].
            keep_dim: Whether the last axis is kept.
        """
        wrappers.GrayscaleObservation.__init__(self, env, keep_dim)
        assert self.observation_space.shape is not None, "a Box has a shape"
        self.observation_space = image_space(self.observation_space.shape)
        view = view_of(env)
        if type(self) is not GrayscaleObservation or not isinstance(view, PixelView) or keep_dim:
            return
        if view.size is None and view.raw.viewer is not None:
            self.view = view._replace(is_gray=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the wrapper again."""
        return partial(type(self), **self._saved_kwargs), (self.env,)


class ResizeObservation(HasView, wrappers.ResizeObservation[Any, Any, Any]):
    """`gymnasium.wrappers.ResizeObservation` that can be pickled and read back from JSON."""

    def __init__(self, env: gym.Env[Any, Any], shape: Sequence[int]) -> None:
        """Wrap an environment of images.

        Args:
            env: Its observations are uint8, [H, W] or [H, W, C].
            shape: The new (height, width).
        """
        RecordConstructorArgs.__init__(self, shape=list(shape))
        height, width = shape
        wrappers.ResizeObservation.__init__(self, env, (height, width))
        assert self.observation_space.shape is not None, "a Box has a shape"
        self.observation_space = image_space(self.observation_space.shape)
        view = view_of(env)
        if type(self) is not ResizeObservation or not isinstance(view, PixelView):
            return
        viewer = view.raw.viewer
        if view.size is None and viewer is not None and height == width <= viewer.max_size:
            self.view = view._replace(size=int(height))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the wrapper again."""
        return partial(type(self), **self._saved_kwargs), (self.env,)


class FrameStackObservation(wrappers.FrameStackObservation[Any, Any, Any]):
    """`gymnasium.wrappers.FrameStackObservation` that copies every frame once, not three times."""

    def __init__(
        self, env: gym.Env[Any, Any], stack_size: int, *, padding_type: str | Any = "reset"
    ) -> None:
        """Wrap an environment of arrays.

        Args:
            env: Its observations are arrays, in a `Box`.
            stack_size: The number of observations to stack, at least 1.
            padding_type: What stands for observations before the first: "reset" (the first), "zero"
                or an observation.
        """
        if not isinstance(env.observation_space, gym.spaces.Box):
            raise ValueError(
                f"FrameStackObservation needs observations in a Box; got {env.observation_space}"
            )
        super().__init__(env, stack_size, padding_type=padding_type)
        space = env.observation_space
        del self.obs_queue, self.stacked_obs
        if image_space(space.shape) == space:
            self.observation_space = image_space((stack_size, *space.shape))
        # Every observation is written twice, `stack_size` apart, so that the last ones always lie
        # together, in order.
        self._frames = np.zeros((2 * stack_size, *space.shape), space.dtype)
        self._next = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode: before its first observation there is padding."""
        obs, info = self.env.reset(seed=seed, options=options)
        self._frames[:] = obs if self.padding_type == "reset" else self.padding_value
        return self._stack(obs), info

    def step(self, action: Any) -> tuple[NDArray[Any], Any, bool, bool, dict[str, Any]]:
        """Take a step; the oldest observation makes room for the new one."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._stack(obs), reward, terminated, truncated, info

    def _stack(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return the last observations, the oldest first, [stack_size, ...]."""
        place = self._next
        self._frames[place] = obs
        self._frames[place + self.stack_size] = obs
        self._next = (place + 1) % self.stack_size
        return self._frames[place + 1 : place + 1 + self.stack_size].copy()
