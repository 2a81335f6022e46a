"""Demonstrations as a small file: the actions, of which the observations are made again."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mario_rl_agents.config import Seed, Whole, plain, read
from mario_rl_agents.envs import VecEnv, make_vec_env, reset_some, save_state_of, saves_states
from mario_rl_agents.errors import DemonstrationsError
from mario_rl_agents.files import parse_json, replacing
from mario_rl_agents.trust import check_trusted, import_module_of

FORMAT: Final = "mario-rl-demonstrations"
STATE_PERIOD: Final = 16  # decisions between two states of the same game

_HEADER: Final = "demonstrations"
_ARRAYS: Final = ("shown", "played", "is_used")


@dataclass(frozen=True)
class _Header:
    """All of a file but its arrays."""

    env_id: str
    env_kwargs: dict[str, Any]
    seed: Seed
    num_episodes: Whole
    num_successes: Whole
    digest: str


@dataclass(frozen=True)
class Demonstrations:
    """What a teacher did in N sub-environments over T steps.

    The environment repeats it, to the bit: it must depend on its seed and the actions alone.
    """

    env_id: str
    env_kwargs: dict[str, Any]  # keywords of gym.make
    seed: int  # sub-environment i was first reset with seed + i
    shown: NDArray[np.uint8]  # [T, N], the teacher's actions
    played: NDArray[np.uint8]  # [T, N], those that were taken
    is_used: NDArray[np.bool_]  # [T, N], whether an action is worth imitating
    num_episodes: int
    num_successes: int
    digest: str = ""  # of the observations and actions to imitate

    @property
    def num_decisions(self) -> int:
        """The number of decisions to imitate."""
        return int(self.is_used.sum())

    @property
    def summary(self) -> str:
        """What there is, for people to read."""
        return (
            f"{self.num_decisions:,} decisions of {self.num_episodes} episodes on {self.env_id}, "
            f"{self.num_successes} of which reached their goal"
        )

    def replay(
        self, *, where: Any = "a file of demonstrations", trust: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the observations [M, ...] and the actions [M] to imitate, by playing again.

        Args:
            where: The file that they come from, for messages.
            trust: Whether the module of an environment called MODULE:ID may be imported, though
                the user has not named it in a training.

        Raises:
            ValueError: The environment cannot be made.
            DemonstrationsError: It does not repeat what was recorded.
            UntrustedError: See `trust`.
        """
        check_trusted(self.env_id, where, trust=trust)
        observations = [obs[is_used] for _, obs, is_used in self._play()]
        replayed = np.concatenate(observations), self.shown[self.is_used].astype(np.int64)
        if self.digest not in ("", digest_of(replayed)):
            raise DemonstrationsError(
                f"{self.env_id} does not repeat what was recorded: it is of another version, or "
                "depends on more than its seed and the actions; record anew"
            )
        return replayed

    def states(self) -> list[bytes]:
        """Return states before decisions to imitate, every `STATE_PERIOD` decisions of each.

        They are for sub-environments as those of these games, in which an episode may then begin.
        `replay` says whether the environment repeats the games.

        Raises:
            ValueError: The environment cannot be made.
            DemonstrationsError: It saves no states.
        """
        states: list[bytes] = []
        for step, (envs, _, is_used) in enumerate(self._play()):
            if not saves_states(envs):
                raise DemonstrationsError(
                    f"{self.env_id} saves no states that episodes could begin in: set "
                    "demonstration_starts to 0"
                )
            # Not all sub-environments at once, so that there are states of as many steps.
            due = np.flatnonzero(is_used).tolist()
            states += [
                save_state_of(envs, index) for index in due if (step + index) % STATE_PERIOD == 0
            ]
        return states

    def _play(self) -> Iterator[tuple[VecEnv, NDArray[Any], NDArray[np.bool_]]]:
        """Play again: the environments and observations [N, ...] before each step, and `is_used`.

        Raises:
            ValueError: The environment cannot be made.
        """
        num_envs = self.played.shape[1]
        with open_envs(self.env_id, self.env_kwargs, num_envs) as envs:
            obs = reset_some(envs, {index: self.seed + index for index in range(num_envs)})
            for played, is_used in zip(self.played.astype(np.int64), self.is_used, strict=True):
                yield envs, obs, is_used
                obs, _, terminated, truncated, _ = envs.step(played)
                ended = np.flatnonzero(terminated | truncated).tolist()
                if ended:
                    obs = reset_some(envs, dict.fromkeys(ended))

    def with_digest(self, digest: str) -> Self:
        """Return the same with the digest that a replay is compared with."""
        return dataclasses.replace(self, digest=digest)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, or replace one.

        Args:
            path: Its folder is made.

        Raises:
            OSError: It cannot be written.
            ValueError: JSON has no form for a keyword.
        """
        path = Path(path).expanduser()
        names = [each.name for each in dataclasses.fields(_Header)]
        header = plain({name: getattr(self, name) for name in names})
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        with replacing(path) as new:
            save_file(arrays, new, {"format": FORMAT, _HEADER: json.dumps(header)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file.

        Raises:
            FileNotFoundError: There is none.
            DemonstrationsError: It holds no demonstrations, or is damaged.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"there are no demonstrations at {path}: mario-rl demonstrate records some"
            )
        try:
            with safe_open(path, framework="numpy") as file:
                metadata: Mapping[str, str] = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError("it is no file of demonstrations")
                header = read(_Header, parse_json(metadata[_HEADER]))
                arrays = {name: file.get_tensor(name) for name in _ARRAYS}
            _check(arrays)
        except (SafetensorError, KeyError, ValueError) as error:
            raise DemonstrationsError(
                f"{path} is damaged ({error}): record the demonstrations anew"
            ) from error
        return cls(**vars(header), **arrays)


def check_trusted_files(
    paths: Iterable[str | os.PathLike[str]], *, trust: bool = False
) -> list[str]:
    """Check that files of demonstrations run no code, when played, that the user has not named.

    Args:
        paths: The files.
        trust: Whether the user says that their code may run. The modules are imported then, so
            that an agent may play the files when it learns.

    Returns:
        The ids of their environments.

    Raises:
        FileNotFoundError: There is none at a path.
        DemonstrationsError: One is damaged.
        UntrustedError: They do.
        ImportError: A module that is trusted cannot be imported.
    """
    env_ids = []
    for path in paths:
        env_id = Demonstrations.load(path).env_id
        check_trusted(env_id, path, trust=trust)
        if trust:
            import_module_of(env_id)
        env_ids.append(env_id)
    return env_ids


@contextlib.contextmanager
def open_envs(env_id: str, env_kwargs: Mapping[str, Any], num_envs: int) -> Iterator[VecEnv]:
    """Give a vector environment, and close it.

    Raises:
        ValueError: It cannot be made, or has no discrete actions that fit into a byte.
    """
    try:
        made = make_vec_env(env_id, num_envs, env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"{env_id} cannot be made: {error}") from error
    with contextlib.closing(made) as envs:
        num_actions = getattr(envs.single_action_space, "n", None)
        if num_actions is None or num_actions > 256:
            raise ValueError(
                f"demonstrations are of discrete actions, 256 at most; {env_id} has "
                f"{envs.single_action_space}"
            )
        yield envs


def digest_of(replayed: tuple[NDArray[Any], NDArray[np.int64]]) -> str:
    """Return what tells one replay from another."""
    digest = hashlib.sha256()
    for array in replayed:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Check the arrays of a file.

    Raises:
        ValueError: They are not what was written.
    """
    shape = arrays["shown"].shape
    for name, dtype in zip(_ARRAYS, (np.uint8, np.uint8, np.bool_), strict=True):
        array = arrays[name]
        if array.dtype != dtype or array.shape != shape or len(shape) != 2 or 0 in shape:
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
