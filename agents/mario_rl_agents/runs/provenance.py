"""Where a result comes from: the commit of the code, the machine."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

_SOURCES: Final = (":(top)agents", ":(top)mario_rl_envs")


@functools.cache
def describe_commit() -> str:
    """Return the commit of this package's source, "unknown" where it is not in a repository.

    Changes that are not committed are said to be there: of the agents and of the environments, the
    C core included, which both make a result; of nothing else in the repository.
    """
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)  # not a repository around a venv
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}{' with changes' * bool(changed)}"


@functools.cache
def describe_machine() -> str:
    """Return the processor's name and the number of its cores."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
