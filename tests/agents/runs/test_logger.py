"""Logs: what is written, in which files, and what a resumption keeps."""

from collections import defaultdict
from pathlib import Path

import gymnasium as gym
import pytest
from mario_rl_agents.agent import Episode
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.runs.logger import RunLogger
from mario_rl_agents.runs.metrics import EpisodeRow
from mario_rl_agents.runs.run import Run, RunSpec
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

EPISODES_HEADER = "episode,step,episodic_return,episodic_length,terminated,truncated,x_pos,cleared"
CONFIG = DQNConfig(learning_starts=50, batch_size=8)


def new_run(folder: Path) -> Run:
    return Run.create(folder, RunSpec("dqn", "CartPole-v1", {}, {}, seed=0, total_steps=400))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return 400 logged steps on CartPole."""
    run = new_run(tmp_path_factory.mktemp("run"))
    env = gym.make("CartPole-v1")
    DQN.create(env, CONFIG, seed=0, device="cpu").learn(400, [RunLogger(run)])
    env.close()
    return run


def test_every_episode_is_a_row(run: Run) -> None:
    lines = run.episodes_path.read_text().splitlines()
    rows = run.episodes()
    assert lines[0] == EPISODES_HEADER
    assert len(rows) == len(lines) - 1 > 5
    assert [row.episode for row in rows] == list(range(len(rows)))
    total = 0
    for row in rows:  # CartPole gives a point a step
        total += row.episodic_length
        assert row.step == total
        assert row.episodic_return == row.episodic_length
        assert (row.terminated, row.truncated) == (True, False)
        assert (row.x_pos, row.cleared) == (None, None)


def test_metrics_have_the_documented_keys_and_steps(run: Run) -> None:
    assert run.metrics_path.read_text().splitlines()[0] == "step,metric,value"
    steps = defaultdict(list)
    for row in run.metrics():
        steps[row.metric].append(row.step)
    for key in ("charts/steps_per_second", "charts/epsilon", "charts/replay_size"):
        assert steps[key] == [100, 200, 300, 400]
    ends = [row.step for row in run.episodes()]
    assert steps["charts/episodic_return"] == steps["charts/episodic_length"] == ends
    for key in ("losses/td", "charts/q_mean"):  # every 100th of the updates, the first at step 51
        assert steps[key] == [150, 250, 350]
    assert len(steps) == 7  # no x_pos and no clear_rate on CartPole


def test_tensorboard_has_the_numbers_of_the_csv(run: Run) -> None:
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    expected = defaultdict(list)
    for row in run.metrics():
        expected[row.metric].append((row.step, row.value))
    assert set(events.Tags()["scalars"]) == set(expected)
    for key, points in expected.items():
        found = [(event.step, event.value) for event in events.Scalars(key)]
        assert [step for step, _ in found] == [step for step, _ in points]
        values = [value for _, value in points]
        assert [value for _, value in found] == pytest.approx(values, rel=1e-6)  # float32


def test_several_environments_are_logged_as_often_as_one(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    envs = make_vec_env("CartPole-v1", 16, {})
    agent = DQN.create(envs, CONFIG, seed=0, device="cpu")
    agent.learn(400, [RunLogger(run)])
    envs.close()
    steps = defaultdict(list)
    for row in run.metrics():
        steps[row.metric].append(row.step)
    assert steps["charts/epsilon"] == [112, 208, 304, 400]  # multiples of 16
    assert len(steps["losses/td"]) == agent.num_updates // 100 > 0


def test_clear_rate_and_x_pos_come_from_infos(tmp_path: Path) -> None:
    env = gym.make("CartPole-v1")
    agent = DQN.create(env, CONFIG, seed=0, device="cpu")
    run = new_run(tmp_path)
    logger = RunLogger(run)
    logger.on_training_start(agent)
    for index, cleared in enumerate([False, True, True, False]):
        info = {"x_pos": 100 + index, "flag_get": cleared}
        logger.on_episode_end(agent, Episode(index, 10 * index, 5.0, 10, True, False, info))
    logger.on_training_end(agent)
    env.close()
    values = defaultdict(list)
    for row in run.metrics():
        values[row.metric].append(row.value)
    assert values["charts/clear_rate"] == pytest.approx([0, 1 / 2, 2 / 3, 1 / 2])
    assert values["charts/x_pos"] == [100, 101, 102, 103]
    assert run.episodes()[1] == EpisodeRow(1, 10, 5.0, 10, True, False, 101, True)
    assert run.episodes_path.read_text().splitlines()[2] == "1,10,5.0,10,1,0,101,1"


def test_resuming_drops_what_was_logged_after_the_checkpoint(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    rows = ["0,10,10.0,10,1,0,,", "1,25,15.0,15,1,0,,", "2,40,15.0,15,1,0,,"]
    run.episodes_path.write_text("\n".join([EPISODES_HEADER, *rows, "3,5"]))  # cut off
    metrics = ["10,charts/epsilon,0.5", "25,charts/epsilon,0.4", "26,charts/epsilon,0.3"]
    run.metrics_path.write_text("\n".join(["step,metric,value", *metrics, ""]))
    env = gym.make("CartPole-v1")
    agent = DQN.create(env, CONFIG, seed=0, device="cpu")
    logger = RunLogger(run, resume_step=25)
    logger.on_training_start(agent)
    logger.on_episode_end(agent, Episode(2, 33, 8.0, 8, True, False, {}))
    logger.on_training_end(agent)
    env.close()
    assert run.episodes_path.read_text().splitlines() == [
        EPISODES_HEADER,
        *rows[:2],
        "2,33,8.0,8,1,0,,",
    ]
    assert run.metrics_path.read_text().splitlines() == [
        "step,metric,value",
        *metrics[:2],
        "33,charts/episodic_return,8.0",
        "33,charts/episodic_length,8.0",
    ]
