"""What is kept of the decisions of a video: what was decided, when, and by which numbers."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.errors import RunError
from mario_rl_agents.reports.decisions import DecisionLog, Decisions, decisions_path
from mario_rl_agents.reports.video import record_episode
from mario_rl_agents.runs.run import Run, RunSpec
from numpy.typing import NDArray


def recorded(path: Path, env: gym.Env[Any, Any], agent: Agent, **keywords: Any) -> Decisions | None:
    """Record an episode and return what is kept of its decisions."""
    record_episode(agent, env, path, **keywords)
    env.close()
    return Decisions.beside(path)


def flag_walk() -> gym.Env[Any, Any]:
    return gym.make("FlagWalk-v0", render_mode="rgb_array_list")


def levels(step: int) -> NDArray[np.uint8]:
    """Return what FlagWalk-v0 shows after so many steps, as a batch of one."""
    ages = np.arange(3, -1, -1)
    values = 20 * np.maximum(step - ages, 0)[None, :, None, None]
    return np.broadcast_to(values, (1, 4, 84, 84)).astype(np.uint8)


def test_probabilities_values_and_places_of_each_decision(tmp_path: Path) -> None:
    env = flag_walk()
    agent = PPO.create(env, seed=0, device="cpu")
    with torch.no_grad():  # or all probabilities were a third
        list(agent.actor.parameters())[-1].add_(torch.tensor([0.0, 3.0, 0.0]))
    found = recorded(tmp_path / "walk.mp4", env, agent, epsilon=0.5, seed=3)
    assert found is not None
    assert (found.kind, found.fps, found.names) == ("probabilities", 10, ("stay", "walk", "run"))
    assert found.frames == (0, 2, 3, 4, 5)  # the picture of the reset is seen, too
    for step, numbers in enumerate(found.numbers):
        np.testing.assert_allclose(
            np.asarray(numbers), agent.action_probabilities(levels(step))[0], rtol=1e-5
        )
        assert found.values[step] == pytest.approx(agent.value(levels(step))[0], rel=1e-5)
    assert any(found.is_random)
    assert not all(found.is_random)
    greedy = [
        a for a, is_random in zip(found.chosen, found.is_random, strict=True) if not is_random
    ]
    assert set(greedy) == {1}
    moved = [float(action or 0) for action in found.chosen]  # FlagWalk's reward is the way
    assert found.rewards == tuple(moved)
    assert found.x_pos == tuple(int(sum(moved[:step])) for step in range(5))


def test_values_of_actions_and_none_of_states(tmp_path: Path) -> None:
    env = flag_walk()
    agent = DQN.create(env, seed=0, device="cpu")
    found = recorded(tmp_path / "walk.mp4", env, agent)
    assert found is not None
    assert found.kind == "values"
    np.testing.assert_allclose(
        np.asarray(found.numbers[2], np.float64), agent.action_values(levels(2))[0], rtol=1e-5
    )
    assert found.values == (None,) * 5


def test_numbers_of_a_continuous_action(tmp_path: Path) -> None:
    env = gym.make("Pendulum-v1", render_mode="rgb_array_list")
    agent = PPO.create(env, seed=0, device="cpu")
    found = recorded(tmp_path / "swing.mp4", env, agent, max_seconds=0.2)
    assert found is not None
    assert (found.kind, found.names) == ("numbers", ("action 0",))
    assert set(found.chosen) == {None}
    obs, _ = gym.make("Pendulum-v1").reset(seed=0)
    np.testing.assert_allclose(
        np.asarray(found.numbers[0], np.float64), agent.act(obs[None])[0], rtol=1e-5
    )


def test_video_without_decisions_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    env = flag_walk()
    assert recorded(path, env, DQN.create(env, seed=0, device="cpu")) is not None
    env = flag_walk()
    assert recorded(path, env, RandomAgent.create(env, seed=0, device="cpu")) is None
    assert [each.name for each in tmp_path.iterdir()] == ["walk.mp4"]
    env = flag_walk()
    recorded(tmp_path / "walk.gif", env, DQN.create(env, seed=0, device="cpu"))
    assert {each.name for each in tmp_path.iterdir()} == {"walk.mp4", "walk.gif"}


def test_numbers_that_are_not_finite_are_none() -> None:
    log = DecisionLog()
    assert log.decisions(["a", "b"], 10) is None
    log.add(
        "values",
        frame=0,
        numbers=[-np.inf, 1 / 3],
        chosen=1,
        is_random=False,
        value=np.nan,
        x_pos=None,
        reward=np.inf,
    )
    found = log.decisions(["a", "b"], 10)
    assert found is not None
    assert (found.numbers, found.values, found.rewards) == (((None, 0.333333),), (None,), (None,))


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    good = Decisions("values", 10, ("a",), (0,), ((1.0,),), (0,), (False,), (None,), (7,), (1.0,))
    good.write(decisions_path(video))
    assert Decisions.beside(video) == good
    damages: list[dict[str, Any]] = [
        {"kind": "moods"},
        {"frames": []},
        {"frames": [3, 1]},
        {"numbers": [[1.0, 2.0]]},
        {"chosen": [1]},
        {"rewards": [1.0, 2.0]},
    ]
    for damage in damages:
        decisions_path(video).write_text(json.dumps({**dataclasses.asdict(good), **damage}))
        with pytest.raises(RunError, match=r"video\.decisions\.json is damaged .*delete it"):
            Decisions.beside(video)


def test_a_run_knows_the_file(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RunSpec("dqn", "CartPole-v1", {}, {}, 0, 10))
    assert run.decisions == decisions_path(run.video)
