"""The random agent: uniform over every space, exact from a seed, refused where it cannot be."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.random import RandomAgent
from numpy.typing import NDArray
from support.agent_toys import cartpole


class Anything(gym.Env[Any, Any]):
    """Takes whatever its action space holds, for twenty steps."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)

    def __init__(self, action_space: gym.Space[Any]) -> None:
        self.action_space = action_space
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        self.actions.append(action)
        return np.zeros(2, np.float32), 1.0, len(self.actions) % 20 == 0, False, {}


SPACES = [
    spaces.Discrete(3),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 5]),
    spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
    spaces.MultiBinary(3),
    spaces.Box(np.array([-2, 0]), np.array([2, 1]), dtype=np.float32),
    spaces.Box(-1, 1, (2, 3), np.float64),
    spaces.Box(0, 255, (2,), np.uint8),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_acts_in_every_space(space: gym.Space[Any]) -> None:
    env = Anything(space)
    agent = RandomAgent.create(env, seed=0, device="cpu")
    agent.learn(50)
    assert len(env.actions) == 50
    assert (agent.num_steps, agent.num_episodes, agent.num_updates) == (50, 2, 0)
    batch = agent.act(np.zeros((4, 2), np.float32))
    assert batch.shape == (4, *(space.shape or ()))
    assert batch.dtype == space.dtype


def shares(values: NDArray[Any], low: int, high: int) -> NDArray[np.float64]:
    """Return how often each whole number in [low, high] is among the values."""
    counts = np.bincount(values.astype(np.int64).ravel() - low, minlength=high - low + 1)
    result: NDArray[np.float64] = counts / values.size
    return result


def test_is_uniform() -> None:
    obs = np.zeros((20_000, 2), np.float32)

    def actions(space: gym.Space[Any]) -> NDArray[Any]:
        return RandomAgent.create(Anything(space), seed=0, device="cpu").act(obs)

    np.testing.assert_allclose(shares(actions(SPACES[1]), -1, 1), 1 / 3, atol=0.02)
    pairs = actions(SPACES[2])
    np.testing.assert_allclose(shares(pairs[:, 0], 0, 1), 1 / 2, atol=0.02)
    np.testing.assert_allclose(shares(pairs[:, 1], 0, 4), 1 / 5, atol=0.02)
    np.testing.assert_allclose(shares(actions(SPACES[4]), 0, 1), 1 / 2, atol=0.02)
    forces = actions(SPACES[5])
    np.testing.assert_allclose(forces.mean(axis=0), [0, 0.5], atol=0.03)
    np.testing.assert_allclose(forces.std(axis=0), [4 / 12**0.5, 1 / 12**0.5], atol=0.03)
    pixels = actions(SPACES[7])
    assert (pixels.min(), pixels.max()) == (0, 255)


class Returns(Callback):
    """Keeps the return of every episode."""

    def __init__(self) -> None:
        self.returns: list[float] = []

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.returns.append(episode.episodic_return)


def play(agent: RandomAgent, num_steps: int) -> list[float]:
    returns = Returns()
    agent.learn(num_steps, [returns])
    return returns.returns


def test_scores_about_twenty_on_cartpole_and_repeats_itself() -> None:
    def train(seed: int) -> list[float]:
        return play(RandomAgent.create(cartpole(), seed=seed, device="cpu"), 2500)

    returns = train(0)
    assert 18 < np.mean(returns) < 27
    assert train(0) == returns
    assert train(1) != returns


def test_resumes_exactly_in_the_middle_of_an_episode(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    straight = RandomAgent.create(cartpole(), seed=3, device="cpu")
    expected = play(straight, 300)
    half = RandomAgent.create(cartpole(), seed=3, device="cpu")
    returns = play(half, 155)
    half.save(path, replay=True)
    returns += play(RandomAgent.load(path, cartpole(), device="cpu"), 145)
    assert returns == expected


def test_what_has_no_uniform_distribution_is_refused() -> None:
    for space in (spaces.Box(-np.inf, np.inf, (2,)), spaces.Text(5)):
        with pytest.raises(ValueError, match=r"random needs actions Discrete, .* a bounded Box"):
            RandomAgent.create(Anything(space), device="cpu")
    env = Anything(SPACES[0])
    env.observation_space = spaces.Dict({"a": spaces.Discrete(2)})  # type: ignore[assignment]
    with pytest.raises(ValueError, match="random needs observations that are one array"):
        RandomAgent.create(env, device="cpu")


def test_stops_at_nan() -> None:
    env = gym.wrappers.TransformReward(cartpole(), lambda reward: float("nan"))
    with pytest.raises(FloatingPointError, match="reward of environment step 0 is nan"):
        RandomAgent.create(env, device="cpu").learn(5)
