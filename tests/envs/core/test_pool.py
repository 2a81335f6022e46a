"""Threads: C programs of their own, built and run, also with ThreadSanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mario_rl_envs.game.rom import find_rom

ROOT = Path(__file__).parents[3]
CORE = ROOT / "mario_rl_envs" / "core"
COMPILER = os.environ.get("CC") or shutil.which("cc")
SANITIZER = "-fsanitize=thread"


def build(folder, name, sources, *options):
    """Compile tests/native/<name>.c with sources of the core; return the program's path."""
    if COMPILER is None:
        pytest.skip("there is no C compiler")
    path = folder / name
    command = [COMPILER, "-std=c11", "-O1", "-g", "-pthread", *options, f"-I{CORE}"]
    files = [ROOT / "tests" / "native" / f"{name}.c", *sources]
    result = subprocess.run([*command, *files, "-o", path, "-lm"], capture_output=True, text=True)
    if SANITIZER in options and result.returncode != 0 and "tsan" in result.stderr:
        pytest.skip("the compiler has no ThreadSanitizer")
    assert result.returncode == 0, result.stderr
    return path


def run(*command):
    """Run a program that says nothing if all is well."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("ThreadSanitizer does not know this kernel's layout of memory")
    assert (result.returncode, result.stderr) == (0, "")


def test_every_item_is_done_once_in_child_processes_too(tmp_path):
    run(build(tmp_path, "pool", [CORE / "batch" / "pool.c"], "-Wall", "-Wextra", "-Werror"), "fork")


def test_threads_of_the_pool_do_not_race(tmp_path):
    run(build(tmp_path, "pool", [CORE / "batch" / "pool.c"], SANITIZER))


@pytest.mark.slow
def test_games_side_by_side_do_not_race(tmp_path):
    sources = [path for path in CORE.rglob("*.c") if path.parent.name != "python"]
    run(build(tmp_path, "vector", sources, SANITIZER), find_rom())
