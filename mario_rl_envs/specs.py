"""What an environment's `spec` says: how `gym.make` and `gym.make_vec` make it again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec


class PlainSpec:
    """A `spec` whose keywords are plain Python, whatever was given: they can be written as JSON."""

    @property
    def spec(self) -> EnvSpec | None:
        """How the environment was made; None unless an id made it."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            spec.kwargs = plain(spec.kwargs)
        self._spec = spec

    _spec: EnvSpec | None = None


class PipelineWrapper(gym.Wrapper[Any, Any, Any, Any]):
    """A wrapper that the spec of an id may stand for."""

    is_of_pipeline = False  # an id's keywords make it: the spec need not name it

    @property
    def spec(self) -> EnvSpec | None:
        """How the environment was made, with this wrapper."""
        return self.env.spec if self.is_of_pipeline else super().spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self.env.spec = spec


def plain(value: Any) -> Any:
    """Return a value with NumPy's numbers, enums, paths and collections as JSON has them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return value


def rereadable(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords with a list in place of each iterator, which can be read but once."""
    return {
        name: list(value) if isinstance(value, Iterator) else value
        for name, value in keywords.items()
    }
