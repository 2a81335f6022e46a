"""Checks of arguments that several wrappers take."""

from __future__ import annotations


def check_integer(name: str, value: object, minimum: int) -> None:
    """Check that an argument is an integer from `minimum` on.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} is {value!r}; accepted is an integer, {minimum} or more")


def check_fraction(name: str, value: object) -> None:
    """Check that an argument is a number from 0 up to, not including, 1.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 1:  # type: ignore[operator]
        raise ValueError(
            f"{name} is {value!r}; accepted is a number from 0 up to, not including, 1"
        )
