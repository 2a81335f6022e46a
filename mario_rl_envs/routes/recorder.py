"""Recording a route of one's own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from mario_rl_envs.game import ram
from mario_rl_envs.routes.route import Route


class RouteRecorder(gym.Wrapper[Any, int, Any, int]):
    """Record the episode in progress as a route.

    The actions are joypad bytes, each held for the same number of frames, and the game's own: no
    wrapper changes them (sticky actions) or plays before them (no-ops).

    Example:
        >>> import gymnasium as gym
        >>> from mario_rl_envs.routes import RouteRecorder
        >>> env = gym.make("MarioRL-1-1-v0", actions="joypad")
        >>> env = RouteRecorder(env, frames_per_step=4)
        >>> obs, info = env.reset()
        >>> obs, *_ = env.step(128)  # right
        >>> env.route().frames.tolist()
        [128, 128, 128, 128]
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, int], *, frames_per_step: int) -> None:
        """Wrap an environment.

        Args:
            env: Super Mario Bros, with the actions "joypad" and the reward "progress".
            frames_per_step: For how many frames it holds a byte.
        """
        super().__init__(env)
        self._frames_per_step = frames_per_step
        self._stage: str | None = None
        self._joypad: list[int] = []
        self._rewards: list[float] = []
        self._info: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and a route.

        Raises:
            ValueError: It would not begin at the start of a stage, or of the whole game.
        """
        is_single_stage = self.get_wrapper_attr("is_single_stage")
        if (options or {}).keys() - ({"stage"} if is_single_stage else set()):
            raise ValueError(
                f"a route begins at the start of a stage or of the whole game; got the options "
                f"{options}"
            )
        obs, self._info = self.env.reset(seed=seed, options=options)
        memory = self.get_wrapper_attr("ram").tobytes()  # infos may leave the stage out
        stage = f"{ram.world(memory)}-{ram.stage(memory)}"
        self._stage = stage if is_single_stage else None
        self._joypad, self._rewards = [], []
        return obs, self._info

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step and note it."""
        obs, reward, terminated, truncated, self._info = self.env.step(action)
        self._joypad.append(action)
        self._rewards.append(float(reward))
        return obs, float(reward), terminated, truncated, self._info

    def route(self) -> Route:
        """Return the episode so far as a route."""
        return Route(
            stage=self._stage,
            joypad=np.array(self._joypad, np.uint8),
            rewards=np.array(self._rewards, np.int64),
            info={key: value for key, value in self._info.items() if key != "reward_terms"},
            frames_per_step=self._frames_per_step,
        )
