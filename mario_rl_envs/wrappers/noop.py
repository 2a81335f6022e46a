"""Random starts: a few frames of doing nothing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.checks import MAX_COUNT, check_integer
from mario_rl_envs.wrappers.advance import AdvancingWrapper, advancing


class NoopReset(AdvancingWrapper, RecordConstructorArgs):
    """Begin every episode with a random number of no-ops, 0 to `noop_max` (Mnih et al. 2015).

    The number comes from the environment's generator, so `reset(seed=...)` fixes it.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import NoopReset
        >>> env = NoopReset(SuperMarioBrosEnv("1-1"), noop_max=30)
        >>> obs, info = env.reset(seed=0)  # up to half a second has passed
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], noop_max: int = 30, noop_action: Any = 0) -> None:
        """Wrap any environment.

        Args:
            env: The environment.
            noop_max: The most no-ops, in the wrapped environment's steps; 0 or more.
            noop_action: The action that does nothing.

        Raises:
            ValueError: `noop_max` is not a whole number from 0, or the environment has no such
                action.
        """
        check_integer("noop_max", noop_max, 0, MAX_COUNT)
        if noop_action not in env.action_space:
            raise ValueError(
                f"noop_action is {noop_action!r}; accepted is an action of {env.action_space}"
            )
        RecordConstructorArgs.__init__(self, noop_max=noop_max, noop_action=noop_action)
        gym.Wrapper.__init__(self, env)
        self.inner = advancing(env)
        self._noop_max = noop_max
        self._noop_action = noop_action

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; should the no-ops end it, begin again.

        With `options={"state": ...}` there are no no-ops: it begins where the state was saved.
        """
        obs, info = self.env.reset(seed=seed, options=options)
        if options is not None and "state" in options:
            return obs, info
        for _ in range(int(self.np_random.integers(self._noop_max + 1))):
            obs, _, terminated, truncated, step_info = self.env.step(self._noop_action)
            info = (
                {**step_info, "reward_terms": info["reward_terms"]}
                if "reward_terms" in info
                else step_info
            )
            if terminated or truncated:
                obs, info = self.env.reset(options=options)
        return obs, info
