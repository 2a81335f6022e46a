"""Training: budgets, checkpoints, signals, and resumption without a trace."""

import contextlib
import dataclasses
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPOConfig
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.errors import RunError
from mario_rl_agents.recipes.recipe import Recipe
from mario_rl_agents.runs.loading import new_run as begin_run
from mario_rl_agents.runs.loading import resume_run, spec_from_recipe
from mario_rl_agents.runs.metrics import running_average
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.runs.trainer import Outcome, train
from mario_rl_agents.runs.trainer import _stop_on_signals as stop_on_signals
from mario_rl_agents.teachers import AgentTeacher
from safetensors import safe_open

CONFIG = DQNConfig(learning_starts=50, batch_size=8)


def new_run(folder: Path, total_steps: int, total_games: int | None = None) -> Run:
    spec = RunSpec(
        "dqn", "CartPole-v1", {}, {}, seed=0, total_steps=total_steps, total_games=total_games
    )
    return Run.create(folder, spec)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping


def train_new(run: Run) -> Agent:
    env = gym.make("CartPole-v1")
    agent = DQN.create(env, CONFIG, seed=0, device="cpu")
    assert train(agent, run) is Outcome.FINISHED
    env.close()
    return agent


def resume(run: Run) -> None:
    env = gym.make("CartPole-v1")
    agent = DQN.load(run.checkpoint, env, device="cpu")
    assert train(agent, run) is Outcome.FINISHED
    env.close()


def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path: Path) -> None:
    whole = new_run(tmp_path / "whole", 3000)
    train_new(whole)
    parts = new_run(tmp_path / "parts", 250)  # stops within an episode
    train_new(parts)
    assert {row.step for row in parts.episodes()}.isdisjoint({250})
    resume(parts.extended_to(2900))  # after the first best checkpoint
    resume(Run.open(parts.folder).extended_to(3000))
    assert whole.best.is_file()

    assert parts.episodes() == whole.episodes()
    speed = "charts/steps_per_second"
    expected = [row for row in whole.metrics() if row.metric != speed]
    assert [row for row in parts.metrics() if row.metric != speed] == expected
    for one, other in ((parts.checkpoint, whole.checkpoint), (parts.best, whole.best)):
        first, second = tensors(one), tensors(other)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_tells_all_that_it_was_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path / "run", 60)
    began = run.record()
    train_new(run)
    resume(run := run.extended_to(70))
    assert run.record() == began
    monkeypatch.setattr("mario_rl_agents.runs.run.describe_commit", lambda: "4d5e6f7")
    monkeypatch.setattr("mario_rl_agents.runs.run.describe_machine", lambda: "Another, 3 cores")
    monkeypatch.setattr(
        "mario_rl_agents.runs.run.versions", lambda: {**began.versions, "torch": "9.9.9"}
    )
    for steps in (80, 90):  # the second adds nothing
        resume(run := run.extended_to(steps))
        record = run.record()
        assert record.commit == f"{began.commit}, 4d5e6f7"
        assert record.machine == f"{began.machine}; Another, 3 cores"
        assert record.versions == {**began.versions, "torch": f"{began.versions['torch']}, 9.9.9"}
        assert record.command == began.command


def test_games_end_a_run_and_a_resumed_one_equals_one_that_was_never_stopped(
    tmp_path: Path,
) -> None:
    whole = new_run(tmp_path / "whole", 10**6, total_games=30)
    assert train_new(whole).num_episodes == 30
    parts = new_run(tmp_path / "parts", 200, total_games=12)  # the steps are taken before
    agent = train_new(parts)
    assert agent.num_episodes < 12
    assert agent.num_steps == 200
    parts = parts.extended_to(10**6)
    resume(parts)
    assert len(parts.episodes()) == 12
    with pytest.raises(ValueError, match=r"of 1,000,000 steps, 12 of 12 games: extend the run"):
        resume(parts)
    resume(Run.open(parts.folder).extended_to(total_games=30))
    assert parts.episodes() == whole.episodes()
    first, second = tensors(parts.checkpoint), tensors(whole.checkpoint)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_crash_after_the_checkpoint_leaves_no_trace(tmp_path: Path) -> None:
    whole = new_run(tmp_path / "whole", 400)
    train_new(whole)
    crashed = new_run(tmp_path / "crashed", 200)
    train_new(crashed)
    saved = {path: path.read_bytes() for path in crashed.folder.glob("checkpoint*")}
    resume(crashed.extended_to(330))
    for path, content in saved.items():  # as if the steps from 200 to 330 had never been saved
        path.write_bytes(content)
    resume(Run.open(crashed.folder).extended_to(400))
    assert crashed.episodes() == whole.episodes()


def test_best_is_kept_at_the_highest_running_average(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 4000)
    agent = train_new(run)
    rows = run.episodes()
    averages = running_average([row.episodic_return for row in rows])
    looked_at = range(99, len(rows), 10)
    assert len(looked_at) > 3
    best = max(looked_at, key=lambda index: averages[index])
    env = gym.make("CartPole-v1")
    loaded = DQN.load(run.best, env, device="cpu")
    env.close()
    assert loaded.num_steps == rows[best].step
    assert agent.num_steps == 4000


def test_best_is_kept_from_the_game_that_is_named(tmp_path: Path) -> None:
    env = gym.make("CartPole-v1")
    run = new_run(tmp_path / "run", 400)
    train(DQN.create(env, CONFIG, seed=0, device="cpu"), run, best_from=12)
    rows = run.episodes()
    assert len(rows) < 100
    averages = running_average([row.episodic_return for row in rows])
    best = max(range(11, len(rows)), key=lambda index: averages[index])
    assert max(averages) > averages[best]  # of those before
    assert DQN.load(run.best, env, device="cpu").num_steps == rows[best].step

    longer = run.extended_to(600)
    train(DQN.load(longer.checkpoint, env, device="cpu"), longer, best_from=12)
    whole = new_run(tmp_path / "whole", 600)
    train(DQN.create(env, CONFIG, seed=0, device="cpu"), whole, best_from=12)
    first, second = tensors(longer.best), tensors(whole.best)
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(ValueError, match="best_from must be a whole number >= 1, got 0"):
        train(DQN.create(env, CONFIG, seed=0, device="cpu"), whole, best_from=0)
    env.close()


def test_a_best_that_was_not_saved_does_not_count(tmp_path: Path) -> None:
    """A lucky first game, that was not looked at, is none to be better than."""
    env = gym.make("CartPole-v1")
    run = new_run(tmp_path / "run", 400)
    train(DQN.create(env, CONFIG, seed=0, device="cpu"), run)
    assert not run.best.exists()  # of 100 games
    before = len(run.episodes())
    longer = run.extended_to(600)
    train(DQN.load(longer.checkpoint, env, device="cpu"), longer, best_from=1)
    rows = longer.episodes()
    averages = running_average([row.episodic_return for row in rows])
    best = max(range(before, len(rows)), key=lambda index: averages[index])
    assert max(averages[:before]) > averages[best]
    assert DQN.load(run.best, env, device="cpu").num_steps == rows[best].step
    # Now it counts, for whoever goes on: and the weights of a worse mean are not kept.
    longest = longer.extended_to(640)
    train(DQN.load(longest.checkpoint, env, device="cpu"), longest, best_from=1)
    rows = longest.episodes()
    averages = running_average([row.episodic_return for row in rows])
    best = max(range(before, len(rows)), key=lambda index: averages[index])
    assert DQN.load(run.best, env, device="cpu").num_steps == rows[best].step
    env.close()


def test_time_ends_a_run_and_all_is_saved(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 10**6)
    env = gym.make("CartPole-v1")
    agent = DQN.create(env, CONFIG, seed=0, device="cpu")
    assert train(agent, run, minutes=0.0) is Outcome.OUT_OF_TIME
    assert agent.num_steps == 1
    assert DQN.load(run.checkpoint, env, device="cpu").num_steps == 1
    env.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as requested:
        assert not requested.is_set()
        signal.raise_signal(number)
        assert requested.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


class StopAtCheckpoint(Callback):
    """Ends training at once, as a second Ctrl-C does, when a checkpoint is there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_step(self, agent: Agent) -> bool | None:
        if self._path.exists():
            raise KeyboardInterrupt
        return None


def test_weights_are_kept_along_the_way(tmp_path: Path) -> None:
    def kept_by(run: Run, agent: Agent | None = None) -> list[int]:
        env = gym.make("CartPole-v1")
        agent = agent or DQN.load(run.checkpoint, env, device="cpu")
        train(agent, run, keep_every=100)
        env.close()
        return list(run.all_kept())

    env = gym.make("CartPole-v1")
    agent = DQN.create(env, CONFIG, seed=0, device="cpu")
    run = new_run(tmp_path / "run", 250)
    assert kept_by(run, agent) == [0, 100, 200]
    untrained = DQN.load(run.kept(0), env, device="cpu")
    assert untrained.num_steps == 0
    fresh = DQN.create(env, CONFIG, seed=0, device="cpu")
    fresh.save(tmp_path / "fresh.safetensors")
    first, second = tensors(run.kept(0)), tensors(tmp_path / "fresh.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert DQN.load(run.kept(200), env, device="cpu").num_steps == 200
    run.kept(290).write_bytes(run.kept(200).read_bytes())  # after the checkpoint: a crash's
    assert kept_by(run.extended_to(330)) == [0, 100, 200, 300]
    with pytest.raises(ValueError, match="keep_every must be a whole number >= 1 or None, got 0"):
        train(agent, run, keep_every=0)
    (run.folder / "step-0000000100.sb3.zip").touch()  # as an agent of SB3 leaves beside it
    (run.folder / "step-by-step.txt").touch()
    Run.create(run.folder, run.spec, overwrite=True)
    assert [path.name for path in run.folder.glob("step*")] == ["step-by-step.txt"]
    env.close()


def test_the_untrained_weights_are_those_before_anything_is_imitated(tmp_path: Path) -> None:
    with contextlib.closing(gym.make("CartPole-v1")) as game:
        teacher = AgentTeacher(RandomAgent.create(game, device="cpu"), greedy=True)
        shown = record(teacher, "CartPole-v1", {}, num_decisions=40, num_envs=2)
    shown.save(tmp_path / "shown.safetensors")
    config = PPOConfig(
        rollout_steps=8, batch_size=8, demonstrations=(str(tmp_path / "shown.safetensors"),)
    )
    spec = spec_from_recipe("ppo", "CartPole-v1", Recipe(config, total_steps=16), num_envs=1)
    run, agent = begin_run(spec, tmp_path / "run", device="cpu")
    agent.save(tmp_path / "fresh.safetensors")
    train(agent, run, keep_every=8)
    agent.env.close()
    first, fresh = tensors(run.kept(0)), tensors(tmp_path / "fresh.safetensors")
    assert all(torch.equal(first[name], fresh[name]) for name in fresh)
    assert list(run.all_kept()) == [0, 8, 16]


def test_checkpoints_are_written_on_the_way(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 10**6)

    class Stopped(DQN):
        def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
            super().learn(total_steps, [*callbacks, StopAtCheckpoint(run.checkpoint)])

    env = gym.make("CartPole-v1")
    agent = Stopped.create(env, CONFIG, seed=0, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(agent, run, checkpoint_seconds=0.0)
    assert DQN.load(run.checkpoint, env, device="cpu").num_steps >= 1
    env.close()


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class ThreadCounter(Callback):
    """Notes how many threads torch has in training."""

    num_threads = 0

    def on_step(self, agent: Agent) -> bool | None:
        self.num_threads = torch.get_num_threads()
        return None


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize(
    ("overlap", "before", "during"), [(True, 3, 2), (True, 2, 1), (True, 1, 1), (False, 3, 3)]
)
def test_the_environment_has_a_core_of_its_own_while_training(
    tmp_path: Path, overlap: bool, before: int, during: int
) -> None:
    counter = ThreadCounter()

    class Counted(DQN):
        def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
            super().learn(total_steps, [*callbacks, counter])

    env = gym.make("CartPole-v1")
    config = dataclasses.replace(CONFIG, overlap=overlap)
    agent = Counted.create(env, config, seed=0, device="cpu")
    torch.set_num_threads(before)
    train(agent, new_run(tmp_path / "run", 3))
    env.close()
    assert counter.num_threads == during
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_is_restored_after_an_error(tmp_path: Path) -> None:
    class Failing(Callback):
        def on_step(self, agent: Agent) -> bool | None:
            raise ZeroDivisionError

    class Broken(DQN):
        def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
            super().learn(total_steps, [*callbacks, Failing()])

    env = gym.make("CartPole-v1")
    agent = Broken.create(env, CONFIG, seed=0, device="cpu")
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        train(agent, new_run(tmp_path / "run", 3))
    env.close()
    assert torch.get_num_threads() == 2


def test_a_run_whose_steps_are_taken_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 60)
    agent = train_new(run)
    with pytest.raises(ValueError, match=r"run is finished, 60 of 60 steps: extend the run"):
        train(agent, run)


def test_damaged_logs_are_said_when_a_run_is_resumed(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 60)
    train_new(run)
    with run.metrics_path.open("a") as file:
        file.write("a row of another kind\n")
    with pytest.raises(RunError, match=r"metrics\.csv is damaged"):
        resume(run.extended_to(100))


def test_a_second_training_of_a_run_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 100)
    refused = []

    class Second(Callback):
        def on_step(self, agent: Agent) -> bool | None:
            if agent.num_steps == 50:
                for go_on in (lambda: train_new(run), lambda: resume_run(run.folder)):
                    with pytest.raises(RunError, match="is being trained by another process"):
                        go_on()
                    refused.append(go_on)
            return None

    env = gym.make("CartPole-v1")
    assert train(DQN.create(env, CONFIG, device="cpu"), run, callbacks=[Second()])
    assert len(refused) == 2
    assert not (run.folder / "lock").exists()
    assert [row.step for row in run.episodes()] == sorted(row.step for row in run.episodes())


def test_an_agent_does_not_train_back_behind_the_checkpoint(tmp_path: Path) -> None:
    """It was loaded before somebody else went on with the run."""
    run = new_run(tmp_path / "run", 100)
    train_new(run)
    env = gym.make("CartPole-v1")
    loaded = DQN.load(run.checkpoint, env, device="cpu")
    longer = run.extended_to(200)
    resume(longer)
    for agent in (loaded, DQN.create(env, CONFIG, device="cpu")):
        with pytest.raises(RunError, match=r"has a checkpoint at step 200, the agent is at step "):
            train(agent, longer)
    current = DQN.load(run.checkpoint, env, device="cpu")
    longest = run.extended_to(300)
    run.extended_to(400)
    with pytest.raises(RunError, match="has been replaced or changed"):
        train(current, longest)
    assert [row.step for row in run.episodes()][-1] > 150


def test_what_killed_processes_left_is_removed_when_the_run_goes_on(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 100)
    train_new(run)
    for name in (
        "lock",
        ".checkpoint.safetensors.lock",
        ".checkpoint.safetensors.0123abcd.tmp.safetensors",
        ".checkpoint.replay-90-0123abcd.safetensors.0123abcd.tmp.safetensors",
        "checkpoint.replay-90-0123abcd.safetensors",
        ".metrics.csv.0123abcd.tmp.csv",
        "notes.txt",
    ):
        (run.folder / name).touch()
    resume(run.extended_to(120))
    left = {path.name for path in run.folder.iterdir()}
    [replay] = run.folder.glob("checkpoint.replay-120-*")
    logs = {"config.json", "episodes.csv", "metrics.csv", "tensorboard"}
    assert left == {*logs, "checkpoint.safetensors", replay.name, "notes.txt"}


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="Windows follows links")
def test_nothing_is_written_through_links_in_a_run_of_others(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 100)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("metrics.csv", "episodes.csv", "checkpoint.safetensors"):
        (outside / name).write_text("somebody's")
        (run.folder / name).symlink_to(outside / name)
    (run.folder / "checkpoint.safetensors").unlink()
    run.tensorboard.symlink_to(outside)
    with pytest.raises(RunError, match="tensorboard is a link"):
        train_new(run)
    run.tensorboard.unlink()
    train_new(run)
    assert {path.read_text() for path in outside.iterdir()} == {"somebody's"}


def test_times_of_the_wrong_type_are_named(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 9)
    agent = DQN.create("CartPole-v1", CONFIG, device="cpu")
    wrong: Any = "5"
    with pytest.raises(ValueError, match="minutes must be a number >= 0 or None, got '5' of type"):
        train(agent, run, minutes=wrong)
    with pytest.raises(ValueError, match="checkpoint_seconds must be a number >= 0, got '5' of t"):
        train(agent, run, checkpoint_seconds=wrong)
    with pytest.raises(ValueError, match="minutes must be a number >= 0 or None, got -1"):
        train(agent, run, minutes=-1)
    agent.env.close()
