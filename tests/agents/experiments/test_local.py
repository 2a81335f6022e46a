"""The engine of local processes: failures, locks, kills, budgets of time."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from mario_rl_agents.experiments import Job, JobFolder, JobState, LocalEngine, read_report
from mario_rl_agents.experiments.local import UNFINISHED as UNFINISHED_CODE
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.runs.run import Run
from support.agent_toys import ROOT
from support.jobs import random_job
from support.waiting import wait_for

FINISHED, UNFINISHED, FAILED = JobState.FINISHED, JobState.UNFINISHED, JobState.FAILED


def test_a_job_that_fails_stops_no_other_and_is_reported(tmp_path):
    broken = random_job(seed=0)
    unknown = Job.from_recipe("random", "support.flag_walk:NoSuchWalk-v0")
    whole = random_job(seed=1)
    toy = Job.from_recipe(
        "random", "support.flag_walk:FlagWalk-v0", total_steps=20, num_test_episodes=2
    )
    run = JobFolder(tmp_path, broken.name).run
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    Run(run, broken.spec).checkpoint.write_text("no checkpoint")
    said = []
    engine = LocalEngine(num_processes=2, tell=said.append)
    reports = engine.run([broken, unknown, whole, toy], tmp_path)
    assert [report.job for report in reports] == [broken, unknown, whole, toy]
    assert [report.state for report in reports] == [FAILED, FAILED, FINISHED, FINISHED]
    assert "exit code 1" in reports[0].error
    assert "config.json is damaged" in reports[0].error
    assert "NoSuchWalk" in reports[1].error
    assert reports[2].result == read_report(whole, tmp_path).result
    assert reports[2].progress.num_jobs == 2
    assert reports[3].result.kept.clear_rate is not None
    assert f"{whole.name}: started" in said
    assert any(line.startswith(f"{broken.name}: failed: exit code 1") for line in said)
    # What is finished is left alone; begun anew, the damage is gone.
    said.clear()
    assert engine.run([whole], tmp_path) == [reports[2]]
    assert said == []
    [fresh] = engine.run([broken], tmp_path, fresh=True)
    assert fresh.state is FINISHED


def test_a_long_line_of_a_failed_job_is_cut(tmp_path, monkeypatch):
    (tmp_path / "talkative.py").write_text('raise RuntimeError("no idea: " + "x" * 200_000)')
    monkeypatch.syspath_prepend(tmp_path)
    job = Job.from_recipe("random", "talkative:Any-v0", total_steps=20)
    [report] = LocalEngine(num_processes=1).run([job], tmp_path / "out")
    assert report.state is FAILED
    first, *lines = report.error.splitlines()
    assert first == "exit code 1"
    assert len(lines) == 5
    assert lines[-1].startswith("RuntimeError: no idea: xxx")
    assert lines[-1].endswith("xxx...")
    assert max(map(len, lines)) < 600
    assert "x" * 200_000 in JobFolder(tmp_path / "out", job.name).log.read_text()  # all of it


@pytest.mark.slow
def test_two_engines_on_one_folder_run_no_job_twice(tmp_path):
    jobs = [random_job(seed=seed, max_episodes=200) for seed in range(2)]
    found = {}

    def run_all(number):
        found[number] = LocalEngine(num_processes=1).run(jobs, tmp_path)

    threads = [threading.Thread(target=run_all, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.state for report in found[0]] == [FINISHED] * 2
    assert found[0] == found[1]
    for report in found[0]:
        run = Run.open(JobFolder(tmp_path, report.job.name).run)
        assert len(run.episodes()) == report.progress.num_episodes == 200
        assert len(list(run.tensorboard.iterdir())) == 1  # a process that trains leaves one


def test_a_job_that_another_process_is_at_is_left_to_it(tmp_path):
    job, other = random_job(seed=0), random_job(seed=1)
    folder = JobFolder(tmp_path, job.name)
    said, found = [], []
    engine = LocalEngine(num_processes=1, tell=said.append)
    thread = threading.Thread(target=lambda: found.append(engine.run([job, other], tmp_path)))
    with folder.locked() as free:
        assert free
        thread.start()
        wait_for(lambda: f"{other.name}: finished" in said)
        assert f"{job.name}: started" not in said
        result = run_job(job, tmp_path)
    thread.join()
    assert found[0][0].result == result
    assert f"{job.name}: started" not in said


def test_a_killed_process_is_reported_and_its_job_goes_on(tmp_path, monkeypatch):
    job = random_job(max_episodes=None, total_steps=10_000)
    started = []
    popen = subprocess.Popen

    def watched(*arguments, **keywords):
        started.append(popen(*arguments, **keywords))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", watched)
    engine = LocalEngine(num_processes=1, checkpoint_seconds=0.1)
    found = []
    thread = threading.Thread(target=lambda: found.append(engine.run([job], tmp_path)))
    thread.start()
    checkpoint = Run(JobFolder(tmp_path, job.name).run, job.spec).checkpoint
    wait_for(checkpoint.is_file)
    os.kill(started[0].pid, signal.SIGKILL)
    thread.join()
    [[report]] = found
    assert report.state is FAILED
    assert report.error.startswith("killed by SIGKILL")
    [report] = engine.run([job], tmp_path)
    assert report.state is FINISHED
    alone = run_job(job, tmp_path / "alone")
    assert report.result.training == alone.training
    assert report.result.final == alone.final


def test_jobs_of_a_killed_engine_save_and_end(tmp_path):
    job = random_job(max_episodes=None, total_steps=100_000_000)
    code = (
        "import sys; from mario_rl_agents.experiments import JobFolder, LocalEngine;"
        "folder = JobFolder(sys.argv[1], sys.argv[2]); job = folder.read_job();"
        "LocalEngine(num_processes=1).run([job], sys.argv[1])"
    )
    folder = JobFolder(tmp_path, job.name)
    folder.write_job(job)
    engine = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), job.name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
    )
    wait_for(lambda: folder.read_progress().num_steps > 0)
    engine.kill()
    engine.wait()
    wait_for(lambda: not folder.is_locked())
    assert Run.open(folder.run).checkpoint.is_file()
    assert read_report(job, tmp_path).state is UNFINISHED
    assert folder.log.read_text() == ""


def test_ctrl_c_saves_every_job(tmp_path):
    job = random_job(max_episodes=None, total_steps=100_000_000)
    folder = JobFolder(tmp_path, job.name)

    def interrupt():
        wait_for(lambda: folder.read_progress().num_steps > 0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(num_processes=1).run([job], tmp_path)
    thread.join()
    assert not folder.is_locked()
    report = read_report(job, tmp_path)
    assert report.state is UNFINISHED
    assert report.progress.num_steps > 0
    assert Run.open(folder.run).checkpoint.is_file()


def test_an_engine_that_is_stopped_saves_what_runs_and_starts_no_more(tmp_path):
    jobs = [random_job(max_episodes=None, total_steps=10**9, seed=seed) for seed in range(2)]
    folders = [JobFolder(tmp_path, job.name) for job in jobs]

    def is_training():
        return folders[0].read_progress().num_steps > 0

    reports = LocalEngine(num_processes=1).run(jobs, tmp_path, stop=is_training)
    assert [report.state for report in reports] == [UNFINISHED, UNFINISHED]
    assert reports[0].progress.num_steps > 0
    assert reports[1].progress.num_steps == 0
    assert Run.open(folders[0].run).checkpoint.is_file()
    assert not any(folder.is_locked() for folder in folders)


def test_a_job_that_is_stopped_before_it_can_save_has_not_failed(tmp_path):
    asked = iter([False, True, True])  # the second time while the job's process imports torch
    job = random_job(max_episodes=None, total_steps=10**9)
    [report] = LocalEngine().run([job], tmp_path, stop=lambda: next(asked))
    assert report.state is UNFINISHED
    assert report.error is None
    assert not JobFolder(tmp_path, job.name).is_locked()


def test_time_that_is_over_leaves_jobs_unfinished(tmp_path):
    jobs = [random_job(max_episodes=None, total_steps=10**9, seed=seed) for seed in range(2)]
    reports = LocalEngine(num_processes=1).run(jobs, tmp_path, minutes=0.02)
    assert [report.state for report in reports] == [UNFINISHED, UNFINISHED]
    assert reports[0].progress.num_steps > 0
    assert reports[1].progress.num_steps == 0
    assert JobFolder(tmp_path, jobs[0].name).read_so_far().job == jobs[0]


def test_a_damaged_result_is_reported_and_the_job_is_left_alone(tmp_path):
    job = random_job()
    folder = JobFolder(tmp_path, job.name)
    folder.path.mkdir()
    (folder.path / "result.json").write_text("{")
    [report] = LocalEngine(num_processes=1).run([job], tmp_path)
    assert report.state is FAILED
    assert "result.json is damaged" in report.error
    assert "begin the job anew (fresh)" in report.error
    assert not folder.log.exists()


def test_jobs_of_several_cores_have_their_turn(tmp_path, monkeypatch):
    """With two cores: the first alone, since the second needs both; the third waits for it."""

    class Process:
        def __init__(self, *arguments, **keywords):
            self._codes = iter([None, UNFINISHED_CODE])

        def poll(self):
            return next(self._codes)

    monkeypatch.setattr(subprocess, "Popen", Process)
    jobs = [random_job(seed=seed, num_cores=cores) for seed, cores in enumerate((1, 5, 1))]
    said = []
    reports = LocalEngine(num_processes=2, tell=said.append).run(jobs, tmp_path)
    assert said == [f"{job.name}: {event}" for job in jobs for event in ("started", "unfinished")]
    assert [report.state for report in reports] == [UNFINISHED] * 3


def test_engines_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_processes must be at least 1, received 0"):
        LocalEngine(num_processes=0)
    with pytest.raises(ValueError, match="checkpoint_seconds must be above 0, received 0"):
        LocalEngine(checkpoint_seconds=0)
    with pytest.raises(ValueError, match="received twice: random-CartPole-v1-seed0"):
        LocalEngine().run([random_job(), random_job()], tmp_path)
    assert LocalEngine().run([], tmp_path) == []
