"""The folder of compiled libraries: who may write there, what lies there, what may be loaded.

A library has a name that no other content ever has. Beside it lies its record, which names it and
its SHA-256. The record is written last, and takes the place of an earlier one at once. So whoever
finds a record finds a whole library, also while another process compiles.

What is loaded runs with all rights of the user. So nobody else may be able to write there: the
folder is the user's own, closed to others (mode 0700), and no symbolic link. It is opened once, and
what is read and loaded comes out of the folder that was opened, whatever becomes of its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import platformdirs

from mario_rl_envs.compile.errors import NOT_ON_WINDOWS, LibraryError, MissingError

if sys.platform != "win32":
    import fcntl

FOLDER_VARIABLE: Final = "MARIO_RL_CACHE_DIR"
COMMAND: Final = "python -m mario_rl_envs.compile"

_APP: Final = "mario-rl-envs"
_LOCK: Final = "compiling.lock"
_BUILD: Final = "compiling-"
_RECORD: Final = ".json"
_LIBRARY: Final = ".so"
_OURS: Final = re.compile(r"compiled-[\w.+-]+\.(json|so)")

_MAX_RECORDS: Final = 8  # of versions and processors that share a home
_MAX_RECORD_BYTES: Final = 2**16
_MAX_LIBRARY_BYTES: Final = 2**26


@dataclass(frozen=True)
class Record:
    """What is known of a library."""

    library: str  # the name of its file
    sha256: str
    compiler: str  # as it calls itself
    seconds: float  # that compiling took


class Found(NamedTuple):
    """A library that is what its record says."""

    record: Record
    size: int  # bytes
    path: str  # to load it by, as long as the cache is open


def folder() -> Path:
    """Return where the libraries lie: as `MARIO_RL_CACHE_DIR` says, else in the user's cache.

    Raises:
        MissingError: The user has no home.
        LibraryError: The variable is not an absolute path.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        if not os.path.isabs(named):
            raise LibraryError(f"{FOLDER_VARIABLE} is {named!r}; accepted is an absolute path")
        return Path(named)
    path = platformdirs.user_cache_path(_APP, appauthor=False)
    if not path.is_absolute():  # "~/.cache", and nobody knows what ~ is
        raise MissingError(f"you have no home: set {FOLDER_VARIABLE} to an absolute path")
    return path


class Cache:
    """The folder, opened."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take the folder's path and its descriptor; `open_cache` makes both."""
        self.path = path
        self._descriptor = descriptor

    def find(self, key: str) -> Found:
        """Return the library that is made of what a key names, and note that it is in use.

        Raises:
            MissingError: There is none.
            LibraryError: Its record or its file is damaged.
        """
        with contextlib.suppress(FileNotFoundError):  # another process may just have replaced it
            return self._find(key)
        try:
            return self._find(key)
        except FileNotFoundError as error:
            raise self._damaged(str(error.filename), "is missing") from None

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[bool]:
        """Exclude other processes; a lock ends with its holder, however it ends.

        Args:
            on_wait: Called before waiting for another process.

        Yields:
            Whether others are excluded. Some network file systems have no locks.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        with contextlib.ExitStack() as undo:
            while True:
                file = os.open(_LOCK, flags, 0o600, dir_fd=self._descriptor)
                undo.callback(os.close, file)
                is_alone = _lock(file, on_wait)
                if self._is_lock(file):
                    break  # else its last holder has deleted it, and nobody else would see it
            yield is_alone

    @contextlib.contextmanager
    def build_folder(self) -> Iterator[Path]:
        """Make a folder to compile in; it is deleted with all that is in it."""
        with tempfile.TemporaryDirectory(
            prefix=_BUILD, dir=self.path, ignore_cleanup_errors=True
        ) as name:
            yield Path(name)

    def remove_abandoned_builds(self) -> None:
        """Delete what killed processes have left; only for the holder of the lock."""
        for name in os.listdir(self._descriptor):
            if name.startswith(_BUILD):
                shutil.rmtree(name, ignore_errors=True, dir_fd=self._descriptor)

    def store(self, key: str, built: Path, compiler: str, seconds: float) -> None:
        """Take in a library.

        Args:
            key: What it was made of, but for the compiler.
            built: The library, in the build folder.
            compiler: As it calls itself.
            seconds: That compiling took.
        """
        sha256 = hashlib.sha256(built.read_bytes()).hexdigest()
        stem = f"{key}-{hashlib.sha256(compiler.encode()).hexdigest()[:8]}"
        library = f"{stem}-{sha256[:16]}{_LIBRARY}"
        record = Record(library, sha256, compiler, round(seconds, 1))
        noted = built.with_suffix(_RECORD)
        noted.touch(mode=0o600)
        noted.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
        os.replace(built, library, dst_dir_fd=self._descriptor)
        os.replace(noted, stem + _RECORD, dst_dir_fd=self._descriptor)

    def prune(self, key: str) -> None:
        """Delete what nobody uses any more; only for the holder of the lock.

        Of the libraries of a key the newest stays; of those of other keys, which other versions and
        processors use, some that were used last.
        """
        records = self._records()
        of_key = [name for name in records if name.startswith(f"{key}-")]
        others = [name for name in records if name not in of_key]
        kept = {*of_key[:1], *others[: _MAX_RECORDS - 1]}
        for name in tuple(kept):
            with contextlib.suppress(LibraryError):
                kept.add(self._record(name).library)
        self._remove(set(self._ours()) - kept)

    def clear(self) -> int:
        """Delete all libraries and return their number; only for the holder of the lock.

        Files of others stay.
        """
        names = self._ours()
        self._remove(names)
        self.remove_abandoned_builds()
        self._remove([_LOCK])
        return sum(name.endswith(_LIBRARY) for name in names)

    def _is_lock(self, file: int) -> bool:
        try:
            status = os.stat(_LOCK, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(file), status)

    def _find(self, key: str) -> Found:
        names = [name for name in self._records() if name.startswith(f"{key}-")]
        if not names:
            raise MissingError(
                f"{self.path} has no library for this version and this processor; `{COMMAND}` "
                "makes it"
            )
        record = self._record(names[0])
        content = self._read(record.library, _MAX_LIBRARY_BYTES)
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise self._damaged(record.library, "does not have the SHA-256 that was noted")
        with contextlib.suppress(OSError):  # the folder may be read-only
            os.utime(names[0], dir_fd=self._descriptor)
        # Through the folder that was opened, where the system can do that.
        opened = Path(f"/proc/self/fd/{self._descriptor}")
        path = (opened if opened.exists() else self.path) / record.library
        return Found(record, len(content), str(path))

    def _ours(self) -> list[str]:
        return [name for name in os.listdir(self._descriptor) if _OURS.fullmatch(name)]

    def _records(self) -> list[str]:
        """Return the names of all records, the one used last first."""
        names = [name for name in self._ours() if name.endswith(_RECORD)]
        return sorted(names, key=self._last_use, reverse=True)

    def _last_use(self, name: str) -> int:
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mtime_ns
        except FileNotFoundError:  # another process has removed it meanwhile
            return 0

    def _record(self, name: str) -> Record:
        try:
            record = Record(**json.loads(self._read(name, _MAX_RECORD_BYTES)))
            types = tuple(map(type, astuple(record)))
            if types == (str, str, str, float) and _OURS.fullmatch(record.library):
                return record
        except (ValueError, TypeError, RecursionError):
            pass
        raise self._damaged(name, "cannot be read")

    def _read(self, name: str, max_bytes: int) -> bytes:
        """Return the content of a file that only the user can have written."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would be waited for
        try:
            descriptor = os.open(name, flags, dir_fd=self._descriptor)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._damaged(name, f"cannot be read ({error.strerror})") from error
        try:
            status = os.fstat(descriptor)
            is_private = _is_private(status, stat.S_IWGRP | stat.S_IWOTH)
            if not stat.S_ISREG(status.st_mode) or not is_private:
                raise self._damaged(name, "is not a file that only you can write")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
        if len(content) > max_bytes:
            raise self._damaged(name, f"has more than {max_bytes:,} bytes")
        return content

    def _damaged(self, name: str, what: str) -> LibraryError:
        return LibraryError(f"{self.path / name} {what}: run `{COMMAND}`, which makes it anew")

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._descriptor)


@contextlib.contextmanager
def open_cache(*, make: bool = False) -> Iterator[Cache]:
    """Open the folder.

    Args:
        make: Whether to make it where it is missing.

    Raises:
        MissingError: It is missing, or none of the user's own.
        LibraryError: It cannot be made, or somebody else can write there.
    """
    if sys.platform == "win32":
        raise MissingError(NOT_ON_WINDOWS)
    path = folder()
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        # The last part of the path is no link; what is before may be: /home often is.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if os.path.islink(path):
            raise _refused(path, "is a symbolic link") from None
        if make:
            raise _refused(path, f"cannot be made or used ({error.strerror})") from error
        if isinstance(error, FileNotFoundError):
            raise MissingError(f"there is no {path} yet; `{COMMAND}` makes it") from error
        raise MissingError(
            f"{path} cannot be opened ({error.strerror}); `{COMMAND}` makes it"
        ) from error
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.getuid():
            raise _refused(path, "belongs to another user")
        if not _is_private(status, stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(status.st_mode)
            raise _refused(path, f"is open to others (mode {mode:04o}): run `chmod 700 {path}`")
        yield Cache(path, descriptor)
    finally:
        os.close(descriptor)


def _is_private(status: os.stat_result, others: int) -> bool:
    """Return whether the user owns a file on which nobody else has certain rights."""
    return status.st_uid == os.getuid() and not status.st_mode & others


def _refused(path: Path, what: str) -> LibraryError:
    return LibraryError(
        f"the cache folder {path} {what}; accepted is a folder of your own with mode 0700, "
        f"which the environment variable {FOLDER_VARIABLE} can name"
    )


def _lock(file: int, on_wait: Callable[[], None]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
