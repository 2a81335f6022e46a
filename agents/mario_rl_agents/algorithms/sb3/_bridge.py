"""What Stable-Baselines3 sees of an agent's environments. Imported when an agent is made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

if TYPE_CHECKING:
    from mario_rl_agents.algorithms.sb3.agent import SB3Agent


class Bridge(VecEnv):
    """An SB3 `VecEnv` over the environments of an agent: SB3 steps and resets them, no more.

    Its infos are those of ended episodes alone, with what SB3 reads: the last observation and
    whether the episode was only truncated.
    """

    def __init__(self, agent: SB3Agent, reward_scale: float) -> None:
        """Take the agent, and the factor on rewards that SB3 is given."""
        self._agent, self._reward_scale = agent, reward_scale
        # Copies: SB3 draws from them.
        spaces = copy.deepcopy((agent.observation_space, agent.action_space))
        super().__init__(agent.num_envs, *spaces)

    def reset(self) -> NDArray[Any]:
        """Begin episodes, or go on in those of a checkpoint; return observations, [N, ...]."""
        return self._agent.loop.begin(self._agent)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next `step_wait`, shape [N, ...]."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        """Return observations, rewards, whether episodes ended, and infos of all N."""
        step, obs = self._agent.loop.step(self._agent, self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for index in step.infos:
            is_cut = bool(step.truncated[index] and not step.terminated[index])
            last_obs = step.next_obs[index].copy()
            infos[index] = {"TimeLimit.truncated": is_cut, "terminal_observation": last_obs}
        reward = (self._reward_scale * step.reward).astype(np.float32)
        return obs, reward, step.terminated | step.truncated, infos

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return `render_mode`, which nothing here uses, for each sub-environment.

        Raises:
            AttributeError: If it is another: agents reach into no environment.
        """
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: agents reach into no environment."""
        raise AttributeError(attr_name)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Refuse: agents reach into no environment."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return that none is: what is in the agent's environments is not SB3's concern."""
        return [False for _ in self._get_indices(indices)]

    def close(self) -> None:
        """Leave the environments open: they are the user's."""


class Between(BaseCallback):
    """Calls back when SB3 has learned from a rollout and not begun the next."""

    def __init__(self, begin: Callable[[], None], between: Callable[[], None]) -> None:
        """Take what is called before the first rollout, and what after each."""
        super().__init__()
        self._begin, self._between = begin, between
        self._has_begun = False

    def _on_training_start(self) -> None:
        self._begin()

    def _on_rollout_start(self) -> None:
        if self._has_begun:
            self._between()
        self._has_begun = True

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._between()
