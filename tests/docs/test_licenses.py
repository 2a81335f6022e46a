"""The page of licenses says what a wheel ships and what the installed packages state."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import pytest

from benchmarks.licenses import PAGE, ROOT, license_of, requirements, text_of

OURS: Final = {".py", ".pyi", ".h", ".json", ".safetensors", ".typed", ".html", ".css", ".js"}


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="the page is of the versions for Python 3.11 and 3.12"
)
def test_tables_are_those_of_the_package_and_of_what_is_installed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert text_of(page) == page, "run python benchmarks/licenses.py"
    assert "not stated" not in page


def test_every_requirement_of_users_has_a_row() -> None:
    names = requirements()
    assert {"torch", "gymnasium", "nes-py", "bokeh", "ray"} <= names.keys()
    assert (names["gymnasium"], names["matplotlib"]) == ([], ["agents", "course"])
    page = PAGE.read_text(encoding="utf-8")
    for name in names:
        assert f"| `{name}` |" in page


def test_license_is_what_a_package_states() -> None:
    assert license_of(distribution("mario-rl-envs")) == "MIT"
    for name in ("typer", "jinja2", "numpy"):
        assert license_of(distribution(name)).startswith(("MIT", "BSD"))


def test_an_unknown_package_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"no-such-package": ["agents"]}
    monkeypatch.setattr("benchmarks.licenses.requirements", lambda: wanted)
    with pytest.raises(SystemExit, match="the license of no-such-package is unknown: install it"):
        text_of(PAGE.read_text(encoding="utf-8"))
    with pytest.raises(PackageNotFoundError):
        distribution("no-such-package")


def test_the_packages_folders_hold_nothing_of_others() -> None:
    for folder in ("mario_rl_envs", "agents/mario_rl_agents"):
        for path in Path(ROOT, folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                known = path.suffix in OURS or path.suffix in (".c", ".so", ".pyd")
                assert known or path.name == "py.typed", path
                if path.suffix in (".py", ".c", ".h", ".js", ".css"):
                    text = path.read_text(encoding="utf-8").lower()
                    assert "copyright (c)" not in text, path
