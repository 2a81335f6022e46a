"""A route, the file that the package's own lie in, and files of the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.checks import check_integer
from mario_rl_envs.game.stages import check_stage

FRAMES_PER_STEP: Final = 4  # of the package's own routes
MAX_FRAMES_PER_STEP: Final = 1_000

_FORMAT: Final = "mario-rl-envs route 1"  # of a user's file
_MAX_FILE_SIZE: Final = 32 << 20  # bytes
_MAX_FRAMES: Final = 24 * 60 * 60 * 60  # a day of play
_BUTTONS: Final = "buttons"
_REWARDS: Final = "step_rewards_rle"
_INT64: Final = np.iinfo(np.int64)


@dataclass(frozen=True)
class Route:
    """Inputs from the start of a stage: to its flag, if nothing else is said.

    Example:
        >>> from mario_rl_envs import routes
        >>> route = routes.load("1-1")
        >>> route.stage, route.num_steps, route.total_reward
        ('1-1', 432, 3035)
    """

    stage: str | None  # None: the whole game, from its start
    joypad: NDArray[np.uint8]  # [T], one joypad byte a step
    rewards: NDArray[np.int64]  # [T], the "progress" reward of a step, summed over its frames
    info: dict[str, Any]  # of the last step; the package's own as gym-super-mario-bros 7.4.0's
    frames_per_step: int = FRAMES_PER_STEP

    @property
    def num_steps(self) -> int:
        """The number of steps, T, of `frames_per_step` frames; the flag may cut the last one."""
        return len(self.joypad)

    @property
    def total_reward(self) -> int:
        """The sum of all rewards."""
        return int(self.rewards.sum())

    @property
    def frames(self) -> NDArray[np.uint8]:
        """The joypad byte of every frame, [T * frames_per_step]."""
        return self.joypad.repeat(self.frames_per_step)


def stages() -> tuple[str, ...]:
    """Return the stages that the package has a route through: all 32."""
    return tuple(_recordings())


def load(stage: str) -> Route:
    """Return the package's route through a stage.

    Args:
        stage: As "1-1".

    Raises:
        ValueError: There is no such stage.
    """
    return _decode(_recordings()[check_stage(stage)], stage, FRAMES_PER_STEP)


def write(route: Route, path: str | os.PathLike[str]) -> None:
    """Write a route into a file that `read` reads, in JSON.

    Raises:
        OSError: It cannot be written.
    """
    content = {
        "format": _FORMAT,
        "stage": route.stage,
        "frames_per_step": route.frames_per_step,
        _BUTTONS: _encode_runs(route.joypad),
        _REWARDS: _encode_runs(route.rewards),
        "info": route.info,
    }
    Path(path).write_text(json.dumps(content) + "\n", encoding="utf-8")


def read(path: str | os.PathLike[str]) -> Route:
    """Return the route that `write` wrote.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It holds no route; the message says what is wrong.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file")
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_SIZE + 1)
    if len(data) > _MAX_FILE_SIZE:
        raise ValueError(f"{path} is no route: it is larger than {_MAX_FILE_SIZE >> 20} MiB")
    try:
        content = json.loads(data)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f'it is no JSON object with the format "{_FORMAT}"')
        stage, frames = content["stage"], content["frames_per_step"]
        if stage is not None:
            check_stage(stage)
        check_integer("frames_per_step", frames, 1, MAX_FRAMES_PER_STEP)
        return _decode(content, stage, frames)
    except KeyError as error:
        raise ValueError(f"{path} is no route: {error} is missing") from error
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is no route: {error}") from error


@cache
def _recordings() -> dict[str, Any]:
    text = resources.files("mario_rl_envs.routes").joinpath("routes.json").read_text()
    recordings: dict[str, Any] = json.loads(text)["stages"]
    return recordings


def _decode(recording: Mapping[str, Any], stage: str | None, frames_per_step: int) -> Route:
    """Return the route that a file has.

    Raises:
        KeyError: Something is missing.
        ValueError: Something is not of the right form, or too long.
    """
    most = _MAX_FRAMES // frames_per_step
    joypad = _decode_runs(recording[_BUTTONS], _BUTTONS, np.uint8, (0, 255), most)
    rewards = _decode_runs(recording[_REWARDS], _REWARDS, np.int64, (_INT64.min, _INT64.max), most)
    if len(joypad) != len(rewards):
        raise ValueError(f"it has {len(joypad)} joypad bytes and {len(rewards)} rewards")
    if not isinstance(recording["info"], dict):
        raise ValueError("info is no JSON object")
    return Route(stage, joypad, rewards, dict(recording["info"]), frames_per_step)


def _encode_runs(values: NDArray[Any]) -> list[tuple[int, int]]:
    """Return values and how often each follows on itself."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    counts = np.diff(starts, append=len(values))
    return list(zip(values[starts].tolist(), counts.tolist(), strict=True))


def _decode_runs(
    runs: Any, name: str, dtype: type[np.integer[Any]], bounds: tuple[int, int], most: int
) -> NDArray[Any]:
    """Return the array that `_encode_runs` had, with at most so many values."""
    pairs: list[Any] = runs if isinstance(runs, list) else [None]
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(x) is int for x in pair)):
            raise ValueError(f"{name} is no list of [value, count] of integers")
        value, count = pair
        if not (bounds[0] <= value <= bounds[1] and 1 <= count <= most):
            raise ValueError(
                f"{name} has [{value}, {count}]; accepted are values {bounds[0]} to {bounds[1]} "
                f"and counts 1 to {most}"
            )
    if sum(count for _, count in pairs) > most:
        raise ValueError(f"{name} is longer than a day of play")
    decoded = np.repeat(
        np.array([value for value, _ in pairs], dtype), [count for _, count in pairs]
    )
    decoded.flags.writeable = False
    return decoded
