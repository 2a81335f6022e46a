"""bfloat16: weights, gradients and results stay float32, and every algorithm learns with it."""

from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.networks.encoders import MLP
from mario_rl_agents.networks.precision import Bfloat16, in_precision
from mario_rl_agents.recipes import ALGORITHMS
from support.agent_toys import CORRIDOR_CONFIG, corridor
from support.interface_toys import toy

SMALL_STEPS = {
    "learning_starts": 8,
    "batch_size": 4,
    "replay_capacity": 50,
    "frame_stack": False,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "naive_q": {},
    "dqn": {**SMALL_STEPS, "dueling": True},
    "double_dqn": SMALL_STEPS,
    "actor_critic": {},
    "ppo": {},
    "a3c": {"num_workers": 1},
    "ddpg": SMALL_STEPS,
    "td3": SMALL_STEPS,
    "sac": SMALL_STEPS,
}


def test_products_are_rounded_and_nothing_else() -> None:
    network = MLP(64, (64,), 3)
    assert in_precision(network, "float32") is network
    half = in_precision(network, "bfloat16")
    assert isinstance(half, Bfloat16)
    obs = torch.randn(9, 64, generator=torch.Generator().manual_seed(0))
    exact, rounded = network(obs), half(obs)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=0.02, rtol=0.02)
    rounded.square().sum().backward()
    assert {x.dtype for x in half.parameters()} == {torch.float32}
    assert all(x.grad is not None and x.grad.dtype == torch.float32 for x in half.parameters())


@pytest.mark.parametrize("obs", ["vector", "image"])
@pytest.mark.parametrize("algorithm", CONFIGS)
def test_every_algorithm_learns_and_keeps_float32(algorithm: str, obs: str) -> None:
    actions = "continuous" if algorithm in ("ddpg", "td3", "sac") else "discrete"
    agent_class, sizes = ALGORITHMS[algorithm], {"hidden_sizes": (8,)}
    config = agent_class.config_class(precision="bfloat16", **sizes, **CONFIGS[algorithm])
    agent = agent_class.create(toy(obs, actions), config, seed=0, device="cpu")
    before = {name: x.clone() for name, x in agent.tensors().items()}
    agent.learn(25)
    assert agent.num_updates > 0
    after = agent.tensors()
    assert {x.dtype for name, x in after.items() if name in before} == {torch.float32}
    assert any(not torch.equal(after[name], x) for name, x in before.items())


def test_learns_the_corridor_in_bfloat16() -> None:
    config = {**vars(CORRIDOR_CONFIG), "precision": "bfloat16"}
    agent = DQN.create(corridor(), DQN.config_class(**config), seed=1, device="cpu")
    agent.learn(1200)
    assert agent.act(np.eye(5, dtype=np.float32)[:4]).tolist() == [1, 1, 1, 1]


def test_heads_of_one_layer_stay_exact() -> None:
    agent = PPO.create(toy("image", "discrete"), PPOConfig(precision="bfloat16"), device="cpu")
    assert isinstance(agent.encoder, Bfloat16)
    assert isinstance(agent.actor, MLP)
