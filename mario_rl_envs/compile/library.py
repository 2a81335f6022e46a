"""The library of the game's compiled code: made from the ROM, and loaded into the core.

Importing this module raises ImportError where the core has not been compiled.
"""

from __future__ import annotations

import hashlib
import platform
import struct
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from mario_rl_envs.compile.cache import COMMAND, Cache, open_cache
from mario_rl_envs.compile.check import check_library
from mario_rl_envs.compile.compiler import (
    RECORD_PROFILE,
    USE_PROFILE,
    Compiler,
    build,
    find_compiler,
)
from mario_rl_envs.compile.errors import LibraryError, MissingError
from mario_rl_envs.core import _core
from mario_rl_envs.version import __version__

INCLUDE: Final = Path(_core.__file__).parent
HEADERS: Final = tuple(
    f"machine/{name}.h" for name in ("blocks", "compiled", "operations")
)  # that the C code includes
_NUM_UNITS: Final = 16  # more than processors, since some take longer than others


class Loaded(NamedTuple):
    """What came of looking for a library."""

    cartridge: _core.Cartridge | None  # whose games run compiled code
    reason: str  # why the game is compiled or not
    is_fault: bool = False  # something is wrong with what is there


@cache
def load(rom: bytes) -> Loaded:
    """Load the library of a ROM, once a process; `load.cache_clear` forgets what came of it."""
    try:
        with open_cache() as opened:
            return _load(opened, rom)
    except MissingError as error:
        return Loaded(None, str(error))
    except LibraryError as error:
        return Loaded(None, str(error), is_fault=True)
    except OSError as error:
        return Loaded(None, f"the cache folder cannot be read ({error})", is_fault=True)


def compile_library(
    rom: bytes, *, force: bool = False, report: Callable[[str], None] = print
) -> None:
    """Compile the code of a ROM, unless that is done, and keep the library.

    Args:
        rom: The file in iNES format; its content is known (see `mario_rl_envs.game.rom`).
        force: Whether to compile in any case.
        report: Is told what happens, a line at a time.

    Raises:
        LibraryError: It cannot be made or kept. What was there before is unchanged.
    """
    compiler = find_compiler()
    try:
        with open_cache(make=True) as opened:
            if not force and _is_made_by(compiler, opened, rom):
                return  # before anything is written: the folder may be read-only
            with opened.lock(lambda: report("waiting for another process")) as is_alone:
                if force or not _is_made_by(compiler, opened, rom):
                    _make(compiler, opened, rom, is_alone=is_alone, report=report)
    except OSError as error:
        raise LibraryError(
            f"the library cannot be written to the cache folder: {error.strerror}"
        ) from error
    load.cache_clear()


def remove_libraries(*, report: Callable[[str], None] = print) -> int:
    """Delete all compiled libraries of this user and return their number.

    Args:
        report: Is told, in a line, that another process compiles and is waited for.

    Raises:
        LibraryError: The folder cannot be used.
    """
    try:
        with open_cache() as opened, opened.lock(lambda: report("waiting for another process")):
            num_libraries = opened.clear()
    except MissingError:
        num_libraries = 0
    except OSError as error:
        raise LibraryError(f"the libraries cannot be removed: {error.strerror}") from error
    load.cache_clear()
    return num_libraries


def _load(opened: Cache, rom: bytes) -> Loaded:
    record, size, path = opened.find(target(rom))
    try:
        cartridge = _core.Cartridge(rom, path)
    except OSError as error:
        raise LibraryError(
            f"{opened.path / record.library} cannot be loaded ({error}): run `{COMMAND} --force`"
        ) from error
    made = f"{size / 1e6:.1f} MB, compiled in {record.seconds:.0f} s by {record.compiler}"
    return Loaded(cartridge, f"{opened.path / record.library}, {made}")


def _is_made_by(compiler: Compiler, opened: Cache, rom: bytes) -> bool:
    """Return whether a library is there that this compiler made and that can be loaded."""
    try:
        _load(opened, rom)
        return opened.find(target(rom)).record.compiler == str(compiler)
    except LibraryError:
        return False


def _make(
    compiler: Compiler, opened: Cache, rom: bytes, *, is_alone: bool, report: Callable[[str], None]
) -> None:
    from mario_rl_envs.compile.c_code import write_units  # only here: most processes only load

    report(f"compiling the game's code with {compiler}; this takes half a minute")
    if is_alone:
        opened.remove_abandoned_builds()
    start = time.monotonic()
    with opened.build_folder() as folder:
        units = write_units(rom, _NUM_UNITS)
        options: tuple[str, ...] = ()
        if compiler.is_gcc:  # play all stages once to see what is run often: a tenth faster
            check_library(build(compiler, units, INCLUDE, folder, RECORD_PROFILE), rom)
            options = USE_PROFILE
        library = build(compiler, units, INCLUDE, folder, options)
        check_library(library, rom)
        opened.store(target(rom), library, str(compiler), time.monotonic() - start)
    if is_alone:
        opened.prune(target(rom))


@cache
def target(rom: bytes) -> str:
    """Return what a library is made of: the ROM, our code that writes and compiles C, a target."""
    ours = hashlib.sha256()
    headers = (INCLUDE / name for name in HEADERS)
    for path in (*sorted(Path(__file__).parent.glob("*.py")), *headers):
        ours.update(path.read_bytes())
    return "-".join(
        (
            "compiled",
            hashlib.sha256(rom).hexdigest()[:8],
            __version__,
            ours.hexdigest()[:8],
            f"abi{_core.COMPILED_ABI}",
            f"{sys.platform}-{platform.machine()}-{8 * struct.calcsize('P')}",
        )
    )
