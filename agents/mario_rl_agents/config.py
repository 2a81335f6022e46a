"""Settings: the types of their fields, the one check of them, schedules, and KEY=VALUE texts.

A configuration is a frozen dataclass under `Config`. The rule of a field stands in its type:

    learning_rate: Positive | Schedule = 2.5e-4  # of Adam

What is read from a file is checked in the same way (`read`), with dataclasses in dataclasses.

The check is written here rather than left to a library, which either takes True for 1 and "0.5" for
0.5 or refuses 5.0 for 5, and answers with an error of several lines for a type like the one above.
"""

import bisect
import contextlib
import dataclasses
import difflib
import inspect
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


@dataclass(frozen=True)
class Interval:
    """The rule of a number, in `Annotated[float, Interval(...)]`."""

    low: float
    high: float = math.inf
    open_low: bool = False  # whether `low` itself is refused
    open_high: bool = False

    def __contains__(self, number: float) -> bool:
        """Return whether `number` is accepted."""
        above = number > self.low if self.open_low else number >= self.low
        return above and (number < self.high if self.open_high else number <= self.high)

    def __str__(self) -> str:
        """Return it in mathematical notation."""
        if self.high == math.inf:
            return f"{'>' if self.open_low else '>='} {self.low}"
        brackets = "[("[self.open_low], "])"[self.open_high]
        return f"in {brackets[0]}{self.low}, {self.high}{brackets[1]}"

    def holds(self, schedule: "Schedule") -> bool:
        """Return whether a schedule stays inside; it may reach a bound that a number may not."""
        return all(self.low <= value <= self.high for value in schedule.values)


# Types of fields.
Finite = float
Positive = Annotated[float, Interval(0, open_low=True)]
NonNegative = Annotated[float, Interval(0)]
Fraction = Annotated[float, Interval(0, 1)]
PositiveFraction = Annotated[float, Interval(0, 1, open_low=True)]
ProperFraction = Annotated[float, Interval(0, 1, open_high=True)]
Count = Annotated[int, Interval(1)]
Whole = Annotated[int, Interval(0)]
Seed = Annotated[int, Interval(0, 2**63 - 1)]  # torch takes no larger one
Measured = Annotated[float, None]  # NaN and infinity too: what an environment made of it
Sizes = tuple[Count, ...]
Encoder = Literal["nature", "small", "tiny", "impala"]
Initialization = Literal["pytorch", "orthogonal", "glorot"]
Precision = Literal["float32", "bfloat16", "auto"]
Loss = Literal["mse", "huber"]


class Schedule(str):
    """A value that changes with environment steps, such as `linear(0.00025, 0, 1000000)`.

    It is its text. So JSON, equality, hashing and pickling are those of a text.

    Attributes:
        kind: "linear", "piecewise" or "exponential".
        values: At step 0, then at each corner, the last of which it keeps.
        steps: Environment steps of these corners; an exponential has none.
        factor: Of an exponential, a step; 1 of others.
    """

    kind: str
    values: tuple[float, ...]
    steps: tuple[int, ...]
    factor: float

    def __new__(cls, text: str) -> Self:
        """Read a schedule from its text.

        Raises:
            ValueError: If it is none, or one of its numbers is out of range.
        """
        match = _SCHEDULE.fullmatch(text)
        kind, texts = ("", [""]) if match is None else (match[1], match[2].split(","))
        names = _names_of_numbers(kind, len(texts))
        if len(names) != len(texts) or len(names) < 3:
            raise ValueError(
                "a schedule must be linear(start, end, num_steps), piecewise(start, value, step, "
                f"value, step, ...) or exponential(start, end, factor), got {text!r}"
            )
        for name, number in zip(names, texts, strict=True):
            check(name, number.strip(), _is_number(number), "a number")
        numbers = [float(number) for number in texts]
        values, lasts = (numbers[0], *numbers[1::2]), numbers[2::2]
        for name, value in zip((names[0], *names[1::2]), values, strict=True):
            check(name, value, math.isfinite(value), "a finite number")
        factor: float = 1.0
        steps: tuple[int, ...] = ()
        if kind == "exponential":
            (start, end), [factor] = values, lasts
            check("factor", factor, 0 < factor <= 1, "in (0, 1]")
            check("end", end, 0 <= end <= start, f"in [0, start = {start}]")
        else:
            steps = _rising_steps(names[2::2], lasts)
        self = super().__new__(cls, f"{kind}({', '.join(map(_number_text, numbers))})")
        vars(self).update(kind=kind, values=values, steps=steps, factor=factor)
        return self

    def __call__(self, step: int) -> float:
        """Return the value at `step`, counted from 0 in environment steps."""
        if self.kind == "exponential":
            start, end = self.values
            value: float = start * self.factor**step
            return max(value, end)
        piece = min(bisect.bisect_left(self.steps, step), len(self.steps) - 1)
        first = self.steps[piece - 1] if piece > 0 else 0
        start, end = self.values[piece], self.values[piece + 1]
        fraction = min((step - first) / (self.steps[piece] - first), 1.0)
        return start + fraction * (end - start)

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return str(self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a schedule does not change."""
        raise FrozenInstanceError(f"cannot assign to field {name!r} of {self}")


_SCHEDULE: Final = re.compile(r"\s*(linear|piecewise|exponential)\s*\(([^()]*)\)\s*")


def _names_of_numbers(kind: str, num_numbers: int) -> tuple[str, ...]:
    """Return what the numbers of a schedule are called, as many as make sense."""
    if kind == "linear":
        return "start", "end", "num_steps"
    if kind == "exponential":
        return "start", "end", "factor"
    corners = range(1, num_numbers // 2 + 1)
    return "start", *(f"{what} {corner}" for corner in corners for what in ("value", "step"))


def _rising_steps(names: Sequence[str], numbers: Sequence[float]) -> tuple[int, ...]:
    """Return the steps of corners, which are whole numbers, each above the one before."""
    steps: list[int] = []
    for name, number in zip(names, numbers, strict=True):
        step = int(number) if number.is_integer() else number
        least = steps[-1] + 1 if steps else 1
        accepted = isinstance(step, int) and step >= least
        check(name, step, accepted, f"a whole number >= {least}")
        steps.append(int(step))
    return tuple(steps)


def linear(start: float, end: float, num_steps: int) -> Schedule:
    """Return a straight line from `start` to `end` over `num_steps` environment steps, then `end`.

    Raises:
        ValueError: If an end is not finite or `num_steps` is no whole number >= 1.
    """
    return Schedule(f"linear({start}, {end}, {num_steps})")


def piecewise(start: float, *corners: float) -> Schedule:
    """Return straight lines from `start` from corner to corner, then the last corner's value.

    Args:
        start: The value at step 0.
        corners: Of each the value, then the environment step at which it is reached.

    Raises:
        ValueError: If there is no corner or half of one, a value is not finite, or a step is no
            whole number above the one before.
    """
    return Schedule(f"piecewise({', '.join(map(str, (start, *corners)))})")


def exponential(start: float, end: float, factor: float) -> Schedule:
    """Return `start` times `factor` once per environment step, never below `end`.

    Raises:
        ValueError: If `factor` is outside (0, 1], or not 0 <= `end` <= `start`, both finite.
    """
    return Schedule(f"exponential({start}, {end}, {factor})")


def value_at(value: float | Schedule, step: int) -> float:
    """Return the value of a field at an environment step: a plain number at every step is itself.

    Args:
        value: The field.
        step: Counted from 0 in environment steps.
    """
    return value(step) if isinstance(value, Schedule) else value


@dataclass(frozen=True)
class Config:
    """The settings of an algorithm. Every field has a default; a subclass is a frozen dataclass.

    A value is converted to the type of its field where nothing is lost: a list to a tuple, 5.0 to
    5, NumPy's numbers to Python's, yes, no, on, off, true and false to a switch.

    Raises:
        ValueError: If a value is not accepted; the message names field, value and what is accepted.
    """

    def __post_init__(self) -> None:
        """Check every field, then how they go together."""
        convert_fields(self)
        self.check()

    def check(self) -> None:
        """Check what concerns several fields; a subclass with such rules overrides it."""


def convert_fields(instance: Any) -> None:
    """Convert every field of a frozen dataclass to its type, as `Config` says.

    Raises:
        ValueError: If a value is not accepted; the message names field, value and what is accepted.
    """
    for name, hint in field_types(type(instance)).items():
        object.__setattr__(instance, name, convert(hint, getattr(instance, name), name))


def convert(hint: Any, value: Any, name: str) -> Any:
    """Return `value` as of type `hint`, where nothing is lost.

    Args:
        hint: The type of a field.
        value: What it has.
        name: Of the field, for the message.

    Raises:
        ValueError: If it is not accepted; the message names it, its value and what is accepted.
    """
    try:
        return _convert(hint, value)
    except _RefusedError:
        check(name, value, False, describe(hint))


def read(kind: type[ConfigT], values: Any) -> ConfigT:
    """Return the dataclass that JSON values stand for; its fields may be dataclasses, too.

    Args:
        kind: A dataclass.
        values: What a file holds: its fields by name. Those with a default may be missing.

    Raises:
        ValueError: If they are no fields of it, or a value is not accepted.
    """
    what = f"fields of {kind.__name__}"
    check(what, values, isinstance(values, Mapping), "an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = [name for name in values if name not in fields]
    check(what, unknown, not unknown, f"among {', '.join(fields)}")
    missing = [name for name, field in fields.items() if name not in values and _is_needed(field)]
    check(what, list(values), not missing, f"complete, {', '.join(missing)} is missing")
    hints = field_types(kind)
    return kind(**{name: convert(hints[name], value, name) for name, value in values.items()})


def plain(value: Any) -> Any:
    """Return `value` as what JSON makes of it: texts, numbers, truth, None, lists, dicts.

    NumPy's numbers and arrays are those of Python, a path is its text.

    Raises:
        ValueError: If JSON has no form for it.
    """
    try:
        return _plain(value)
    except (_RefusedError, RecursionError):
        check(
            "a value for JSON",
            value,
            False,
            "a text, a number, true, false, None, or a list or an object of such",
        )


def check(name: str, value: object, accepted: bool, what: str) -> None:
    """Raise unless `accepted`.

    Args:
        name: Of the field.
        value: What it has.
        accepted: Whether that is accepted.
        what: The accepted values, to go on from "must be".

    Raises:
        ValueError: Names all three and the value's type.
    """
    if not accepted:
        shown = " ".join(repr(value).split())  # an array's has several lines
        shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."
        raise ValueError(f"{name} must be {what}, got {shown} of type {type(value).__name__}")


def check_learning_starts(learning_starts: int, replay_capacity: int) -> None:
    """Check that a replay memory can hold what the first gradient step waits for.

    Raises:
        ValueError: If it cannot.
    """
    limit = f"at most replay_capacity = {replay_capacity}, or learning never starts"
    check("learning_starts", learning_starts, learning_starts <= replay_capacity, limit)


def field_types(config_class: type[Any]) -> Mapping[str, Any]:
    """Return the type of each field of a dataclass, with its rule."""
    hints = get_type_hints(config_class, include_extras=True)
    names = (field.name for field in dataclasses.fields(config_class))
    return MappingProxyType({name: hints[name] for name in names})


def field_comments(config_class: type[Any]) -> Mapping[str, tuple[str, str]]:
    """Return the default of each field of a dataclass, as it is written, and the comment beside it.

    Raises:
        OSError: Its source is not there.
    """
    own = {field.name for field in dataclasses.fields(config_class)}
    found = _FIELD.findall(inspect.getsource(config_class))
    return MappingProxyType({name: (value, text) for name, value, text in found if name in own})


def describe(hint: Any) -> str:
    """Return what a field of type `hint` accepts, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, interval = arguments
        what = f"a {'whole ' if kind is int else ''}number"
        return what if interval is None else f"{what} {interval}"
    if origin in (Union, UnionType):
        return " or ".join(describe(member) for member in arguments)
    if origin is Literal:
        return " or ".join(json.dumps(choice) for choice in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"a tuple of {' and '.join(describe(member) for member in arguments)}"
    if origin is tuple:
        words = describe(arguments[0]).removeprefix("a ").replace("number", "numbers")
        return f"a tuple of {words}"
    if origin in _MAPPINGS:
        return "an object"
    return _WORDS.get(hint, f"a value of type {getattr(hint, '__name__', hint)}")


_WORDS: Final = MappingProxyType(
    {
        NoneType: "None",
        bool: "true or false, yes or no, on or off",
        float: "a finite number",
        int: "a whole number",
        str: "a text",
        Schedule: "a schedule such as linear(1, 0, 10000)",
    }
)
_FIELD: Final = re.compile(r"^    (\w+): .+? = (.+?)(?:  # (.+))?$", re.MULTILINE)
_SWITCH: Final = MappingProxyType(
    {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
)


_MAPPINGS: Final = (dict, Mapping)
_MOST_INT: Final = 2**63 - 1  # where a type names no limit: what NumPy and torch count with
_MOST_SHOWN: Final = 300  # characters of a value in a message


class _RefusedError(Exception):
    """A value that a type does not accept."""


def _convert(hint: Any, value: Any) -> Any:
    """Return `value` as of type `hint`, where nothing is lost.

    Raises:
        _RefusedError: If it is not accepted.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, interval = arguments
        return _convert_number(kind, interval, value)
    if origin in (Union, UnionType):
        return _convert_to_one_of(arguments, value)
    if origin is Literal:
        if value is None and "none" in arguments:
            value = "none"  # the word, as --set KEY=none has it
        return _accepted(value, value in arguments and type(value) is type(arguments[0]))
    if origin is tuple:
        _accepted(value, isinstance(value, list | tuple))
        members = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        _accepted(value, len(members) == len(value))
        return tuple(_convert(hint, entry) for hint, entry in zip(members, value, strict=True))
    if origin in _MAPPINGS:
        _accepted(value, isinstance(value, Mapping) and all(isinstance(key, str) for key in value))
        return {key: _convert(arguments[1], entry) for key, entry in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and not isinstance(value, hint):
        return read(hint, _accepted(value, isinstance(value, Mapping)))
    return _plain(value) if hint is Any else _convert_plain(hint, value)


def _convert_number(kind: type[Any], interval: Interval | None, value: Any) -> Any:
    """Return a number that its interval holds; without one NaN and infinity are accepted, too."""
    if interval is None and isinstance(value, float):
        return value
    high = math.inf if interval is None else interval.high
    number = _convert_plain(kind, value, most=high)
    return _accepted(number, interval is None or number in interval)


def _convert_to_one_of(hints: Sequence[Any], value: Any) -> Any:
    """Return `value` as of the first type that accepts it."""
    for hint in hints:
        with contextlib.suppress(_RefusedError):
            converted = _convert(hint, value)
            if isinstance(converted, Schedule):
                intervals = [get_args(hint)[1] for hint in hints if get_origin(hint) is Annotated]
                _accepted(converted, all(interval.holds(converted) for interval in intervals))
            return converted
    raise _RefusedError


def _convert_plain(hint: Any, value: Any, most: float = math.inf) -> Any:
    """Return `value` as of a type without parts."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float:
        _accepted(value, is_number and abs(value) <= sys.float_info.max)  # NaN compares false
        return _accepted(float(value), float(value) == value)  # a large int would be rounded
    if hint is int:
        _accepted(value, is_number and (isinstance(value, int) or value.is_integer()))
        return int(_accepted(value, abs(value) <= (_MOST_INT if most == math.inf else most)))
    if hint is bool and isinstance(value, str):
        return _SWITCH[_accepted(value.lower(), value.lower() in _SWITCH)]
    if hint is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if hint is Schedule and isinstance(value, str):
        try:
            return value if isinstance(value, Schedule) else Schedule(value)
        except ValueError:
            raise _RefusedError from None
    return _accepted(value, not isinstance(hint, type) or isinstance(value, hint))


def _plain(value: Any) -> Any:
    """Return `value` as what JSON makes of it.

    Raises:
        _RefusedError: If JSON has no form for it.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, Mapping):
        _accepted(value, all(isinstance(key, str) for key in value))
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return _accepted(value, value is None or isinstance(value, str | bool | int | float))


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    """Return whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _accepted(value: Any, is_accepted: bool) -> Any:
    if not is_accepted:
        raise _RefusedError
    return value


def replaced(config: ConfigT, changes: Mapping[str, Any]) -> ConfigT:
    """Return a configuration with some fields replaced.

    Args:
        config: A frozen dataclass.
        changes: New values by field.

    Raises:
        ValueError: If there is no such field, or a value is not accepted.
    """
    names = [field.name for field in dataclasses.fields(config)]
    for name in changes:
        if name not in names:
            raise ValueError(
                f"{name}: {type(config).__name__} has no such field{did_you_mean(name, names)}; "
                f"its fields are {', '.join(names)}"
            )
    return dataclasses.replace(config, **changes)


def parse_pairs(texts: Iterable[str]) -> dict[str, Any]:
    """Return KEY=VALUE texts as a dict.

    Raises:
        ValueError: If one has no key or no equals sign.
    """
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"takes KEY=VALUE, received {text!r}")
        pairs[key] = parse_value(value)
    return pairs


def parse_value(text: str) -> Any:
    """Return the value that a text stands for: JSON where it can be, else the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for read in (int, float, json.loads):  # int and float take 50_000 and 1e-4 too
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the part of a message that names what a misspelled word may have been, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f", did you mean {' or '.join(close)}?" if close else ""


def _is_number(text: str) -> bool:
    """Return whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number_text(number: float) -> str:
    """Return a finite number as text that reads back as the same."""
    return str(int(number)) if abs(number) < 1e15 and number == int(number) else repr(number)
