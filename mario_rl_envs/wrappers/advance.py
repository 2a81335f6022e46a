"""Steps without their observation.

Most screens of the game are never observed: `SkipFrame` drops three of four, and the fourth is made
gray and small. So the raw environment and the wrappers of this package have two methods beside
Gymnasium's:

- `advance` takes steps with one action and returns what `step` does, without the observation;
- `observe` returns the observation as it is now.

A wrapper calls them instead of `step` if all that it wraps has them, which `advancing` finds out.
Around a foreign wrapper or another environment it calls `step`. The results are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, cast

import gymnasium as gym

from mario_rl_envs.specs import PipelineWrapper

# Reward, terminated, truncated, info.
Unseen: TypeAlias = tuple[float, bool, bool, dict[str, Any]]


class Advancing(Protocol):
    """An environment whose steps can be taken without their observation."""

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps with the same action; an end of the episode cuts them short.

        Args:
            action: The action.
            num_steps: 1 to `mario_rl_envs.game.rules.MAX_FRAMES_PER_CALL`.
            draw: Whether the screen will be observed; it may be in any case.

        Returns:
            The rewards and info["reward_terms"], summed; the rest as of the last step.
        """

    def observe(self) -> Any:
        """Return the observation as it is now."""


class AdvancingWrapper(PipelineWrapper):
    """A wrapper that leaves steps and observations as they are, where a subclass does not."""

    # What it wraps, if that can be advanced: then this wrapper can be, too.
    inner: Advancing | None = None

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation."""
        assert self.inner is not None, "only what advancing() returns is advanced"
        return self.inner.advance(action, num_steps, draw=draw)

    def observe(self) -> Any:
        """Return the observation as it is now."""
        assert self.inner is not None, "only what advancing() returns is observed"
        return self.inner.observe()


class AdvancingObservation(AdvancingWrapper, gym.ObservationWrapper[Any, Any, Any]):
    """A wrapper that makes its observation of the one wrapped, whenever it is asked to."""

    sees_screen = True  # whether the observation shows any of it

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        if self.inner is None:
            return gym.ObservationWrapper.reset(self, seed=seed, options=options)
        _, info = self.env.reset(seed=seed, options=options)
        return self.observe(), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        if self.inner is None:
            return gym.ObservationWrapper.step(self, action)
        reward, terminated, truncated, info = self.inner.advance(action, 1, draw=self.sees_screen)
        return self.observe(), reward, terminated, truncated, info

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation."""
        return super().advance(action, num_steps, draw=draw and self.sees_screen)

    def observe(self) -> Any:
        """Return the observation as it is now."""
        return self.observation(super().observe())


def advancing(env: gym.Env[Any, Any]) -> Advancing | None:
    """Return an environment if its steps can be taken without their observation, else None."""
    for owner in type(env).__mro__:
        if "advance" in vars(owner):
            if isinstance(env, AdvancingWrapper) and env.inner is None:
                return None  # not all that it wraps can be advanced
            return cast("Advancing", env)
        if "step" in vars(owner) or "action" in vars(owner):
            return None  # it takes steps in a way that `advance` knows nothing of
    return None


def keeps_observations(env: gym.Env[Any, Any]) -> bool:
    """Return whether what `advancing` returned is a wrapper that observes what it wraps."""
    return isinstance(env, AdvancingWrapper) and type(env).observe is AdvancingWrapper.observe


def sum_steps(steps: Iterable[Unseen]) -> Unseen:
    """Return several steps as one: rewards and `reward_terms` summed, the rest as of the last.

    Args:
        steps: They are taken up to the one that ends the episode.
    """
    total_reward = 0.0
    total_terms: dict[str, float] = {}
    for reward, terminated, truncated, info in steps:
        total_reward += reward
        for term, value in info.get("reward_terms", {}).items():
            total_terms[term] = total_terms.get(term, 0.0) + value
        if terminated or truncated:
            break
    if "reward_terms" in info:
        info["reward_terms"] = total_terms
    return total_reward, terminated, truncated, info
