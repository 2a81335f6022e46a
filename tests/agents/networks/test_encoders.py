"""Encoders: their layers, what they refuse, and a user's own in every algorithm."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.networks.encoders import (
    CNN,
    OwnEncoder,
    make_encoder,
    make_network,
    num_features,
)
from mario_rl_agents.recipes import ALGORITHMS
from support.agent_toys import assert_same_weights, corridor, side
from support.interface_toys import toy
from support.own_encoder import Halves
from torch import Tensor, nn

SMALL_STEPS = {"learning_starts": 8, "batch_size": 4, "replay_capacity": 50}
CONFIGS: dict[str, dict[str, Any]] = {
    "naive_q": {"replay": True, "replay_starts": 8},
    "dqn": {**SMALL_STEPS, "dueling": True},
    "double_dqn": SMALL_STEPS,
    "actor_critic": {},
    "ppo": {},
    "pqn": {"rollout_steps": 8, "batch_size": 4},
    "reinforce": {},
    "sarsa": {},
    "a3c": {"num_workers": 1},
    "ddpg": {**SMALL_STEPS, "hidden_sizes": (8,)},
    "td3": {**SMALL_STEPS, "hidden_sizes": (8,)},
    "sac": {**SMALL_STEPS, "hidden_sizes": (8,)},
}


def image(size: int, channels: int = 4) -> gym.spaces.Box:
    return gym.spaces.Box(0, 255, (channels, size, size), np.uint8)


@pytest.mark.parametrize(
    ("name", "size", "shapes", "features"),
    [
        ("nature", 84, [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 3136)], 512),
        ("small", 42, [(16, 4, 4, 4), (32, 16, 4, 4), (256, 2592)], 256),
        ("tiny", 42, [(16, 4, 6, 6), (32, 16, 4, 4), (256, 800)], 256),
        (
            "impala",
            84,
            [
                (16, 4, 3, 3),
                *[(16, 16, 3, 3)] * 4,
                (32, 16, 3, 3),
                *[(32, 32, 3, 3)] * 9,
                (256, 3872),
            ],
            256,
        ),
    ],
)
def test_layers_of_the_papers(
    name: str, size: int, shapes: list[tuple[int, ...]], features: int
) -> None:
    encoder = make_encoder(image(size), name)
    assert [tuple(x.shape) for x in encoder.parameters() if x.dim() > 1] == shapes
    assert num_features(encoder) == features
    obs = torch.randint(0, 256, (2, 4, size, size), dtype=torch.uint8)
    assert encoder(obs).shape == (2, features)
    network = make_network(image(size), 5, (), name)
    assert network(obs).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "smallest"), [("nature", 36), ("small", 10), ("tiny", 15), ("impala", 8)]
)
def test_the_smallest_image(name: str, smallest: int) -> None:
    obs = torch.zeros(1, 4, smallest, smallest, dtype=torch.uint8)
    assert make_encoder(image(smallest), name)(obs).isfinite().all()
    with pytest.raises(ValueError, match=f'{smallest} pixels or more for encoder "{name}"'):
        make_encoder(image(smallest - 1), name)


def normalized(x: Tensor) -> Tensor:
    """Return rows of mean 0 and variance 1, without what is below 0."""
    deviation = (x.var(dim=1, keepdim=True, correction=0) + 1e-5).sqrt()
    return ((x - x.mean(dim=1, keepdim=True)) / deviation).relu()


def test_hidden_layers_are_normalized() -> None:
    network = make_network(gym.spaces.Box(-1, 1, (3,)), 2, (8, 6), layer_norm=True)
    first, second, output = (x for x in network.modules() if isinstance(x, nn.Linear))
    obs = torch.linspace(-1, 1, 15).reshape(5, 3)
    expected = output(normalized(second(normalized(first(obs)))))
    torch.testing.assert_close(network(obs), expected)


def test_features_of_images_are_normalized() -> None:
    network = make_network(image(42), 2, (), "small", layer_norm=True)
    assert isinstance(network, CNN)
    obs = torch.randint(0, 256, (5, 4, 42, 42), dtype=torch.uint8)
    hidden, output = (x for x in network.head if isinstance(x, nn.Linear))
    expected = output(normalized(hidden(network.convolutions(obs.float() / 255))))
    torch.testing.assert_close(network(obs), expected)


def test_encoders_normalize_their_features_but_not_vectors_and_grids() -> None:
    encoder = make_encoder(image(42), "tiny", layer_norm=True)
    assert isinstance(encoder, CNN)
    obs = torch.randint(0, 256, (5, 4, 42, 42), dtype=torch.uint8)
    expected = normalized(encoder.head[0](encoder.convolutions(obs.float() / 255)))
    torch.testing.assert_close(encoder(obs), expected)

    own = make_encoder(gym.spaces.Box(-1, 1, (4,)), Halves, layer_norm=True)
    assert isinstance(own, OwnEncoder)
    vectors = torch.linspace(-1, 1, 20).reshape(5, 4)
    features = own.encoder(vectors)
    torch.testing.assert_close(own(vectors), nn.functional.layer_norm(features, features.shape[1:]))

    for space in (gym.spaces.Box(-1, 1, (3,)), gym.spaces.Box(0, 3, (2, 2), np.uint8)):
        assert not [*make_encoder(space, layer_norm=True).parameters()]


def test_features_of_ones_own_encoder_are_normalized() -> None:
    space = gym.spaces.Box(-1, 1, (4,))
    network = make_network(space, 2, (), Halves, layer_norm=True)
    assert isinstance(network, nn.Sequential)
    own, _, output = network
    obs = torch.linspace(-1, 1, 20).reshape(5, 4)
    features = own(obs)
    expected = output(nn.functional.layer_norm(features, features.shape[1:]))
    torch.testing.assert_close(network(obs), expected)


def test_residual_blocks_add_to_their_input() -> None:
    encoder = make_encoder(image(16), "impala").double()
    first = encoder.get_submodule("convolutions.2")
    x = torch.randn(1, 16, 8, 8, dtype=torch.float64)
    a, b = (m for m in first.modules() if isinstance(m, nn.Conv2d))
    torch.testing.assert_close(first(x), x + b(a(x.relu()).relu()))


@pytest.mark.parametrize("encoder", ["small", "tiny", "impala"])
def test_learns_from_images_with_another_encoder(encoder: str) -> None:
    config = PPOConfig(
        rollout_steps=64,
        batch_size=32,
        num_epochs=4,
        learning_rate=1e-3,
        gamma=0.0,
        normalize_advantages="rollout",
        encoder=encoder,  # type: ignore[arg-type]
        initialization="orthogonal",
        value_loss="huber",
        adam_epsilon=1e-5,
    )
    env = side()
    agent = PPO.create(env, config, seed=1, device="cpu")
    agent.learn(640)
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(50):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 45


@pytest.mark.parametrize("algorithm", CONFIGS)
def test_an_encoder_of_ones_own(algorithm: str, tmp_path) -> None:
    actions = "continuous" if algorithm in ("ddpg", "td3", "sac") else "discrete"
    agent_class, path = ALGORITHMS[algorithm], tmp_path / "agent.safetensors"
    config = agent_class.config_class(initialization="orthogonal", **CONFIGS[algorithm])
    env = toy("vector", actions)
    agent = agent_class.create(env, config, seed=0, device="cpu", encoder=Halves)
    before = {name: x.clone() for name, x in agent.tensors().items()}
    own = [name for name in before if "encoder." in name and name.endswith("scale")]
    assert own
    assert all((before[name] == 0.5).all() for name in own)  # its own weights, not orthogonal ones
    agent.learn(40)
    assert any(not torch.equal(agent.tensors()[name], before[name]) for name in own)
    agent.save(path)
    assert read_header(path).encoder == "Halves"
    again = agent_class.load(path, env, device="cpu", encoder=Halves)
    assert_same_weights(dict(again.tensors()), dict(agent.tensors()))
    with pytest.raises(CheckpointError, match=r"an encoder of your own, Halves.* encoder=Halves"):
        agent_class.load(path, env, device="cpu")
    with pytest.raises(CheckpointError, match="trained with encoder Halves, got Other: give Halve"):
        agent_class.load(path, env, device="cpu", encoder=type("Other", (Halves,), {}))


def test_an_encoder_that_was_not_there(tmp_path) -> None:
    path = tmp_path / "agent.safetensors"
    PPO.create(corridor(), device="cpu").save(path)
    with pytest.raises(CheckpointError, match="with encoder of its config, got Halves: leave enc"):
        PPO.load(path, corridor(), device="cpu", encoder=Halves)


def test_an_encoder_reads_what_no_other_can() -> None:
    class Cube(gym.Env):
        observation_space = gym.spaces.Box(-1, 1, (2, 3, 4, 5), np.float32)
        action_space = gym.spaces.Discrete(2)

    with pytest.raises(ValueError, match="ppo needs observations a Box of shape"):
        PPO.create(Cube(), device="cpu")
    agent = PPO.create(Cube(), device="cpu", encoder=Halves)
    assert agent.act(np.zeros((3, 2, 3, 4, 5), np.float32)).shape == (3,)


@pytest.mark.parametrize("algorithm", CONFIGS)
def test_an_encoder_reads_arrays_that_are_no_box(algorithm: str, tmp_path) -> None:
    actions = "continuous" if algorithm in ("ddpg", "td3", "sac") else "discrete"
    agent_class, path = ALGORITHMS[algorithm], tmp_path / "agent.safetensors"
    env = gym.make("Switches-v0", actions=actions, disable_env_checker=True)
    with pytest.raises(ValueError, match=rf"{algorithm} needs observations .* MultiBinary\(3\)"):
        agent_class.create(env, device="cpu")
    config = agent_class.config_class(**CONFIGS[algorithm])
    agent = agent_class.create(env, config, seed=0, device="cpu", encoder=Halves)
    agent.learn(40)
    assert agent.num_updates > 0
    agent.save(path, replay=True)
    again = agent_class.load(path, env, device="cpu", encoder=Halves)
    again.load_replay()
    assert_same_weights(dict(again.tensors()), dict(agent.tensors()))


def test_an_encoder_names_its_features() -> None:
    class Nameless(nn.Module):
        def __init__(self, space: gym.Space) -> None:
            super().__init__()

        def forward(self, obs: Tensor) -> Tensor:
            return obs

    with pytest.raises(ValueError, match=r"an attribute num_features, .* is None: set it"):
        PPO.create(corridor(), device="cpu", encoder=Nameless)
