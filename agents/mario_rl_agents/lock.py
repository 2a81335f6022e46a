"""Locks between processes that the system releases when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows follows links
_PLACE: Final = 2**62  # of the byte that is locked on Windows, which bars access to it

_WAIT_PERIOD: Final = 0.05  # seconds between two tries on Windows

_held: weakref.WeakSet[IO[Any]] = weakref.WeakSet()


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a file inside the block; yield False where somebody else holds it.

    It excludes other processes and other threads. A process forked inside the block does not hold
    it.

    Args:
        path: The file. It is made, and deleted at the end; one that a killed process has left is
            taken over.
        wait: Whether to wait until the lock is free.

    Raises:
        OSError: The file cannot be made, or it is a link.
    """
    file = _open_locked(path, wait=wait)
    if file is None:
        yield False
        return
    try:
        yield True
    finally:
        if not file.closed:  # else this is a forked process
            # While it is locked, or it might be another's by now. Windows keeps it.
            with contextlib.suppress(OSError):
                path.unlink()
            file.close()


def is_locked(path: Path) -> bool:
    """Return whether somebody holds the lock of a file; nothing is made."""
    try:
        file = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    with file:
        return not acquire(file)


def acquire(file: IO[Any], *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; return False where somebody else has locked it.

    On a file system that has no locks it is as good as locked.
    """
    while True:
        try:
            if sys.platform == "win32":
                file.seek(_PLACE)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):  # as POSIX and Windows call it
            if not wait:
                return False
            time.sleep(_WAIT_PERIOD)
        except OSError:
            return True
        else:
            _held.add(file)
            return True


def is_at(file: IO[Any], path: Path) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _open_locked(path: Path, *, wait: bool) -> IO[Any] | None:
    """Return the file, open and locked; None where somebody else has locked it."""
    while True:
        file = _open(path, os.O_RDWR | os.O_CREAT)
        if not acquire(file, wait=wait):
            file.close()
            return None
        if is_at(file, path):
            return file
        file.close()  # the last holder has deleted it


def _open(path: Path, flags: int) -> IO[Any]:
    mode = "rb" if flags == os.O_RDONLY else "r+b"
    return os.fdopen(os.open(path, flags | _NO_FOLLOW, 0o666), mode)


def _release_in_child() -> None:
    """Let go of what a forked process has inherited: it would keep a dead parent's locks."""
    for file in list(_held):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
