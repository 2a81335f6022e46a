"""Small environments with continuous actions, and settings that solve them in seconds."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from numpy.typing import NDArray


class Cart(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Bring a cart to 0: it moves by half the action, and each step costs its distance squared.

    The bounds of the action are not symmetric, so that a wrong scale shows.
    """

    observation_space = gym.spaces.Box(-4, 4, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 3, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._place = float(self.np_random.uniform(-2, 2))
        return self._obs(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self._place = float(np.clip(self._place + 0.5 * action[0], -4, 4))
        return self._obs(), -(self._place**2), False, False, {}

    def _obs(self) -> NDArray[np.float32]:
        return np.array([self._place], np.float32)


class Brightness(gym.Env[NDArray[np.uint8], NDArray[np.float32]]):
    """A picture is bright on one side: answer -1 for left, 1 for right. Every answer ends it."""

    observation_space = gym.spaces.Box(0, 255, (36, 36), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self._side = int(self.np_random.integers(2))
        return self._obs(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        return self._obs(), float(action[0] * (2 * self._side - 1)), True, False, {}

    def _obs(self) -> NDArray[np.uint8]:
        obs = self.np_random.integers(0, 30, (36, 36), dtype=np.uint8)
        obs[:, 18 * self._side : 18 * self._side + 18] += 200
        return obs


def cart() -> gym.Env[Any, Any]:
    """Return the cart with a time limit of 12 steps."""
    return gym.wrappers.TimeLimit(Cart(), 12)


def brightness() -> gym.Env[Any, Any]:
    """Return the pictures, four stacked."""
    return gym.wrappers.FrameStackObservation(Brightness(), 4)


_SMALL: dict[str, Any] = {
    "gamma": 0.5,
    "batch_size": 32,
    "replay_capacity": 2_000,
    "random_steps": 100,
    "learning_starts": 100,
    "tau": 0.05,
    "hidden_sizes": (32, 32),
}
DDPG_CONFIG = DDPGConfig(actor_learning_rate=1e-2, critic_learning_rate=1e-2, **_SMALL)
TD3_CONFIG = TD3Config(actor_learning_rate=1e-2, critic_learning_rate=1e-2, **_SMALL)
SAC_CONFIG = SACConfig(learning_rate=1e-2, reward_scale=10.0, **_SMALL)
LATER_SAC_CONFIG = dataclasses.replace(
    SAC_CONFIG, reward_scale=1.0, value_network=False, temperature=None
)
# Every algorithm of continuous actions, and both forms of SAC.
ALL: list[tuple[type[DDPG | TD3 | SAC], Any]] = [
    (DDPG, DDPG_CONFIG),
    (TD3, TD3_CONFIG),
    (SAC, SAC_CONFIG),
    (SAC, LATER_SAC_CONFIG),
]
IDS = ["ddpg", "td3", "sac", "sac-later"]
