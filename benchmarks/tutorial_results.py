"""What the runs of the tutorials came to: read from their folders, kept in a small file a row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from mario_rl_agents.config import read
from mario_rl_agents.experiments import Job, JobFolder, Score, read_report
from mario_rl_agents.files import read_json, replacing

from benchmarks.throughput import ROOT
from benchmarks.tutorial_rows import LADDER, MAX_NAIVE_SCORE, MEASURES, Row

KEPT: Final = ROOT / "benchmarks" / "tutorial_runs"
_VERSIONED: Final = ("python", "torch", "gymnasium")


@dataclass(frozen=True)
class RowResult:
    """What came of a row with one seed: of its job, or of the rungs of the ladder."""

    seed: int
    measured: dict[str, float | None]  # by the names of MEASURES; None: too few games
    finals: tuple[float, ...]  # points, mean of 100 test games of the agent that a job ends with
    scores: tuple[tuple[Score, ...], ...]  # of the evaluations along the training of each job
    reloaded_same: bool | None  # whether the saved agent played as the trained one; None: not asked
    stopped_early: bool  # whether an evaluation ended the training
    num_steps: int  # environment steps, of all jobs
    num_games: int  # training games, likewise
    cpu_minutes: float  # of training, over all threads and processes
    steps: tuple[int, ...]  # environment steps when each training game ended, of the last job
    returns: tuple[float, ...]  # points of each
    commits: tuple[str, ...]
    hardware: str
    versions: dict[str, str]  # of Python and of packages
    date: str  # ISO 8601, UTC

    @classmethod
    def of(cls, row: Row, seed: int, out: Path) -> Self | None:
        """Return what came of a row with a seed; None where its jobs are not finished.

        Args:
            row: The row.
            seed: Of its jobs.
            out: Where the jobs' folders are.
        """
        reports = [read_report(job, out) for job in row.jobs(seed)]
        results = [report.result for report in reports if report.result is not None]
        if len(results) < len(reports):
            return None
        folders = [JobFolder(out, report.job.name) for report in reports]
        last = results[-1]
        episodes = folders[-1].read_episodes()
        reloaded = last.reloaded_return
        return cls(
            seed=seed,
            measured={name: measure.value(last) for name, measure in MEASURES.items()},
            finals=tuple(result.final.return_mean for result in results),
            scores=tuple(tuple(folder.read_scores()) for folder in folders),
            reloaded_same=None if reloaded is None else reloaded == last.final.return_mean,
            stopped_early=last.ended_by == "evaluation",
            num_steps=sum(result.num_steps for result in results),
            num_games=sum(result.num_episodes for result in results),
            cpu_minutes=round(sum(report.progress.cpu_seconds for report in reports) / 60, 2),
            steps=tuple(episode.step for episode in episodes),
            returns=tuple(round(episode.episodic_return, 2) for episode in episodes),
            commits=tuple(dict.fromkeys(commit for each in results for commit in each.commits)),
            hardware=last.hardware,
            versions={name: last.versions[name] for name in _VERSIONED},
            date=last.date,
        )

    def value(self, row: Row) -> float | None:
        """Return what was measured, as the row has it measured."""
        return self.measured[row.measure]

    def has_reached(self, row: Row) -> bool:
        """Return whether the value is as good as the row wants it.

        Of the ladder the first rung must be as bad, too.
        """
        if row.measure == LADDER and self.finals[0] >= MAX_NAIVE_SCORE:
            return False
        value = self.value(row)
        return value is not None and value >= row.target


def read_kept(row: Row, kept: Path = KEPT) -> list[RowResult]:
    """Return what is kept of a row, by seed.

    What came of other jobs does not count: say, of the row's recipe as it was before.

    Args:
        row: The row.
        kept: The folder of the files.

    Raises:
        ValueError: The row's file is damaged.
    """
    path = kept / f"{row.id}.json"
    if not path.is_file():
        return []
    content = read_json(path)
    if not _are_of(row, content["jobs"]):
        return []
    return [read(RowResult, result) for result in content["results"]]


def keep(row: Row, seeds: Sequence[int], out: Path, kept: Path = KEPT) -> None:
    """Add what came of a row with those seeds that are finished to what is kept.

    Args:
        row: The row.
        seeds: Those to look for.
        out: Where the jobs' folders are.
        kept: The folder of the files.

    Raises:
        ValueError: The row's file is damaged.
    """
    found = {seed: RowResult.of(row, seed, out) for seed in seeds}
    new = {seed: result for seed, result in found.items() if result is not None}
    if not new:
        return
    results = {result.seed: result for result in read_kept(row, kept)} | new
    kept.mkdir(parents=True, exist_ok=True)
    jobs = _lines([job.to_json() for job in row.jobs(0)])
    lines = _lines([dataclasses.asdict(results[seed]) for seed in sorted(results)])
    with replacing(kept / f"{row.id}.json") as path:
        path.write_text(f'{{"jobs": {jobs},\n"results": {lines}}}\n', encoding="utf-8")


def _lines(entries: Sequence[dict[str, Any]]) -> str:
    """Return a JSON list with a line an entry: a seed more is a line more."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"


def _are_of(row: Row, jobs: Sequence[dict[str, Any]]) -> bool:
    try:
        return [Job.from_json(job) for job in jobs] == row.jobs(0)
    except ValueError:
        return False
