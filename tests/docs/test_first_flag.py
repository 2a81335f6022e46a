"""The benchmark that tells how long it takes to the first flag."""

import sys

import pytest
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.result import ConditionScore

from benchmarks import first_flag
from benchmarks.first_flag import Milestone, first_at, median


def score(step, clear_rate):
    return ConditionScore(
        step=step,
        seconds=step / 10,
        cpu_seconds=step / 5,
        condition="no-ops",
        policy="sampled",
        num_episodes=100,
        num_distinct=100,
        return_mean=0.0,
        return_std=0.0,
        length_mean=1.0,
        x_pos_mean=0.0,
        clear_rate=clear_rate,
    )


def test_the_first_evaluation_that_reaches_a_rate_counts():
    scores = [score(100, 0.2), score(200, 0.9), score(300, 0.5), score(400, 1.0)]
    assert first_at(0.5, scores) == Milestone(200, 20.0)
    assert first_at(0.95, scores) == Milestone(400, 40.0)
    assert first_at(0.5, scores[:1]) is None


def test_seeds_that_never_came_there_count_in_the_median():
    early, late = Milestone(1_000_000, 60.0), Milestone(2_000_000, 120.0)
    assert median([early, late], 3) == "2.00 M, 2.0 min"
    assert median([early, early, late], 3) == "1.00 M, 1.0 min"
    assert median([early], 3) == "never (1 of 3)"


def test_the_first_flag_lies_between_evaluations(tmp_path, monkeypatch):
    folder = JobFolder(tmp_path, "job")
    rows = [(150, False), (170, True), (190, True)]
    episodes = [type("Row", (), {"step": step, "cleared": cleared}) for step, cleared in rows]
    monkeypatch.setattr(folder, "read_episodes", lambda: episodes)
    found = first_flag.first_flag(folder, [score(100, 0.0), score(200, 0.1)], Milestone(300, 30.0))
    assert found == Milestone(170, pytest.approx(17.0))
    monkeypatch.setattr(folder, "read_episodes", lambda: episodes[:1])
    assert first_flag.first_flag(folder, [], Milestone(300, 30.0)) is None


def test_a_run_is_trained_and_told_of_once(tmp_path, monkeypatch, capsys):
    command = f"--out {tmp_path} --seeds 1 --steps 512 --period 256 --episodes 2 --cores 1"
    command += " --final-episodes 3 --set rollout_steps=4 --set batch_size=256"
    command += " --env-kwarg size=16 --env-kwarg stall=5"
    monkeypatch.setattr(sys, "argv", ["first_flag.py", *command.split()])
    first_flag.main()
    told = capsys.readouterr().out
    assert "| 0 | never | never | never | never | 0.00 M" in told
    assert "0.000 of 3 |" in told
    assert [x.step for x in JobFolder(tmp_path, "ppo-MarioRL-1-1-v0-seed0").read_evaluations()] == [
        256
    ]
    monkeypatch.setattr(first_flag, "start", lambda *_: pytest.fail("it is trained again"))
    first_flag.main()
    assert capsys.readouterr().out == told
