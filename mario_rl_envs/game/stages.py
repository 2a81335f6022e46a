"""The 32 stages, named "1-1" to "8-4"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

STAGES: Final = tuple(f"{world}-{stage}" for world in range(1, 9) for stage in range(1, 5))

# In these worlds the second stage begins with a walk into a pipe, which the game counts as an area
# of its own.
_WORLDS_WITH_INTRODUCTION: Final = frozenset({1, 2, 4, 7})


class StageAddress(NamedTuple):
    """What the game's memory holds when a stage is loaded, each counted from zero."""

    world: int
    stage: int
    area: int


def check_stage(stage: object) -> str:
    """Return `stage` if it is one of the 32.

    Raises:
        ValueError: It is not.
    """
    if isinstance(stage, str) and stage in STAGES:
        return stage
    raise ValueError(
        f"unknown stage {stage!r}; accepted are '1-1' to '8-4': a world 1 to 8, '-', a stage 1 to 4"
    )


def check_stages(stages: Iterable[object]) -> tuple[str, ...]:
    """Return `stages` as a tuple if it is a non-empty collection of stages.

    Raises:
        ValueError: It is empty, a single string, or one of its items is no stage.
    """
    if isinstance(stages, str):
        raise ValueError(
            f"stages is a list of stages, got the string {stages!r}; write [{stages!r}]"
        )
    if not isinstance(stages, Iterable):
        raise ValueError(f"stages is {stages!r}; accepted is a list of stages, as ['1-1', '1-2']")
    checked = tuple(check_stage(stage) for stage in stages)
    if not checked:
        raise ValueError("stages is empty; give at least one stage, as ['1-1']")
    return checked


def stage_address(stage: str) -> StageAddress:
    """Return the world, stage and area numbers that load `stage`."""
    world, number = (int(part) for part in check_stage(stage).split("-"))
    has_introduction = world in _WORLDS_WITH_INTRODUCTION and number >= 2
    return StageAddress(world=world - 1, stage=number - 1, area=number - 1 + has_introduction)
