"""Orthogonal weights: which layers get which factor, and that the default leaves all alone."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.networks.encoders import MLP
from mario_rl_agents.networks.initialization import initialize
from support.agent_toys import corridor, side
from torch import Tensor

ROOT = 2**0.5


def gain(weight: Tensor) -> float:
    """Return the factor of a semi-orthogonal matrix; fail if it is none."""
    matrix = weight.flatten(1)
    matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    square = matrix @ matrix.T
    factor = square.diagonal().mean().sqrt().item()
    torch.testing.assert_close(square, factor**2 * torch.eye(len(square)), atol=1e-5, rtol=0)
    return factor


def gains(module: torch.nn.Module) -> list[float]:
    """Return the factor of each matrix, having checked that biases are 0."""
    parameters = dict(module.named_parameters())
    assert all((x == 0).all() for name, x in parameters.items() if name.endswith("bias"))
    weights = [x for name, x in parameters.items() if name.endswith("weight")]
    return [gain(part) for x in weights for part in (x if x.dim() == 3 else [x])]


def test_pytorchs_own_weights_stay() -> None:
    network = MLP(3, (4,), 2)
    before = [x.clone() for x in network.parameters()]
    initialize(network, "pytorch", 0.01)
    assert all(torch.equal(x, y) for x, y in zip(network.parameters(), before, strict=True))


def test_policies_and_values() -> None:
    ppo = PPO.create(side(), PPOConfig(initialization="orthogonal"), device="cpu")
    assert gains(ppo.encoder) == pytest.approx([ROOT] * 4, abs=1e-4)
    assert gains(ppo.actor) == pytest.approx([0.01], abs=1e-4)
    assert gains(ppo.critic) == pytest.approx([1.0], abs=1e-4)
    config = PPOConfig(initialization="orthogonal", hidden_sizes=(6, 5))
    assert gains(PPO.create(corridor(), config, device="cpu").actor) == pytest.approx(
        [ROOT, ROOT, 0.01], abs=1e-4
    )
    a3c = A3C.create(corridor(), A3CConfig(initialization="orthogonal", hidden_sizes=(6,)))
    assert gains(a3c.network.policy) == pytest.approx([ROOT, 0.01], abs=1e-4)
    assert gains(a3c.network.value) == pytest.approx([ROOT, 1.0], abs=1e-4)
    both = ActorCriticConfig(initialization="orthogonal", hidden_sizes=(6,))
    heads = list(ActorCritic.create(corridor(), both, device="cpu").network.parameters())
    assert gain(heads[0]) == pytest.approx(ROOT, abs=1e-4)
    assert heads[2][:-1].norm(dim=1).tolist() == pytest.approx([0.01] * 2, abs=1e-4)
    assert heads[2][-1].norm().item() == pytest.approx(1.0, abs=1e-4)


def test_action_values() -> None:
    config = DQNConfig(initialization="orthogonal", hidden_sizes=(6, 4), dueling=True)
    assert gains(DQN.create(corridor(), config, device="cpu").q) == pytest.approx(
        [ROOT, ROOT, 1.0, 1.0], abs=1e-4
    )
    env = gym.make("Pendulum-v1")
    small: dict[str, Any] = {"initialization": "orthogonal", "hidden_sizes": (6,)}
    for agent in (
        DDPG.create(env, DDPGConfig(**small), device="cpu"),
        TD3.create(env, TD3Config(**small), device="cpu"),
    ):
        num_critics = 1 if isinstance(agent, DDPG) else 2
        critics = agent.critic if isinstance(agent, DDPG) else agent.critics
        assert gains(agent.actor) == pytest.approx([ROOT, 0.01], abs=1e-4)
        expected = [ROOT] * num_critics + [1.0] * num_critics
        assert gains(critics) == pytest.approx(expected, abs=1e-4)
    sac = SAC.create(env, SACConfig(**small), device="cpu")
    assert gains(sac.value) == pytest.approx([ROOT, 1.0], abs=1e-4)
    assert gains(sac.actor) == pytest.approx([ROOT, 0.01], abs=1e-4)


def test_the_seed_decides() -> None:
    config = PPOConfig(initialization="orthogonal", hidden_sizes=(6,))
    first, same, other = (
        PPO.create(corridor(), config, seed=seed, device="cpu").value(np.eye(5, dtype=np.float32))
        for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert not np.allclose(first, other)


def test_glorots_weights_are_uniform_and_biases_zero() -> None:
    """Within sqrt(6 / (inputs + outputs)), for each of several critics alike."""
    config = DQNConfig(initialization="glorot", hidden_sizes=(60, 40))
    space: Any = corridor().observation_space
    dqn = DQN.create(corridor(), config, device="cpu")
    continuous = gym.make("Pendulum-v1")
    td3 = TD3.create(continuous, TD3Config(initialization="glorot", hidden_sizes=(60, 40)))
    sizes = {dqn.q: (space.shape[0], 60, 40, 2), td3.critics: (4, 60, 40, 1)}
    for network, units in sizes.items():
        parameters = dict(network.named_parameters())
        weights = [x for name, x in parameters.items() if name.endswith("weight")]
        assert all((x == 0).all() for name, x in parameters.items() if name.endswith("bias"))
        for x, num_inputs, num_outputs in zip(weights, units, units[1:], strict=False):
            limit = (6 / (num_inputs + num_outputs)) ** 0.5
            assert 0.85 * limit < x.abs().max() <= limit
            if x.numel() >= 240:  # the deviation of a uniform number is its limit / sqrt(3)
                assert x.std().item() == pytest.approx(limit / 3**0.5, rel=0.15)
        assert len(weights) == 3
