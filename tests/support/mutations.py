"""One change at a time of what a checkpoint holds, always the same ones."""

import copy
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Place = tuple[str | int, ...]

_WRONG: Final[tuple[Any, ...]] = (
    None,
    "text",
    -1,
    2**62,
    2**70,
    1.5,
    float("nan"),
    True,
    [],
    {},
    [[]],
    {"a": 1},
)


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every value inside nested lists and dicts."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, entry in items:
        yield (*place, key)
        yield from places(entry, (*place, key))


def mutated_values(values: dict[str, Any], number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield copies of nested JSON values, each with one change, and what was changed.

    Args:
        values: What is changed.
        number: Changes at each place; from place to place others.
    """
    wrong = cycle(_WRONG)
    for place in places(values):
        for _ in range(number):
            new = next(wrong)
            changed, parent = _copy_with_parent(values, place)
            parent[place[-1]] = new
            yield f"{place} is {new!r}", changed
        changed, parent = _copy_with_parent(values, place)
        del parent[place[-1]]
        yield f"{place} is missing", changed
    yield "an unknown key", {**values, "unknown": 1}


def mutated_arrays(
    arrays: dict[str, NDArray[Any]],
) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield copies of named arrays, each with one change, and what was changed."""
    for name, array in arrays.items():
        others = {other: x for other, x in arrays.items() if other != name}
        yield f"{name} is missing", others
        yield f"{name} has another name", {**others, f"{name}x": array}
        for what, new in _mutated(array):
            yield f"{name} is {what}", {**others, name: np.ascontiguousarray(new)}
    yield "an unknown array", {**arrays, "unknown/array": np.zeros(1)}


def _copy_with_parent(values: dict[str, Any], place: Place) -> tuple[dict[str, Any], Any]:
    changed = copy.deepcopy(values)
    parent: Any = changed
    for key in place[:-1]:
        parent = parent[key]
    return changed, parent


def _mutated(array: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "deeper", array[None]
    yield "of another type", array.astype(np.int16 if array.dtype != np.int16 else np.int8)
    yield "complex in size", np.concatenate([array.ravel(), array.ravel(), array.ravel()[:1]])
    if array.ndim:
        yield "shorter", array[:-1]
    if not array.size:
        return
    values: list[Any] = [True] if array.dtype == np.bool_ else [-1, 2, 1 << 62]
    if array.dtype.kind == "f":
        values = [np.nan, np.inf, -1.0, 1e30]
    for value, index in zip(values, cycle((0, array.size // 2, array.size - 1)), strict=False):
        new = array.copy()
        new.reshape(-1)[index] = value if array.dtype.itemsize > 1 else 1
        yield f"{value} at {index}", new
