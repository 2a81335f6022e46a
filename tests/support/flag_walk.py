"""A small environment for the tests of runs, registered as FlagWalk-v0."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Obs = NDArray[np.uint8]


class FlagWalk(gym.Env[Obs, np.int64]):
    """Walk right for five steps on a picture; whether the flag is reached is drawn at reset.

    Infos look like Mario's. An episode takes five steps whatever the actions are.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  as in gym.Env

    def __init__(self, *, flag_probability: float = 0.5, render_mode: str | None = None) -> None:
        """Make it."""
        self.observation_space = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
        self.action_space = gym.spaces.Discrete(3)
        self.render_mode = render_mode
        self._flag_probability = flag_probability

    def get_action_meanings(self) -> list[str]:
        """Name the actions."""
        return ["stay", "walk", "run"]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begin at x = 0."""
        super().reset(seed=seed)
        self._x, self._steps = 0, 0
        self._has_flag = bool(self.np_random.random() < self._flag_probability)
        return self._obs(), self._info()

    def step(self, action: np.int64) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Walk `action` pixels."""
        self._x += int(action)
        self._steps += 1
        return self._obs(), float(action), self._steps == 5, False, self._info()

    def render(self) -> NDArray[np.uint8]:
        """Return a picture whose red tells the number of steps."""
        picture = np.zeros((48, 31, 3), np.uint8)  # an odd width, on purpose
        picture[..., 0] = 50 * self._steps
        return picture

    def _obs(self) -> Obs:
        ages = np.arange(3, -1, -1)  # the oldest frame first
        levels = 20 * np.maximum(self._steps - ages, 0)
        return np.broadcast_to(levels[:, None, None], (4, 84, 84)).astype(np.uint8)

    def _info(self) -> dict[str, Any]:
        return {"x_pos": self._x, "flag_get": self._has_flag and self._steps == 5}


gym.register("FlagWalk-v0", entry_point=FlagWalk)  # type: ignore[arg-type]  # its own keywords
