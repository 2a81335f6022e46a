"""The learning curves of a comparison's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from mario_rl_agents.experiments.comparison_view import (
    INTERVAL,
    Measure,
    labels_of,
    main_measures_of,
    measures_of,
    name_of,
)
from mario_rl_agents.experiments.scores import Axis, run_scores
from mario_rl_agents.experiments.statistics import iqm_curve
from mario_rl_agents.experiments.tables import Comparison
from mario_rl_agents.reports.html.blocks import Block, Switch
from mario_rl_agents.reports.html.charts import Level, LineChart, Points, Series
from mario_rl_agents.runs.metrics import RUNNING_EPISODES

_GRID_POINTS: Final = 200  # of a curve that is averaged over runs
_AXES: Final[dict[Axis, str]] = {"step": "environment steps", "seconds": "seconds of training"}

_Curve = tuple[Sequence[float], Sequence[float]]  # places in rising order, and scores


def curves(comparison: Comparison) -> Iterator[Block]:
    """Return a view of each kind of evaluation over steps, of the main ones over seconds, too."""
    choices: dict[str, Sequence[Block]] = {}
    for measure in measures_of(comparison):
        name = f"{name_of(comparison, measure)}, over steps"
        choices[name] = [_evaluations(comparison, measure, "step")]
    for measure in main_measures_of(comparison):
        name = f"{name_of(comparison, measure)}, over seconds"
        choices[name] = [_evaluations(comparison, measure, "seconds")]
    if comparison.training:
        choices["training, over steps"] = [_training(comparison)]
    if choices:
        yield Switch("Which curves", choices)


def _evaluations(comparison: Comparison, measure: Measure, axis: Axis) -> Block:
    def runs_of(label: str) -> list[_Curve]:
        runs: list[_Curve] = []
        for rows in run_scores(comparison, label, *measure).values():
            at = {row.step: row for row in sorted(rows, key=lambda row: (row.step, row.is_final))}
            places = [float(getattr(row, axis)) for row in at.values()]
            runs.append((places, [row.return_mean for row in at.values()]))
        return runs

    name = name_of(comparison, measure)
    threshold = comparison.header.protocol.threshold
    has_goal = any(row.clear_rate is not None for row in comparison.evaluations)
    levels = []
    if threshold is not None and not has_goal:  # or it is one of the clear rate
        levels.append(Level(threshold, f"threshold, {threshold:g}"))
    return LineChart(
        alt=f"Return of {name} evaluations over {_AXES[axis]}, of each side",
        caption=f"Evaluations along the training, {name}. Thick: IQM over runs; band: {INTERVAL}; "
        "thin: every run. A tap on a name hides it.",
        x_label=_AXES[axis],
        y_label="return",
        series=_series(comparison, runs_of),
        levels=levels,
    )


def _training(comparison: Comparison) -> Block:
    def runs_of(label: str) -> list[_Curve]:
        runs: dict[int, tuple[list[float], list[float]]] = {}
        for row in comparison.training:
            if row.algorithm == label:
                places, values = runs.setdefault(row.seed, ([], []))
                places.append(float(row.step))
                values.append(row.return_mean)
        return list(runs.values())

    return LineChart(
        alt="Return of training episodes over environment steps, of each side",
        caption=f"Training episodes, exploration included: running average of {RUNNING_EPISODES}. "
        f"Thick: IQM over runs; band: {INTERVAL}; thin: every run. A tap on a name hides it.",
        x_label=_AXES["step"],
        y_label="return",
        series=_series(comparison, runs_of),
    )


def _series(comparison: Comparison, runs_of: Callable[[str], Sequence[_Curve]]) -> list[Series]:
    """Return the line of each side that has runs to draw."""
    result = []
    for index, label in enumerate(labels_of(comparison)):
        runs = runs_of(label)
        if not runs:
            continue
        drawn = [Points(*run) for run in runs]
        curve = iqm_curve(_on_few_places(runs))
        if len(runs) == 1:
            result.append(Series(label, index, drawn[0]))
        elif curve is None:  # they have no place in common
            result.append(Series(label, index, None, runs=drawn))
        else:
            line = Points(curve.at, curve.value)
            result.append(Series(label, index, line, curve.low, curve.high, drawn))
    return result


def _on_few_places(runs: Sequence[_Curve]) -> list[_Curve]:
    """Return curves at places that they have in common, where their own are too many."""
    num_places = len({place for places, _ in runs for place in places})
    first, last = max(at[0] for at, _ in runs), min(at[-1] for at, _ in runs)
    if num_places <= _GRID_POINTS or first > last:
        return list(runs)
    grid = np.linspace(first, last, _GRID_POINTS)
    return [(grid.tolist(), np.interp(grid, at, values).tolist()) for at, values in runs]
