"""The files of a job's folder as values, which travel to another machine and back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.files import replacing


class ShippedFile(NamedTuple):
    """One file. Its content is an array, which libraries that ship values do not copy twice."""

    name: str  # relative to the folder, with "/"
    content: NDArray[np.uint8]  # [number of bytes]
    mtime: int  # nanoseconds


def read_files(folder: JobFolder) -> list[ShippedFile]:
    """Return a job's files, oldest first; none where there is no folder."""
    return [
        ShippedFile(
            path.relative_to(folder.path).as_posix(),
            np.fromfile(path, np.uint8),
            path.stat().st_mtime_ns,
        )
        for path in folder.files()
    ]


def write_files(
    folder: JobFolder, files: Collection[ShippedFile], replaced: Collection[str] = ()
) -> None:
    """Write a job's files into its folder, in the order in which the job wrote them.

    So a checkpoint comes after the replay memory that it names, and the result comes last: where
    this is cut off, what is there is whole.

    Args:
        folder: Where to; the caller holds its lock, if others may be at it.
        files: Oldest first.
        replaced: Names of the files that were there before: those that are no more are deleted.
    """
    for name, content, mtime in files:
        path = folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            content.tofile(new)
            os.utime(new, ns=(mtime, mtime))
    for name in set(replaced) - {file.name for file in files}:
        with contextlib.suppress(FileNotFoundError):
            (folder.path / name).unlink()
