"""A video of a page, with what was decided in it as a chart to scrub it through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from mario_rl_agents.reports.decisions import Decisions, Kind
from mario_rl_agents.reports.html.blocks import Block, Video
from mario_rl_agents.reports.html.track import Column, Track

_LABELS: Final[dict[Kind, str]] = {
    "probabilities": "Probability of each action",
    "values": "Value of each action",
    "numbers": "Numbers of the action",
}


def video_of(title: str, path: Path) -> Iterator[Block]:
    """Yield the block of a video, if it is there; those of older versions have no decisions.

    Args:
        title: Of the video.
        path: Where it is.

    Raises:
        RunError: The file of its decisions is damaged.
    """
    if path.is_file():
        decisions = Decisions.beside(path)
        yield Video(title, path, None if decisions is None else track_of(decisions))


def track_of(decisions: Decisions) -> Track:
    """Return what was decided in a video as a chart over its time."""
    facts: dict[str, Column] = {}
    if any(value is not None for value in decisions.values):
        facts["value estimate"] = decisions.values
    if any(x_pos is not None for x_pos in decisions.x_pos):
        facts["x (pixels)"] = decisions.x_pos
    facts["reward"] = decisions.rewards
    facts["return with it"] = list(accumulate(reward or 0.0 for reward in decisions.rewards))
    if any(decisions.is_random):
        facts["action"] = ["random" if each else "the agent's" for each in decisions.is_random]
    notes = []
    if decisions.kind == "probabilities":
        notes.append("The probabilities lie on each other, the first of the list at the bottom.")
    if any(action is not None for action in decisions.chosen):
        notes.append("The row below shows what was taken.")
    if "x (pixels)" in facts:
        notes.append("x is where the decision was taken.")
    if "value estimate" in facts:
        notes.append(
            "The value estimate is the return that the agent's critic expects from there, "
            "discounted, on the scale that it learns rewards on."
        )
    return Track(
        label=_LABELS[decisions.kind],
        names=decisions.names,
        seconds=[round(frame / decisions.fps, 6) for frame in decisions.frames],
        frame_seconds=1 / decisions.fps,
        numbers=decisions.numbers,
        chosen=decisions.chosen,
        facts=facts,
        are_shares=decisions.kind == "probabilities",
        note=" ".join(notes),
    )
