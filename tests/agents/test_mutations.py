"""Checkpoints that contradict themselves, with checksums that are right: refused, or they work."""

import dataclasses
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.envs import SequentialVectorEnv
from mario_rl_agents.errors import CheckpointError
from safetensors.numpy import load_file
from support.mutations import mutated_arrays, mutated_values
from support.signed_files import (
    read_signed,
    write_signed,
    write_signed_replay,
    write_signed_text,
)

# What a configuration that is allowed, and cannot be trained, has always been answered with.
_SAID = "no room for a batch of .* a smaller batch_size|batch_size must be a divisor of num_envs"


def one(env_id: str) -> gym.Env[Any, Any]:
    return gym.make(env_id, disable_env_checker=True)


def two(env_id: str) -> SequentialVectorEnv:
    return SequentialVectorEnv([one(env_id), one(env_id)])


# Small, since each is loaded hundreds of times.
OFF_POLICY: dict[str, Any] = {"learning_starts": 8, "batch_size": 2, "hidden_sizes": (3,)}
CASES: dict[str, tuple[type[Agent], Any, Callable[[], Any]]] = {
    "dqn": (DQN, DQNConfig(replay_capacity=12, **OFF_POLICY), lambda: one("CartPole-v1")),
    "prioritized": (
        DQN,
        DQNConfig(replay_capacity=40, prioritized=True, num_return_steps=2, **OFF_POLICY),
        lambda: two("CartPole-v1"),
    ),
    "ppo": (
        PPO,
        PPOConfig(
            rollout_steps=8,
            batch_size=8,
            num_epochs=1,
            hidden_sizes=(3,),
            normalize_observations=True,
            normalize_rewards=True,
        ),
        lambda: two("Pendulum-v1"),
    ),
    "sac": (SAC, SACConfig(replay_capacity=20, **OFF_POLICY), lambda: one("Pendulum-v1")),
}


FEW = ("dqn", "ppo")
each_case = pytest.mark.parametrize(
    "case", [pytest.param(x, marks=[] if x in FEW else pytest.mark.slow) for x in CASES]
)


def saved(case: str, path: Path) -> tuple[type[Agent], Any]:
    """Save an agent in the middle of everything; return its class and its environment."""
    kind, config, make = CASES[case]
    agent = kind.create(make(), config, seed=3, device="cpu")
    agent.learn(38)  # of two environments each takes 19 steps: within an episode and a rollout
    agent.save(path, replay=True)
    return kind, make()


def works_or_is_refused(kind: type[Agent], path: Path, env: Any, what: str) -> bool:
    """Load, act and learn; return whether that went well, or was refused."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="the environment did not repeat")
            warnings.filterwarnings("ignore", message="overflow encountered")
            # PyTorch's own, as it imports its compiler for compile=True.
            warnings.filterwarnings("ignore", message="`torch.jit.script", module="torch")
            agent = kind.load(path, env, device="cpu")
            agent.learn(2 * agent.num_envs)
    except CheckpointError:
        return False
    except FloatingPointError:
        return True  # numbers too large to learn from: training says so
    except Exception as error:
        if re.search(_SAID, str(error)):
            return True
        raise AssertionError(f"{what}: {error!r}") from error
    obs = agent.loop._obs  # type: ignore[attr-defined]
    assert agent.action_space.contains(agent.act(obs)[0]), what
    return True


@each_case
def test_a_header_is_refused_or_works(case: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    kind, env = saved(case, path)
    header, tensors = read_signed(path)
    works = []
    for what, changed in mutated_values(header, 1):
        write_signed(path, changed, tensors)
        works.append(works_or_is_refused(kind, path, env, what))
    assert works.count(False) > 0.5 * len(works) > 50
    write_signed(path, header, tensors)
    assert works_or_is_refused(kind, path, env, "nothing changed")


@each_case
def test_tensors_are_refused_or_work(case: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    kind, env = saved(case, path)
    header, tensors = read_signed(path)
    works = []
    for what, changed in mutated_arrays(tensors):
        write_signed(path, header, changed)
        works.append(works_or_is_refused(kind, path, env, what))
    assert works.count(False) > 0.5 * len(works) > 50


@each_case
def test_a_replay_memory_is_refused_or_works(case: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    kind, env = saved(case, path)
    header, _ = read_signed(path)
    arrays = load_file(path.with_name(header["replay"]["name"]))
    works = []
    for what, changed in mutated_arrays(arrays):
        write_signed_replay(path, header, changed)
        works.append(works_or_is_refused(kind, path, env, what))
    assert works.count(False) > 0.3 * len(works) > 20


def test_a_header_of_an_agent_with_workers_is_refused_or_loads(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    config = A3CConfig(num_workers=1, hidden_sizes=(3,))
    A3C.create(one("CartPole-v1"), config, seed=3).save(path)
    header, tensors = read_signed(path)
    env = one("CartPole-v1")
    for what, changed in mutated_values(header, 2):
        write_signed(path, changed, tensors)
        try:
            A3C.load(path, env)
        except CheckpointError:
            continue
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "1", "null", '{"seed": ' + "9" * 9_999])
def test_a_header_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    kind, env = saved("dqn", path)
    write_signed_text(path, text, read_signed(path)[1])
    with pytest.raises(CheckpointError, match="its header cannot be read"):
        kind.load(path, env)


def test_weights_that_are_not_finite_are_not_played(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    kind, env = saved("dqn", path)
    header, tensors = read_signed(path)
    tensors["q/layers.0.weight"][0, 0] = float("nan")
    write_signed(path, header, tensors)
    with pytest.raises(CheckpointError, match=r"q/layers\.0\.weight has numbers that are not fini"):
        kind.load(path, env)


def test_every_case_is_in_the_middle_of_something(tmp_path: Path) -> None:
    """Or there is nothing to contradict."""
    for case in CASES:
        path = tmp_path / f"{case}.safetensors"
        kind, env = saved(case, path)
        header, tensors = read_signed(path)
        assert tensors["episode/lengths"].sum() > 0
        assert header["replay"] is not None
        assert header["num_updates"] > 0
        assert dataclasses.asdict(kind.load(path, env).config).keys() == header["config"].keys()
