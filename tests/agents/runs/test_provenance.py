"""A result names the commit of the code and the machine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mario_rl_agents.runs import provenance

HERE = "agents/mario_rl_agents/runs/provenance.py"
AGENTS = "agents/mario_rl_agents/agent.py"
ENVS = "mario_rl_envs/make.py"
CORE = "mario_rl_envs/core/machine/cpu.c"
OTHERS = "docs/training.md", "mario_rl_agents/notes.md", "agents.md"


def test_the_commit_is_that_of_the_package(tmp_path, monkeypatch):
    assert re.fullmatch(r"unknown|[0-9a-f]{7,}( with changes)?", provenance.describe_commit())
    # Installed, the package is in no repository, or in that of somebody else.
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.describe_commit.__wrapped__() == "unknown"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository like this one, with everything committed; the module is the one in it."""
    for name in (HERE, AGENTS, ENVS, CORE, *OTHERS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was\n")
    shutil.copy(provenance.__file__, tmp_path / HERE)
    settings = ("user.name=a", "user.email=a@b.c", "commit.gpgsign=false")
    git = ["git", "-C", str(tmp_path), *(word for each in settings for word in ("-c", each))]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / HERE))
    return tmp_path


@pytest.mark.parametrize("name", [HERE, AGENTS, ENVS, CORE])
def test_a_change_of_agents_environments_or_core_is_said(repository: Path, name):
    commit = provenance.describe_commit.__wrapped__()
    assert re.fullmatch(r"[0-9a-f]{7,}", commit)
    with (repository / name).open("a") as file:
        file.write("changed\n")
    assert provenance.describe_commit.__wrapped__() == f"{commit} with changes"
    subprocess.run(["git", "-C", str(repository), "add", "."], check=True)  # still not committed
    assert provenance.describe_commit.__wrapped__() == f"{commit} with changes"


def test_a_change_of_anything_else_is_not(repository: Path):
    commit = provenance.describe_commit.__wrapped__()
    for name in OTHERS:
        (repository / name).write_text("changed\n")
    assert provenance.describe_commit.__wrapped__() == commit


def test_the_machine_is_named():
    assert re.fullmatch(r".+, \d+ cores", provenance.describe_machine())
