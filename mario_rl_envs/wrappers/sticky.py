"""Sticky actions: the standard way to keep an agent from learning a deterministic game by heart."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from mario_rl_envs.checks import check_fraction
from mario_rl_envs.wrappers.advance import AdvancingWrapper, Unseen, advancing, sum_steps


class StickyAction(AdvancingWrapper, gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """With some probability, take the action of the step before instead of the one given.

    Machado et al. 2018, "Revisiting the Arcade Learning Environment", section 5.2. The first action
    of an episode is always taken. The draws come from the environment's generator, so
    `reset(seed=...)` fixes them.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import SkipFrame, StickyAction
        >>> env = SkipFrame(StickyAction(SuperMarioBrosEnv("1-1"), 0.25))
        >>> obs, info = env.reset(seed=0)
        >>> obs, *_ = env.step(128)  # drawn for every frame
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], probability: float = 0.25) -> None:
        """Wrap any environment.

        Args:
            env: The environment. Put this wrapper under `SkipFrame` to draw for every frame, as the
                Arcade Learning Environment does.
            probability: Of repeating, 0 to 1 (1 itself excluded).

        Raises:
            ValueError: The probability is out of range.
        """
        check_fraction("the probability of a sticky action", probability)
        RecordConstructorArgs.__init__(self, probability=probability)
        gym.ActionWrapper.__init__(self, env)
        self.inner = advancing(env)
        self._probability = probability
        self._is_first = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; its first action is always taken."""
        obs, info = super().reset(seed=seed, options=options)
        self._is_first = True
        return obs, info

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation, with a draw for each."""
        advance = super().advance
        return sum_steps(
            advance(self.action(action), 1, draw=draw and num_left == 0)
            for num_left in range(num_steps - 1, -1, -1)
        )

    def action(self, action: Any) -> Any:
        """Return the action to take."""
        if self._is_first or self.np_random.random() >= self._probability:
            self._last_action = copy.deepcopy(action)  # the caller may write over an array
        self._is_first = False
        return self._last_action
