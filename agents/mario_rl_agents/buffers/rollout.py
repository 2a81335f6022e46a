"""Rollouts: what an on-policy agent did since its last update, and how good its actions were."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

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
    """The last T steps of N sub-environments, in arrays that are allocated once.

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
        """Allocate room for `num_steps` steps of `num_envs` sub-environments."""
        size = (num_steps, num_envs)
        self.obs: NDArray[Any] = np.zeros((*size, *obs_shape), obs_dtype)
        self.features = np.zeros((*size, num_features), np.float32)
        self.dist_params = np.zeros((*size, num_params), np.float32)
        self.action: NDArray[Any] = np.zeros((*size, *action_shape), action_dtype)
        self.reward = np.zeros(size, np.float32)
        self.terminated = np.zeros(size, np.bool_)
        self.truncated = np.zeros(size, np.bool_)
        self.final_obs: dict[tuple[int, int], NDArray[Any]] = {}
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
        """
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
        places = np.array(list(self.final_obs), np.int64).reshape(-1, 2)  # [K, 2]
        cut_off = np.array(list(self.final_obs.values()), self.obs.dtype)  # [K, ...]
        recorded = {name: array[: self._step] for name, array in self._arrays().items()}
        return {**recorded, "final_places": places, "final_obs": cut_off}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""
        self._step = len(state["reward"])
        for name, array in self._arrays().items():
            array[: self._step] = state[name]
        places = [(step, index) for step, index in state["final_places"].tolist()]
        self.final_obs = dict(zip(places, state["final_obs"], strict=True))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "obs": self.obs,
            "features": self.features,
            "dist_params": self.dist_params,
            "action": self.action,
            "reward": self.reward,
            "terminated": self.terminated,
            "truncated": self.truncated,
        }
