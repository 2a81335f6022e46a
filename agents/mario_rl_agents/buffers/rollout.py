"""Rollouts: what an on-policy agent did since its last update, and how good its actions were."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mario_rl_agents.buffers.room import room_for
from mario_rl_agents.loops.callbacks import Step

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def compute_gae(
    reward: Floats,
    value: Floats,
    next_value: Floats,
    terminated: Bools,
    truncated: Bools,
    *,
    gamma: float,
    gae_lambda: float,
) -> Floats:
    """Return how much better each action was than expected, shape [T, N].

        delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t)
        A_t = delta_t + gamma lambda (1 - terminated_t) (1 - truncated_t) A_{t+1}

    Generalized advantage estimation (Schulman et al. 2016, eq. 16). Nothing follows a termination.
    A truncation only ends the sum: its delta still bootstraps from the observation after it.

    Args:
        reward: r_t, shape [T, N].
        value: V(s_t), shape [T, N].
        next_value: V(s_{t+1}), shape [T, N]. Where an episode was truncated at t, the value of its
            true final observation, not of the one that the next episode begins with.
        terminated: Whether the episode terminated at t, shape [T, N].
        truncated: Whether it was truncated at t, shape [T, N].
        gamma: Discount per environment step.
        gae_lambda: 0 trusts the values, 1 the rewards alone.
    """
    delta = reward + gamma * next_value * ~terminated - value  # [T, N]
    decay = np.float32(gamma * gae_lambda) * ~(terminated | truncated)  # [T, N]
    advantage = np.empty_like(delta)
    following = np.zeros_like(delta[0])  # [N]
    for step in range(len(delta) - 1, -1, -1):
        following = delta[step] + decay[step] * following
        advantage[step] = following
    return advantage


class Rollout:
    """The last T steps of N sub-environments, in arrays that are allocated once, at the first step.

    Attributes:
        obs: What the agent saw, shape [T, N, ...].
        features: What its heads made of it: the output of the encoder, shape [T, N, F].
        dist_params: The parameters of the distribution that it drew from, shape [T, N, P].
        action: What it drew, shape [T, N, ...].
        reward: What it got, shape [T, N].
        terminated: Whether the episode ended there, shape [T, N].
        truncated: Whether it was cut off there, shape [T, N].
        final_obs: By (step, sub-environment), the true last observation where truncated.
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        *,
        obs_shape: tuple[int, ...],
        obs_dtype: DTypeLike,
        num_features: int,
        num_params: int,
        action_shape: tuple[int, ...],
        action_dtype: DTypeLike,
    ) -> None:
        """Prepare for `num_steps` steps of `num_envs` sub-environments."""
        self.obs: NDArray[Any]
        self.features: Floats
        self.dist_params: Floats
        self.action: NDArray[Any]
        self.reward: Floats
        self.terminated: Bools
        self.truncated: Bools
        self.final_obs: dict[tuple[int, int], NDArray[Any]] = {}
        self._obs_shape, self._obs_dtype = obs_shape, np.dtype(obs_dtype)
        self._shapes: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
            "obs": (obs_shape, obs_dtype),
            "features": ((num_features,), np.float32),
            "dist_params": ((num_params,), np.float32),
            "action": (action_shape, action_dtype),
            "reward": ((), np.float32),
            "terminated": ((), np.bool_),
            "truncated": ((), np.bool_),
        }
        self._num_envs = num_envs
        self._has_room = False
        self._num_steps = num_steps
        self._step = 0  # steps recorded

    def __len__(self) -> int:
        """Return the number of steps that are recorded."""
        return self._step

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another step."""
        return self._step == self._num_steps

    def add(self, step: Step, features: Floats, dist_params: Floats, action: NDArray[Any]) -> None:
        """Record a step, and what its actions were drawn from.

        Args:
            step: Of N sub-environments.
            features: The output of the encoder for `step.obs`, shape [N, F].
            dist_params: The parameters of the distribution, shape [N, P].
            action: What was drawn, on the scale of the distribution, shape [N, ...].

        Raises:
            OSError: If it is the first step and there is no room for so many.
        """
        self._take_room()
        t = self._step
        self.obs[t], self.features[t], self.dist_params[t] = step.obs, features, dist_params
        self.action[t], self.reward[t] = action, step.reward
        self.terminated[t], self.truncated[t] = step.terminated, step.truncated
        for index in step.infos:
            if not step.terminated[index]:
                self.final_obs[t, index] = step.next_obs[index]
        self._step += 1

    def clear(self) -> None:
        """Make room for the next rollout, which is written over this one."""
        self._step = 0
        self.final_obs = {}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what is recorded as arrays, without copying it."""
        self._take_room()
        places = np.array(list(self.final_obs), np.int64).reshape(-1, 2)  # [K, 2]
        cut_off = np.array(list(self.final_obs.values()), self._obs_dtype)
        cut_off = cut_off.reshape(-1, *self._obs_shape)  # [K, ...]
        recorded = {name: array[: self._step] for name, array in self._arrays().items()}
        return {**recorded, "final_places": places, "final_obs": cut_off}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of another rollout, or contradicts itself.
            OSError: If there is no room for so many steps.
        """
        self._take_room()
        reward, places = state.get("reward"), state.get("final_places")
        count = 0 if reward is None or not reward.ndim else len(reward)
        num_places = 0 if places is None or not places.ndim else len(places)
        for name, (array, size) in {
            **{name: (array, count) for name, array in self._arrays().items()},
            "final_places": (np.zeros((0, 2), np.int64), num_places),
            "final_obs": (self.obs[:, 0], num_places),
        }.items():
            self._check_array(name, state.get(name), (size, *array.shape[1:]), array.dtype)
        limits = (count, self._num_envs)
        is_inside = bool(((state["final_places"] >= 0) & (state["final_places"] < limits)).all())
        if count >= self._num_steps or not is_inside:
            raise ValueError("the saved rollout has more steps than there is room for")
        self._step = count
        for name, array in self._arrays().items():
            array[: self._step] = state[name]
        pairs = [(step, index) for step, index in state["final_places"].tolist()]
        self.final_obs = dict(zip(pairs, state["final_obs"], strict=True))

    def _take_room(self) -> None:
        """Allocate the arrays, unless that is done."""
        if self._has_room:
            return
        for name, (shape, dtype) in self._shapes.items():
            size = (self._num_steps, self._num_envs, *shape)
            num_bytes = math.prod(size) * np.dtype(dtype).itemsize
            with room_for(f"{name} of a rollout", num_bytes, "fewer rollout_steps"):
                setattr(self, name, np.zeros(size, dtype))
        self._has_room = True

    def _check_array(
        self,
        name: str,
        array: NDArray[Any] | None,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        if array is None or array.shape != shape or array.dtype != dtype:
            raise ValueError(f"the saved rollout must have {name} of shape {shape} and {dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"the saved rollout has {name} that are not finite")

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self._shapes}
