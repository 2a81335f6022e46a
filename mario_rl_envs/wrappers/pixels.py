"""Gymnasium's own grayscale and resize wrappers, made to survive pickling and JSON.

Both keep their work in a lambda, which no pickle takes, and `ResizeObservation` refuses the list
that JSON makes of its tuple. They have no state, so they are pickled as what made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium import wrappers
from gymnasium.utils import RecordConstructorArgs


class GrayscaleObservation(wrappers.GrayscaleObservation[Any, Any, Any]):
    """`gymnasium.wrappers.GrayscaleObservation` that can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the wrapper again."""
        return partial(type(self), **self._saved_kwargs), (self.env,)


class ResizeObservation(wrappers.ResizeObservation[Any, Any, Any]):
    """`gymnasium.wrappers.ResizeObservation` that can be pickled and read back from JSON."""

    def __init__(self, env: gym.Env[Any, Any], shape: Sequence[int]) -> None:
        """Wrap an environment of images.

        Args:
            env: Its observations are uint8, [H, W] or [H, W, C].
            shape: The new (height, width).
        """
        RecordConstructorArgs.__init__(self, shape=list(shape))
        height, width = shape
        super().__init__(env, (height, width))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the wrapper again."""
        return partial(type(self), **self._saved_kwargs), (self.env,)
