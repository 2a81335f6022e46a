"""What workers do in their own processes, which import this module."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.algorithms.a3c.shared_adam import FileLock, SharedAdam
from support.agent_toys import Corridor, corridor


class Wrong(gym.Wrapper[Any, Any, Any, Any]):
    """The corridor, in which something goes wrong at every step from one on."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(gym.wrappers.TimeLimit(Corridor(), 40))
        self._what, self._at, self._steps = what, at, 0

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        self._steps += 1
        if self._steps < self._at:
            return obs, reward, terminated, truncated, info
        match self._what:
            case "error":
                raise RuntimeError("emulator lost")
            case "exit":
                os._exit(0)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(1000)
            case "obs":
                obs = np.array([0, 0, np.nan, 0, 0], np.float32)
            case "reward":
                reward = float("nan")
            case "loss":
                reward = 1e30  # squared, that is more than a float32 can hold
            case "rewards":
                reward = np.array([0.5, 0.5])
            case "shape":
                obs = obs[:1]
            case "info":
                info = {"lambda": lambda: 0, "cell": info["cell"]}
        return obs, reward, terminated, truncated, info


class Scaled(gym.RewardWrapper[Any, Any]):
    """The three lines that a user writes."""

    def reward(self, reward: Any) -> float:
        return float(reward) / 15


def scaled() -> gym.Env[Any, Any]:
    return Scaled(gym.make("CartPole-v1", max_episode_steps=7))


def broken() -> gym.Env[Any, Any]:
    raise ValueError("no such game")


def two_rewards() -> gym.Env[Any, Any]:
    return Wrong("rewards", 3)


def short_obs() -> gym.Env[Any, Any]:
    return Wrong("shape", 3)


def error() -> gym.Env[Any, Any]:
    return Wrong("error", 3)


def late_error() -> gym.Env[Any, Any]:
    return Wrong("error", 150)


def exit_() -> gym.Env[Any, Any]:
    return Wrong("exit", 3)


def kill() -> gym.Env[Any, Any]:
    return Wrong("kill", 150)


def hang() -> gym.Env[Any, Any]:
    return Wrong("hang", 60)


def obs() -> gym.Env[Any, Any]:
    return Wrong("obs", 33)


def reward() -> gym.Env[Any, Any]:
    return Wrong("reward", 33)


def loss() -> gym.Env[Any, Any]:
    return Wrong("loss", 33)


def info() -> gym.Env[Any, Any]:
    return Wrong("info", 1)


class HardToStart:
    """Makes corridors. The first process it comes to works; the next `num_deaths` die on the way.

    They wait until the first one makes its environment, so that another worker is at work then.
    """

    def __init__(self, folder: Path, num_deaths: int) -> None:
        self._folder, self._num_deaths = folder, num_deaths

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        number = 0
        while True:  # the first number that no process has taken
            with contextlib.suppress(FileExistsError):
                (self._folder / str(number)).touch(exist_ok=False)
                break
            number += 1
        if 1 <= number <= self._num_deaths:
            while not (self._folder / "begun").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self) -> gym.Env[Any, Any]:
        (self._folder / "begun").touch()
        return corridor()


class Seeded(gym.Env[Any, Any]):
    """Tells the seed of its first reset in every info; an episode is 10 steps."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self._seed = seed
        self._steps = 0
        return self.observation_space.sample() * 0, {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        info = {"seed": self._seed, "pid": os.getpid()}
        return np.zeros(2, np.float32), 1.0, self._steps == 10, False, info


class Target(gym.Env[Any, Any]):
    """Choose a number in [-2, 2] near 1.2 in state 0 and near -0.8 in state 1."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        return self._look(), {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        reward = -abs(float(action[0]) - (1.2, -0.8)[self._state])
        return self._look(), reward, self._steps == 8, False, {}

    def _look(self) -> Any:
        self._state = int(self.np_random.integers(2))
        return np.eye(2, dtype=np.float32)[self._state]


class Short(gym.Env[Any, Any]):
    """Two steps with rewards 1 and 2 from observations 0.1, 0.2, to 0.3; ends as it is told."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, terminated: bool) -> None:
        self._terminated = terminated

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        return np.array([0.1], np.float32), {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        over = self._steps == 2
        obs = np.array([0.1 + 0.1 * self._steps], np.float32)
        ends = over and self._terminated, over and not self._terminated
        return obs, float(self._steps), *ends, {}


def short_terminated() -> gym.Env[Any, Any]:
    return Short(True)


def short_truncated() -> gym.Env[Any, Any]:
    return Short(False)


def step_for_ever(shared: SharedAdam) -> None:
    gradient = torch.ones(len(shared.weights))
    while True:
        with shared.lock:
            shared.step(gradient, 0.1, (0,), (2, 1, 0))


def hold(lock: FileLock, connection: Any) -> None:
    with lock:
        connection.send("held")
        time.sleep(1000)
