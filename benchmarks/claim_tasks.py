"""Pendulum with a few torques to choose from: the task of a claim on discretized actions."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

ID: Final = "PendulumTorques-v0"
_MAX_STEPS: Final = 200  # of a game, as Pendulum-v1


class Torques(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Action k of n is the torque low + (high - low) k / (n - 1)."""

    def __init__(self, env: gym.Env[Any, Any], num_torques: int) -> None:
        """Wrap an environment whose actions are one number.

        Args:
            env: The environment.
            num_torques: How many there are to choose from, n.

        Raises:
            ValueError: There are fewer than 2.
        """
        if num_torques < 2:
            raise ValueError(f"num_torques must be at least 2, received {num_torques}")
        RecordConstructorArgs.__init__(self, num_torques=num_torques)
        super().__init__(env)
        box = env.action_space
        assert isinstance(box, gym.spaces.Box)
        self._torques = np.linspace(box.low, box.high, num_torques, dtype=box.dtype)  # [n, 1]
        self.action_space = gym.spaces.Discrete(num_torques)

    def action(self, action: Any) -> NDArray[np.float32]:
        """Return the torque of an action, shape [1]."""
        torque: NDArray[np.float32] = self._torques[int(action)]
        return torque


def make(num_torques: int = 3, **keywords: Any) -> gym.Env[Any, Any]:
    """Return Pendulum-v1 without its limit of steps, which the registration sets again."""
    return Torques(gym.make("Pendulum-v1", **keywords).unwrapped, num_torques)


gym.register(ID, make, max_episode_steps=_MAX_STEPS)
