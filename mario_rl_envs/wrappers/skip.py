"""Frame skip: one decision for several frames."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.env import Look
from mario_rl_envs.game.play import MAX_FRAMES_PER_CALL
from mario_rl_envs.validation import check_integer
from mario_rl_envs.wrappers.direct import keeps_observations, steps_of, view_of


@keeps_observations
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
        self._steps = steps_of(env) if skip <= MAX_FRAMES_PER_CALL else None
        self._view = view_of(env)
        if "render_fps" in env.metadata and env.render_mode == "rgb_array":
            # One picture a step now: a video made of them is right at the slower pace only.
            self.metadata = {**env.metadata, "render_fps": env.metadata["render_fps"] / skip}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take the action up to `skip` times."""
        if self._steps is not None:
            raw, conversions = self._steps
            for convert in conversions:
                action = convert(action)
            return raw.steps(action, self._skip)
        view = self._view
        look = Look.RETURN if view is None else view.raw.look
        total_reward = 0.0
        total_terms: dict[str, float] = {}
        try:
            for num_left in range(self._skip - 1, -1, -1):
                if view is not None:
                    view.raw.look = Look.NONE if num_left else look
                obs, reward, terminated, truncated, info = self.env.step(action)
                total_reward += float(reward)
                for term, value in info.get("reward_terms", {}).items():
                    total_terms[term] = total_terms.get(term, 0.0) + value
                if terminated or truncated:
                    break
        finally:
            if view is not None:
                view.raw.look = look
        if view is not None and num_left and look is Look.RETURN:
            obs = view.observe()
        if "reward_terms" in info:
            info["reward_terms"] = total_terms
        return obs, total_reward, terminated, truncated, info
