"""A new library plays beside the interpreter before it is kept, in a process of its own.

So a compiler that makes mistakes, or a library that crashes, harms nobody.
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mario_rl_envs.compile.errors import LibraryError
from mario_rl_envs.core import _core
from mario_rl_envs.game.actions import joypad_byte
from mario_rl_envs.game.skipping import skip_start_screen
from mario_rl_envs.game.stages import STAGES

_NUM_FRAMES: Final = 200  # in each stage
_TIMEOUT: Final = 300  # seconds; it takes about two
_MAX_HOLD: Final = 40  # frames that buttons are held for
_MOVES: Final = tuple(
    joypad_byte(buttons)
    for buttons in (["right", "B"], ["right", "A", "B"], ["right", "A"], ["left"], ["down"])
)
_PROGRAM: Final = (
    "import sys; library, *sys.path = sys.argv[1:]; "
    "from mario_rl_envs.compile.check import play_both; "
    "play_both(library, sys.stdin.buffer.read())"
)


def check_library(library: Path, rom: bytes) -> None:
    """Play every stage by a library and by the interpreter.

    Raises:
        LibraryError: The library cannot be loaded, crashes, or plays differently.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, library, *sys.path],
            input=rom,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise _refused(f"it plays for more than {_TIMEOUT} s") from None
    if done.returncode < 0:
        raise _refused(f"it is killed by {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip()
        raise _refused(said.rpartition("\n")[-1])


def play_both(library: str, rom: bytes) -> None:
    """Play the stages with buttons drawn by lot, the same in every call.

    Raises:
        OSError: The library cannot be loaded.
        RuntimeError: After a frame the two consoles are not the same.
    """
    compiled = _core.Game(_core.Cartridge(rom, library))
    interpreted = _core.Game(_core.Cartridge(rom))
    generator = random.Random(0)
    for stage in STAGES:
        for console in (compiled, interpreted):
            console.power_on()
            skip_start_screen(console, stage)
        for frame, buttons in enumerate(_play(generator)):
            compiled.advance(buttons)
            interpreted.advance(buttons)
            if compiled.save() != interpreted.save():
                raise RuntimeError(f"it differs from the interpreter in {stage}, frame {frame}")


def _play(generator: random.Random) -> Iterator[int]:
    """Yield the joypad byte of each frame."""
    held = (
        buttons
        for buttons in iter(lambda: generator.choice(_MOVES), None)
        for _ in range(generator.randint(2, _MAX_HOLD))
    )
    return itertools.islice(held, _NUM_FRAMES)


def _refused(why: str) -> LibraryError:
    return LibraryError(f"the library that was compiled does not work: {why}; it is not kept")
