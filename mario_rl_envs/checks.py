"""Checks of arguments that several modules take."""

from __future__ import annotations

import operator
from numbers import Real
from typing import SupportsIndex, TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a real number, NumPy's too, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_integer(name: str, value: object, minimum: int) -> None:
    """Check that an argument is an integer, `minimum` or more.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    is_accepted = False
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        try:
            is_accepted = operator.index(value) >= minimum
        except TypeError:  # an array has the method, and refuses unless it holds one integer
            is_accepted = False
    if not is_accepted:
        raise ValueError(f"{name} is {value!r}; accepted is an integer, {minimum} or more")


def check_fraction(name: str, value: object) -> None:
    """Check that an argument is a number from 0 up to, not including, 1.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(
            f"{name} is {value!r}; accepted is a number from 0 up to, not including, 1"
        )
