"""The short way from a wrapper to the raw environment.

Most of what the raw environment could show is never seen: `SkipFrame` drops three screens of four,
and the fourth is made gray and small. So where only wrappers of ours lie between, a wrapper tells
the raw environment what becomes of its observation (`SuperMarioBrosEnv.look`), and asks it for the
gray or small picture itself. Where another wrapper lies between, or another environment at the
bottom, there is no short way, and wrappers do what they say in the ordinary way. The results are
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.env import Look, SuperMarioBrosEnv

_Wrapper = TypeVar("_Wrapper", bound=type[gym.Wrapper[Any, Any, Any, Any]])


class View(Protocol):
    """An observation that can be had from the raw environment itself."""

    @property
    def raw(self) -> SuperMarioBrosEnv:
        """The raw environment."""

    @property
    def look(self) -> Look:
        """What the raw environment's own observation is needed for."""

    def observe(self) -> NDArray[np.uint8]:
        """Return the observation as it is now."""


class PixelView(NamedTuple):
    """The screen, perhaps gray and small."""

    raw: SuperMarioBrosEnv
    is_gray: bool = False
    size: int | None = None  # side of the square that it is resized to, pixels

    @property
    def look(self) -> Look:
        """It is asked for afterwards."""
        return Look.ASK

    def observe(self) -> NDArray[np.uint8]:
        """Return the screen as it is now; only a viewer makes it gray or small."""
        viewer = self.raw.viewer
        if viewer is None:
            return self.raw.screen()
        return viewer.gray(self.size) if self.is_gray else viewer.rgb(self.size)


class HasView(gym.ObservationWrapper[Any, Any, Any]):
    """A wrapper that may be able to ask for its observation instead of making it of another."""

    view: View | None = None  # None: it makes it

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        view = self.view
        if view is None:
            return super().reset(seed=seed, options=options)
        raw = view.raw
        if raw.look is not Look.RETURN:  # nobody looks, or a wrapper above asks for what it needs
            return self.env.reset(seed=seed, options=options)
        raw.look = view.look
        try:
            _, info = self.env.reset(seed=seed, options=options)
        finally:
            raw.look = Look.RETURN
        return view.observe(), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        view = self.view
        if view is None:
            return super().step(action)
        raw = view.raw
        if raw.look is not Look.RETURN:
            return self.env.step(action)
        raw.look = view.look
        try:
            _, reward, terminated, truncated, info = self.env.step(action)
        finally:
            raw.look = Look.RETURN
        return view.observe(), reward, terminated, truncated, info


# By exact type: a subclass may do other things.
_keeping_observations: set[type] = set()
_changing_actions_only: set[type] = set()
_changing_resets_only: set[type] = set()


def keeps_observations(wrapper: _Wrapper) -> _Wrapper:
    """Note that wrappers of this class return the observations of what they wrap."""
    _keeping_observations.add(wrapper)
    return wrapper


def changes_actions_only(wrapper: _Wrapper) -> _Wrapper:
    """Note that a step of these wrappers is the wrapped one's with `self.action(action)`.

    The same action must always become the same.
    """
    _changing_actions_only.add(wrapper)
    return keeps_observations(wrapper)


def changes_resets_only(wrapper: _Wrapper) -> _Wrapper:
    """Note that a step of these wrappers is the wrapped one's."""
    _changing_resets_only.add(wrapper)
    return keeps_observations(wrapper)


def view_of(env: gym.Env[Any, Any]) -> View | None:
    """Return the view that shows an environment's observations, or None if none does."""
    while isinstance(env, gym.Wrapper) and type(env) in _keeping_observations:
        env = env.env
    if type(env) is SuperMarioBrosEnv:
        return PixelView(env)
    return env.view if isinstance(env, HasView) else None


def steps_of(
    env: gym.Env[Any, Any],
) -> tuple[SuperMarioBrosEnv, list[Callable[[Any], Any]]] | None:
    """Return the raw environment and what becomes of an action on the way to it, step by step.

    None: more happens on the way than that.
    """
    conversions: list[Callable[[Any], Any]] = []
    while isinstance(env, gym.Wrapper):
        if type(env) in _changing_actions_only:
            assert isinstance(env, gym.ActionWrapper), "it has a method for it"
            conversions.append(env.action)
        elif type(env) not in _changing_resets_only:
            return None
        env = env.env
    return (env, conversions) if type(env) is SuperMarioBrosEnv else None
