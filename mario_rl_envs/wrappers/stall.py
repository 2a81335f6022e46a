"""Give up on an episode that gets nowhere."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.checks import check_integer
from mario_rl_envs.limits import PLACE
from mario_rl_envs.wrappers.advance import AdvancingWrapper, Unseen, advancing, sum_steps


class TruncateOnStall(AdvancingWrapper, RecordConstructorArgs):
    """Truncate an episode in which a number of the info has not exceeded its best for a while.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import TruncateOnStall
        >>> env = TruncateOnStall(SuperMarioBrosEnv("1-1"), num_steps=3)
        >>> obs, info = env.reset(seed=0)
        >>> [env.step(0)[3] for _ in range(3)]  # stand still
        [False, False, True]
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], num_steps: int = 150, key: str = "x_pos") -> None:
        """Wrap an environment whose info has the number, also at reset.

        Args:
            env: The environment.
            num_steps: Steps of this environment without a new best that truncate; 150 steps of 4
                frames are 10 s.
            key: Of the number in the info.

        Raises:
            ValueError: `num_steps` is not a positive integer.
        """
        check_integer("num_steps", num_steps, 1)
        RecordConstructorArgs.__init__(self, num_steps=num_steps, key=key)
        gym.Wrapper.__init__(self, env)
        self.inner = advancing(env)
        self._num_steps = num_steps
        self._key = key
        self._best: Any = None
        self._num_stalled = 0
        self._current_place: tuple[Any, ...] = ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            ValueError: The info lacks the number.
        """
        obs, info = self.env.reset(seed=seed, options=options)
        if self._key not in info:
            raise ValueError(
                f"the info has no {self._key!r} to watch; it has "
                f"{', '.join(map(repr, info)) or 'nothing'}"
            )
        self._begin(info)
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step; truncate when the number has stalled."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, *self._watch(reward, terminated, truncated, info)

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation."""
        advance = super().advance
        return sum_steps(
            self._watch(*advance(action, 1, draw=draw and num_left == 0))
            for num_left in range(num_steps - 1, -1, -1)
        )

    def _watch(
        self, reward: Any, terminated: bool, truncated: bool, info: dict[str, Any]
    ) -> tuple[Any, bool, bool, dict[str, Any]]:
        """Return a step as it is, truncated if the number has stalled."""
        place = self._place(info)
        if place != self._current_place:
            self._begin(info)
        elif info[self._key] > self._best:
            self._best = info[self._key]
            self._num_stalled = 0
        else:
            self._num_stalled += 1
        has_stalled = not terminated and self._num_stalled >= self._num_steps
        return reward, terminated, truncated or has_stalled, info

    def _begin(self, info: dict[str, Any]) -> None:
        self._best = info[self._key]
        self._num_stalled = 0
        self._current_place = self._place(info)

    def _place(self, info: dict[str, Any]) -> tuple[Any, ...]:
        """Return what makes an earlier best void when it changes: the position starts anew."""
        return tuple(info.get(key) for key in PLACE)
