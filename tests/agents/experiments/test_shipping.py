"""A job's files on their way to another machine and back."""

import os

import numpy as np
from mario_rl_agents.experiments import JobFolder
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.shipping import read_files, write_files
from support.jobs import learner_job


def test_files_arrive_as_they_were(tmp_path):
    job = learner_job(total_steps=10)
    run_job(job, tmp_path / "here")
    here, there = JobFolder(tmp_path / "here", job.name), JobFolder(tmp_path / "there", job.name)
    (here.path / "empty").touch()
    (here.path / "link").symlink_to(here.path / "result.json")
    with here.locked():
        files = read_files(here)
    names = [file.name for file in files]
    found = {path.relative_to(here.path).as_posix() for path in here.path.rglob("*")}
    assert set(names) == found - {"link", "lock", "run", "run/tensorboard"}
    [replay] = [name for name in names if ".replay-" in name]
    order = [replay, "run/checkpoint.safetensors", "result.json"]
    assert sorted(order, key=names.index) == order  # cut off anywhere, the rest is whole
    write_files(there, files)
    assert there.read_result() == here.read_result()
    for before, after in zip(files, read_files(there), strict=True):
        assert (before.name, before.mtime) == (after.name, after.mtime)
        np.testing.assert_array_equal(before.content, after.content)


def test_files_that_are_no_more_are_deleted_and_others_stay(tmp_path):
    here, there = JobFolder(tmp_path / "here", "job"), JobFolder(tmp_path / "there", "job")
    here.run.mkdir(parents=True)
    there.run.mkdir(parents=True)
    for name in ("old", "changed", "foreign"):
        (there.run / name).write_text("before")
    (here.run / "changed").write_text("after")
    with there.locked():
        write_files(there, read_files(here), replaced=["run/old", "run/changed", "run/gone"])
        assert there.is_locked()
    assert sorted(os.listdir(there.run)) == ["changed", "foreign"]
    assert (there.run / "changed").read_text() == "after"


def test_nothing_is_shipped_of_a_job_that_has_not_begun(tmp_path):
    assert read_files(JobFolder(tmp_path, "job")) == []
