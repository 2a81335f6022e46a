"""Dueling networks: the formula, the shapes, and what DQN makes of them."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.networks.dueling import (
    DuelingMLP,
    DuelingOutput,
    make_dueling_network,
)
from support.agent_toys import CORRIDOR_CONFIG, SIDE_CONFIG, corridor, side

VECTORS = gym.spaces.Box(-1, 1, (3,), np.float32)
IMAGES = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)


def test_output_by_hand() -> None:
    output = DuelingOutput(1, 3)
    output.load_state_dict(
        {
            "value.weight": torch.tensor([[2.0]]),
            "value.bias": torch.tensor([1.0]),
            "advantage.weight": torch.tensor([[1.0], [2.0], [6.0]]),
            "advantage.bias": torch.zeros(3),
        }
    )
    # V = 2 * 5 + 1, A = (1, 2, 6) * 10 with a mean of 30.
    assert output(torch.tensor([[5.0, 10.0]])).tolist() == [[-9.0, 1.0, 41.0]]


def test_equals_two_networks_of_their_own() -> None:
    network = make_dueling_network(VECTORS, 5, (16, 8)).double()
    assert isinstance(network, DuelingMLP)
    obs = torch.linspace(-2, 2, 21, dtype=torch.float64).reshape(7, 3)
    first, _, hidden, _, output = network.layers
    shared = torch.relu(first(obs))
    assert isinstance(hidden, torch.nn.Linear)
    assert isinstance(output, DuelingOutput)
    value_features = torch.relu(shared @ hidden.weight[:8].T + hidden.bias[:8])
    advantage_features = torch.relu(shared @ hidden.weight[8:].T + hidden.bias[8:])
    value = value_features @ output.value.weight.T + output.value.bias  # [B, 1]
    advantage = advantage_features @ output.advantage.weight.T + output.advantage.bias  # [B, A]
    for row in range(7):
        for action in range(5):
            expected = value[row, 0] + advantage[row, action] - sum(advantage[row]) / 5
            assert network(obs)[row, action].item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("space", [VECTORS, IMAGES], ids=["vectors", "images"])
def test_both_streams_are_normalized_together(space: gym.spaces.Box) -> None:
    network = make_dueling_network(space, 5, (16,), layer_norm=True)
    norms = [x for x in network.modules() if isinstance(x, torch.nn.LayerNorm)]
    assert [x.normalized_shape for x in norms] == [(32,) if space is VECTORS else (1024,)]
    features = []
    norms[0].register_forward_hook(lambda _norm, _inputs, output: features.append(output.clone()))
    obs = torch.from_numpy(np.stack([space.sample() for _ in range(3)]))
    assert network(obs).shape == (3, 5)
    assert features[0].mean(dim=1).tolist() == pytest.approx([0] * 3, abs=1e-5)


@pytest.mark.parametrize(
    ("space", "hidden_sizes", "shapes"),
    [
        (VECTORS, (16,), [(32, 3), (1, 16), (5, 16)]),
        (VECTORS, (16, 8), [(16, 3), (16, 16), (1, 8), (5, 8)]),
        (IMAGES, (16,), [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (1024, 3136)]),
    ],
)
def test_the_last_hidden_layer_is_doubled(
    space: gym.spaces.Box, hidden_sizes: tuple[int, ...], shapes: list[tuple[int, ...]]
) -> None:
    network = make_dueling_network(space, 5, hidden_sizes)
    found = [tuple(x.shape) for x in network.state_dict().values() if x.dim() > 1]
    assert found[: len(shapes)] == shapes
    obs = torch.as_tensor(np.stack([space.sample() for _ in range(2)]))
    assert network(obs).shape == (2, 5)


def test_needs_a_hidden_layer() -> None:
    with pytest.raises(ValueError, match="at least one hidden layer, got hidden_sizes"):
        make_dueling_network(VECTORS, 5, ())
    with pytest.raises(ValueError, match="hidden_sizes must be at least one layer where dueling"):
        DQNConfig(dueling=True, hidden_sizes=())


def test_learns_the_corridor() -> None:
    config = DQNConfig(**{**vars(CORRIDOR_CONFIG), "dueling": True, "overlap": False})
    agent = DoubleDQN.create(corridor(), config, seed=1, device="cpu")
    agent.learn(1200)
    values = agent.action_values(np.eye(5, dtype=np.float32)[:4])
    assert values.argmax(axis=1).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(values[:, 1], [0.9**3, 0.9**2, 0.9, 1.0], atol=0.1)


def test_learns_from_images() -> None:
    config = DQNConfig(**{**vars(SIDE_CONFIG), "dueling": True, "overlap": False})
    env = side()
    agent = DoubleDQN.create(env, config, seed=1, device="cpu")
    agent.learn(300)
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(50):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 45
