"""What the native emulator runs, and why."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

from mario_rl_envs.game.rom import find_rom, read_rom


class NativeInfo(NamedTuple):
    """What `emulator="native"` runs; as text it is a sentence.

    Example:
        >>> import mario_rl_envs
        >>> mario_rl_envs.native_info().runs in ("compiled", "interpreted", "nes-py")
        True
    """

    runs: Literal["compiled", "interpreted", "nes-py"]  #: what plays the game
    reason: str  #: why that, as the rest of a sentence

    def __str__(self) -> str:
        """Return both in a sentence."""
        return f"the game is {_RUNS[self.runs]}: {self.reason}"


_RUNS = {"compiled": "compiled", "interpreted": "interpreted", "nes-py": "played by nes-py"}


def native_info(rom_path: str | os.PathLike[str] | None = None) -> NativeInfo:
    """Return what `emulator="native"` runs in this process, and why.

    "compiled": the game's own code, translated to C and compiled on this machine; "interpreted":
    the same results, several times slower; "nes-py": the same results, many times slower, where
    the native core could not be compiled when the package was installed.

    Args:
        rom_path: A ROM; None takes the one that gym-super-mario-bros installs.

    Raises:
        FileNotFoundError: There is no ROM.
        ValueError: The file is not the known ROM.
    """
    rom = read_rom(find_rom(rom_path))
    try:
        from mario_rl_envs.compile.library import load
    except ImportError as error:
        return NativeInfo("nes-py", f"the native core is not compiled ({error})")
    loaded = load(rom)
    return NativeInfo("interpreted" if loaded.cartridge is None else "compiled", loaded.reason)
