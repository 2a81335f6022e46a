"""`make demo` compiles, and never writes over what an earlier one left, trained further or not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUB = f"#!{sys.executable}\nimport sys; print(*sys.argv[1:])\n"
PROGRAMS = ("mario-rl", "python")


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], "runs/demo"),
        (["runs/demo"], "runs/demo-2"),
        (["runs/demo", "runs/demo-2"], "runs/demo-3"),
    ],
)
def test_the_demo_compiles_and_takes_a_free_folder(
    tmp_path: Path, taken: list[str], free: str
) -> None:
    for name in PROGRAMS:
        program = tmp_path / "venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(STUB)
        program.chmod(0o755)
    for folder in taken:
        (tmp_path / folder).mkdir(parents=True)
    # Only the recipe is of interest: what is installed has no prerequisites here.
    command = ["make", "-f", str(ROOT / "Makefile"), "--silent", "demo"]
    installed = tmp_path / "venv" / ".installed"
    installed.touch()
    done = subprocess.run(
        [
            *command,
            f"VENV={tmp_path / 'venv'}",
            f"INSTALLED={installed}",
            "--assume-old",
            installed,
        ],
        cwd=tmp_path,
        # As a user calls it, not as a part of the `make test` that runs this.
        env={name: value for name, value in os.environ.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        check=True,
    )
    compiled, trained = done.stdout.splitlines()
    assert compiled == "-m mario_rl_envs.compile"
    assert trained.split()[-2:] == ["--out", free]
    assert "--overwrite" not in trained
