"""Settings that algorithms have in common do the same in each."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes import ALGORITHMS
from support.agent_toys import assert_same_weights, cartpole, corridor, weights

_REPLAY = {"learning_starts": 8, "batch_size": 4, "replay_capacity": 100}
CONFIGS: dict[str, dict[str, Any]] = {
    "naive_q": {"taken": True, "bootstrap": True},
    "dqn": {**_REPLAY, "overlap": False},
    "double_dqn": {**_REPLAY, "overlap": False},
    "actor_critic": {"learning_rate": 1e-3},
    "ppo": {},
    "pqn": {"rollout_steps": 8, "batch_size": 4},
    "reinforce": {},
    "sarsa": {},
    "a3c": {"num_workers": 1},
    "ddpg": _REPLAY,
    "td3": {**_REPLAY, "random_steps": 8},
    "sac": _REPLAY,
}


def plain(algorithm: str) -> gym.Env[Any, Any]:
    continuous = algorithm in ("ddpg", "td3", "sac")
    return gym.make("Pendulum-v1", max_episode_steps=20) if continuous else cartpole()


def quartered(algorithm: str) -> gym.Env[Any, Any]:
    return gym.wrappers.TransformReward(plain(algorithm), lambda reward: float(reward) / 4)


def quartered_cartpole() -> gym.Env[Any, Any]:
    return quartered("a3c")


def train(algorithm: str, env: gym.Env[Any, Any], num_steps: int = 40, **changes: Any) -> Agent:
    agent_class = ALGORITHMS[algorithm]
    settings = {"hidden_sizes": (8,), **CONFIGS[algorithm], **changes}
    factory: dict[str, Any] = {"env_factory": quartered_cartpole} if algorithm == "a3c" else {}
    agent = agent_class.create(
        env, agent_class.config_class(**settings), seed=0, device="cpu", **factory
    )
    agent.learn(num_steps)
    return agent


@pytest.mark.parametrize("algorithm", [name for name in CONFIGS if name != "a3c"])
def test_a_scale_of_rewards_is_as_if_the_environment_gave_them(algorithm: str) -> None:
    scaled = train(algorithm, quartered(algorithm), reward_scale=4.0)
    other = train(algorithm, plain(algorithm), reward_scale=1.0)
    assert_same_weights(weights(scaled), weights(other))
    small = train(algorithm, quartered(algorithm), reward_scale=1.0)
    assert any(not x.equal(weights(small)[name]) for name, x in weights(scaled).items())


@pytest.mark.parametrize("algorithm", CONFIGS)
def test_a_large_epsilon_of_adam_makes_small_steps(algorithm: str) -> None:
    env = quartered(algorithm)
    agent_class = ALGORITHMS[algorithm]
    fresh = train(algorithm, env, num_steps=60, adam_epsilon=1e9)
    assert fresh.num_updates > 0
    assert {x.param_groups[0]["eps"] for x in fresh.optimizers.values()} == {1e9}
    config = agent_class.config_class(hidden_sizes=(8,), **CONFIGS[algorithm])
    before = weights(agent_class.create(env, config, seed=0, device="cpu"))
    after = weights(fresh)
    for name, x in before.items():
        torch.testing.assert_close(after[name], x, atol=1e-7, rtol=0)


@pytest.mark.parametrize("algorithm", ["ddpg", "td3"])
def test_rates_and_noise_follow_their_schedules(algorithm: str) -> None:
    rates: dict[str, Any] = {
        f"{name}_learning_rate": linear(1e-3, 0, 40) for name in ("actor", "critic")
    }
    agent: Any = train(algorithm, plain(algorithm), exploration_noise=linear(1, 0, 40), **rates)
    assert agent.exploration_noise == 0.0
    for name in ("actor", "critic"):
        last = agent.optimizers[f"{name}_optimizer"].param_groups[0]["lr"]
        assert last == pytest.approx(1e-3 / 40, rel=1.1)
        assert last < 1e-4


def test_advantages_are_normalized_over_the_rollout() -> None:
    seen = []

    class Spy(PPO):
        def update(self, batch: Any) -> dict[str, float]:
            seen.append(batch.advantage)
            return super().update(batch)

    config = PPOConfig(rollout_steps=40, num_epochs=1, normalize_advantages="rollout")
    Spy.create(corridor(), config, device="cpu").learn(40)
    advantages = torch.cat(seen)
    assert advantages.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert advantages.std().item() == pytest.approx(1.0, abs=1e-5)
    assert abs(seen[0].mean().item()) > 1e-3  # a batch of it is not


def test_huber_loss_of_values() -> None:
    errors = np.array([0.5, -2.0], np.float32)
    config = ActorCriticConfig(value_loss="huber", hidden_sizes=())
    agent = ActorCritic.create(corridor(), config, device="cpu")
    heads = torch.zeros(2, 3)
    _, parts = agent.loss(heads, torch.tensor([0, 1]), torch.from_numpy(errors))
    assert parts["losses/critic"].item() == pytest.approx((0.125 + 1.5) / 2)
    ppo = PPO.create(corridor(), PPOConfig(value_loss="huber"), device="cpu")
    batch: Any = type("Batch", (), {"value_target": torch.from_numpy(errors)})
    assert ppo.value_loss(torch.zeros(2), batch).item() == pytest.approx((0.125 + 1.5) / 2)
