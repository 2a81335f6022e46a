"""What a job leaves: how far it is, the scores of its evaluations, its result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from mario_rl_agents.config import Count, Fraction, Measured, NonNegative, Whole, read
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.runs.evaluation import Evaluation, counted_once
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, running_average

FORMAT: Final = 1  # of a result's JSON


@dataclass(frozen=True)
class Progress:
    """How far a job is, over all processes that worked at it."""

    seconds: NonNegative = 0.0  # of training without evaluations, with what a kill threw away
    num_steps: Whole = 0  # environment steps
    num_episodes: Whole = 0
    commits: tuple[str, ...] = ()  # of this package, in the order in which they trained
    cpu_seconds: NonNegative = 0.0  # of training without evaluations, over all threads
    evaluation_seconds: NonNegative = 0.0
    peak_memory: NonNegative = 0.0  # 10^6 bytes, the most that one of the processes had
    num_processes: Whole = 0
    num_restarts: Whole = 0  # how often training began anew, since it could not be resumed
    versions: Mapping[str, str] = field(default_factory=dict)  # of Python and of packages
    num_jobs: Count | None = None  # most trainings at once of its engines; None: unknown
    load: NonNegative | None = None  # processes that wanted a core as training ended; None: unknown


@dataclass(frozen=True)
class Score:
    """One evaluation along a training."""

    step: Whole  # environment steps taken before it
    return_mean: Measured
    return_std: Measured


@dataclass(frozen=True)
class ConditionScore:
    """One evaluation of a protocol: one condition, one policy. Identical episodes count once."""

    step: Whole  # environment steps of training before it
    seconds: NonNegative  # of training before it
    cpu_seconds: NonNegative  # likewise
    condition: str
    policy: str
    num_episodes: Count
    num_distinct: Count  # episodes that differ
    return_mean: Measured
    return_std: Measured  # of a sample
    length_mean: NonNegative  # environment steps
    x_pos_mean: float | None  # pixels; None where infos do not say
    clear_rate: Fraction | None  # None where infos do not say

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        *,
        condition: str,
        policy: str,
        step: int,
        seconds: float,
        cpu_seconds: float,
    ) -> Self:
        """Return what an evaluation says, with identical episodes counted once."""
        counted = counted_once(evaluation)
        return cls(
            step=step,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            condition=condition,
            policy=policy,
            num_episodes=evaluation.num_episodes,
            num_distinct=counted.num_episodes,
            return_mean=counted.return_mean,
            return_std=counted.return_std,
            length_mean=counted.length_mean,
            x_pos_mean=counted.x_pos_mean,
            clear_rate=counted.clear_rate,
        )


@dataclass(frozen=True)
class ConditionEvaluation:
    """The evaluation after training under one condition, with one policy."""

    score: ConditionScore
    evaluation: Evaluation


@dataclass(frozen=True)
class TrainingReturns:
    """Mean returns of training episodes, exploration included; None where there are too few."""

    mean: Measured | None  # of all
    last_50: Measured | None
    last_100: Measured | None
    best_100: Measured | None  # the highest running average of 100

    @classmethod
    def of(cls, returns: Sequence[float]) -> Self:
        """Return the means of these returns, oldest first."""
        averages = running_average(list(returns))[RUNNING_EPISODES - 1 :]
        return cls(
            mean=float(np.mean(returns)) if returns else None,
            last_50=float(np.mean(returns[-50:])) if len(returns) >= 50 else None,
            last_100=float(np.mean(returns[-100:])) if len(returns) >= 100 else None,
            best_100=float(averages.max()) if len(averages) else None,
        )


@dataclass(frozen=True)
class JobResult:
    """What came of a job, and what it was measured with."""

    job: Job
    ended_by: str | None  # "steps", "episodes", "minutes", "evaluation"; None: not finished
    final: Evaluation  # of the agent as training left it
    kept: Evaluation  # of the run's best weights; of the final agent where there are none
    reloaded_return: Measured | None  # mean return after saving and loading; None: not asked for
    training: TrainingReturns
    num_steps: Whole  # environment steps
    num_episodes: Whole
    num_updates: Whole  # gradient steps
    minutes: NonNegative  # of training
    commits: tuple[str, ...]
    versions: Mapping[str, str]  # of Python and of packages
    hardware: str
    num_threads: Count  # of torch
    date: str  # ISO 8601, UTC
    conditions: tuple[ConditionEvaluation, ...] = ()  # of the job's protocol, if it has one

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the result that `to_json` wrote.

        Raises:
            ValueError: It is of another format, or a field is missing, unknown or not accepted.
        """
        values = dict(content)
        found = values.pop("format", None)
        if found != FORMAT:
            raise ValueError(f"it has format {found}, this version reads {FORMAT}")
        return read(cls, values)
