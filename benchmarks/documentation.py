"""Run the code blocks of README and docs; here, those that take long.

The tests run every block but those under the comment `<!-- long -->`; those of lessons are cells of
notebooks (benchmarks/course.py). This script runs the long ones, from the project's root:

    python benchmarks/documentation.py [--list]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from sybil import Document, Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
LONG = "<!-- long -->"


class ShellEvaluator:
    """Runs a block as a shell script, with this Python's commands first on the path."""

    def __init__(self, folder: Path) -> None:
        """Run blocks in this folder."""
        self._folder = folder

    def __call__(self, example: Example) -> str | None:
        """Return what went wrong, None if nothing did."""
        scripts = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", str(example.parsed)],
            cwd=self._folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return f"exit status {result.returncode}\n{result.stdout}" if result.returncode else None


def parse(page: Path, folder: Path) -> Document:
    """Return a page whose blocks run in `folder`."""
    parsers = (
        CodeBlockParser("python", PythonEvaluator()),
        CodeBlockParser("bash", ShellEvaluator(folder)),
    )
    return Sybil(parsers).parse(page)


def is_long(example: Example) -> bool:
    """Return whether a block is marked as taking long."""
    return example.document.text[: example.start].rstrip().endswith(LONG)


def main() -> None:
    """Run the long blocks, or list them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="only print them")
    arguments = parser.parse_args()
    for page in PAGES:
        for example in filter(is_long, parse(page, ROOT).examples()):
            print(f"{page.relative_to(ROOT)}:{example.line}\n{example.parsed}", flush=True)
            if not arguments.list:
                start = time.perf_counter()
                example.evaluate()
                print(f"passed in {(time.perf_counter() - start) / 60:.1f} minutes\n", flush=True)


if __name__ == "__main__":
    main()
