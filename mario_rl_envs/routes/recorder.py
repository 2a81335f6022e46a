"""Recording a route of one's own."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np

from mario_rl_envs.checks import check_integer
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import NUM_JOYPAD_BYTES
from mario_rl_envs.routes.route import MAX_FRAMES_PER_STEP, Route

_PLAYED_PLAINLY: Final = {"reward": "progress", "sticky": 0.0, "noop_max": 0}  # keywords of an id


class RouteRecorder(gym.Wrapper[Any, int, Any, int]):
    """Record the episode in progress as a route.

    The actions are joypad bytes, each held for the same number of frames, and the game's own: no
    wrapper changes them (sticky actions) or plays before them (no-ops).

    Example:
        >>> import gymnasium as gym
        >>> from mario_rl_envs.routes import RouteRecorder
        >>> env = gym.make("MarioRL-1-1-v0", actions="joypad")
        >>> env = RouteRecorder(env, frames_per_step=4)
        >>> obs, info = env.reset()
        >>> obs, *_ = env.step(128)  # right
        >>> env.route().frames.tolist()
        [128, 128, 128, 128]
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, int], *, frames_per_step: int) -> None:
        """Wrap an environment.

        Args:
            env: Super Mario Bros, with the actions "joypad" and the reward "progress".
            frames_per_step: For how many frames it holds a byte.

        Raises:
            ValueError: What was recorded would not be a route: the actions are no joypad bytes,
                the keywords ask for another reward, sticky actions or no-ops, or `frames_per_step`
                is another number of frames than actions are held for.
        """
        _check(env, frames_per_step)
        super().__init__(env)
        self._frames_per_step = frames_per_step
        self._stage: str | None = None
        self._joypad: list[int] = []
        self._rewards: list[float] = []
        self._info: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and a route.

        Raises:
            ValueError: It would not begin at the start of a stage, or of the whole game.
        """
        is_single_stage = self.get_wrapper_attr("is_single_stage")
        if (options or {}).keys() - ({"stage"} if is_single_stage else set()):
            raise ValueError(
                f"a route begins at the start of a stage or of the whole game; got the options "
                f"{options}"
            )
        obs, self._info = self.env.reset(seed=seed, options=options)
        memory = self.get_wrapper_attr("ram").tobytes()  # infos may leave the stage out
        stage = f"{ram.world(memory)}-{ram.stage(memory)}"
        self._stage = stage if is_single_stage else None
        self._joypad, self._rewards = [], []
        return obs, self._info

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step and note it."""
        obs, reward, terminated, truncated, self._info = self.env.step(action)
        self._joypad.append(action)
        self._rewards.append(float(reward))
        return obs, float(reward), terminated, truncated, self._info

    def route(self) -> Route:
        """Return the episode so far as a route."""
        return Route(
            stage=self._stage,
            joypad=np.array(self._joypad, np.uint8),
            rewards=np.array(self._rewards, np.int64),
            info={key: value for key, value in self._info.items() if key != "reward_terms"},
            frames_per_step=self._frames_per_step,
        )


def _check(env: gym.Env[Any, int], frames_per_step: int) -> None:
    """Check that the actions and rewards of an environment are those of a route."""
    check_integer("frames_per_step", frames_per_step, 1, MAX_FRAMES_PER_STEP)
    space = env.action_space
    if not isinstance(space, gym.spaces.Discrete) or (space.n, space.start) != (
        NUM_JOYPAD_BYTES,
        0,
    ):
        raise ValueError(
            f"a route is recorded from joypad bytes, Discrete({NUM_JOYPAD_BYTES}); this "
            f"environment has {space}: make it with actions='joypad'"
        )
    skip = env.get_wrapper_attr("skip") if env.has_wrapper_attr("skip") else frames_per_step
    if skip != frames_per_step:
        raise ValueError(
            f"frames_per_step is {frames_per_step}, this environment holds an action for {skip} "
            f"frames (skip={skip}): the two are the same number"
        )
    keywords = {} if env.unwrapped.spec is None else env.unwrapped.spec.kwargs
    for name, accepted in _PLAYED_PLAINLY.items():
        if keywords.get(name, accepted) != accepted:
            raise ValueError(
                f"this environment has {name}={keywords[name]!r}, which a route does not repeat; "
                f"accepted is {name}={accepted!r}, the default"
            )
