"""bfloat16: weights, gradients and results stay float32, and every algorithm learns with it."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.networks import precision
from mario_rl_agents.networks.dueling import make_dueling_network
from mario_rl_agents.networks.encoders import MLP, SmallCNN, make_network
from mario_rl_agents.networks.precision import Bfloat16, in_precision, precision_on
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
    "pqn": {"rollout_steps": 8, "batch_size": 4},
    "reinforce": {},
    "sarsa": {},
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


def test_weights_have_the_names_that_they_have_without_it() -> None:
    network = MLP(4, (8,), 2)
    half = in_precision(network, "bfloat16")
    assert half.state_dict().keys() == network.state_dict().keys()
    twin = copy.deepcopy(half)
    with torch.no_grad():
        for x in half.parameters():
            x.add_(1.0)
    obs = torch.ones(3, 4)
    assert torch.equal(half(obs), in_precision(network, "bfloat16")(obs))
    assert not torch.equal(half(obs), twin(obs))


@pytest.mark.parametrize("is_fast", [True, False])
def test_auto_is_bfloat16_where_the_processor_has_it(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: is_fast)
    network = MLP(64, (64,), 3)
    obs = torch.randn(9, 64, generator=torch.Generator().manual_seed(0))
    expected = in_precision(network, "bfloat16") if is_fast else network
    assert torch.equal(in_precision(network, "auto")(obs), expected(obs))
    assert precision_on("auto", "cpu") == ("bfloat16" if is_fast else "float32")


def test_bytes_become_bfloat16_at_once() -> None:
    network = SmallCNN((4, 42, 42))
    seen: list[torch.dtype] = []
    network.convolutions.register_forward_pre_hook(lambda _, args: seen.append(args[0].dtype))
    obs = torch.zeros(2, 4, 42, 42, dtype=torch.uint8)
    in_precision(network, "bfloat16")(obs)
    network(obs)
    assert seen == [torch.bfloat16, torch.float32]


@pytest.mark.parametrize("make", [make_network, make_dueling_network])
@pytest.mark.parametrize("obs", ["vector", "image"])
def test_action_values_are_not_rounded(make: Any, obs: str) -> None:
    """Actions whose values differ by less than bfloat16 can say are told apart."""
    space = toy(obs, "discrete").observation_space
    network = make(space, 2, (16,))
    layers = [x for x in network.modules() if isinstance(x, torch.nn.Linear)]
    for layer in layers:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layers[-1].bias.copy_(torch.tensor([2.0, 2.001]))
    values = in_precision(network, "bfloat16")(torch.from_numpy(space.sample()[None]))[0]
    assert (values[1] - values[0]).item() == pytest.approx(0.001, abs=1e-5)


def test_learns_the_corridor_in_bfloat16() -> None:
    config = {**vars(CORRIDOR_CONFIG), "precision": "bfloat16"}
    agent = DQN.create(corridor(), DQN.config_class(**config), seed=1, device="cpu")
    agent.learn(1200)
    assert agent.act(np.eye(5, dtype=np.float32)[:4]).tolist() == [1, 1, 1, 1]


def test_heads_of_one_layer_stay_exact() -> None:
    agent = PPO.create(toy("image", "discrete"), PPOConfig(precision="bfloat16"), device="cpu")
    assert isinstance(agent.encoder, Bfloat16)
    assert isinstance(agent.actor, MLP)
