"""A route, and the file that the recorded ones lie in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.game.stages import check_stage

FRAMES_PER_STEP: Final = 4


@dataclass(frozen=True)
class Route:
    """Inputs from the start of a stage to its flag."""

    stage: str
    joypad: NDArray[np.uint8]  # [T], one joypad byte a step
    rewards: NDArray[np.int64]  # [T], the "progress" reward of a step, summed over its frames
    info: dict[str, Any]  # of the last step, as gym-super-mario-bros 7.4.0 gave it

    @property
    def num_steps(self) -> int:
        """The number of steps, each of `FRAMES_PER_STEP` frames; the flag may cut the last one."""
        return len(self.joypad)

    @property
    def total_reward(self) -> int:
        """The sum of all rewards."""
        return int(self.rewards.sum())


def stages() -> tuple[str, ...]:
    """Return the stages that have a route."""
    return tuple(_recordings())


def load(stage: str) -> Route:
    """Return the route of a stage.

    Args:
        stage: As "1-1".

    Raises:
        ValueError: There is no such stage, or no route through it.
    """
    recording = _recordings().get(check_stage(stage))
    if recording is None:
        raise ValueError(
            f"there is no route through stage {stage}; there are routes through "
            f"{', '.join(stages())}"
        )
    return Route(
        stage=stage,
        joypad=_decode_runs(recording["buttons"], np.uint8),
        rewards=_decode_runs(recording["step_rewards_rle"], np.int64),
        info=dict(recording["info"]),
    )


@cache
def _recordings() -> dict[str, Any]:
    text = resources.files("mario_rl_envs.routes").joinpath("routes.json").read_text()
    recordings: dict[str, Any] = json.loads(text)["stages"]
    return recordings


def _decode_runs(runs: Iterable[tuple[int, int]], dtype: type[np.integer[Any]]) -> NDArray[Any]:
    values, counts = zip(*runs, strict=True)
    decoded = np.repeat(np.array(values, dtype), counts)
    decoded.flags.writeable = False
    return decoded
