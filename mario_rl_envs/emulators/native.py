"""The native console, `emulator="native"`: our own, in C, exact to nes-py's bit.

It runs the game's code compiled where that has been done, else interpreted, with the same results.
The C files lie in core/; docs/native-core.md tells how they work. Importing this module
raises ImportError where they have not been compiled.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.compile.library import load
from mario_rl_envs.core import _core
from mario_rl_envs.emulators.emulator import (
    COMPILED,
    INTERPRETED,
    NATIVE,
    SCREEN_HEIGHT,
    SCREEN_WIDTH,
)
from mario_rl_envs.game.rewards import CLIP, Reward, RewardState
from mario_rl_envs.game.rom import read_rom

__all__ = [
    "NATIVE_EMULATORS",
    "CompiledEmulator",
    "InterpretedEmulator",
    "NativeEmulator",
    "NativeGame",
]

_TILES_SHAPE: Final = (13, 16)  # blocks

_told: set[str] = set()  # faults of compiled libraries


@cache
def _read(rom_path: Path) -> bytes:
    return read_rom(rom_path)


@cache
def _interpreted(rom: bytes) -> _core.Cartridge:
    """Return the decoded ROM; all consoles of a process share it."""
    return _core.Cartridge(rom)


def _compiled_or_interpreted(rom: bytes) -> _core.Cartridge:
    loaded = load(rom)
    if loaded.is_fault and loaded.reason not in _told:
        _told.add(loaded.reason)  # also where warnings are errors: it is said once
        warnings.warn(
            "the game is interpreted, with the same results, several times slower: "
            f"{loaded.reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    return loaded.cartridge or _interpreted(rom)


@cache
def _resizer(size: int) -> _core.Resizer:
    return _core.Resizer(size)


class NativeEmulator:
    """Our own console; it runs compiled code if there is some."""

    name: ClassVar[str] = NATIVE
    keyword: ClassVar[str] = NATIVE
    max_size: ClassVar[int] = _core.MAX_SIZE  # side of a resized picture, pixels

    def __init__(self, rom_path: Path) -> None:
        """Insert a ROM."""
        self.game = _core.Game(self._cartridge(_read(rom_path)))
        self.ram = self.game.ram  # live, so once is enough

    def power_on(self) -> None:
        """Start as if just bought: all memory zero."""
        self.game.power_on()

    def advance(self, buttons: int) -> None:
        """Run one frame; it is drawn when somebody asks for it."""
        self.game.advance(buttons)

    def poke(self, address: int, value: int) -> None:
        """Write one byte of RAM."""
        self.game.poke(address, value)

    def screen(self) -> NDArray[np.uint8]:
        """Return a copy of the screen, RGB, [240, 256, 3]."""
        return self.rgb()

    def rgb(self, size: int | None = None) -> NDArray[np.uint8]:
        """Return the screen in colors, [240, 256, 3], or resized to [size, size, 3].

        Args:
            size: None, or pixels, 1 to `max_size`.
        """
        if size is None:
            out = np.empty((SCREEN_HEIGHT, SCREEN_WIDTH, 3), np.uint8)
            self.game.rgb(out)
        else:
            out = np.empty((size, size, 3), np.uint8)
            self.game.rgb(out, _resizer(size))
        return out

    def gray(self, size: int | None = None) -> NDArray[np.uint8]:
        """Return the screen in gray, [240, 256], or resized to [size, size].

        Args:
            size: None, or pixels, 1 to `max_size`.
        """
        if size is None:
            out = np.empty((SCREEN_HEIGHT, SCREEN_WIDTH), np.uint8)
            self.game.gray(out)
        else:
            out = np.empty((size, size), np.uint8)
            self.game.gray(out, _resizer(size))
        return out

    def tiles(self) -> NDArray[np.uint8]:
        """Return the visible level as a grid of blocks, [13, 16]."""
        out = np.empty(_TILES_SHAPE, np.uint8)
        self.game.tiles(out)
        return out

    def save_state(self) -> bytes:
        """Return the whole machine."""
        return self.game.save()

    def load_state(self, state: bytes) -> None:
        """Become the machine that `save_state` returned."""
        self.game.load(state)

    def close(self) -> None:
        """Free the console as soon as nobody looks at its memory any more."""
        del self.game, self.ram

    def _cartridge(self, rom: bytes) -> _core.Cartridge:
        return _compiled_or_interpreted(rom)


class InterpretedEmulator(NativeEmulator):
    """Our own console, which interprets the game's code."""

    keyword: ClassVar[str] = INTERPRETED

    def _cartridge(self, rom: bytes) -> _core.Cartridge:
        return _interpreted(rom)


class CompiledEmulator(NativeEmulator):
    """Our own console, which runs compiled code.

    Making one raises ImportError where there is none.
    """

    keyword: ClassVar[str] = COMPILED

    def _cartridge(self, rom: bytes) -> _core.Cartridge:
        loaded = load(rom)
        if loaded.cartridge is None:
            raise ImportError(f"emulator={COMPILED!r} is not there: {loaded.reason}")
        return loaded.cartridge


# By the keyword `emulator`.
NATIVE_EMULATORS: Final[Mapping[str, type[NativeEmulator]]] = MappingProxyType(
    {each.keyword: each for each in (NativeEmulator, CompiledEmulator, InterpretedEmulator)}
)


class NativeGame:
    """The rules in C."""

    def __init__(self, emulator: NativeEmulator, reward: Reward, *, is_single_stage: bool) -> None:
        """Give the emulator's console the rules; the episode begins later."""
        self._game = emulator.game
        weights = {**reward.weights}
        if reward.clip is not None:
            weights[CLIP] = reward.clip
        self._game.set_rules(weights, is_single_stage)

    def begin(self) -> None:
        """Begin an episode."""
        self._game.begin()

    def info(self) -> dict[str, Any]:
        """Return the `Info` of the memory as it is."""
        return self._game.info()

    def step(self, joypad: int, *, draw: bool) -> tuple[float, bool, dict[str, Any]]:
        """Run one frame, then those that no player controls."""
        return self._game.step(joypad, draw)

    def steps(
        self, joypad: int, num_frames: int, *, draw: bool
    ) -> tuple[float, bool, dict[str, Any]]:
        """Sum the rewards and terms of several steps."""
        return self._game.steps(joypad, num_frames, draw)

    def explore(
        self, joypad: bytes, skip: int, addresses: NDArray[np.uint16], masks: bytes
    ) -> tuple[bytes, list[_core.Snapshot | None], bool, bool]:
        """Take many decisions at once and see which cells they lead to: `_core.Game.explore`."""
        return self._game.explore(joypad, skip, addresses, masks)

    def reward_state(self) -> RewardState:
        """Return what the reward remembers."""
        return self._game.reward_state()

    def load(self, machine: bytes, reward: object) -> None:
        """Load machine and reward, checked before either is touched."""
        self._game.load(machine, reward)

    def snapshot(self) -> _core.Snapshot:
        """Return the episode as it is, to be restored in this process."""
        return self._game.snapshot()

    def restore(self, snapshot: _core.Snapshot) -> None:
        """Go on from a snapshot of any game of this process."""
        self._game.restore(snapshot)

    def record_frames(self, is_on: bool) -> None:
        """Record every frame from now on, or none."""
        self._game.record_frames(is_on)

    def record_screen(self) -> None:
        """Add the screen as it is to the recorded frames."""
        self._game.record_screen()

    def take_frames(self) -> list[NDArray[np.uint8]]:
        """Return the recorded frames and drop them."""
        return [
            np.frombuffer(frame, np.uint8).reshape(SCREEN_HEIGHT, SCREEN_WIDTH, 3)
            for frame in self._game.take_frames()
        ]
