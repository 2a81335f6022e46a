"""What is there to publish the project: it parses, and agrees with the package."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which the extra 'dev' brings")

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_the_citation_is_of_this_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    project = PYPROJECT["project"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert citation["title"].partition(":")[0] == project["name"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_ask_what_it_runs_on(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    ids = [entry["id"] for entry in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(
        entry["type"] in ("input", "textarea") and entry["attributes"]["label"]
        for entry in form["body"]
    )
    text = path.read_text()
    assert "mario-rl --version" in text
    assert "mario_rl_envs.native_info()" in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_what_they_name(path: Path) -> None:
    workflow = read(path)
    assert {"name", "permissions", "jobs"} <= workflow.keys()
    assert True in workflow  # `on`, as YAML 1.1 reads it
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job.get("needs", ())) <= workflow["jobs"].keys()
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[\w./]+", step.get("uses", "a/b@c"))
    for script in re.findall(r"\.ci/[\w.]+", path.read_text()):
        assert (ROOT / script).is_file()


def test_only_a_tag_is_published() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "wheels.yml")["jobs"]
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert jobs["publish"]["needs"] == ["wheel", "sdist"]
    allowed = {name for name, job in jobs.items() if "permissions" in job}
    assert allowed == {"publish"}


def test_wheels_are_of_every_platform_and_tested() -> None:
    settings = PYPROJECT["tool"]["cibuildwheel"]
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=").replace(".", "")
    assert f"cp{oldest}-*" in settings["build"]
    script = settings["test-command"].partition("{project}/")[2]
    assert (ROOT / script).is_file()
    jobs = read(ROOT / ".github" / "workflows" / "wheels.yml")["jobs"]
    systems = {entry["system"] for entry in jobs["wheel"]["strategy"]["matrix"]["include"]}
    assert systems >= {"linux-x86_64", "linux-aarch64", "macos-arm64", "windows-x86_64"}
