"""The ROM: found where gym-super-mario-bros installs it, and checked by its hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Final

# Super Mario Bros (World), as gym-super-mario-bros 7.4.0 and 9.1.0 install it.
SHA256: Final = "ec299b990e8bfee8ba46e3f61d63b2e1ae5b8a2e431de84e2e4bbd692dc53586"

_SIZE: Final = 40_976  # bytes
_PACKAGE: Final = "gym_super_mario_bros"
_FILE: Final = Path("_roms", "super-mario-bros.nes")


def find_rom(rom_path: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute path of a ROM whose content is known.

    Args:
        rom_path: A file; None takes the one that gym-super-mario-bros installs (without importing
            that package).

    Raises:
        FileNotFoundError: There is no such file, or gym-super-mario-bros is not installed.
        ValueError: The file is not the known ROM, or `rom_path` is no path.
    """
    try:
        path = _installed_rom() if rom_path is None else Path(rom_path).expanduser().resolve()
    except (TypeError, ValueError, RuntimeError):  # a null byte; "~someone" who has no home here
        raise ValueError(
            f"rom_path is {rom_path!r}; accepted are None and the path of a file"
        ) from None
    read_rom(path)
    return path


def read_rom(path: Path) -> bytes:
    """Return the content of the known ROM.

    Nothing of another file is read but as much as the ROM has, and none of it is told.

    Raises:
        FileNotFoundError: The file cannot be read.
        ValueError: The file is not the known ROM.
    """
    try:
        # A device or a pipe may have no end, and may make whoever opens it wait.
        content = _read(path) if path.stat().st_size == _SIZE and path.is_file() else b""
    except OSError as error:
        raise FileNotFoundError(
            f"cannot read the ROM {path}: {error.strerror}; give rom_path an existing file, "
            "or leave it out to use the one that gym-super-mario-bros installs"
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(
            f"the file {path} is not the ROM: accepted is Super Mario Bros (World), {_SIZE:,} "
            f"bytes with the SHA-256 {SHA256}; leave rom_path out to use the one that "
            "gym-super-mario-bros installs"
        )
    return content


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SIZE)


def _installed_rom() -> Path:
    # find_spec looks without importing: gym-super-mario-bros 7.4.0 would import the old gym.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "gym-super-mario-bros, which brings the ROM, is not installed; "
            "run `pip install gym-super-mario-bros`, or give rom_path a file of your own"
        )
    return Path(spec.submodule_search_locations[0]) / _FILE
