"""Spaces as JSON: what a checkpoint says of them, so that its agent acts without an environment."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_rl_agents.config import Whole, check, read

MOST_NUMBERS: Final = 2**26  # in an element of a space that a file names
_DTYPES: Final = ("bool", *(f"{kind}{8 * n}" for kind in ("int", "uint") for n in (1, 2, 4, 8)))
_FLOATS: Final = ("float16", "float32", "float64")
_BOX: Final = re.compile(r"Box\(shape=\((\d+(?:, \d+)*),?\), dtype=(\w+)\)")
_DISCRETE: Final = re.compile(r"Discrete\(([1-9]\d{0,8})\)")

Bound = int | float | None  # None: there is none


@dataclass(frozen=True)
class SavedSpace:
    """A space whose elements are arrays of numbers between bounds, which are elements, too.

    Raises:
        ValueError: If it contradicts itself, or its elements have more than 2^26 numbers.
    """

    kind: Literal["Box", "Discrete", "MultiDiscrete", "MultiBinary"]
    shape: tuple[Whole, ...]  # of an element
    dtype: str
    low: Bound | tuple[Bound, ...]  # of all numbers, or of each
    high: Bound | tuple[Bound, ...]

    def __post_init__(self) -> None:
        """Check what concerns several fields."""
        size = math.prod(self.shape)
        check("shape", self.shape, size <= MOST_NUMBERS, f"of at most {MOST_NUMBERS:,} numbers")
        accepted = (*_DTYPES, *_FLOATS) if self.kind == "Box" else _DTYPES
        check("dtype", self.dtype, self.dtype in accepted, f"one of {', '.join(accepted)}")
        low, high = (self._bounds(name) for name in ("low", "high"))
        check("low", self.low, bool((low <= high).all()), f"at most high = {self.high}")

    def _bounds(self, name: str) -> NDArray[Any]:
        """Return the bounds of that name, shape as of an element.

        Raises:
            ValueError: If they are not of the dtype, or of another number than an element has.
        """
        saved, dtype = getattr(self, name), np.dtype(self.dtype)
        values = saved if isinstance(saved, tuple) else (saved,)
        is_whole = isinstance(saved, tuple) and len(saved) == math.prod(self.shape)
        check(name, saved, not isinstance(saved, tuple) or is_whole, "a number, or one for each")
        if dtype.kind == "f":
            infinite = -math.inf if name == "low" else math.inf
            numbers: list[Any] = [infinite if value is None else value for value in values]
            with np.errstate(over="ignore"):
                array = np.array(numbers, np.float64).astype(dtype)
        else:
            limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            fits = [isinstance(x, int) and limits[0] <= x <= limits[1] for x in values]
            check(name, saved, all(fits), f"whole numbers that are of {self.dtype}")
            array = np.array(values, dtype)
        if isinstance(saved, tuple):
            return array.reshape(self.shape)
        return np.broadcast_to(array[0], self.shape)

    def made(self) -> gym.Space[Any]:
        """Return the space.

        Raises:
            ValueError: If there is none of that kind with these bounds.
        """
        low, high = self._bounds("low"), self._bounds("high")
        dtype: Any = np.dtype(self.dtype).type
        if self.kind == "Box":
            return spaces.Box(low.copy(), high.copy(), self.shape, dtype)
        if self.kind == "MultiBinary":
            binary = bool((low == 0).all() and (high == 1).all()) and self.dtype == "int8"
            check("low", self.low, binary and bool(self.shape), "0, and high 1, of numbers in int8")
            return spaces.MultiBinary(self.shape[0] if len(self.shape) == 1 else self.shape)
        numbers = high.astype(object) - low.astype(object) + 1
        if self.kind == "MultiDiscrete":
            return spaces.MultiDiscrete(numbers.astype(dtype), dtype=dtype, start=low.copy())
        check("shape", self.shape, self.shape == () and self.dtype == "int64", "() of an int64")
        return spaces.Discrete(int(numbers), start=int(low))


def saved_space(space: gym.Space[Any]) -> SavedSpace | None:
    """Return what a file says of a space; None of one that it has no form for."""
    low: Any
    high: Any
    match space:
        case spaces.Box():
            low, high = space.low, space.high
        case spaces.Discrete():
            low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
        case spaces.MultiDiscrete():
            low, high = space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            low, high = np.zeros(space.shape, np.int8), np.ones(space.shape, np.int8)
        case _:
            return None
    try:
        saved = SavedSpace(
            kind=type(space).__name__,  # type: ignore[arg-type]
            shape=space.shape or (),
            dtype=str(space.dtype),
            low=_as_bounds(low),
            high=_as_bounds(high),
        )
        return saved if read(SavedSpace, asdict(saved)).made() == space else None
    except ValueError:
        return None  # it is of another dtype, or has bounds that JSON would round


def described_observations(description: str) -> gym.Space[Any] | None:
    """Return the space that `checkpoint.describe_space` described, where a network needs no more.

    Bounds are those of all numbers, and of an image 0 and 255. None: it may need their bounds.
    """
    box = _BOX.fullmatch(description)
    if box is None:
        return None
    shape, dtype = tuple(map(int, box[1].split(", "))), box[2]
    is_known = (len(shape) == 3 and dtype == "uint8") or (len(shape) == 1 and dtype in _FLOATS)
    if not is_known or math.prod(shape) > MOST_NUMBERS:
        return None
    low, high = (0, 255) if dtype == "uint8" else (-math.inf, math.inf)
    return spaces.Box(low, high, shape, np.dtype(dtype).type)


def described_actions(description: str) -> gym.Space[Any] | None:
    """Return the space that `checkpoint.describe_space` described; None if it has bounds."""
    discrete = _DISCRETE.fullmatch(description)
    return None if discrete is None else spaces.Discrete(int(discrete[1]))


def _as_bounds(array: NDArray[Any]) -> Bound | tuple[Bound, ...]:
    """Return the bounds of a space as JSON has them: one number where all are the same."""
    numbers: list[Any] = array.reshape(-1).tolist()
    bounds = [int(x) if isinstance(x, bool) else x if math.isfinite(x) else None for x in numbers]
    if bounds and bounds.count(bounds[0]) == len(bounds):
        return bounds[0]
    return tuple(bounds)
