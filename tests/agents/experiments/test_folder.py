"""The files of a job: what is damaged is reported, and one process at a time holds the lock."""

import pytest
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments import JobFolder, JobState, read_report
from mario_rl_agents.experiments.result import Progress, Score
from mario_rl_agents.experiments.running import run_job
from support.jobs import random_job


def test_a_folder_without_a_job_is_empty(tmp_path):
    folder = JobFolder(tmp_path, "nothing")
    assert folder.read_result() is folder.read_so_far() is None
    assert folder.read_progress() == Progress()
    assert folder.read_scores() == folder.read_episodes() == []
    assert not folder.is_locked()
    assert not folder.path.exists()
    with pytest.raises(JobError, match=r"there is no job at .*nothing"):
        folder.read_job()


def test_what_is_written_is_read(tmp_path):
    folder, job = JobFolder(tmp_path, "job"), random_job(name="job")
    progress = Progress(1.5, 30, 2, ("abc", "def"))
    scores = [Score(10, 1.0, 0.5), Score(20, 2.0, 0.0)]
    folder.write_job(job)
    folder.write_progress(progress)
    folder.write_scores(scores)
    assert (folder.read_job(), folder.read_progress()) == (job, progress)
    assert folder.read_scores() == scores


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("result.json", '{"format": 1', "delimiter"),
        ("result.json", "[]", "expected an object"),
        ("result.json", '{"format": 0}', "it has format 0, this version reads 1"),
        ("result.json", '{"format": 1}', "fields of JobResult must be complete, job, "),
        ("progress.json", '{"second": 1}', "second"),
    ],
)
def test_a_damaged_file_is_reported(tmp_path, file, content, why):
    job = random_job()
    folder = JobFolder(tmp_path, job.name)
    folder.path.mkdir()
    (folder.path / file).write_text(content)
    with pytest.raises(JobError, match=rf"{file} is damaged \(.*{why}"):
        folder.read_result() or folder.read_progress()
    report = read_report(job, tmp_path)
    assert report.state is JobState.FAILED
    assert f"{file} is damaged" in report.error


def test_a_result_with_a_field_cut_out_is_reported(tmp_path):
    job = random_job(max_episodes=2)
    run_job(job, tmp_path)
    path = JobFolder(tmp_path, job.name).path / "result.json"
    path.write_text(path.read_text().replace('"return_std"', '"spread"'))
    assert "result.json is damaged" in read_report(job, tmp_path).error


def test_the_result_of_another_job_does_not_count(tmp_path):
    job = random_job(max_episodes=2, name="job")
    run_job(job, tmp_path)
    assert read_report(job, tmp_path).state is JobState.FINISHED
    other = random_job(max_episodes=3, name="job")
    assert read_report(other, tmp_path).state is JobState.UNFINISHED


def test_only_one_process_is_at_a_job(tmp_path):
    folder = JobFolder(tmp_path, "job")
    with folder.locked() as first, folder.locked() as second:
        assert (first, second) == (True, False)
        assert folder.is_locked()
    assert not folder.is_locked()


def test_a_job_begins_anew_with_its_log_kept(tmp_path):
    job = random_job(max_episodes=2)
    folder = JobFolder(tmp_path, job.name)
    folder.write_job(job)
    folder.log.write_text("said before")
    run_job(job, tmp_path)
    folder.clear()
    assert folder.read_result() is None
    assert folder.read_episodes() == []
    assert folder.read_progress() == Progress()
    assert folder.read_job() == job
    assert folder.log.read_text() == "said before"
