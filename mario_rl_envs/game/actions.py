"""The joypad: eight buttons, the byte that holds them, and the action sets of the literature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

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
                f"{', '.join(map(repr, BUTTONS))}"
            )
        byte |= BUTTONS[name]
    return byte


def action_meaning(buttons: Sequence[str]) -> str:
    """Return a readable name of an action, as "right + A"."""
    return " + ".join(buttons) if buttons else NOOP
