"""Frame skip: one decision for several frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.checks import MAX_COUNT, check_integer
from mario_rl_envs.game.rules import MAX_FRAMES_PER_CALL
from mario_rl_envs.wrappers.advance import AdvancingWrapper, Unseen, advancing, sum_steps


class SkipFrame(AdvancingWrapper, RecordConstructorArgs):
    """Repeat each action for several frames, sum their rewards and return the last frame.

    An episode that ends on the way ends the step. Where `info["reward_terms"]` is given, it is
    summed too, so that it still explains the reward; the rest of the info is the last frame's.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import SkipFrame
        >>> env = SkipFrame(SuperMarioBrosEnv("1-1"), skip=4)
        >>> obs, info = env.reset(seed=0)
        >>> obs, reward, terminated, truncated, info = env.step(128)  # right, for four frames
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], skip: int = 4) -> None:
        """Wrap any environment.

        Args:
            env: The environment.
            skip: Frames an action is repeated for, at least 1.

        Raises:
            ValueError: `skip` is not a positive integer.
        """
        check_integer("skip", skip, 1, MAX_COUNT)
        RecordConstructorArgs.__init__(self, skip=skip)
        gym.Wrapper.__init__(self, env)
        self.skip = skip
        self.inner = advancing(env) if skip <= MAX_FRAMES_PER_CALL else None
        if "render_fps" in env.metadata and env.render_mode == "rgb_array":
            # One picture a step now: a video made of them is right at the slower pace only.
            # Gymnasium's `play` takes whole numbers alone.
            fps = max(1, round(env.metadata["render_fps"] / skip))
            self.metadata = {**env.metadata, "render_fps": fps}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take the action up to `skip` times."""
        if self.inner is not None:
            seen = self.inner.advance(action, self.skip, draw=True)
            return self.inner.observe(), *seen
        obs: Any = None

        def steps() -> Iterator[Unseen]:
            nonlocal obs
            for _ in range(self.skip):
                obs, reward, terminated, truncated, info = self.env.step(action)
                yield float(reward), terminated, truncated, info

        reward, terminated, truncated, info = sum_steps(steps())
        return obs, reward, terminated, truncated, info

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation."""
        advance = super().advance
        if num_steps == 1:
            return advance(action, self.skip, draw=draw)
        return sum_steps(
            advance(action, self.skip, draw=draw and num_left == 0)
            for num_left in range(num_steps - 1, -1, -1)
        )
