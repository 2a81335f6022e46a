"""Writes down every warning of an example, and whether it is one of ours.

Python imports a module of this name when it starts, in worker processes too, if its folder is on
the path. A warning is ours if it points at our code or was raised while our code ran: by it, by
what it called, or by Gymnasium's checker of what an environment returns.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TextIO

PACKAGES = {"mario_rl_envs", "mario_rl_agents", "passive_env_checker.py"}
EXAMPLE = os.environ["WATCHED_EXAMPLE"]  # its file's name
LOG = os.environ["WATCHED_LOG"]  # a file that gets a line a warning

_show = warnings.showwarning


def is_ours(filename: str) -> bool:
    """Return whether a warning that points at a file, and is shown right now, is ours."""
    files = [filename]
    frame = sys._getframe(1)
    while frame.f_back:
        frame = frame.f_back
        files.append(frame.f_code.co_filename)
    parts = {part for file in files for part in Path(file).parts}
    return bool(PACKAGES & parts) or Path(filename).name == EXAMPLE


def show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning down, then show it as ever."""
    whose = "ours" if is_ours(filename) else "theirs"
    with open(LOG, "a") as log:  # one write, so that lines of several processes do not mix
        log.write(f"{whose}: {filename}:{lineno}: {category.__name__}: {message!s:.200}\n")
    _show(message, category, filename, lineno, file, line)


warnings.showwarning = show
