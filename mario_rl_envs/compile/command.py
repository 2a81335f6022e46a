"""What `python -m mario_rl_envs.compile` and `mario-rl compile` do."""

from __future__ import annotations

from collections.abc import Callable

from mario_rl_envs.compile.compiler import find_command
from mario_rl_envs.compile.errors import LibraryError
from mario_rl_envs.compile.info import native_info
from mario_rl_envs.game.rom import find_rom, read_rom


def is_possible() -> bool:
    """Return whether a C compiler is at hand; none is run."""
    try:
        find_command()
    except LibraryError:
        return False
    return True


def run(*, force: bool, remove: bool, report: Callable[[str], None]) -> None:
    """Compile the game's code, or remove what was compiled; then tell what runs.

    Args:
        force: Whether to compile even if that is done.
        remove: Whether to delete all compiled libraries instead.
        report: Is told what happens, a line at a time.

    Raises:
        LibraryError: The library cannot be made or kept.
        FileNotFoundError: There is no ROM.
        ImportError: The native core is not compiled.
    """
    from mario_rl_envs.compile.library import compile_library, remove_libraries

    if remove:
        report(f"libraries removed: {remove_libraries(report=report)}")
    else:
        compile_library(read_rom(find_rom()), force=force, report=report)
    report(str(native_info()))
