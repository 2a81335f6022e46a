"""Checks of arguments that several modules take."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Final, ParamSpec, SupportsIndex, TypeGuard, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

MAX_COUNT: Final = 2**31 - 1  # that the native core counts to
_MAX_INTEGER: Final = 2**63 - 1  # that an array holds
_MIN_PART: Final = 3  # letters of a name that suggest it


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a real number, NumPy's too, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a float holds, neither infinite nor NaN."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def check_integer(name: str, value: object, minimum: int, maximum: int = _MAX_INTEGER) -> None:
    """Check that an argument is an integer, `minimum` to `maximum`.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    number = None
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        try:
            number = operator.index(value)
        except TypeError:  # an array has the method, and refuses unless it holds one integer
            number = None
    if number is None or number < minimum:
        raise ValueError(f"{name} is {value!r}; accepted is an integer, {minimum} or more")
    if number > maximum:
        raise ValueError(f"{name} is {value!r}; accepted is an integer, {maximum} or less")


def check_fraction(name: str, value: object) -> None:
    """Check that an argument is a number from 0 up to, not including, 1.

    Raises:
        ValueError: It is not; the message names the argument.
    """
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(
            f"{name} is {value!r}; accepted is a number from 0 up to, not including, 1"
        )


def did_you_mean(value: object, accepted: Iterable[str]) -> str:
    """Return the end of a message that suggests what a value may be a slip of, perhaps empty."""
    form = str(value).casefold()
    by_form = {name.casefold(): name for name in accepted}
    close = difflib.get_close_matches(form, by_form, n=1)
    if not close and len(form) >= _MIN_PART:
        close = [each for each in by_form if form in each or each in form]
    return f"; did you mean {by_form[close[0]]!r}?" if close else ""


def unknown_name(what: str, value: object, accepted: Iterable[str], others: str = "") -> str:
    """Return the message about a value that is none of the accepted names.

    Args:
        what: What the value should name.
        value: The value.
        accepted: The names.
        others: What is accepted beside them, after the last name.
    """
    names = tuple(accepted)
    return (
        f"unknown {what} {value!r}; accepted are {', '.join(map(repr, names))}{others}"
        f"{did_you_mean(value, names)}"
    )


def check_keywords(given: Iterable[str], accepted: Iterable[str]) -> None:
    """Check the names of keywords.

    Raises:
        TypeError: One is unknown. The message begins as Python's own, by which TorchRL learns what
            it may pass, and suggests another.
    """
    names = tuple(accepted)
    for name in given:
        if name not in names:
            raise TypeError(
                f"got an unexpected keyword argument {name!r}; accepted are "
                f"{', '.join(map(repr, names))}{did_you_mean(name, names)}"
            )


def named_keywords(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function refuse unknown keywords with a suggestion."""
    accepted = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        check_keywords(kwargs, accepted)
        return function(*args, **kwargs)

    return checked
