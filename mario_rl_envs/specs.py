"""What an environment's `spec` says: how `gym.make` and `gym.make_vec` make it again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

_PICKLABLE: Final = (str, Sequence, Mapping, set, frozenset, np.ndarray, os.PathLike)


class PlainSpec:
    """A `spec` whose keywords are plain Python, whatever was given: they can be written as JSON."""

    # What took the place of keywords that can be read but once.
    read_keywords: Mapping[str, Any] = MappingProxyType({})

    @property
    def spec(self) -> EnvSpec | None:
        """How the environment was made; None unless an id made it."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            read = self.read_keywords
            spec.kwargs = plain({name: read.get(name, spec.kwargs[name]) for name in spec.kwargs})
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


def readable_once(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return, as lists, those keywords that can be read but once, or be read but not pickled."""
    return {name: _as_lists(value) for name, value in keywords.items() if _is_once(value)}


def _is_once(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_once, value))
    return isinstance(value, Iterable) and not isinstance(value, _PICKLABLE)


def _as_lists(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [_as_lists(each) for each in value]
