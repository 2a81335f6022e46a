"""The C compiler of this machine: which one, what it calls itself, and many files at once."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mario_rl_envs.compile.errors import NOT_ON_WINDOWS, LibraryError
from mario_rl_envs.processors import num_processors

_VARIABLE: Final = "CC"  # as setuptools takes it
_USUAL: Final = ("cc", "gcc", "clang")
_FLAGS: Final = ("-std=c11", "-O2", "-g0", "-fPIC", "-fvisibility=hidden", "-w")
_LIBRARY: Final = "library.so"
# gcc's. A library built with the first counts how often what is run, and writes that into the
# folder where it was built; with the second the compiler lays out accordingly what it builds there
# next. What was never run is compiled as ever.
RECORD_PROFILE: Final = ("-fprofile-generate",)
USE_PROFILE: Final = ("-fprofile-use", "-fprofile-partial-training")
_PERIOD: Final = 0.02  # seconds
_SYSTEM_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EACCES)
_BY_PROGRAM: Final = re.compile(r"[\w./+-]+: ")  # as "cc1: out of memory"
_MAX_REASONS: Final = 3


@dataclass(frozen=True)
class Compiler:
    """A compiler that runs."""

    command: tuple[str, ...]  # with options of the user's
    version: str  # as it calls itself
    is_gcc: bool = False  # others have other options for profiles

    def __str__(self) -> str:
        """Return what it is, and how it is called."""
        return f"{self.version} ({shlex.join(self.command)})"


def find_command() -> tuple[str, ...]:
    """Return the command of the C compiler: `CC`, else that of this Python, else a usual one.

    Nothing is run.

    Raises:
        LibraryError: There is none.
    """
    if sys.platform == "win32":
        raise LibraryError(NOT_ON_WINDOWS)
    named = os.environ.get(_VARIABLE)
    if named:
        command = _split(named)
        if command is None:
            raise LibraryError(
                f"the environment variable {_VARIABLE} is {named!r}, and there is no such program: "
                "accepted is the command of a C compiler, as gcc or clang"
            )
        return command
    for text in (str(sysconfig.get_config_var(_VARIABLE) or ""), *_USUAL):
        command = _split(text)
        if command is not None:
            return command
    raise LibraryError(
        "there is no C compiler: install gcc or clang (Debian and Ubuntu: `apt install gcc`; "
        "macOS: `xcode-select --install`), or name one by the environment variable CC"
    )


def find_compiler() -> Compiler:
    """Return the C compiler of this machine.

    Raises:
        LibraryError: There is none, or it does not run.
    """
    command = find_command()
    try:
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise LibraryError(f"the C compiler does not run: {error}") from error
    version, *_ = done.stdout.splitlines() or ["of unknown version"]
    return Compiler(command, version, is_gcc="Free Software Foundation" in done.stdout)


def build(
    compiler: Compiler,
    units: Mapping[str, str],
    include: Path,
    folder: Path,
    options: Sequence[str] = (),
) -> Path:
    """Compile files, as many at once as there are processors, and link them.

    Args:
        compiler: By what.
        units: The C text of each file, by its name.
        include: The folder of the headers.
        folder: A private folder, where all is written.
        options: More of the compiler's, `RECORD_PROFILE` or `USE_PROFILE` say.

    Returns:
        The library's path.

    Raises:
        LibraryError: The compiler failed or was killed. Nothing is told of the files' content.
    """
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
    objects = {name: f"{name}.o" for name in units}
    base = [*compiler.command, *_FLAGS, *options]
    into = [*base, "-I", str(include), "-c"]
    _run_all([[*into, name, "-o", object_] for name, object_ in objects.items()], folder)
    _run_all([[*base, "-shared", *objects.values(), "-o", _LIBRARY]], folder)
    return folder / _LIBRARY


def _split(text: str) -> tuple[str, ...] | None:
    """Return the words of a command whose program exists, else None."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation mark too many
        return None
    if not words or not shutil.which(words[0]):
        return None
    # It is run in another folder.
    program = os.path.abspath(words[0]) if os.path.dirname(words[0]) else words[0]
    return program, *words[1:]


def _run_all(commands: Iterable[Sequence[str]], folder: Path) -> None:
    """Run commands in a folder, as many at once as there are processors.

    Raises:
        LibraryError: One failed; those that still ran are killed.
    """
    waiting = iter(commands)
    running: list[_Process] = []
    try:
        while True:
            for command in itertools.islice(waiting, num_processors() - len(running)):
                running.append(_Process(command, folder))
            if not running:
                return
            time.sleep(_PERIOD)
            for process in [each for each in running if each.has_ended()]:
                running.remove(process)
                process.close()
                process.check()
    finally:
        for process in running:
            process.close()


class _Process:
    """A command that runs in a folder."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Start it as the first of a group, so that the programs that it runs die with it."""
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            cwd=folder,
            # What it writes on the way is made from the ROM, too; it is deleted with the folder.
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # not a file: the disk may be full
            stderr=subprocess.STDOUT,
            umask=0o077,
            process_group=0,
        )
        assert self._process.stdout is not None, "it is a pipe"
        self._pipe = self._process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._said = bytearray()
        self._folder = folder

    def has_ended(self) -> bool:
        """Return whether it has ended, and listen to what it says."""
        has_ended = self._process.poll() is not None  # asked first: then it says no more
        self._said += self._pipe.read() or b""
        return has_ended

    def close(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._pipe.close()

    def check(self) -> None:
        """Raise LibraryError if it failed.

        A compiler quotes the files that it compiles, and those are made from the ROM: of what it
        says only what the system told it is passed on, and what its programs say of themselves.
        """
        code = self._process.returncode
        if code == 0:
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed, code {code}"
        said = self._said.decode(errors="replace")
        names = (str(self._folder), *os.listdir(self._folder))
        reasons = [os.strerror(number) for number in _SYSTEM_ERRORS if os.strerror(number) in said]
        reasons += [
            line
            for line in said.splitlines()
            if _BY_PROGRAM.match(line) and not any(name in line for name in names)
        ]
        raise LibraryError("; ".join((f"the C compiler {how}", *reasons[:_MAX_REASONS])))
