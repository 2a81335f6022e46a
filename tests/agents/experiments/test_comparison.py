"""What a comparison says it was made with is what its trainings had, not the call that wrote it."""

import json
import shutil
from pathlib import Path

import pytest
from mario_rl_agents.experiments import JobFolder, LocalEngine, read_report
from mario_rl_agents.experiments.comparison import gather
from mario_rl_agents.experiments.plan import Plan, jobs_folder
from mario_rl_agents.runs.run import versions


@pytest.fixture(scope="module")
def plan():
    fields = {"period": 20, "num_episodes": 1, "num_final_episodes": 1}
    return Plan.make(["random"], "CartPole-v1", total_steps=20, num_seeds=2, **fields)


@pytest.fixture(scope="module")
def once_trained(plan, tmp_path_factory):
    """The folder of a comparison whose first job was one of three at once, its second of two."""
    folder = tmp_path_factory.mktemp("comparison")
    for job, num_jobs in zip(plan.jobs(), (3, 2), strict=True):
        LocalEngine(num_jobs).run([job], jobs_folder(folder))
    return folder


@pytest.fixture
def trained(once_trained, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(once_trained, tmp_path / "comparison"))


def reports_of(plan, folder):
    return [read_report(job, jobs_folder(folder)) for job in plan.jobs()]


def edit(folder, job, file, **changes):
    path = JobFolder(jobs_folder(folder), job.name).path / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_versions_load_and_trainings_at_once_are_those_of_the_trainings(plan, trained):
    first, second = plan.jobs()
    installed = versions()
    edit(trained, first, "result.json", versions={**installed, "torch": "1.0.0"})
    edit(trained, first, "progress.json", load=7.0)
    edit(trained, second, "progress.json", load=2.0)
    header = gather(plan, trained, reports_of(plan, trained)).header
    assert header.versions == {**installed, "torch": f"1.0.0, {installed['torch']}"}
    assert header.load == 4.5
    assert header.num_jobs == 3
    edit(trained, second, "result.json", versions={**installed, "torch": "1.0.0"})
    header = gather(plan, trained, reports_of(plan, trained)).header
    assert header.versions == {**installed, "torch": "1.0.0"}  # whatever is installed now


def test_what_a_training_does_not_tell_is_unknown(plan, trained):
    edit(trained, plan.jobs()[0], "progress.json", num_jobs=None)  # as one of a cluster
    assert gather(plan, trained, reports_of(plan, trained)).header.num_jobs is None


def test_before_any_training_versions_are_those_installed(plan, tmp_path):
    header = gather(plan, tmp_path, reports_of(plan, tmp_path)).header
    assert header.versions == versions()
    assert header.num_jobs is header.load is None
