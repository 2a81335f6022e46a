"""Observation spaces of images that take little memory of their own."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Final

import numpy as np
from gymnasium.spaces import Box, Space

_BOUNDS: Final = {  # the arrays of a Box
    "low": (0, np.uint8),
    "high": (255, np.uint8),
    "bounded_below": (True, np.bool_),
    "bounded_above": (True, np.bool_),
}


class ImageSpace(Box):
    """`Box(0, 255, shape, uint8)` whose bounds are made when they are first asked for.

    A Box has four arrays of its shape: 0.7 MB for the screen, several times as much as a console.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Make the space of images of a shape."""
        super().__init__(0, 255, shape, np.uint8)
        for name in _BOUNDS:
            del self.__dict__[name]

    def __getattr__(self, name: str) -> Any:
        """Return a bound; it is the space's own from then on, and can be written to."""
        if name not in _BOUNDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value, dtype = _BOUNDS[name]
        self.__dict__[name] = np.full(self.shape, value, dtype)
        return self.__dict__[name]


def image_space(shape: tuple[int, ...]) -> Space[Any]:
    """Return the space of images of a shape, with a generator of its own."""
    return copy.copy(_first_space(shape))


def is_image_space(space: Space[Any]) -> bool:
    """Return whether a space is of images, bytes from 0 to 255."""
    if isinstance(space, ImageSpace) and not vars(space).keys() & _BOUNDS.keys():
        return True  # nobody can have changed its bounds
    return isinstance(space, Box) and bool(space == image_space(space.shape))


@cache
def _first_space(shape: tuple[int, ...]) -> ImageSpace:
    """Return the space that others of this shape are copied from; nobody asks for its bounds."""
    return ImageSpace(shape)
