"""What counts as a warning of ours: made by our code, about it, or while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WATCH = Path(__file__).parent / "watch"
FILES = {
    "mario_rl_envs/__init__.py": """
import warnings
import library

def warn():
    warnings.warn("made by us, about the caller", stacklevel=2)

def call():
    library.warn("made while we run")
""",
    "library.py": """
import warnings

def warn(message, stacklevel=1):
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)

def call(function):
    function()
""",
    "example.py": """
import library
import mario_rl_envs

library.warn("theirs alone")
library.warn("made by them, about the example", stacklevel=2)
library.call(mario_rl_envs.warn)
mario_rl_envs.call()
""",
}


def test_whose_warning_it_is(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    log = tmp_path / "warnings.txt"
    environment = {
        **os.environ,
        "PYTHONPATH": str(WATCH),
        "WATCHED_EXAMPLE": "example.py",
        "WATCHED_LOG": str(log),
    }
    done = subprocess.run(
        [sys.executable, tmp_path / "example.py"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = log.read_text().splitlines()
    whose = [(line.partition(":")[0], line.rpartition(": ")[2]) for line in lines]
    assert whose == [
        ("theirs", "theirs alone"),
        ("ours", "made by them, about the example"),
        ("ours", "made by us, about the caller"),
        ("ours", "made while we run"),
    ]
    assert all(message in done.stderr for _, message in whose)  # shown as ever
