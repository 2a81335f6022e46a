"""Dependencies point one way, between folders too: the contracts of pyproject.toml hold."""

import configparser
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]


def test_no_arrow_points_up_and_no_folders_form_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_every_package_is_declared() -> None:
    """A folder that is not in setup.cfg would be missing in a wheel."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    declared = set(config["options"]["packages"].split())
    sources = {"mario_rl_envs": ROOT, "mario_rl_agents": ROOT / "agents"}
    found = {
        ".".join(path.parent.relative_to(source).parts)
        for package, source in sources.items()
        for path in (source / package).rglob("__init__.py")
    }
    assert found == declared
