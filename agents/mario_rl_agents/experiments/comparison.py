"""The raw data of a comparison, gathered from what its jobs have left."""

from __future__ import annotations

import dataclasses
import datetime
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mario_rl_agents.experiments.engine import JobReport, JobState
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.plan import Plan, jobs_folder
from mario_rl_agents.experiments.result import ConditionScore, JobResult
from mario_rl_agents.experiments.stopwatch import most_jobs
from mario_rl_agents.experiments.tables import (
    Comparison,
    ComparisonHeader,
    CurveRow,
    EvaluationRow,
    GameRow,
    RunRow,
    SpeedRow,
    read_table,
    table_name,
)
from mario_rl_agents.runs.metrics import EpisodeRow, running_average
from mario_rl_agents.runs.provenance import describe_machine
from mario_rl_agents.runs.run import merged_versions, versions

_MAX_CURVE: Final = 200  # points of a training curve


def gather(plan: Plan, folder: str | Path, reports: Sequence[JobReport]) -> Comparison:
    """Return the raw data of a comparison from what its jobs have left.

    Args:
        plan: What is compared.
        folder: Where.
        reports: How the jobs stand, in the order of `plan.jobs()`.

    Raises:
        JobError, RunError: A file of a job is damaged.
    """
    rows = _Rows()
    sides = [(entry, seed) for seed in plan.seeds for entry in plan.entries]
    for (entry, seed), report in sorted(
        zip(sides, reports, strict=True),
        key=lambda pair: (plan.entries.index(pair[0][0]), pair[0][1]),
    ):
        rows.add(entry.label, seed, report, JobFolder(jobs_folder(folder), report.job.name))
    results = [report.result for report in reports if report.result is not None]
    begun = [report.progress for report in reports if report.progress.num_processes]
    loads = [progress.load for progress in begun if progress.load is not None]
    header = ComparisonHeader(
        env_id=plan.env_id,
        env_kwargs=plan.env_kwargs,
        total_steps=plan.total_steps,
        seeds=plan.seeds,
        protocol=plan.protocol,
        algorithms=plan.entries,
        command=plan.command,
        versions=merged_versions(result.versions for result in results) or versions(),
        hardware=", ".join(dict.fromkeys(x.hardware for x in results)) or describe_machine(),
        load=statistics.mean(loads) if loads else None,
        num_jobs=most_jobs(progress.num_jobs for progress in begun),
        commits=tuple(dict.fromkeys(x for result in results for x in result.commits)),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Comparison(
        header,
        tuple(rows.runs),
        tuple(rows.evaluations),
        tuple(rows.games),
        tuple(rows.training),
        _speeds_before(Path(folder).expanduser()),
    )


def _speeds_before(folder: Path) -> tuple[SpeedRow, ...]:
    """Return the speeds that were measured earlier: they stay until they are measured again."""
    path = folder / table_name("speeds")
    return read_table(path, SpeedRow) if path.is_file() else ()


@dataclass
class _Rows:
    """The tables, filled run by run."""

    runs: list[RunRow] = field(default_factory=list)
    evaluations: list[EvaluationRow] = field(default_factory=list)
    games: list[GameRow] = field(default_factory=list)
    training: list[CurveRow] = field(default_factory=list)

    def add(self, label: str, seed: int, report: JobReport, folder: JobFolder) -> None:
        """Add what one run has left."""
        progress, result = report.progress, report.result
        self.runs.append(
            RunRow(
                algorithm=label,
                seed=seed,
                state=report.state.value,
                num_steps=progress.num_steps,
                num_episodes=progress.num_episodes,
                num_updates=0 if result is None else result.num_updates,
                seconds=progress.seconds,
                cpu_seconds=progress.cpu_seconds,
                evaluation_seconds=progress.evaluation_seconds,
                peak_memory=progress.peak_memory,
                num_processes=progress.num_processes,
                num_restarts=progress.num_restarts,
                error=report.error or "",
            )
        )
        if report.state is JobState.FAILED:
            return  # its files may be damaged
        for score in folder.read_evaluations():
            self.evaluations.append(_evaluation_row(label, seed, score, is_final=False))
        if result is not None:
            self._add_final(label, seed, result)
        for step, value in _curve(folder.read_episodes()):
            self.training.append(CurveRow(label, seed, step, value))

    def _add_final(self, label: str, seed: int, result: JobResult) -> None:
        for each in result.conditions:
            score = each.score
            self.evaluations.append(_evaluation_row(label, seed, score, is_final=True))
            for episode in each.evaluation.episodes:
                self.games.append(
                    GameRow(
                        algorithm=label,
                        seed=seed,
                        condition=score.condition,
                        policy=score.policy,
                        episode_seed=episode.seed,
                        episodic_return=episode.episodic_return,
                        length=episode.length,
                        terminated=episode.terminated,
                        truncated=episode.truncated,
                        x_pos=episode.x_pos,
                        cleared=episode.cleared,
                        digest=episode.digest,
                    )
                )


def _evaluation_row(
    label: str, seed: int, score: ConditionScore, *, is_final: bool
) -> EvaluationRow:
    return EvaluationRow(algorithm=label, seed=seed, is_final=is_final, **dataclasses.asdict(score))


def _curve(episodes: Sequence[EpisodeRow]) -> list[tuple[int, float]]:
    """Return the running average of the returns at some steps, the last one included."""
    averages = running_average([episode.episodic_return for episode in episodes]).tolist()
    stride = max(-(-len(episodes) // _MAX_CURVE), 1)
    points = list(zip((episode.step for episode in episodes), averages, strict=True))
    return points[::-1][::stride][::-1]
