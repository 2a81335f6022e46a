"""Files that are replaced whole: at every moment the old one or the new one is there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from mario_rl_agents.lock import acquire, is_at

_UNFINISHED: Final = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}\.tmp(\.[^.]+)?")

MAX_JSON_BYTES: Final = 64 * 2**20  # of a file that is read; what this package writes is smaller


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write, which takes the place of `path` when the block ends without an error.

    Its name is nobody else's: several processes may replace one file, and the last one wins. It
    has the ending of `path`, and it is no link that somebody planted.

    Args:
        path: What to write or replace, in a folder that exists.
    """
    new, holder = _begin(path)
    try:
        yield new
        if sys.platform == "win32":
            holder.close()  # an open file cannot be renamed there
        os.replace(new, path)
    finally:
        holder.close()
        new.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check that a file can be written at a path, before what it is to hold is made.

    Nothing is made: its folder need not be there, if one above it lets it be made.

    Raises:
        IsADirectoryError: There is a folder of that name.
        NotADirectoryError: A folder on the way is a file.
        PermissionError: Nothing may be written there.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder, name a file in it", str(path))
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is no folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "nothing may be written there", str(folder))


def target_of(name: str) -> str | None:
    """Return the name of the file that an unfinished one was to replace; None for any other."""
    match = _UNFINISHED.fullmatch(name)
    return None if match is None else match["target"]


def remove_abandoned(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Delete the unfinished files in a folder that killed processes have left.

    Args:
        folder: Where to look.
        is_ours: Whether the file of that name, which one was to replace, is the caller's.
    """
    for path in folder.iterdir():
        target = target_of(path.name)
        if target is None or not is_ours(target) or path.is_symlink() or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            is_abandoned = acquire(file)  # its writer would have locked it
            if sys.platform == "win32":
                file.close()
            if is_abandoned:
                path.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in place of `path`; a crash leaves the old one."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, which anybody may have written.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is too large, or no JSON, or no object.
    """
    if not path.is_file():  # a pipe would be waited for
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    with path.open("rb") as file:
        text = file.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"it has more than {MAX_JSON_BYTES:,} bytes")
    return parse_json(text)


def parse_json(text: str | bytes) -> dict[str, Any]:
    """Return the object that a JSON text holds.

    Raises:
        ValueError: It is no JSON, or no object.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, received one of type {type(content).__name__}")
    return content


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_to_append(path: Path) -> IO[str]:
    """Open a text file to write at its end; lines end as they are written.

    Raises:
        OSError: It cannot be opened, or it is a link, which may lead anywhere.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a", newline="", encoding="utf-8")


def _begin(path: Path) -> tuple[Path, IO[Any]]:
    """Return a new file beside `path`, and what keeps it from being taken for an abandoned one."""
    while True:
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp{path.suffix}")
        holder = new.open("xb")
        if acquire(holder) and is_at(holder, new):
            return new, holder
        holder.close()
