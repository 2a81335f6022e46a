"""Every example of a library trains in a fresh virtual environment, without a warning of ours.

Each test makes a virtual environment of its own, installs our wheel and the pinned library there,
and runs the example as a user would. `make integration` runs them; those that need no more than
the pinned packages run in tests/docs, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.libraries import LIBRARIES, Library

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
REQUIREMENTS = Path(__file__).parent / "requirements"
WATCH = Path(__file__).parent / "watch"
STEPS = 1_000
TIMEOUT = 1_800  # seconds, of an install or a run
# What a run keeps of the environment's variables.
KEPT = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "SDL_VIDEODRIVER", "SSL_CERT_FILE", "TMPDIR")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return our wheel, built from a copy of the sources: the build leaves files beside them."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("mario_rl_envs", "agents"):
        ignore = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, source])
    return next(folder.glob("*.whl"))


@pytest.fixture
def fresh_venv(tmp_path: Path) -> Iterator[Path]:
    """Return a new virtual environment, which is removed in the end: most hold over 1 GB."""
    folder = tmp_path / "venv"
    run([sys.executable, "-m", "venv", folder])
    yield folder
    shutil.rmtree(folder)


@pytest.mark.integration
@pytest.mark.parametrize("name", LIBRARIES)
def test_example_trains(name: str, wheel: Path, fresh_venv: Path, tmp_path: Path) -> None:
    library = LIBRARIES[name]
    python = fresh_venv / "bin" / "python"
    requirements = REQUIREMENTS / f"{name}.txt"
    start = time.monotonic()
    # What the example imports is compiled when it runs; most of a library is not.
    run([python, "-m", "pip", "install", "--quiet", "--no-compile", wheel, "-r", requirements])
    installed = time.monotonic()
    home = tmp_path / "home"
    home.mkdir()
    output = run(
        [python, EXAMPLES / library.example, "--steps", str(STEPS), "--out", library.out],
        cwd=home,
        env=watched(library, home, tmp_path / "warnings.txt"),
    )
    log = (tmp_path / "warnings.txt").read_text().splitlines()
    size = sum(file.lstat().st_size for file in fresh_venv.rglob("*")) / 1e6
    print(
        f"{name}: installed {size:,.0f} MB in {installed - start:.0f} s, "
        f"ran {time.monotonic() - installed:.0f} s, {len(log)} warnings"
    )
    assert [line for line in log if line.startswith("ours")] == []
    reports = re.findall(library.report, output)
    assert int(reports[-1]) >= STEPS, output
    assert (home / library.file).is_file()


def watched(library: Library, home: Path, log: Path) -> dict[str, str]:
    """Return the variables of a user without this clone, who sees every warning once."""
    log.touch()
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(WATCH),
        "PYTHONWARNINGS": "default",
        "RAY_ADDRESS": "local",  # not a cluster that runs here already
        "RAY_USAGE_STATS_ENABLED": "0",
        "WATCHED_EXAMPLE": library.example,
        "WATCHED_LOG": str(log),
    }


def run(
    command: Sequence[str | Path], cwd: Path | None = None, env: dict[str, str] | None = None
) -> str:
    """Return what a command prints; one that fails fails the test with it."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_every_library_has_requirements() -> None:
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == set(LIBRARIES)


def test_every_example_of_a_library_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "libraries.md").read_text()
    for library in LIBRARIES.values():
        assert f"](../examples/{library.example})" in page
