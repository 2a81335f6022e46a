"""PPO that begins with demonstrations: it imitates them first, and resumes to the bit."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.config import linear
from mario_rl_agents.demonstrations.cloning import DemonstrationDataset
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.errors import CheckpointError, DemonstrationsError
from numpy.typing import NDArray
from support.agent_toys import assert_same_weights, weights
from support.signed_files import read_signed, write_signed

SMALL: dict[str, Any] = {"rollout_steps": 8, "batch_size": 8, "hidden_sizes": (32,)}


class Leaner:
    """Pushes a cart to where its pole leans."""

    def begin(self, envs: Any, mask: NDArray[np.bool_]) -> None:
        pass

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        return np.asarray(obs[:, 2] + obs[:, 3] > 0, np.int64)

    def advance(self, actions: NDArray[np.int64]) -> None:
        pass


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    games = record(Leaner(), "CartPole-v1", {}, num_decisions=2_000, noise=0.5, num_envs=4)
    path = tmp_path_factory.mktemp("games") / "games.safetensors"
    games.save(path)
    return str(path)


def agent_of(path: str, seed: int = 0, **changes: Any) -> PPO:
    config = PPOConfig(**{**SMALL, "demonstrations": (path,), **changes})
    return PPO.create(make_vec_env("CartPole-v1", 2), config, seed=seed, device="cpu")


@pytest.mark.parametrize("ema_decay", [0.0, 0.99])
def test_it_imitates_before_its_first_step(ema_decay: float, path: str) -> None:
    dataset = DemonstrationDataset([path], torch.device("cpu"))
    once: Any = {"learning_rate": 1e-9, "demonstration_coefficient": 0.0, "ema_decay": ema_decay}
    agent = agent_of(path, cloning_epochs=200, **once)
    before = agent.act(dataset.obs.numpy())
    agent.learn(2)
    after = agent.act(dataset.obs.numpy())
    taught = dataset.action.numpy()
    assert (after == taught).mean() > 0.95 > (before == taught).mean()


def test_the_teacher_is_remembered_as_long_as_the_coefficient_says(path: str) -> None:
    def similarity(coefficient: Any) -> float:
        agent = agent_of(
            path, cloning_epochs=1, learning_rate=3e-3, demonstration_coefficient=coefficient
        )
        agent.learn(400)
        dataset = DemonstrationDataset([path], torch.device("cpu"))
        with torch.no_grad():
            return float(-agent.cloning_loss(dataset.obs, dataset.action))

    assert similarity(10.0) > similarity(0.0)
    losses: list[dict[str, float]] = []
    agent = agent_of(path, demonstration_coefficient=linear(1.0, 0.0, 40))
    agent.learn(16)
    update = agent.update
    agent.update = lambda batch: losses.append(update(batch)) or losses[-1]  # type: ignore[method-assign, func-returns-value]
    agent.learn(64)
    has_lessons = ["losses/cloning" in each for each in losses]
    assert has_lessons[0]
    assert not has_lessons[-1]
    assert has_lessons == sorted(has_lessons, reverse=True)


def test_what_is_resumed_ends_as_what_was_not_interrupted(path: str, tmp_path: Path) -> None:
    whole = agent_of(path)
    whole.learn(64)
    first = agent_of(path)
    first.learn(32)
    first.save(tmp_path / "agent.safetensors", replay=True)
    envs = make_vec_env("CartPole-v1", 2)
    resumed = PPO.load(tmp_path / "agent.safetensors", envs, device="cpu")
    resumed.learn(32)
    assert_same_weights(weights(resumed), weights(whole))


def test_only_what_it_began_with_is_gone_on_with(path: str, tmp_path: Path) -> None:
    file = tmp_path / "games.safetensors"
    file.write_bytes(Path(path).read_bytes())
    agent = agent_of(str(file), cloning_epochs=1)
    agent.learn(16)
    agent.save(tmp_path / "agent.safetensors", replay=True)
    others = record(Leaner(), "CartPole-v1", {}, num_decisions=50, noise=0.5, num_envs=4, seed=9)
    others.save(file)
    resumed = PPO.load(tmp_path / "agent.safetensors", make_vec_env("CartPole-v1", 2), device="cpu")
    with pytest.raises(
        DemonstrationsError, match=r"games\.safetensors holds other demonstrations than"
    ):
        resumed.learn(16)
    # Recorded anew, as before: the same.
    record(Leaner(), "CartPole-v1", {}, num_decisions=2_000, noise=0.5, num_envs=4).save(file)
    resumed.learn(16)
    header, tensors = read_signed(tmp_path / "agent.safetensors")
    assert [*resumed.demonstration_digests] == header["demonstrations"]
    header["demonstrations"] *= 2
    write_signed(tmp_path / "agent.safetensors", header, tensors)
    with pytest.raises(CheckpointError, match="digests of 2 files of demonstrations, not of 1"):
        PPO.load(tmp_path / "agent.safetensors", make_vec_env("CartPole-v1", 2), device="cpu")


def test_what_has_learned_plays_without_the_file(path: str, tmp_path: Path) -> None:
    copy = tmp_path / "games.safetensors"
    copy.write_bytes(Path(path).read_bytes())
    agent = agent_of(str(copy), cloning_epochs=1)
    agent.learn(16)
    agent.save(tmp_path / "agent.safetensors")
    copy.unlink()
    loaded = PPO.load(tmp_path / "agent.safetensors", gym.make("CartPole-v1"), device="cpu")
    obs = np.zeros((1, 4), np.float32)
    np.testing.assert_array_equal(loaded.act(obs), agent.act(obs))
    with pytest.raises(FileNotFoundError, match="mario-rl demonstrate records some"):
        loaded.learn(1)


def test_it_does_not_imitate_over_the_weights_that_it_began_with(path: str, tmp_path: Path) -> None:
    """Nor when it was saved before its first step, and loaded."""
    first, begun = tmp_path / "first.safetensors", tmp_path / "begun.safetensors"
    agent_of(path, seed=1).save(first)
    agent = agent_of(path)
    agent.begin_with(first)
    agent.save(begun)
    loaded = PPO.load(begun, make_vec_env("CartPole-v1", 2), device="cpu")
    assert loaded.has_begun
    for each in (agent, loaded):
        before = weights(each)
        each.learn(2)  # less than a rollout
        assert_same_weights(weights(each), before)


def test_without_demonstrations_nothing_changes(path: str) -> None:
    config = PPOConfig(**SMALL, demonstration_coefficient=5.0, cloning_epochs=3)
    envs = make_vec_env("CartPole-v1", 2)
    agent = PPO.create(envs, config, seed=0, device="cpu")
    plain = PPO.create(envs, PPOConfig(**SMALL), seed=0, device="cpu")
    for each in (agent, plain):
        each.learn(32)
    assert_same_weights(weights(agent), weights(plain))
    assert "demonstrations" not in agent.generators


def test_what_does_not_fit_is_refused(path: str) -> None:
    config = PPOConfig(**SMALL, demonstrations=(path,))
    with pytest.raises(ValueError, match="demonstrations are of discrete actions"):
        PPO.create("Pendulum-v1", config)
    with pytest.raises(ValueError, match=r"observations of shape \(4,\), the agent's have \(2,\)"):
        PPO.create("MountainCar-v0", config, device="cpu").learn(1)
    dataset = DemonstrationDataset([path], torch.device("cpu"))
    with pytest.raises(ValueError, match="actions up to 1, the agent has 1"):
        dataset.check((4,), 1)
    with pytest.raises(ValueError, match="demonstrations must be a tuple of"):
        PPOConfig(demonstrations=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="normalize_observations must be False with"):
        PPOConfig(demonstrations=(path,), normalize_observations=True)


def test_files_of_several_shapes_are_refused(path: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.safetensors")
    record(Leaner6(), "Acrobot-v1", {}, num_decisions=10, num_envs=1).save(other)
    with pytest.raises(ValueError, match="one shape"):
        DemonstrationDataset([path, other], torch.device("cpu"))
    both = DemonstrationDataset([path, path], torch.device("cpu"))
    assert len(both.action) == 2 * len(DemonstrationDataset([path], torch.device("cpu")).action)


class Leaner6(Leaner):
    """Swings up, which ends the episode."""

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        return np.where(obs[:, 5] > 0, 2, 0).astype(np.int64)
