"""An environment for wrappers that knows nothing of Mario."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray


class Recorder(gym.Env[NDArray[np.float32], Any]):
    """Remembers the actions it is given; each is worth 1; the episode is `length` steps long."""

    def __init__(self, length: int = 1_000, num_actions: int = 256) -> None:
        self.observation_space = Box(0, 1_000, (1,), np.float32)
        self.action_space = Discrete(num_actions)
        self.length = length
        self.actions: list[Any] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.actions = []
        return self._obs(), {"x_pos": 0}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.actions.append(action)
        is_over = len(self.actions) == self.length
        terms = {"alive": 1.0}
        return self._obs(), 1.0, is_over, False, {"x_pos": int(action), "reward_terms": terms}

    def _obs(self) -> NDArray[np.float32]:
        return np.array([len(self.actions)], np.float32)


def start(env: gym.Env[Any, Any], seed: int = 0) -> Any:
    """Return the environment after a reset."""
    env.reset(seed=seed)
    return env
