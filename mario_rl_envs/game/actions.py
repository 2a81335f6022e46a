"""The joypad: eight buttons, the byte that holds them, and the action sets of the literature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mario_rl_envs.checks import did_you_mean, unknown_name

# The bit of each button in the joypad byte, as nes-py numbers them.
BUTTONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "A": 1 << 0,
        "B": 1 << 1,
        "select": 1 << 2,
        "start": 1 << 3,
        "up": 1 << 4,
        "down": 1 << 5,
        "left": 1 << 6,
        "right": 1 << 7,
    }
)
NOOP: Final = "NOOP"
NUM_JOYPAD_BYTES: Final = 256

# The keys of a keyboard that press the buttons, as in nes-py.
KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A": "o",
        "B": "p",
        "select": " ",
        "start": "\r",
        "up": "w",
        "down": "s",
        "left": "a",
        "right": "d",
    }
)
# In which a name of an action lists its buttons.
_NAMING_ORDER: Final = ("up", "down", "left", "right", "A", "B", "select", "start")

RIGHT_ONLY: Final = (
    (NOOP,),
    ("right",),
    ("right", "A"),
    ("right", "B"),
    ("right", "A", "B"),
)
SIMPLE: Final = (*RIGHT_ONLY, ("A",), ("left",))
COMPLEX: Final = (
    *SIMPLE,
    ("left", "A"),
    ("left", "B"),
    ("left", "A", "B"),
    ("down",),
    ("up",),
)
ACTION_SETS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {"right_only": RIGHT_ONLY, "simple": SIMPLE, "complex": COMPLEX}
)


def joypad_byte(buttons: Sequence[str]) -> int:
    """Return the joypad byte, 0 to 255, with exactly these buttons pressed.

    Args:
        buttons: Names out of `BUTTONS`; "NOOP" (or nothing) presses none.

    Raises:
        ValueError: A name is not a button.
    """
    if isinstance(buttons, str):
        raise ValueError(
            f"an action is a list of buttons, got the string {buttons!r}; write [{buttons!r}]"
        )
    if not isinstance(buttons, Iterable):
        raise ValueError(f"an action is a list of buttons, as ['right', 'A']; got {buttons!r}")
    byte = 0
    for name in buttons:
        if name == NOOP:
            continue
        if not isinstance(name, str) or name not in BUTTONS:
            raise ValueError(
                f"unknown button {name!r}; accepted are {NOOP!r} and "
                f"{', '.join(map(repr, BUTTONS))}{did_you_mean(name, (NOOP, *BUTTONS))}"
            )
        byte |= BUTTONS[name]
    return byte


def check_actions(actions: str | Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the combinations of buttons that a name or a list of lists stands for.

    Args:
        actions: A name out of `ACTION_SETS`, or lists of buttons, as `[["right"], ["right", "A"]]`.

    Raises:
        ValueError: The name is unknown, a button is none, or there is no action.
    """
    if isinstance(actions, str):
        if actions not in ACTION_SETS:
            others = " and a list of button lists"
            raise ValueError(unknown_name("actions", actions, ACTION_SETS, others))
        return list(ACTION_SETS[actions])
    if not isinstance(actions, Iterable):
        raise ValueError(
            f"actions is {actions!r}; accepted are a name and a list of button lists, as "
            "[['right']]"
        )
    combinations = []
    for buttons in actions:
        if isinstance(buttons, Iterator):  # it can be read but once
            buttons = tuple(buttons)
        joypad_byte(buttons)
        combinations.append(tuple(buttons))
    if not combinations:
        raise ValueError(
            "actions is empty; give at least one list of buttons, as [['right'], ['right', 'A']]"
        )
    return combinations


def buttons_of(byte: int) -> tuple[str, ...]:
    """Return the names of the buttons that a joypad byte presses."""
    return tuple(name for name in _NAMING_ORDER if byte & BUTTONS[name])


def keys_of(byte: int) -> tuple[int, ...]:
    """Return the codes of the keys that press a joypad byte, in rising order."""
    return tuple(sorted(ord(KEYS[name]) for name in buttons_of(byte)))


def action_meaning(buttons: Sequence[str]) -> str:
    """Return a readable name of an action, as "right + A"."""
    return " + ".join(buttons) if buttons else NOOP
