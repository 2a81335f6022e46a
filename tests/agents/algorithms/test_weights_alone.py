"""Weights alone: half the size, without what training needs, and the agent plays and learns on."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.a3c.a3c import A3C
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.recipes import ALGORITHMS
from safetensors.numpy import load_file
from support.agent_toys import assert_same_weights, cartpole, corridor, weights
from support.signed_files import read_signed, write_signed

SMALL = {"hidden_sizes": (6,)}
CONTINUOUS = ("ddpg", "td3", "sac")
OURS = [name for name in ALGORITHMS if not name.startswith("sb3-")]


def untrained(algorithm: str) -> Agent:
    kind = ALGORITHMS[algorithm]
    config = kind.config_class(**(SMALL if hasattr(kind.config_class, "hidden_sizes") else {}))
    env = gym.make("Pendulum-v1") if algorithm in CONTINUOUS else cartpole()
    agent = kind.create(env, config, seed=3, device="cpu")
    agent.num_steps = 70
    for copy in agent.copies:  # as in training, it has not caught up
        for x in agent.networks[copy].parameters():
            x.data += 1.0
    return agent


def in_half(agent: Agent) -> dict[str, torch.Tensor]:
    """Return an agent's weights as a file in half precision has them."""
    return {
        name: x.half().float() if x.dtype == torch.float32 else x
        for name, x in weights(agent).items()
    }


@pytest.mark.parametrize("algorithm", [*OURS, "sb3-dqn", "sb3-ppo"])
def test_every_agent_plays_as_its_weights_in_half_precision_say(
    algorithm: str, tmp_path: Path
) -> None:
    agent = untrained(algorithm)
    path = tmp_path / "weights.safetensors"
    agent.save_weights(path, {"of": "a test"})
    saved = load_file(path)
    assert not [name for name in saved if name.partition("/")[0] in agent.copies]
    assert np.dtype(np.float32) not in {x.dtype for x in saved.values()}
    loaded = type(agent).load(path, agent.single_env, device="cpu")
    expected = in_half(agent)
    for copy, source in agent.copies.items():
        for name in [name for name in expected if name.startswith(f"{copy}/")]:
            expected[name] = expected[f"{source}/{name.partition('/')[2]}"]
    assert_same_weights(weights(loaded), expected)
    assert (loaded.num_steps, loaded.seed) == (70, 3)
    obs, _ = agent.single_env.reset(seed=1)
    assert loaded.act(obs[None]).shape == agent.act(obs[None]).shape
    agent.env.close()


def test_every_target_network_is_named_as_a_copy() -> None:
    for algorithm in OURS:
        agent = untrained(algorithm)
        assert agent.copies.keys() <= agent.networks.keys()
        assert set(agent.copies.values()) <= agent.networks.keys() - agent.copies.keys()
        targets = {name for name in agent.networks if "target" in name}
        assert agent.copies.keys() == targets, algorithm
        agent.env.close()


def test_a_file_of_weights_is_small_and_says_where_they_come_from(tmp_path: Path) -> None:
    agent = DQN.create(corridor(), DQNConfig(hidden_sizes=(200, 200)), device="cpu")
    agent.learn(10)
    whole, alone = tmp_path / "whole.safetensors", tmp_path / "alone.safetensors"
    agent.save(whole)
    agent.save_weights(alone, {"by": "hand", "seeds": [1, 2]})
    assert alone.stat().st_size < whole.stat().st_size / 3.5  # halves, and no target network
    header = read_header(alone)
    assert header.origin == {"by": "hand", "seeds": [1, 2]}
    assert read_header(whole).origin is None
    assert (header.generators, header.episode, header.replay) == ({}, {}, None)


def test_what_half_precision_cannot_hold_is_kept(tmp_path: Path) -> None:
    agent = PPO.create(cartpole(), PPOConfig(hidden_sizes=(6,)), device="cpu")
    first = next(agent.networks["actor"].parameters())
    first.data[0, 0] = 1e6
    agent.save_weights(tmp_path / "weights.safetensors", {})
    loaded = PPO.load(tmp_path / "weights.safetensors", cartpole(), device="cpu")
    assert torch.equal(next(loaded.networks["actor"].parameters()), first)


def test_it_learns_on_in_new_episodes(tmp_path: Path) -> None:
    """Also in as many sub-environments as it was saved in."""
    path = tmp_path / "weights.safetensors"
    config = DQNConfig(hidden_sizes=(6,), learning_starts=8, batch_size=4, replay_capacity=100)
    agent = DQN.create(cartpole(), config, device="cpu")
    agent.learn(20)
    agent.save_weights(path, {})
    loaded = DQN.load(path, cartpole(), device="cpu")
    assert loaded.loop.state(replay=False).values != agent.loop.state(replay=False).values
    loaded.learn(20)
    assert (loaded.num_steps, len(loaded.replay)) == (40, 20)
    assert loaded.num_updates > agent.num_updates


@pytest.mark.parametrize("change", ["missing", "longer", "nan"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "weights.safetensors"
    A3C.create(cartpole(), A3C.config_class(hidden_sizes=(6,)), device="cpu").save_weights(path, {})
    header, tensors = read_signed(path)
    name = sorted(tensors)[0]
    if change == "missing":
        del tensors[name]
    elif change == "longer":
        tensors[name] = np.concatenate([tensors[name]] * 2)
    else:
        tensors[name] = np.full_like(tensors[name], np.nan)
    write_signed(path, json.loads(json.dumps(header)), tensors)
    with pytest.raises(CheckpointError, match="does not fit"):
        A3C.load(path, cartpole(), device="cpu")
