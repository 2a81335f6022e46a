"""Rows of a run's two logs, episodes and metrics; docs/training.md defines columns and keys.

A row is text in a CSV file: truth is 1 or 0, an empty cell is None, and floats are exact.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.agent import Episode
from mario_rl_agents.config import convert
from mario_rl_agents.envs import position_of, success_of
from mario_rl_agents.errors import RunError
from mario_rl_agents.files import replacing

RUNNING_EPISODES: Final = 100  # episodes in every running average, as the tutorials count


class EpisodeRow(NamedTuple):
    """One finished training episode, in the order of the columns."""

    episode: int  # 0-based
    step: int  # environment steps of the whole run when it ended
    episodic_return: float
    episodic_length: int  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels from the start of the stage; None where infos do not say
    cleared: bool | None  # whether the goal was reached; None where infos do not say

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """Return the row of a finished episode."""
        return cls(
            episode=episode.index,
            step=episode.step,
            episodic_return=float(episode.episodic_return),
            episodic_length=int(episode.length),
            terminated=bool(episode.terminated),
            truncated=bool(episode.truncated),
            x_pos=position_of(episode.info),
            cleared=success_of(episode.info),
        )

    @classmethod
    def parse(cls, cells: Sequence[str]) -> Self:
        """Return the row that the cells hold.

        Raises:
            ValueError: A cell is missing or is not of its column's type.
        """
        if len(cells) != len(cls._fields):
            raise ValueError(f"expected {len(cls._fields)} cells, received {len(cells)}")
        return cls(
            episode=_whole(cells[0]),
            step=_whole(cells[1]),
            episodic_return=float(cells[2]),
            episodic_length=_whole(cells[3]),
            terminated=bool(int(cells[4])),
            truncated=bool(int(cells[5])),
            x_pos=_whole(cells[6]) if cells[6] else None,
            cleared=bool(int(cells[7])) if cells[7] else None,
        )


class MetricRow(NamedTuple):
    """One value of one metric, in the order of the columns."""

    step: int  # environment steps of the whole run
    metric: str
    value: float

    @classmethod
    def parse(cls, cells: Sequence[str]) -> Self:
        """Return the row that the cells hold.

        Raises:
            ValueError: A cell is missing or is not of its column's type.
        """
        step, metric, value = cells
        return cls(_whole(step), metric, float(value))


Row = TypeVar("Row", EpisodeRow, MetricRow)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Return the rows of a log, oldest first; a last one that a crash cut off is left out.

    Args:
        path: The CSV file.
        kind: What its rows are.

    Raises:
        FileNotFoundError: There is no such file.
        RunError: A row is damaged.
    """
    rows: list[Row] = []
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        if not text.endswith("\n"):
            lines = lines[:-1]
        rows.extend(kind.parse(cells) for cells in csv.reader(lines[1:]))
    except (ValueError, csv.Error) as error:
        raise RunError(
            f"{path} is damaged in line {len(rows) + 2} ({error}): correct or delete that line"
        ) from error
    return rows


def write_rows(path: Path, kind: type[Row], rows: Sequence[Row]) -> None:
    """Write a log with its header in place of `path`; a crash leaves the old one."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(kind._fields)
        writer.writerows(cells_of(row) for row in rows)


def cells_of(row: EpisodeRow | MetricRow) -> list[str]:
    """Return the cells of a row."""
    return [
        "" if cell is None else str(int(cell) if isinstance(cell, bool) else cell) for cell in row
    ]


def _whole(cell: str) -> int:
    """Return the whole number in a cell; one that NumPy cannot count with is refused."""
    number: int = convert(int, int(cell), "a cell")
    return number


def mean_return(rows: Sequence[EpisodeRow]) -> float | None:
    """Return the mean return of episodes, None without any."""
    return float(np.mean([row.episodic_return for row in rows])) if rows else None


def clear_rate(rows: Sequence[EpisodeRow]) -> float | None:
    """Return the share of episodes that reached their goal, None where infos do not say."""
    known = [row.cleared for row in rows if row.cleared is not None]
    return float(np.mean(known)) if known else None


def running_average(values: Sequence[float], window: int = RUNNING_EPISODES) -> NDArray[np.float64]:
    """Return for each value the mean of it and up to `window - 1` values before it, shape [N]."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))
