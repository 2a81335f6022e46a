"""`Agent.begin_with`: the weights of one agent, the training of another."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.a3c.a3c import A3CConfig
from mario_rl_agents.algorithms.ddpg import DDPGConfig
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.reinforce import ReinforceConfig
from mario_rl_agents.algorithms.sac import SACConfig
from mario_rl_agents.algorithms.sb3.configs import SB3DQNConfig, SB3PPOConfig
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.recipes import ALGORITHMS
from support.agent_toys import assert_same_weights, weights

REPLAY: dict[str, Any] = {"batch_size": 4, "replay_capacity": 100, "learning_starts": 8}
ROLLOUT: dict[str, Any] = {"rollout_steps": 8, "num_epochs": 1, "batch_size": 4}
CASES = [
    ("dqn", "CartPole-v1", DQNConfig(**REPLAY, hidden_sizes=(8,))),
    ("double_dqn", "CartPole-v1", DQNConfig(**REPLAY, hidden_sizes=(8,), ema_decay=0.9)),
    ("reinforce", "CartPole-v1", ReinforceConfig(hidden_sizes=(8,))),
    ("a3c", "CartPole-v1", A3CConfig(num_workers=1, hidden_sizes=(8,))),
    ("ddpg", "Pendulum-v1", DDPGConfig(**REPLAY, hidden_sizes=(8,))),
    ("sac", "Pendulum-v1", SACConfig(**REPLAY, hidden_sizes=(8,))),
    (
        "ppo",
        "Pendulum-v1",
        PPOConfig(
            **ROLLOUT, hidden_sizes=(8,), normalize_observations=True, normalize_rewards=True
        ),
    ),
    ("sb3-ppo", "CartPole-v1", SB3PPOConfig(n_steps=8, batch_size=4, n_epochs=1, net_arch=(8,))),
    ("sb3-dqn", "CartPole-v1", SB3DQNConfig(buffer_size=100, learning_starts=8, net_arch=(8,))),
]


def trained(algorithm: str, env_id: str, config: Any, path: Path) -> Agent:
    agent = ALGORITHMS[algorithm].create(env_id, config, seed=0, device="cpu")
    agent.learn(40)
    agent.save(path)
    return agent


def observations(env_id: str) -> Any:
    with gym.make(env_id) as env:
        space = env.observation_space
        space.seed(0)
        return np.stack([np.clip(space.sample(), -5, 5) for _ in range(16)])


@pytest.mark.parametrize("is_policy", [False, True])
@pytest.mark.parametrize(("algorithm", "env_id", "config"), CASES, ids=[each[0] for each in CASES])
def test_it_acts_as_the_other_did_and_its_training_begins_anew(
    algorithm: str, env_id: str, config: Any, is_policy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "first.safetensors"
    first = trained(algorithm, env_id, config, path)
    obs = observations(env_id)
    if is_policy:
        first.save_weights(path, {"note": "halved"})
        first = type(first).load(path, env_id, device="cpu")
    shown = first.act(obs)
    agent = type(first).create(env_id, config, seed=7, device="cpu")
    assert not np.array_equal(agent.act(obs), shown) or algorithm in ("a3c", "reinforce")
    agent.begin_with(path)
    np.testing.assert_array_equal(agent.act(obs), shown)
    for copy, source in agent.copies.items():
        for name, x in agent.networks[copy].state_dict().items():
            assert x.equal(agent.networks[source].state_dict()[name])
    assert (agent.num_steps, agent.num_updates, agent.num_episodes) == (0, 0, 0)
    assert not any(optimizer.state for optimizer in agent.optimizers.values())
    before = weights(agent)
    agent.learn(400 if algorithm == "reinforce" else 40)
    assert agent.num_updates > 0
    after = weights(agent)
    assert any(not x.equal(after[name]) for name, x in before.items())
    for each in (first, agent):
        each.env.close()


def test_rewards_are_normalized_by_its_own_episodes(tmp_path: Path) -> None:
    config = PPOConfig(**ROLLOUT, hidden_sizes=(8,), normalize_rewards=True)
    path = tmp_path / "first.safetensors"
    trained("ppo", "CartPole-v1", config, path).env.close()
    agent = PPO.create(make_vec_env("CartPole-v1", 3, {}), config, seed=0, device="cpu")
    agent.begin_with(path)
    state = agent.reward_normalizer.state_dict()
    assert state["count"] == 0
    agent.learn(48)
    agent.env.close()


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    trained("ppo", "CartPole-v1", PPOConfig(**ROLLOUT, hidden_sizes=(8,)), path).env.close()
    agent = PPO.create("CartPole-v1", PPOConfig(**ROLLOUT, hidden_sizes=(9,)), device="cpu")
    before = weights(agent)
    with pytest.raises(CheckpointError, match=r"does not fit: .*settings.*'hidden_sizes': \[8\]"):
        agent.begin_with(path)
    assert_same_weights(weights(agent), before)
    assert not agent.has_begun
    other = ALGORITHMS["dqn"].create("CartPole-v1", DQNConfig(**REPLAY), device="cpu")
    with pytest.raises(CheckpointError, match="holds an agent of algorithm 'ppo', not 'dqn'"):
        other.begin_with(path)
    with pytest.raises(FileNotFoundError):
        agent.begin_with(tmp_path / "none.safetensors")
    agent.learn(8)
    with pytest.raises(RuntimeError, match="it has learned for 8 steps: begin with weights before"):
        agent.begin_with(path)
    agent.env.close()
    other.env.close()
