"""The pool of threads, as a C program of its own: built and run, also with ThreadSanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "mario_rl_envs" / "emulators" / "native"
COMPILER = os.environ.get("CC") or shutil.which("cc")


def build(path, *options):
    if COMPILER is None:
        pytest.skip("there is no C compiler")
    command = [COMPILER, "-std=c11", "-O1", "-g", "-pthread", *options, f"-I{NATIVE}"]
    sources = [ROOT / "tests" / "native" / "pool.c", NATIVE / "pool.c"]
    result = subprocess.run([*command, *sources, "-o", path], capture_output=True, text=True)
    if "-fsanitize=thread" in options and result.returncode != 0 and "tsan" in result.stderr:
        pytest.skip("the compiler has no ThreadSanitizer")
    assert result.returncode == 0, result.stderr
    return path


def test_every_item_is_done_once_in_child_processes_too(tmp_path):
    program = build(tmp_path / "pool", "-Wall", "-Wextra", "-Werror")
    result = subprocess.run([program, "fork"], capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")


def test_threads_do_not_race(tmp_path):
    program = build(tmp_path / "pool", "-fsanitize=thread")
    result = subprocess.run([program], capture_output=True, text=True, timeout=120)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("ThreadSanitizer does not know this kernel's layout of memory")
    assert (result.returncode, result.stderr) == (0, "")
