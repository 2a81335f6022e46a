"""Lanes: the environments that an on-policy agent steps side by side."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

# Ids that come with a vector environment of their own, whose lanes can be reset one by one.
_NATIVE_PREFIX: Final = "MarioRL-"


class LaneStep(NamedTuple):
    """What one step of N lanes returned. The next call writes over its arrays."""

    obs: NDArray[Any]  # [N, ...]
    reward: NDArray[np.float64]  # [N]
    terminated: NDArray[np.bool_]  # [N]
    truncated: NDArray[np.bool_]  # [N]
    infos: dict[int, dict[str, Any]]  # by lane, where an episode ended


class Lanes(ABC):
    """N environments of one kind. A lane whose episode has ended has to be reset."""

    num_envs: int

    @abstractmethod
    def reset(self, seeds: dict[int, int | None]) -> NDArray[Any]:
        """Begin an episode in each lane that `seeds` names; return all observations, [N, ...]."""

    @abstractmethod
    def step(self, actions: NDArray[Any]) -> LaneStep:
        """Take a step in every lane."""

    @abstractmethod
    def generators(self) -> Sequence[np.random.Generator]:
        """Return the generators that the lanes draw from."""

    @abstractmethod
    def close(self) -> None:
        """Close the environments that were made for these lanes."""


class SingleLanes(Lanes):
    """Single environments, one after the other. One lane costs little more than its environment."""

    def __init__(self, envs: Sequence[gym.Env[Any, Any]]) -> None:
        """Take environments with the same spaces."""
        space = envs[0].observation_space
        self.num_envs = len(envs)
        self._envs = envs
        self._obs: NDArray[Any] = np.zeros((len(envs), *(space.shape or ())), space.dtype)
        self._reward = np.zeros(len(envs))
        self._terminated, self._truncated = np.zeros((2, len(envs)), np.bool_)

    def reset(self, seeds: dict[int, int | None]) -> NDArray[Any]:
        """Begin episodes."""
        for lane, seed in seeds.items():
            self._obs[lane], _ = self._envs[lane].reset(seed=seed)
        return self._obs

    def step(self, actions: NDArray[Any]) -> LaneStep:
        """Take a step in every lane."""
        infos = {}
        for lane, env in enumerate(self._envs):
            obs, reward, terminated, truncated, info = env.step(actions[lane])
            self._obs[lane], self._reward[lane] = obs, reward
            self._terminated[lane], self._truncated[lane] = terminated, truncated
            if terminated or truncated:
                infos[lane] = info
        return LaneStep(self._obs, self._reward, self._terminated, self._truncated, infos)

    def generators(self) -> Sequence[np.random.Generator]:
        """Return the environments' generators."""
        return [env.unwrapped.np_random for env in self._envs]

    def close(self) -> None:
        """Close all but a single one, which is the user's."""
        if len(self._envs) > 1:
            for env in self._envs:
                env.close()


class VectorLanes(Lanes):
    """The lanes of a vector environment that leaves resets to us (autoreset mode "Disabled")."""

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        """Take a vector environment whose `np_random` are the lanes' generators."""
        self.num_envs = envs.num_envs
        self._envs = envs

    def reset(self, seeds: dict[int, int | None]) -> NDArray[Any]:
        """Begin episodes."""
        mask = np.zeros(self.num_envs, np.bool_)
        mask[list(seeds)] = True
        obs, _ = self._envs.reset(
            seed=[seeds.get(lane) for lane in range(self.num_envs)],  # type: ignore[arg-type]
            options=None if mask.all() else {"reset_mask": mask},
        )
        return np.asarray(obs)

    def step(self, actions: NDArray[Any]) -> LaneStep:
        """Take a step in every lane."""
        obs, reward, terminated, truncated, info = self._envs.step(actions)
        ended = np.flatnonzero(terminated | truncated).tolist()
        infos = {lane: _info_of(info, lane) for lane in ended}
        return LaneStep(obs, reward, terminated, truncated, infos)

    def generators(self) -> Sequence[np.random.Generator]:
        """Return the lanes' generators."""
        generators: tuple[np.random.Generator, ...] = self._envs.np_random  # type: ignore[assignment]
        return generators

    def close(self) -> None:
        """Close the vector environment."""
        self._envs.close()


def make_lanes(env: gym.Env[Any, Any], num_envs: int) -> Lanes:
    """Return lanes like `env`: itself if one is enough, else new ones made from its spec.

    Raises:
        ValueError: If several are asked for, and `env` does not know how it was made.
    """
    if num_envs == 1:
        return SingleLanes([env])
    spec = env.spec
    if spec is None:
        raise ValueError(
            f"num_envs = {num_envs} needs an environment made by gymnasium.make, which can be made "
            f"again; {env} was not: register it, or use num_envs = 1"
        )
    blind = {"render_mode": None} if "render_mode" in spec.kwargs else {}
    if spec.id.startswith(_NATIVE_PREFIX):
        keywords = {**spec.kwargs, **blind, "max_episode_steps": spec.max_episode_steps}
        with gym.make(spec.id, **keywords) as bare:
            # The user's own wrappers would be missing.
            is_bare = bare.spec and bare.spec.additional_wrappers == spec.additional_wrappers
        if is_bare:
            envs = gym.make_vec(
                spec.id, num_envs, autoreset_mode="Disabled", copy=False, **keywords
            )
            if not isinstance(envs, SyncVectorEnv):
                return VectorLanes(envs)
            envs.close()  # the native core is not built: single ones do the same for less
    return SingleLanes([gym.make(spec, **blind) for _ in range(num_envs)])


def _info_of(infos: dict[str, Any], lane: int) -> dict[str, Any]:
    """Return one lane's part of what a vector environment tells."""
    info: dict[str, Any] = {}
    for key, value in infos.items():
        if isinstance(value, dict):
            info[key] = _info_of(value, lane)
        elif not key.startswith("_"):
            entry = value[lane]
            info[key] = entry.item() if isinstance(entry, np.generic) else entry
    return info


def position_of(info: Mapping[str, Any]) -> int | None:
    """Return how far the player came: `x_pos` in pixels, or None where the info has none."""
    return int(info["x_pos"]) if "x_pos" in info else None


def success_of(info: Mapping[str, Any]) -> bool | None:
    """Return whether the episode reached its goal, or None where the info does not say.

    That is `flag_get` in Super Mario Bros and `is_success` elsewhere (Gymnasium-Robotics' key).
    """
    for key in ("flag_get", "is_success"):
        if key in info:
            return bool(info[key])
    return None
