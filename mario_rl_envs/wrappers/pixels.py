"""Gymnasium's own grayscale, resize and stack wrappers, made leaner.

The first two keep their work in a lambda, which no pickle takes, and `ResizeObservation` refuses
the list that JSON makes of its tuple. They have no state, so they are pickled as what made them.
Above the native console they ask it for the picture instead of converting one, see `advance.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import wrappers
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from mario_rl_envs.emulators.emulator import Viewer
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.history import FrameFormat, Frames, History
from mario_rl_envs.image_space import image_space, is_image_space
from mario_rl_envs.specs import PipelineWrapper
from mario_rl_envs.wrappers.advance import AdvancingObservation, advancing, keeps_observations
from mario_rl_envs.wrappers.skip import SkipFrame


class _View(NamedTuple):
    """An observation that the native console makes itself: the screen, perhaps gray and small."""

    raw: SuperMarioBrosEnv
    is_gray: bool = False
    size: int | None = None  # side of the square that it is resized to, pixels

    @property
    def viewer(self) -> Viewer:
        """The console."""
        assert self.raw.viewer is not None, "_view_of() makes no view of others"
        return self.raw.viewer

    def observe(self) -> NDArray[np.uint8]:
        """Return the observation as it is now."""
        return self.viewer.gray(self.size) if self.is_gray else self.viewer.rgb(self.size)


class _PixelObservation(AdvancingObservation, RecordConstructorArgs):
    """A wrapper of pixels, which may be able to ask the console for its observation."""

    view: _View | None = None  # None: it is made of the wrapped environment's
    _made_by: tuple[type[_PixelObservation], dict[str, Any]]
    _own: set[str]  # attributes, which a pickle makes anew

    def observe(self) -> Any:
        """Return the observation as it is now."""
        return super().observe() if self.view is None else self.view.observe()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the wrapper again, and what a subclass or the user has added."""
        others = {name: each for name, each in vars(self).items() if name not in self._own}
        return _made_again, (type(self), *self._made_by, self.env), others


def _made_again(
    kind: type[_PixelObservation],
    base: type[_PixelObservation],
    keywords: dict[str, Any],
    env: gym.Env[Any, Any],
) -> _PixelObservation:
    """Return a wrapper of a kind, which may have another constructor than its base."""
    wrapper = kind.__new__(kind)
    base.__init__(wrapper, env, **keywords)
    return wrapper


class GrayscaleObservation(_PixelObservation, wrappers.GrayscaleObservation[Any, Any, Any]):
    """`gymnasium.wrappers.GrayscaleObservation` that can be pickled.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import GrayscaleObservation
        >>> env = GrayscaleObservation(SuperMarioBrosEnv("1-1"))
        >>> env.observation_space.shape
        (240, 256)
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], keep_dim: bool = False) -> None:
        """Wrap an environment of RGB images.

        Args:
            env: Its observations are uint8, [H, W, 3].
            keep_dim: Whether the last axis is kept.
        """
        others = set(vars(self))  # a subclass has them
        wrappers.GrayscaleObservation.__init__(self, env, keep_dim)
        assert self.observation_space.shape is not None, "a Box has a shape"
        self.observation_space = image_space(self.observation_space.shape)
        self.inner = advancing(env)
        self._made_by = GrayscaleObservation, {"keep_dim": keep_dim}
        self._own = {*vars(self), "_own", "view"} - {*others, "_observation_space"}
        view = _view_of(env)
        if type(self) is not GrayscaleObservation or view is None:
            return
        if view.size is None and not keep_dim:
            self.view = view._replace(is_gray=True)


class ResizeObservation(_PixelObservation, wrappers.ResizeObservation[Any, Any, Any]):
    """`gymnasium.wrappers.ResizeObservation` that can be pickled and read back from JSON.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import ResizeObservation
        >>> env = ResizeObservation(SuperMarioBrosEnv("1-1"), (84, 84))
        >>> env.observation_space.shape
        (84, 84, 3)
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, Any], shape: Sequence[int]) -> None:
        """Wrap an environment of images.

        Args:
            env: Its observations are uint8, [H, W] or [H, W, C].
            shape: The new (height, width).

        Raises:
            ValueError: The shape has not two numbers, or the observations are no images.
        """
        try:
            height, width = shape
        except (TypeError, ValueError):
            raise ValueError(
                f"shape is {shape!r}; accepted is (height, width) in pixels, as (84, 84)"
            ) from None
        others = set(vars(self))  # a subclass has them
        RecordConstructorArgs.__init__(self, shape=list(shape))
        wrappers.ResizeObservation.__init__(self, env, (height, width))
        assert self.observation_space.shape is not None, "a Box has a shape"
        self.observation_space = image_space(self.observation_space.shape)
        self.inner = advancing(env)
        self._made_by = ResizeObservation, {"shape": list(shape)}
        self._own = {*vars(self), "_own", "view"} - {*others, "_observation_space"}
        view = _view_of(env)
        if type(self) is not ResizeObservation or view is None:
            return
        if view.size is None and height == width <= view.viewer.max_size:
            self.view = view._replace(size=int(height))


def _view_of(env: gym.Env[Any, Any]) -> _View | None:
    """Return the view that shows an environment's observations, or None if none does."""
    if advancing(env) is None:
        return None
    while isinstance(env, gym.Wrapper) and keeps_observations(env):
        env = env.env
    if isinstance(env, SuperMarioBrosEnv):
        return None if env.viewer is None else _View(env)
    return env.view if isinstance(env, _PixelObservation) else None


class FrameStackObservation(PipelineWrapper, wrappers.FrameStackObservation[Any, Any, Any]):
    """`gymnasium.wrappers.FrameStackObservation` that copies every frame once, not three times.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import FrameStackObservation, GrayscaleObservation
        >>> env = FrameStackObservation(GrayscaleObservation(SuperMarioBrosEnv("1-1")), 4)
        >>> env.observation_space.shape
        (4, 240, 256)
        >>> env.close()
    """

    def __init__(
        self, env: gym.Env[Any, Any], stack_size: int, *, padding_type: str | Any = "reset"
    ) -> None:
        """Wrap an environment of arrays.

        Args:
            env: Its observations are arrays, in a `Box`.
            stack_size: The number of observations to stack, at least 1.
            padding_type: What stands for observations before the first: "reset" (the first), "zero"
                or an observation.
        """
        if not isinstance(env.observation_space, gym.spaces.Box):
            raise ValueError(
                f"FrameStackObservation needs observations in a Box; got {env.observation_space}"
            )
        if isinstance(stack_size, np.integer):
            stack_size = int(stack_size)
        super().__init__(env, stack_size, padding_type=padding_type)
        space = env.observation_space
        del self.obs_queue, self.stacked_obs
        if is_image_space(space):
            self.observation_space = image_space((stack_size, *space.shape))
        # Every observation is written twice, `stack_size` apart, so that the last ones always lie
        # together, in order.
        self._frames = np.zeros((2 * stack_size, *space.shape), space.dtype)
        self._next = 0
        self._inner = advancing(env)
        self._format = None  # None: nothing is known of what was before a start
        if self._inner is not None and stack_size > 1 and space.dtype == np.uint8:
            self._format = _frame_format(env, (stack_size - 1, *space.shape))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode.

        Before its first observation there is padding; but what was seen before, where the episode
        starts along a route, or at a state that a stack of the same frames was saved with.
        """
        history = None  # to ask for where the options start elsewhere than usual
        if self._inner is not None and self._format is not None and isinstance(options, Mapping):
            history = History(self._format, self._inner.observe)
            options = {**options, "history": history}
        obs, info = self.env.reset(seed=seed, options=options)
        if history is not None and history.pixels is not None:
            for frame in history.pixels:
                self._push(frame)
        else:
            self._frames[:] = obs if self.padding_type == "reset" else self.padding_value
        self._push(obs)
        return self._stack(), info

    def step(self, action: Any) -> tuple[NDArray[Any], Any, bool, bool, dict[str, Any]]:
        """Take a step; the oldest observation makes room for the new one."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._push(obs)
        return self._stack(), reward, terminated, truncated, info

    def save_state(self) -> bytes:
        """Return what `SuperMarioBrosEnv.save_state` does, with the frames of this stack.

        `reset(options={"state": ...})` fills a stack of the same format: as many frames of the same
        size, gray or not, as far apart. Any other repeats the state's picture.

        Raises:
            AttributeError: The wrapped environment has no save states.
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after an episode ended.
        """
        save = self.env.get_wrapper_attr("save_state")
        if self._format is not None:
            save = partial(save, Frames(self._format, self._stack()[:-1]))
        state: bytes = save()
        return state

    def _push(self, obs: NDArray[Any]) -> None:
        self._frames[self._next] = obs
        self._frames[self._next + self.stack_size] = obs
        self._next = (self._next + 1) % self.stack_size

    def _stack(self) -> NDArray[Any]:
        """Return the last observations, the oldest first, [stack_size, ...]."""
        return self._frames[self._next : self._next + self.stack_size].copy()


def _frame_format(env: gym.Env[Any, Any], shape: tuple[int, ...]) -> FrameFormat:
    """Return what the frames of a stack around this environment show."""
    view, skip = [], 1
    while isinstance(env, gym.Wrapper):
        if not keeps_observations(env):
            view.append(type(env).__name__)
        if isinstance(env, SkipFrame):
            skip *= int(env.skip)
        env = env.env
    return FrameFormat(tuple(reversed(view)), skip, tuple(map(int, shape)))
