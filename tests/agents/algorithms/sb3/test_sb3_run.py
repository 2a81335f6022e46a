"""A run of an SB3 agent: logs, checkpoints and resumption as of any other."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.sb3.configs import SB3DQNConfig, SB3PPOConfig
from mario_rl_agents.recipes.recipe import Recipe
from mario_rl_agents.runs.evaluation import evaluate
from mario_rl_agents.runs.loading import load_agent, new_run, resume_run, spec_from_recipe
from mario_rl_agents.runs.run import Run
from mario_rl_agents.runs.trainer import Outcome, train
from support.agent_toys import assert_same_weights, weights

PPO = Recipe(SB3PPOConfig(n_steps=64, batch_size=32, n_epochs=2), total_steps=400)
DQN = Recipe(
    SB3DQNConfig(buffer_size=300, learning_starts=50, batch_size=8, net_arch=(8,), train_freq=2),
    total_steps=400,
)


class StopAt(Callback):
    """Ends training."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, agent: Agent) -> bool:
        return agent.num_steps < self._step


def begin(algorithm: str, recipe: Recipe, folder: Path) -> tuple[Run, Agent]:
    return new_run(spec_from_recipe(algorithm, "CartPole-v1", recipe), folder, device="cpu")


def logged(run: Run) -> list[Any]:
    """Return what a run has logged, but for its speed."""
    metrics = [row for row in run.metrics() if row.metric != "charts/steps_per_second"]
    return [*run.episodes(), *metrics]


@pytest.mark.parametrize(("algorithm", "recipe"), [("sb3-ppo", PPO), ("sb3-dqn", DQN)])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    algorithm: str, recipe: Recipe, tmp_path: Path
) -> None:
    whole, agent = begin(algorithm, recipe, tmp_path / "whole")
    assert train(agent, whole) is Outcome.FINISHED
    stopped, first = begin(algorithm, recipe, tmp_path / "stopped")
    train(first, stopped, callbacks=[StopAt(150)])
    assert 150 <= first.num_steps < 400
    stopped, again = resume_run(stopped.folder, device="cpu")
    assert train(again, stopped) is Outcome.FINISHED
    assert_same_weights(weights(again), weights(agent))
    assert logged(stopped) == logged(whole)
    assert len(whole.episodes()) > 5
    result = evaluate(load_agent(whole.folder, device="cpu"), "CartPole-v1", num_episodes=2)
    assert result == evaluate(again, "CartPole-v1", num_episodes=2)
    for one in (agent, first, again):
        one.env.close()


def test_rows_are_written_once_a_period_where_rollouts_are_shorter_or_longer(
    tmp_path: Path,
) -> None:
    run, agent = begin("sb3-ppo", PPO, tmp_path / "run")
    train(agent, run)
    agent.env.close()
    steps = defaultdict(list)
    for row in run.metrics():
        steps[row.metric].append(row.step)
    assert steps["charts/clip_range"] == [128, 256, 320, 448]  # of multiples of 64, the next ones
    assert steps["losses/policy"] == []  # 28 gradient steps
    ends = [row.step for row in run.episodes()]
    assert steps["charts/episodic_return"] == ends
    assert [row.step - row.episodic_length for row in run.episodes()] == [0, *ends[:-1]]

    often = Recipe(SB3PPOConfig(n_steps=256, batch_size=4, n_epochs=2), total_steps=512)
    run, agent = begin("sb3-ppo", often, tmp_path / "often")
    train(agent, run)
    agent.env.close()
    assert agent.num_updates == 256
    assert [row.step for row in run.metrics() if row.metric == "losses/value"] == [256, 512]
    assert [row.step for row in run.metrics() if row.metric == "charts/clip_range"] == [256, 512]


def test_the_zip_goes_with_the_run(tmp_path: Path) -> None:
    run, agent = begin("sb3-ppo", PPO, tmp_path / "run")
    train(agent, run, callbacks=[StopAt(64)])
    agent.env.close()
    own, others = run.folder / "checkpoint.sb3.zip", run.folder / "mine.sb3.zip"
    assert own.is_file()
    others.write_bytes(b"kept")
    (run.folder / f".{own.name}.0123abcd.tmp.zip").write_bytes(b"of a killed process")
    again = Run.create(run.folder, run.spec, overwrite=True)
    assert sorted(x.name for x in run.folder.iterdir()) == ["config.json", others.name]
    others.unlink()
    again.delete()
    assert not run.folder.exists()
