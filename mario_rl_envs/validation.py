"""Checks of arguments that several wrappers take."""

from __future__ import annotations

import operator
from numbers import Real


def is_number(value: object) -> bool:
    """Return whether a value is a real number, NumPy's too, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_integer(name: str, value: object, minimum: int) -> None:
    """Check that an argument is an integer from `minimum` on.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    try:
        is_integer = not isinstance(value, bool) and operator.index(value) >= minimum  # type: ignore[arg-type]
    except TypeError:
        is_integer = False
    if not is_integer:
        raise ValueError(f"{name} is {value!r}; accepted is an integer, {minimum} or more")


def check_fraction(name: str, value: object) -> None:
    """Check that an argument is a number from 0 up to, not including, 1.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if not is_number(value) or not 0 <= value < 1:  # type: ignore[operator]
        raise ValueError(
            f"{name} is {value!r}; accepted is a number from 0 up to, not including, 1"
        )
