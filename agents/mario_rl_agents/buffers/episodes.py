"""Whole episodes: what an agent did in each, kept until it learns from them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mario_rl_agents.loops.callbacks import Step

_FIELDS = ("obs", "action", "reward")


class WholeEpisode(NamedTuple):
    """An episode from its first step to its last."""

    obs: NDArray[Any]  # [T, ...], that the actions were drawn for
    action: NDArray[Any]  # [T, ...], as they were drawn
    reward: NDArray[np.float32]  # [T]
    last_obs: NDArray[Any]  # [...], what the last action led to
    terminated: bool  # or it was cut off there


class Episodes:
    """Episodes of N sub-environments: those in progress, and those that have ended.

    Attributes:
        ended: The oldest first.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        obs_shape: tuple[int, ...],
        obs_dtype: DTypeLike,
        action_shape: tuple[int, ...],
        action_dtype: DTypeLike,
    ) -> None:
        """Prepare for the first steps of `num_envs` sub-environments."""
        self._kinds: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
            "obs": (obs_shape, np.dtype(obs_dtype)),
            "action": (action_shape, np.dtype(action_dtype)),
            "reward": ((), np.dtype(np.float32)),
        }
        self._num_envs = num_envs
        self.ended: list[WholeEpisode] = []
        self._steps: list[list[tuple[Any, Any, Any]]] = [[] for _ in range(num_envs)]

    def add(self, step: Step, action: NDArray[Any]) -> None:
        """Record a step.

        Args:
            step: Of N sub-environments.
            action: What was drawn, shape [N, ...].
        """
        # The environment may write over what it has returned.
        seen, taken = step.obs.copy(), action.copy()
        for index, steps in enumerate(self._steps):
            steps.append((seen[index], taken[index], np.float32(step.reward[index])))
        for index in step.infos:
            obs, action, reward = self._arrays(self._steps[index])
            last_obs, is_over = step.next_obs[index].copy(), bool(step.terminated[index])
            self.ended.append(WholeEpisode(obs, action, reward, last_obs, is_over))
            self._steps[index] = []

    def drop_unfinished(self) -> None:
        """Forget the episodes in progress: nothing follows on them."""
        self._steps = [[] for _ in self._steps]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that is recorded as arrays: the episodes that have ended come first."""
        begun = [self._arrays(steps) for steps in self._steps]
        parts = [(x.obs, x.action, x.reward) for x in self.ended] + begun
        joined = {
            name: np.concatenate([part[place] for part in parts])
            for place, name in enumerate(_FIELDS)
        }
        shape, dtype = self._kinds["obs"]
        last_obs = np.array([x.last_obs for x in self.ended], dtype).reshape(-1, *shape)
        return {
            **joined,
            "lengths": np.array([len(part[2]) for part in parts], np.int64),
            "last_obs": last_obs,
            "terminated": np.array([x.terminated for x in self.ended], np.bool_),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of other environments, or contradicts itself.
        """
        lengths, terminated = state.get("lengths"), state.get("terminated")
        if lengths is None or lengths.dtype != np.int64 or lengths.ndim != 1:
            raise ValueError("the saved episodes must have lengths, whole numbers")
        num_ended = len(lengths) - self._num_envs
        if num_ended < 0 or (lengths < 0).any() or (lengths[:num_ended] == 0).any():
            raise ValueError(f"the saved episodes are not of {self._num_envs} sub-environments")
        num_steps = sum(lengths.tolist())
        obs_shape, obs_dtype = self._kinds["obs"]
        for name, (shape, dtype) in {
            **{name: ((num_steps, *shape), dtype) for name, (shape, dtype) in self._kinds.items()},
            "last_obs": ((num_ended, *obs_shape), obs_dtype),
            "terminated": ((num_ended,), np.dtype(np.bool_)),
        }.items():
            array = state.get(name)
            if array is None or array.shape != shape or array.dtype != dtype:
                raise ValueError(f"the saved episodes must have {name} of shape {shape}, {dtype}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"the saved episodes have {name} that are not finite")
        assert terminated is not None
        ends = np.cumsum(lengths)[:-1]
        parts = list(zip(*(np.split(state[name], ends) for name in _FIELDS), strict=True))
        ended = zip(parts[:num_ended], state["last_obs"], terminated.tolist(), strict=True)
        self.ended = [
            WholeEpisode(obs, action, reward, last_obs, is_over)
            for (obs, action, reward), last_obs, is_over in ended
        ]
        self._steps = [list(zip(*part, strict=True)) for part in parts[num_ended:]]

    def _arrays(
        self, steps: list[tuple[Any, Any, Any]]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return observations, actions and rewards of steps, each [T, ...]."""
        obs, action, reward = (
            np.array([step[place] for step in steps], dtype).reshape(-1, *shape)
            for place, (shape, dtype) in enumerate(self._kinds.values())
        )
        return obs, action, reward
