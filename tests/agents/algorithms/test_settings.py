"""Settings that algorithms have in common do the same in each."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.sac import SACConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes import ALGORITHMS
from support.agent_toys import assert_same_weights, cartpole, corridor, weights
from support.interface_toys import toy

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


@pytest.mark.parametrize("algorithm", ["dqn", "double_dqn", "ddpg", "td3", "sac"])
def test_several_gradient_steps_an_update(algorithm: str) -> None:
    """Of 40 steps 32 are learned after, from the 8th to the last but one; or every second."""
    for period, num_updates in ((1, 32), (2, 16)):
        one = train(algorithm, plain(algorithm), update_period=period)
        three = train(algorithm, plain(algorithm), update_period=period, gradient_steps=3)
        assert (one.num_updates, three.num_updates) == (num_updates, 3 * num_updates)


@pytest.mark.parametrize("algorithm", ["dqn", "ddpg", "td3", "sac"])
def test_batches_are_drawn_without_replacement(algorithm: str) -> None:
    agent: Any = train(algorithm, plain(algorithm), replacement=False)
    generator = np.random.default_rng(0)
    batches = [agent.replay.sample(40, generator).obs[:, 0].tolist() for _ in range(2)]
    assert sorted(batches[0]) == sorted(batches[1])  # all 40, whichever the order


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="replacement must be true where prioritized is true"):
        DQNConfig(prioritized=True, replacement=False)
    with pytest.raises(ValueError, match="reparameterize must be true without a value network"):
        SACConfig(value_network=False, temperature=None, reparameterize=False)


_RATED: dict[str, tuple[str, ...]] = {"ppo": ("critic",), "sac": ("critics", "value")}


@pytest.mark.parametrize("algorithm", _RATED)
def test_actor_and_critic_have_rates_of_their_own(algorithm: str, tmp_path: Path) -> None:
    env = plain(algorithm)

    def trained(**changes: Any) -> Any:
        return train(algorithm, env, num_steps=60, **changes)

    def moved(agent: Any, names: tuple[str, ...]) -> float:
        fresh = type(agent).create(env, agent.config, seed=0, device="cpu")
        pairs = [
            zip(agent.networks[name].parameters(), fresh.networks[name].parameters(), strict=True)
            for name in names
        ]
        return max(float((x - y).detach().abs().max()) for pair in pairs for x, y in pair)

    rated = _RATED[algorithm]
    slow_actor = trained(learning_rate=1e-12, critic_learning_rate=1e-3)
    assert moved(slow_actor, ("actor",)) < 1e-7
    slow_critic = trained(learning_rate=1e-3, critic_learning_rate=1e-12)
    assert moved(slow_critic, ("actor",)) > 1e-4
    for name in rated:
        assert moved(slow_actor, (name,)) > 1e-4
        assert moved(slow_critic, (name,)) < 1e-7
    same, usual = trained(critic_learning_rate=3e-4), trained(learning_rate=3e-4)
    for name, network in usual.networks.items():
        for x, y in zip(same.networks[name].parameters(), network.parameters(), strict=True):
            assert torch.equal(x, y), name
    falling = trained(critic_learning_rate=linear(1e-3, 0, 60))
    assert falling.optimizer.param_groups[1]["lr"] < 4e-4
    assert falling.critic_learning_rate == 0.0

    path = tmp_path / "agent.safetensors"
    slow_actor.save(path, replay=True)
    resumed = type(slow_actor).load(path, env, device="cpu")
    for name, state in slow_actor.tensors().items():
        assert torch.equal(resumed.tensors()[name], state), name


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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("vector", {"encoder": 0, "actor": 2, "critic": 2}),
        ("image", {"encoder": 1, "actor": 0, "critic": 0}),
    ],
)
def test_ppo_normalizes_its_hidden_layers(kind: str, expected: dict[str, int]) -> None:
    for layer_norm in (False, True):
        config = PPOConfig(layer_norm=layer_norm)
        agent = PPO.create(toy(kind, "discrete"), config, device="cpu")
        numbers = {
            name: sum(isinstance(x, torch.nn.LayerNorm) for x in agent.networks[name].modules())
            for name in expected
        }
        assert numbers == {name: number * layer_norm for name, number in expected.items()}
