"""`make demo` never writes over what an earlier one left, trained further or not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUB = f"#!{sys.executable}\nimport sys; print(*sys.argv[1:])\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], "runs/demo"),
        (["runs/demo"], "runs/demo-2"),
        (["runs/demo", "runs/demo-2"], "runs/demo-3"),
    ],
)
def test_the_demo_takes_a_free_folder(tmp_path: Path, taken: list[str], free: str) -> None:
    program = tmp_path / "venv" / "bin" / "mario-rl"
    program.parent.mkdir(parents=True)
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
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["--out", free]
    assert "--overwrite" not in done.stdout
