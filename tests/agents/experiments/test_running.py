"""One job: what ends it, what it leaves, and that it goes on where it was stopped."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from mario_rl_agents.errors import JobError, RunError
from mario_rl_agents.experiments import Job, JobFolder, JobState, PeriodicEvaluation, read_report
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.runs.run import Run, versions
from support.agent_toys import ROOT
from support.jobs import learner_job, random_job


def same_but_for_time(result):
    """Return a result without what differs each time."""
    return dataclasses.replace(result, minutes=0.0, date="")


def test_a_job_ends_after_its_episodes_and_says_what_it_found(tmp_path):
    job = random_job(seed=3)
    result = run_job(job, tmp_path)
    folder = JobFolder(tmp_path, job.name)
    episodes = folder.read_episodes()
    assert folder.read_result() == result
    assert read_report(job, tmp_path).result == result
    assert result.job == job
    assert result.ended_by == "episodes"
    assert result.num_episodes == len(episodes) == 60
    assert result.num_steps == episodes[-1].step
    mean = sum(episode.episodic_return for episode in episodes) / 60
    assert result.training.mean == pytest.approx(mean)
    last = sum(episode.episodic_return for episode in episodes[-50:]) / 50
    assert result.training.last_50 == pytest.approx(last)
    assert result.training.last_100 is result.training.best_100 is None
    assert result.final.num_episodes == result.kept.num_episodes == 2
    assert result.reloaded_return is None
    assert result.minutes > 0
    assert len(result.commits) == 1
    assert result.versions == folder.read_progress().versions == versions()
    assert folder.read_progress().num_episodes == 60


def test_an_agent_that_is_loaded_again_plays_the_same(tmp_path):
    job = learner_job("CartPole-v1", total_steps=300, check_reload=True)
    result = run_job(job, tmp_path)
    assert result.reloaded_return == result.final.return_mean
    assert result.ended_by == "steps"


def test_a_kill_costs_no_more_than_what_came_after_the_last_checkpoint(tmp_path):
    """Killed with -9 in the middle and started again, it ends as one that was left alone."""
    job = learner_job(seed=1, evaluation=PeriodicEvaluation(period=500, num_episodes=2))
    killed, whole = (JobFolder(tmp_path / name, job.name) for name in ("killed", "whole"))
    killed.write_job(job)
    command = [sys.executable, "-m", "mario_rl_agents.experiments.worker", str(killed.path)]
    process = subprocess.Popen(
        [*command, "--checkpoint-seconds", "0.1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    )
    checkpoint = Run(killed.run, job.spec).checkpoint
    while process.poll() is None and not checkpoint.is_file():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert killed.read_result() is None
    written = checkpoint.stat().st_mtime
    after_kill = run_job(job, tmp_path / "killed")
    assert checkpoint.stat().st_mtime > written
    unbroken = run_job(job, tmp_path / "whole")
    assert same_but_for_time(after_kill) == same_but_for_time(unbroken)
    assert killed.read_episodes() == whole.read_episodes()
    assert killed.read_scores() == whole.read_scores()
    assert [score.step for score in whole.read_scores()] == [500, 1_000, 1_500]


def test_a_kill_before_the_first_checkpoint_begins_anew(tmp_path):
    job = random_job()
    folder = JobFolder(tmp_path, job.name)
    folder.run.mkdir(parents=True)
    (folder.run / ".config.json.0a1b2c3d.tmp.json").write_text("{")
    assert run_job(job, tmp_path).num_episodes == 60


def test_time_that_is_over_leaves_what_there_is_and_can_go_on(tmp_path):
    job = learner_job()
    assert run_job(job, tmp_path, minutes=0.0) is None
    folder = JobFolder(tmp_path, job.name)
    assert folder.read_result() is None
    so_far = folder.read_so_far()
    assert so_far.ended_by is None
    assert 0 < so_far.num_steps < job.spec.total_steps
    assert read_report(job, tmp_path).state is JobState.UNFINISHED
    assert run_job(job, tmp_path).num_steps == job.spec.total_steps


def test_minutes_of_all_processes_end_a_job(tmp_path):
    job = random_job(max_episodes=None, total_steps=100_000_000, max_minutes=0.02)
    assert run_job(job, tmp_path, minutes=0.01) is None
    first = JobFolder(tmp_path, job.name).read_progress().seconds
    assert first >= 0.6
    result = run_job(job, tmp_path)
    assert result.ended_by == "minutes"
    assert 0.02 <= result.minutes < 0.2
    # A job whose minutes are used up trains no more when it is only to be evaluated again.
    assert run_job(job, tmp_path).num_steps == result.num_steps


def test_training_ends_once_the_greedy_agent_is_good_enough(tmp_path):
    good = PeriodicEvaluation(period=150, num_episodes=2, stop_at=5.0)
    job = learner_job("CartPole-v1", evaluation=good)
    result = run_job(job, tmp_path)
    assert (result.ended_by, result.num_steps) == ("evaluation", 150)
    never = dataclasses.replace(good, stop_at=501.0)
    job = learner_job("CartPole-v1", evaluation=never, total_steps=400, seed=1)
    result = run_job(job, tmp_path)
    assert (result.ended_by, result.num_steps) == ("steps", 400)
    scores = JobFolder(tmp_path, job.name).read_scores()
    assert [score.step for score in scores] == [150, 300]


@pytest.mark.parametrize("stop_at", [None, 5.0])
def test_an_evaluation_that_a_kill_cut_off_is_made_up_for(tmp_path, stop_at):
    """Killed after the checkpoint of a step and before the score of that step was written."""
    evaluation = PeriodicEvaluation(150, num_episodes=2, stop_at=stop_at)
    job = learner_job("CartPole-v1", total_steps=300, evaluation=evaluation)
    result = run_job(job, tmp_path)
    folder = JobFolder(tmp_path, job.name)
    scores = folder.read_scores()
    assert [score.step for score in scores] == ([150, 300] if stop_at is None else [150])
    folder.write_scores(scores[:-1])
    assert same_but_for_time(run_job(job, tmp_path)) == same_but_for_time(result)
    assert folder.read_scores() == scores


def test_several_environments_are_stepped_side_by_side(tmp_path):
    job = Job.from_recipe("ppo", "CartPole-v1", num_envs=4, total_steps=1_000, num_test_episodes=2)
    result = run_job(job, tmp_path)
    assert job.spec.num_envs == 4
    assert (result.ended_by, result.num_steps) == ("steps", 1_000)


def test_more_steps_go_on_with_a_finished_job_and_fewer_are_refused(tmp_path):
    job = learner_job(total_steps=200)
    run_job(job, tmp_path)
    longer = learner_job(total_steps=300)
    assert read_report(longer, tmp_path).state is JobState.UNFINISHED
    assert run_job(longer, tmp_path).num_steps == 300
    with pytest.raises(JobError, match="has taken 300 environment steps, more than the 200"):
        run_job(job, tmp_path)


def test_a_run_without_a_field_of_today_goes_on(tmp_path):
    job = learner_job(total_steps=200)
    assert run_job(job, tmp_path, minutes=0.0) is None
    path = JobFolder(tmp_path, job.name).run / "config.json"
    saved = json.loads(path.read_text())
    del saved["config"]["dueling"]
    path.write_text(json.dumps(saved))
    assert run_job(job, tmp_path).num_steps == 200


def test_an_agent_of_ones_own_is_loaded_again(tmp_path, monkeypatch):
    (tmp_path / "its_module.py").write_text(
        "from mario_rl_agents.algorithms.double_dqn import DoubleDQN\n"
        "class Mine(DoubleDQN):\n    algorithm = 'mine'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    job = learner_job("CartPole-v1", total_steps=100, check_reload=True)
    job = dataclasses.replace(
        job, name="", spec=dataclasses.replace(job.spec, algorithm="its_module:Mine")
    )
    result = run_job(job, tmp_path / "out")
    assert result.reloaded_return == result.final.return_mean


def test_a_folder_of_another_job_is_left_alone(tmp_path):
    job = learner_job(name="job")
    assert run_job(job, tmp_path, minutes=0.0) is None
    other = learner_job("CartPole-v1", name="job", config={"gamma": 0.5})
    with pytest.raises(JobError, match="begun with another env_id and another config than job"):
        run_job(other, tmp_path)


def test_a_damaged_run_is_reported(tmp_path):
    job = learner_job()
    assert run_job(job, tmp_path, minutes=0.0) is None
    (JobFolder(tmp_path, job.name).run / "config.json").write_text("{}")
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        run_job(job, tmp_path)
