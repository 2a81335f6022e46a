"""The protocol between the environment and a console."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SCREEN_HEIGHT: Final = 240  # pixels
SCREEN_WIDTH: Final = 256  # pixels
FRAMES_PER_SECOND: Final = 60

NATIVE: Final = "native"
# One of the two ways in which the native console runs the game; save states of all three are alike.
INTERPRETED: Final = "interpreted"
COMPILED: Final = "compiled"
NATIVE_NAMES: Final = (NATIVE, COMPILED, INTERPRETED)
REFERENCE: Final = "nes-py"


class Emulator(Protocol):
    """A console with a ROM in it.

    All that happens to it is `power_on`, `advance`, `poke` and `load_state`: it draws no random
    numbers and knows nothing of the game.
    """

    name: ClassVar[str]  # in save states, which all emulators of this name can load
    keyword: ClassVar[str]  # what the environment's `emulator` asks for it by

    def __init__(self, rom_path: Path) -> None:
        """Insert a ROM; its content is known (see `mario_rl_envs.game.rom`)."""

    @property
    def ram(self) -> memoryview:
        """The 2,048 bytes of RAM, live; only to be read, and asked for anew after `load_state`."""

    def power_on(self) -> None:
        """Start as if just bought: all memory zero."""

    def advance(self, buttons: int) -> None:
        """Run one frame, 1/60 s, with the buttons of this joypad byte pressed."""

    def poke(self, address: int, value: int) -> None:
        """Write one byte of RAM."""

    def screen(self) -> NDArray[np.uint8]:
        """Return a copy of the screen after the last frame, RGB, [240, 256, 3]."""

    def save_state(self) -> bytes:
        """Return the whole machine, as bytes that another process on another computer can load."""

    def load_state(self, state: bytes) -> None:
        """Become the machine that `save_state` described.

        Raises:
            ValueError: `state` does not lead to the machine that was saved; this machine is
                unchanged.
        """

    def close(self) -> None:
        """Free what the console holds; it is not used afterwards."""


@runtime_checkable
class Viewer(Protocol):
    """What an emulator may be as well: one that makes other observations than the plain screen.

    They equal what the wrappers make of screen and RAM.
    """

    max_size: ClassVar[int]  # side of a resized picture, pixels

    def rgb(self, size: int | None = None) -> NDArray[np.uint8]:
        """Return the screen in colors, [240, 256, 3], or resized to [size, size, 3]."""

    def gray(self, size: int | None = None) -> NDArray[np.uint8]:
        """Return the screen in gray, [240, 256], or resized to [size, size]."""

    def tiles(self) -> NDArray[np.uint8]:
        """Return the visible level as a grid of blocks, as `TileObservation`, [13, 16]."""
