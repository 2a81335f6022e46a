"""Writes what happens in training: one CSV of episodes, one CSV of metrics, and TensorBoard.

`metrics.csv` and TensorBoard hold the same numbers under the same keys; docs/training.md defines
each key. What is written depends on the steps taken alone (`charts/steps_per_second` apart), and
the files are cut back to the checkpoint when a run is resumed: a resumed run leaves the files that
an unbroken one would leave.
"""

from __future__ import annotations

import csv
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np

from mario_rl_agents.agent import Agent, Callback, Episode

EPISODES_FILE = "episodes.csv"
METRICS_FILE = "metrics.csv"
TENSORBOARD_FOLDER = "tensorboard"

RUNNING_EPISODES = 100  # episodes in every running average, as the tutorials count

Row = TypeVar("Row")


class EpisodeRow(NamedTuple):
    """One finished training episode: a row of `episodes.csv`, in the order of its columns."""

    episode: int  # 0-based
    step: int  # environment steps of the whole run when it ended
    episodic_return: float
    episodic_length: int  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels from the start of the stage; None where infos do not say
    cleared: bool | None  # whether the flag was reached; None where infos do not say

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """Return the row of a finished episode."""
        info = episode.info
        return cls(
            episode=episode.index,
            step=episode.step,
            episodic_return=float(episode.episodic_return),
            episodic_length=int(episode.length),
            terminated=bool(episode.terminated),
            truncated=bool(episode.truncated),
            x_pos=int(info["x_pos"]) if "x_pos" in info else None,
            cleared=bool(info["flag_get"]) if "flag_get" in info else None,
        )

    @classmethod
    def parse(cls, cells: list[str]) -> Self:
        """Return the row that these cells spell; ValueError when they spell none."""
        if len(cells) != len(cls._fields):
            raise ValueError(f"expected {len(cls._fields)} cells, received {len(cells)}")
        return cls(
            episode=int(cells[0]),
            step=int(cells[1]),
            episodic_return=float(cells[2]),
            episodic_length=int(cells[3]),
            terminated=bool(int(cells[4])),
            truncated=bool(int(cells[5])),
            x_pos=int(cells[6]) if cells[6] else None,
            cleared=bool(int(cells[7])) if cells[7] else None,
        )


class MetricRow(NamedTuple):
    """One number: a row of `metrics.csv`, in the order of its columns."""

    step: int  # environment steps of the whole run
    metric: str
    value: float

    @classmethod
    def parse(cls, cells: list[str]) -> Self:
        """Return the row that these cells spell; ValueError when they spell none."""
        step, metric, value = cells
        return cls(int(step), metric, float(value))


def read_episodes(folder: str | Path) -> list[EpisodeRow]:
    """Return the episodes of a run, oldest first.

    Args:
        folder: the run's folder.

    Raises:
        FileNotFoundError: the folder holds no `episodes.csv`.
        ValueError: a row is damaged (a last one cut off by a crash is left out instead).
    """
    return _read(Path(folder) / EPISODES_FILE, EpisodeRow.parse)


def read_metrics(folder: str | Path) -> list[MetricRow]:
    """Return the metrics of a run in the order written; raises as `read_episodes` does."""
    return _read(Path(folder) / METRICS_FILE, MetricRow.parse)


def running_average(values: list[float], window: int = RUNNING_EPISODES) -> np.ndarray:
    """Return for each value the mean of it and up to `window - 1` values before it, shape [N]."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


class RunLogger(Callback):
    """Logs a training run into its folder."""

    def __init__(
        self,
        folder: str | Path,
        *,
        resume_step: int | None = None,
        log_period: int = 100,
        loss_period: int = 100,
    ) -> None:
        """Open the files.

        Args:
            folder: the run's folder.
            resume_step: environment steps of the checkpoint that the run goes on from: later rows
                are dropped. None starts new files.
            log_period: environment steps between two rows of agent metrics.
            loss_period: gradient steps between two rows of losses.
        """
        # Imported here: it takes a second, and reading logs does not need it.
        from torch.utils.tensorboard import SummaryWriter

        self._folder = Path(folder)
        self._log_period = log_period
        self._loss_period = loss_period
        if resume_step is None:
            _write(self._folder / EPISODES_FILE, EpisodeRow._fields, [])
            _write(self._folder / METRICS_FILE, MetricRow._fields, [])
            kept: list[EpisodeRow] = []
        else:
            kept = [row for row in read_episodes(self._folder) if row.step <= resume_step]
            metrics = [row for row in read_metrics(self._folder) if row.step <= resume_step]
            _write(self._folder / EPISODES_FILE, EpisodeRow._fields, kept)
            _write(self._folder / METRICS_FILE, MetricRow._fields, metrics)
        self.recent = deque(kept, maxlen=RUNNING_EPISODES)  # the latest episodes
        self._episodes = (self._folder / EPISODES_FILE).open("a", newline="", encoding="utf-8")
        self._metrics = (self._folder / METRICS_FILE).open("a", newline="", encoding="utf-8")
        self._tensorboard = SummaryWriter(
            self._folder / TENSORBOARD_FOLDER,
            purge_step=None if resume_step is None else resume_step + 1,
        )

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock of steps per second."""
        self._clock = (time.monotonic(), agent.num_steps)

    def on_step(self, agent: Agent) -> bool | None:
        """Log the agent's metrics and the speed every `log_period` environment steps."""
        if agent.num_steps % self._log_period == 0:
            now, (then, steps_then) = time.monotonic(), self._clock
            speed = (agent.num_steps - steps_then) / max(now - then, 1e-9)
            self._clock = (now, agent.num_steps)
            self.record(agent.num_steps, {"charts/steps_per_second": speed, **agent.metrics()})
        return None

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        """Log the losses of every `loss_period`-th gradient step."""
        # Those of one batch, not an average: an average would need a memory that outlives a resume.
        if agent.num_updates % self._loss_period == 0:
            named = {k if "/" in k else f"losses/{k}": v for k, v in losses.items()}
            self.record(agent.num_steps, named)

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Log a finished episode."""
        row = EpisodeRow.of(episode)
        self.recent.append(row)
        csv.writer(self._episodes).writerow(_cells(row))
        self._episodes.flush()
        metrics = {
            "charts/episodic_return": row.episodic_return,
            "charts/episodic_length": float(row.episodic_length),
        }
        if row.x_pos is not None:
            metrics["charts/x_pos"] = float(row.x_pos)
        clear_rate = self.clear_rate()
        if clear_rate is not None:
            metrics["charts/clear_rate"] = clear_rate
        self.record(row.step, metrics)

    def on_training_end(self, agent: Agent) -> None:
        """Flush and close every file."""
        self._episodes.close()
        self._metrics.close()
        self._tensorboard.close()

    def record(self, step: int, metrics: dict[str, float]) -> None:
        """Write numbers by key to `metrics.csv` and to TensorBoard.

        Args:
            step: environment steps of the whole run.
            metrics: the numbers, e.g. `{"charts/epsilon": 0.4}`.
        """
        writer = csv.writer(self._metrics)
        for metric, value in metrics.items():
            writer.writerow(_cells(MetricRow(step, metric, float(value))))
            self._tensorboard.add_scalar(metric, float(value), step)
        self._metrics.flush()

    def mean_return(self) -> float | None:
        """Return the mean return of the last 100 episodes, None before the first ends."""
        if not self.recent:
            return None
        return float(np.mean([row.episodic_return for row in self.recent]))

    def clear_rate(self) -> float | None:
        """Return the share of the last 100 episodes that cleared, None where infos do not say."""
        known = [row.cleared for row in self.recent if row.cleared is not None]
        return float(np.mean(known)) if known else None


def _cells(row: tuple[object, ...]) -> list[str]:
    """Return a row as text: booleans as 0 and 1, None as an empty cell, floats exact."""
    return [
        "" if cell is None else str(int(cell) if isinstance(cell, bool) else cell) for cell in row
    ]


def _write(path: Path, header: tuple[str, ...], rows: list[Row]) -> None:
    """Write a whole CSV file, atomically: a crash leaves the old one."""
    new = path.with_name(path.name + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(_cells(row) for row in rows)  # type: ignore[arg-type]
    os.replace(new, path)


def _read(path: Path, parse: Callable[[list[str]], Row]) -> list[Row]:
    text = path.read_text(encoding="utf-8")
    whole = text.endswith("\n")
    lines = list(csv.reader(text.splitlines()))[1:]
    if not whole:
        lines = lines[:-1]
    try:
        return [parse(cells) for cells in lines]
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
