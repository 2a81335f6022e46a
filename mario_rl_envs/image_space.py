"""Observation spaces of images that take no memory of their own."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space


def image_space(shape: tuple[int, ...]) -> Space[Any]:
    """Return `Box(0, 255, shape, uint8)`.

    A Box has four arrays of its shape: 0.7 MB for the screen, several times as much as a console.
    All spaces of one shape share them (read-only); their generators are their own.
    """
    return copy.copy(_first_space(shape))


@cache
def _first_space(shape: tuple[int, ...]) -> Space[Any]:
    space = Box(0, 255, shape, np.uint8)
    for array in (space.low, space.high, space.bounded_below, space.bounded_above):
        array.flags.writeable = False
    return space
