"""What the raw data of a comparison says: final scores, curves, thresholds, speeds by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mario_rl_agents.experiments.statistics import Estimate, Reached, mean_estimate, to_threshold
from mario_rl_agents.experiments.tables import Comparison, EvaluationRow
from mario_rl_agents.runs.evaluation import wilson_interval

Axis = Literal["step", "seconds", "cpu_seconds"]


def final_scores(
    comparison: Comparison, label: str, condition: str, policy: str
) -> list[EvaluationRow]:
    """Return the evaluations after training of one side, a row a seed that is finished."""
    return [row for row in _rows(comparison, label, condition, policy) if row.is_final]


def run_scores(
    comparison: Comparison, label: str, condition: str, policy: str
) -> dict[int, list[EvaluationRow]]:
    """Return all evaluations of one side, by seed, in the order of their steps."""
    runs: dict[int, list[EvaluationRow]] = {}
    for row in _rows(comparison, label, condition, policy):
        runs.setdefault(row.seed, []).append(row)
    return {seed: sorted(rows, key=lambda row: row.step) for seed, rows in sorted(runs.items())}


def clear_rate_estimate(rows: Sequence[EvaluationRow]) -> Estimate | None:
    """Return the mean clear rate of runs with its interval; None where infos do not say.

    The interval of one run is Wilson's, over its distinct episodes; that of several a bootstrap
    over runs.
    """
    rates = [row.clear_rate for row in rows if row.clear_rate is not None]
    if not rates:
        return None
    if len(rates) > 1:
        return mean_estimate(rates)
    (rate,), trials = rates, rows[0].num_distinct
    return Estimate(rate, *wilson_interval(round(rate * trials), trials))


def score_of(row: EvaluationRow) -> float:
    """Return what a threshold is for: the clear rate where there is one, else the mean return."""
    return row.return_mean if row.clear_rate is None else row.clear_rate


def reached(
    comparison: Comparison, label: str, condition: str, policy: str, axis: Axis = "step"
) -> Reached | None:
    """Return how many runs of a side reached the threshold, and the median of what it took them.

    A run without any evaluation counts as one that did not. None where there is no threshold, or
    the side has no such policy.
    """
    threshold = comparison.header.protocol.threshold
    runs = run_scores(comparison, label, condition, policy)
    if threshold is None or not runs:
        return None
    curves: list[tuple[list[float], list[float]]] = [
        ([float(getattr(row, axis)) for row in rows], [score_of(row) for row in rows])
        for rows in runs.values()
    ]
    missing = len(comparison.header.seeds) - len(curves)
    return to_threshold([*curves, *([([], [])] * missing)], threshold)


class Costs(NamedTuple):
    """What the finished trainings of one side took, a number a run.

    Evaluations are not counted, but in the peak memory.
    """

    steps_per_second: list[float]  # environment steps; of a run that took no time there is none
    seconds: list[float]
    cpu_seconds: list[float]
    evaluation_seconds: list[float]
    peak_memory: list[float]  # 10^6 bytes


def costs_of(comparison: Comparison, label: str) -> Costs:
    """Return what the finished trainings of one side took."""
    runs = [run for run in comparison.runs if run.algorithm == label and run.state == "finished"]
    return Costs(
        [run.num_steps / run.seconds for run in runs if run.seconds],
        [run.seconds for run in runs],
        [run.cpu_seconds for run in runs],
        [run.evaluation_seconds for run in runs],
        [run.peak_memory for run in runs],
    )


class Speeds(NamedTuple):
    """The speeds of one side in a measurement in which sides alternate."""

    label: str
    steps_per_second: list[float]  # of each round
    ratios: list[float]  # to the first side's, of each round
    updates_per_thousand: float  # gradient steps in 1,000 environment steps


def speed_ratios(comparison: Comparison) -> list[Speeds]:
    """Return the speeds of each side, and their ratios to the first side's in the same round."""
    turns = {(row.algorithm, row.round): row for row in comparison.speeds}
    rounds = sorted({row.round for row in comparison.speeds})
    labels = list(dict.fromkeys(row.algorithm for row in comparison.speeds))
    speeds = {
        label: [turns[label, each].num_steps / turns[label, each].seconds for each in rounds]
        for label in labels
    }
    found = []
    for label in labels:
        ratios = np.divide(speeds[label], speeds[labels[0]]).tolist()
        steps, updates = (
            sum(getattr(turns[label, each], name) for each in rounds)
            for name in ("num_steps", "num_updates")
        )
        found.append(Speeds(label, speeds[label], ratios, 1_000 * updates / steps))
    return found


def _rows(comparison: Comparison, label: str, condition: str, policy: str) -> list[EvaluationRow]:
    wanted = label, condition, policy
    return [
        row
        for row in comparison.evaluations
        if (row.algorithm, row.condition, row.policy) == wanted
    ]
