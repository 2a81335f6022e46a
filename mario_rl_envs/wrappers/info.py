"""Infos of a few keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.wrappers.advance import AdvancingWrapper, Unseen, advancing


class SelectInfo(AdvancingWrapper, RecordConstructorArgs):
    """Return infos that have the named keys alone.

    Texts and nested dicts stand in the way of wrappers and libraries that turn infos into tensors,
    and every key is sent from worker processes at every step.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import SelectInfo
        >>> env = SelectInfo(SuperMarioBrosEnv("1-1"), ["x_pos", "coins"])
        >>> obs, info = env.reset(seed=0)
        >>> sorted(info)
        ['coins', 'x_pos']
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], keys: Iterable[str]) -> None:
        """Wrap any environment.

        Args:
            env: The environment.
            keys: Those that are kept, where an info has them; none: infos are empty.

        Raises:
            ValueError: `keys` is a text, or no list of texts.
        """
        if isinstance(keys, str):
            raise ValueError(f"keys is a list of names, got the string {keys!r}; write [{keys!r}]")
        if not isinstance(keys, Iterable):
            raise ValueError(f"keys is {keys!r}; accepted is a list of names, as ['x_pos']")
        self._keys = [str(key) for key in keys]
        RecordConstructorArgs.__init__(self, keys=self._keys)
        gym.Wrapper.__init__(self, env)
        self.inner = advancing(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        return obs, self._selected(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, reward, terminated, truncated, self._selected(info)

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation."""
        reward, terminated, truncated, info = super().advance(action, num_steps, draw=draw)
        return reward, terminated, truncated, self._selected(info)

    def _selected(self, info: dict[str, Any]) -> dict[str, Any]:
        return {key: info[key] for key in self._keys if key in info}
