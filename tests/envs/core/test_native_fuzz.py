"""A short run of the fuzzer, tests/native/fuzz.c; `make fuzz` is a long one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mario_rl_envs.game.rom import find_rom

ROOT = Path(__file__).parents[3]
CORE = ROOT / "mario_rl_envs" / "core"
COMPILER = os.environ.get("CC") or shutil.which("cc")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NUM_SECONDS = 5


def build(path, *options):
    sources = [path for path in CORE.rglob("*.c") if path.parent.name != "python"]
    command = [COMPILER, "-std=c11", "-O1", "-g", *options, f"-I{CORE}", "-pthread"]
    command += [ROOT / "tests" / "native" / "fuzz.c", *sources, "-lm", "-o", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("fuzz") / "fuzz"
    # Not every compiler brings the sanitizers' libraries; the fuzzer's own checks run without too.
    if build(path, *SANITIZERS).returncode != 0:
        result = build(path)
        assert result.returncode == 0, result.stderr
    return path


def run(program, *arguments):
    # A sanitizer's library that this process was started with is of no use to the program.
    environ = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300)


def test_random_inputs_find_nothing(fuzz):
    result = run(fuzz, find_rom(), NUM_SECONDS)
    assert result.returncode == 0, result.stderr
    assert "inputs, no finding" in result.stdout


def test_a_file_that_is_no_rom_is_a_finding(fuzz, tmp_path):
    wrong = tmp_path / "wrong.nes"
    wrong.write_bytes(b"NES\x1a" + bytes(100))
    result = run(fuzz, wrong, NUM_SECONDS)
    assert result.returncode != 0
    assert "the ROM is refused" in result.stderr
