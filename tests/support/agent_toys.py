"""Small environments and helpers for the tests of the agents library."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.buffers.replay import Batch
from mario_rl_agents.config import linear
from mario_rl_agents.envs import SequentialVectorEnv
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]


class Corridor(gym.Env[NDArray[np.float32], np.int64]):
    """Walk right (1) to the end of five cells for a reward of 1; left (0) leads back."""

    observation_space = gym.spaces.Box(0, 1, (5,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._cell = 0
        return self._obs(), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._cell = max(self._cell + (1 if action == 1 else -1), 0)
        done = self._cell == 4
        return self._obs(), float(done), done, False, {"cell": self._cell}

    def _obs(self) -> NDArray[np.float32]:
        obs = np.zeros(5, np.float32)
        obs[self._cell] = 1
        return obs


class Side(gym.Env[NDArray[np.uint8], np.int64]):
    """A bright half appears left (0) or right (1): name it. An episode ends with chance 0.1."""

    observation_space = gym.spaces.Box(0, 255, (36, 36), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        return self._obs(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        reward = float(action == self._side)
        return self._obs(), reward, bool(self.np_random.random() < 0.1), False, {}

    def _obs(self) -> NDArray[np.uint8]:
        self._side = int(self.np_random.integers(2))
        obs = self.np_random.integers(0, 30, (36, 36), dtype=np.uint8)
        obs[:, 18 * self._side : 18 * self._side + 18] += 200
        return obs


class NoisyChoice(gym.Env[NDArray[np.float32], np.int64]):
    """The maximization-bias example (Sutton and Barto 2018, example 6.7), with ten actions.

    In state A action 0 ends the episode and any other leads to B, both without reward. In B every
    action ends the episode with a reward drawn from N(-0.1, 1).
    """

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(10)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._in_b = False
        return np.array([1, 0], np.float32), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        obs = np.array([0, 1], np.float32)
        if self._in_b:
            return obs, float(self.np_random.normal(-0.1, 1.0)), True, False, {}
        self._in_b = bool(action != 0)
        return obs, 0.0, not self._in_b, False, {}


def corridor() -> gym.Env[Any, Any]:
    """Return the corridor with a time limit of 40 steps."""
    return gym.wrappers.TimeLimit(Corridor(), 40)


def side() -> gym.Env[Any, Any]:
    """Return the image environment with four stacked frames and a time limit of 15 steps."""
    return gym.wrappers.FrameStackObservation(gym.wrappers.TimeLimit(Side(), 15), 4)


def cartpole() -> gym.Env[Any, Any]:
    """Return CartPole."""
    return gym.make("CartPole-v1")


CORRIDOR_CONFIG = DQNConfig(
    learning_rate=3e-3,
    replay_capacity=1000,
    learning_starts=100,
    target_update_period=50,
    epsilon=linear(1, 0.1, 700),
    hidden_sizes=(32,),
)
SIDE_CONFIG = DQNConfig(
    learning_rate=1e-3,
    gamma=0.5,
    batch_size=16,
    replay_capacity=400,
    learning_starts=50,
    target_update_period=50,
    epsilon=linear(1, 0.1, 300),
)


def three_cartpoles() -> SequentialVectorEnv:
    """Return CartPole in three sub-environments."""
    return SequentialVectorEnv([cartpole() for _ in range(3)])


def three_pendulums() -> SequentialVectorEnv:
    """Return pendulums whose episodes are short, in three sub-environments."""
    return SequentialVectorEnv([gym.make("Pendulum-v1", max_episode_steps=13) for _ in range(3)])


def make_step(
    obs: Any, reward: Any, terminated: Any, truncated: Any, next_obs: Any, action: Any = ()
) -> Step:
    """Return a step of as many sub-environments as there are rewards."""
    ended = np.flatnonzero(np.array(terminated) | np.array(truncated)).tolist()
    arrays = np.array(reward, np.float64), np.array(terminated), np.array(truncated)
    infos: dict[int, dict[str, Any]] = {index: {} for index in ended}
    return Step(np.array(obs), np.array(action), *arrays, np.array(next_obs), infos)


def weights(agent: Agent) -> dict[str, torch.Tensor]:
    """Return copies of all that a checkpoint holds in tensors: networks and optimizer."""
    return {name: x.clone() for name, x in agent.tensors().items()}


def assert_same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    """Fail unless both are equal to the bit."""
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def vector_batch(
    obs: list[list[float]],
    action: list[int],
    reward: list[float],
    next_obs: list[list[float]],
    terminated: list[bool],
    truncated: list[bool],
) -> Batch:
    """Return a batch of vectors from plain lists."""
    return Batch(
        torch.tensor(obs),
        torch.tensor(action),
        torch.tensor(reward),
        torch.tensor(next_obs),
        torch.tensor(terminated),
        torch.tensor(truncated),
    )


def run_python(code: str) -> str:
    """Run `code` in a new process that can import the library and this module."""
    paths = [str(ROOT / "agents"), str(ROOT / "tests")]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
