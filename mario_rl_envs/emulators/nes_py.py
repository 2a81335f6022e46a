"""nes-py as an `Emulator`: the reference that every other console is compared with.

nes-py 8 (Python below 3.13) is a C++ library behind a Python package that imports the old gym. Only
the library is loaded here: no gym, no notice, and nothing of the package's Python that NumPy 2
breaks. nes-py 9 is an extension module.

nes-py cannot write its state down: it keeps one backup inside each machine. So a save state is the
machine's history, every joypad byte and every write to memory since power-on, and loading it plays
the history again. A machine that loaded a state keeps it as its backup and is kept itself, so
loading the same state again (as every reset does) is immediate.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import shutil
import struct
import tempfile
import weakref
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.emulators.emulator import REFERENCE, SCREEN_HEIGHT, SCREEN_WIDTH
from mario_rl_envs.game.rom import find_rom

_RAM_SIZE: Final = 0x800
# All 32 stages and some states of the user's; a machine is about 0.6 MB.
_MAX_ANCHORS: Final = 40
_DIGEST_SIZE: Final = 16  # bytes
# Of a save state: they are played again, some thousand a second. The longest game has fewer.
_MAX_FRAMES: Final = 500_000
_MAX_HISTORY_SIZE: Final = 16 * _MAX_FRAMES  # bytes


class _Machine(Protocol):
    """One console inside nes-py, with room for one backup."""

    ram: memoryview

    def advance(self, buttons: int) -> None: ...
    def screen(self) -> NDArray[np.uint8]: ...
    def backup(self) -> None: ...
    def restore(self) -> None: ...
    def close(self) -> None: ...


class _LibraryMachine:
    """A console of nes-py 8's C++ library."""

    def __init__(self, library: ctypes.CDLL, rom_path: Path) -> None:
        self._library = library
        self._console = _initialize(library, rom_path)
        # Not every environment is closed before it is dropped.
        self._close = weakref.finalize(self, library.Close, self._console)
        library.Reset(self._console)
        self.ram = _bytes_at(library.Memory(self._console), _RAM_SIZE)
        self._joypad = _bytes_at(library.Controller(self._console, 0), 1)
        pixels = _bytes_at(library.Screen(self._console), SCREEN_HEIGHT * SCREEN_WIDTH * 4)
        self._screen = np.frombuffer(pixels, np.uint8).reshape(SCREEN_HEIGHT, SCREEN_WIDTH, 4)

    def advance(self, buttons: int) -> None:
        self._joypad[0] = buttons
        self._library.Step(self._console)

    def screen(self) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(self._screen, cv2.COLOR_BGRA2RGB), np.uint8)

    def backup(self) -> None:
        self._library.Backup(self._console)

    def restore(self) -> None:
        self._library.Restore(self._console)

    def close(self) -> None:
        self._close()


class _ExtensionMachine:
    """A console of nes-py 9's extension module."""

    def __init__(self, rom_path: Path) -> None:
        from nes_py._native import NativeEmulator

        self._console = NativeEmulator(str(rom_path))
        self._console.reset()
        self.ram = memoryview(self._console.ram_buffer())

    def advance(self, buttons: int) -> None:
        self._console.frame_advance(buttons)

    def screen(self) -> NDArray[np.uint8]:
        rgb: NDArray[np.uint8] = self._console.copy_screen_rgb(None)
        return rgb

    def backup(self) -> None:
        self._console.backup()

    def restore(self) -> None:
        self._console.restore()

    def close(self) -> None:
        self._console.close()


@dataclass
class _History:
    """All that happened to a machine since power-on."""

    buttons: bytearray = field(default_factory=bytearray)  # one joypad byte a frame
    pokes: list[tuple[int, int, int]] = field(
        default_factory=list
    )  # (frames before it, address, value)

    def copy(self) -> _History:
        return _History(self.buttons.copy(), self.pokes.copy())

    def to_bytes(self) -> bytes:
        pokes = b"".join(struct.pack("<IHB", *poke) for poke in self.pokes)
        return struct.pack("<I", len(self.buttons)) + bytes(self.buttons) + pokes

    @classmethod
    def from_bytes(cls, data: bytes) -> _History:
        (num_frames,) = struct.unpack_from("<I", data)
        if num_frames > _MAX_FRAMES:
            raise ValueError(f"it has {num_frames} frames; accepted are {_MAX_FRAMES} or less")
        start = struct.calcsize("<I")
        buttons = bytearray(data[start : start + num_frames])
        pokes = list(struct.iter_unpack("<IHB", data[start + num_frames :]))
        if not all(address < _RAM_SIZE for _, address, _ in pokes):
            raise ValueError("it writes beyond the memory")
        return cls(buttons, pokes)


class NesPyEmulator:
    """nes-py 8.2 or 9, whichever is installed."""

    name: ClassVar[str] = REFERENCE
    keyword: ClassVar[str] = REFERENCE

    def __init__(self, rom_path: Path) -> None:
        """Insert a ROM.

        Raises:
            ImportError: nes-py is not installed.
        """
        self._rom_path = rom_path
        # Machines that rest on a loaded state, by that state; the one used longest ago comes first.
        self._anchors: OrderedDict[bytes, tuple[_Machine, _History]] = OrderedDict()
        self._machine: _Machine | None = None
        self.power_on()

    @property
    def ram(self) -> memoryview:
        """The RAM of the machine in use."""
        return self._running.ram

    @property
    def _running(self) -> _Machine:
        assert self._machine is not None, "the emulator is closed"
        return self._machine

    def power_on(self) -> None:
        """Take a new machine."""
        self._use(_create_machine(self._rom_path), _History())

    def advance(self, buttons: int) -> None:
        """Run one frame."""
        self._history.buttons.append(buttons)
        self._running.advance(buttons)

    def poke(self, address: int, value: int) -> None:
        """Write one byte of RAM."""
        self._history.pokes.append((len(self._history.buttons), address, value))
        self._running.ram[address] = value

    def screen(self) -> NDArray[np.uint8]:
        """Return a copy of the screen, RGB, [240, 256, 3]."""
        return self._running.screen()

    def save_state(self) -> bytes:
        """Return the history and a digest of the RAM that it leads to."""
        return _digest(self.ram) + zlib.compress(self._history.to_bytes())

    def load_state(self, state: bytes) -> None:
        """Play the history again, or restore the backup of a machine that did."""
        if state in self._anchors:
            machine, history = self._anchors[state]
            machine.restore()
        else:
            machine, history = self._reach(state)
            machine.backup()
            self._anchors[state] = (machine, history)
        self._anchors.move_to_end(state)
        self._use(machine, history.copy())
        while len(self._anchors) > _MAX_ANCHORS:
            _, (oldest, _) = self._anchors.popitem(last=False)
            oldest.close()

    def close(self) -> None:
        """Free every machine."""
        if self._machine is not None and not self._is_anchor(self._machine):
            self._machine.close()
        for machine, _ in self._anchors.values():
            machine.close()
        self._anchors.clear()
        self._machine = None

    def _reach(self, state: bytes) -> tuple[_Machine, _History]:
        """Return a machine in this state that rests on no other."""
        try:
            history = _History.from_bytes(_decompress(state[_DIGEST_SIZE:]))
        except (zlib.error, struct.error, ValueError) as error:
            raise ValueError(f"this is no nes-py save state: {error}") from error
        is_here = history == self._history and _digest(self.ram) == state[:_DIGEST_SIZE]
        if is_here and not self._is_anchor(self._running):
            return self._running, history
        machine = _create_machine(self._rom_path)
        pokes = iter([*history.pokes, (-1, 0, 0)])
        frame, address, value = next(pokes)
        for index in range(len(history.buttons) + 1):
            while frame == index:
                machine.ram[address] = value
                frame, address, value = next(pokes)
            if index < len(history.buttons):
                machine.advance(history.buttons[index])
        if _digest(machine.ram) != state[:_DIGEST_SIZE]:
            machine.close()
            raise ValueError(
                "playing the save state's inputs again led to another memory than was saved: "
                "it comes from a version of nes-py that behaves differently; load it with that "
                "version"
            )
        return machine, history

    def _use(self, machine: _Machine, history: _History) -> None:
        before = self._machine
        if before is not None and before is not machine and not self._is_anchor(before):
            before.close()
        self._machine, self._history = machine, history

    def _is_anchor(self, machine: _Machine) -> bool:
        return any(anchor is machine for anchor, _ in self._anchors.values())


def _decompress(data: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    history = decompressor.decompress(data, _MAX_HISTORY_SIZE)
    if not decompressor.eof:
        raise ValueError(f"it is truncated, or longer than {_MAX_HISTORY_SIZE} bytes")
    return history


def _digest(memory: memoryview) -> bytes:
    return hashlib.sha256(memory).digest()[:_DIGEST_SIZE]


def _create_machine(rom_path: Path) -> _Machine:
    library = _load_library()
    # nes-py opens the file for every machine, and version 8 crashes when it is gone by then.
    find_rom(rom_path)
    return _ExtensionMachine(rom_path) if library is None else _LibraryMachine(library, rom_path)


def _initialize(library: ctypes.CDLL, rom_path: Path) -> int:
    """Return the address of a new console; version 8 opens only files of ASCII names."""
    if str(rom_path).isascii():
        console: int = library.Initialize(str(rom_path))
        return console
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(rom_path, Path(folder, "rom.nes"))
        console = library.Initialize(str(copy))
        return console


@cache
def _load_library() -> ctypes.CDLL | None:
    """Return nes-py 8's library, or None where nes-py has an extension module instead."""
    spec = importlib.util.find_spec("nes_py")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the emulator 'nes-py' is not installed; run `pip install nes-py`")
    paths = sorted(Path(spec.submodule_search_locations[0]).glob("lib_nes_env*"))
    if not paths:
        return None
    library = ctypes.CDLL(str(paths[0]))
    console = ctypes.c_void_p
    library.Initialize.argtypes, library.Initialize.restype = [ctypes.c_wchar_p], console
    library.Controller.argtypes, library.Controller.restype = [console, ctypes.c_uint], console
    for function in (library.Screen, library.Memory):
        function.argtypes, function.restype = [console], console
    for function in (library.Reset, library.Step, library.Backup, library.Restore, library.Close):
        function.argtypes, function.restype = [console], None
    return library


def _bytes_at(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_uint8 * size).from_address(address)).cast("B")
