"""Frame skip: one decision for several frames."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.validation import check_integer


class SkipFrame(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Repeat each action for several frames, sum their rewards and return the last frame.

    An episode that ends on the way ends the step. Where `info["reward_terms"]` is given, it is
    summed too, so that it still explains the reward; the rest of the info is the last frame's.
    """

    def __init__(self, env: gym.Env[Any, Any], skip: int = 4) -> None:
        """Wrap any environment.

        Args:
            env: The environment.
            skip: Frames an action is repeated for, at least 1.

        Raises:
            ValueError: `skip` is not a positive integer.
        """
        check_integer("skip", skip, 1)
        RecordConstructorArgs.__init__(self, skip=skip)
        gym.Wrapper.__init__(self, env)
        self._skip = skip
        if "render_fps" in env.metadata and env.render_mode == "rgb_array":
            # One picture a step now: a video made of them is right at the slower pace only.
            self.metadata = {**env.metadata, "render_fps": env.metadata["render_fps"] / skip}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take the action up to `skip` times."""
        total_reward = 0.0
        total_terms: dict[str, float] = {}
        for _ in range(self._skip):
            obs, reward, terminated, truncated, info = self.env.step(action)
            total_reward += float(reward)
            for term, value in info.get("reward_terms", {}).items():
                total_terms[term] = total_terms.get(term, 0.0) + value
            if terminated or truncated:
                break
        if "reward_terms" in info:
            info["reward_terms"] = total_terms
        return obs, total_reward, terminated, truncated, info
