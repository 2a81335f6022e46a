"""Sections of a comparison's page: what came out, which side is better, what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mario_rl_agents.experiments.comparison_view import (
    INTERVAL,
    NOTHING,
    Measure,
    count,
    estimate_cell,
    finals_table,
    labels_of,
    main_measures_of,
    measures_of,
    name_of,
    returns_of,
    side_cell,
    table_by_measure,
    trainings_at_once,
)
from mario_rl_agents.experiments.scores import (
    clear_rate_estimate,
    costs_of,
    reached,
    speed_ratios,
)
from mario_rl_agents.experiments.seeds import (
    format_mean_and_deviation,
    format_mean_and_range,
    format_number,
)
from mario_rl_agents.experiments.statistics import (
    iqm_estimate,
    mean_estimate,
    performance_profile,
    probability_of_improvement,
)
from mario_rl_agents.experiments.tables import Comparison, EvaluationRow, RunRow
from mario_rl_agents.reports.html.blocks import (
    Block,
    Cell,
    Details,
    Items,
    Notice,
    Switch,
    Table,
    Text,
)
from mario_rl_agents.reports.html.charts import Dot, DotChart, LineChart, Points, Series

_PROFILE_POINTS: Final = 101


def warnings(comparison: Comparison, differing: Sequence[str]) -> Iterator[Block]:
    """Return what must be known before any number is read.

    Args:
        comparison: The comparison.
        differing: The tables whose hash is not the header's.
    """
    if differing:
        yield Notice(
            "These files are not those that comparison.json was written with: their SHA-256 does "
            "not fit. What this page shows may not be what was measured.",
            differing,
        )
    runs = comparison.runs
    failed = [run for run in runs if run.state == "failed"]
    if failed:
        yield Notice(
            f"{count(len(failed), 'run')} of {len(runs)} failed and is missing from means and "
            "intervals; to the threshold it counts as one that did not reach it.",
            [f"{run.algorithm}, seed {run.seed}: {run.error}" for run in failed],
        )
    unfinished = [run for run in runs if run.state == "unfinished"]
    if unfinished:
        yield Notice(
            f"{count(len(unfinished), 'run')} of {len(runs)} not finished: this is not the final "
            "result.",
            [f"{run.algorithm}, seed {run.seed}: {run.num_steps:,} steps" for run in unfinished],
        )
    if len(comparison.header.seeds) == 1:
        yield Notice("One seed: there is no interval over seeds, and nothing follows from it.")


def results(comparison: Comparison) -> Iterator[Block]:
    """Return the scores after training: tables, and every run drawn."""
    finals = [row for row in comparison.evaluations if row.is_final]
    if not finals:
        yield Text("No run has been evaluated after its training yet.")
        return
    num_seeds = len(comparison.header.seeds)
    yield finals_table(
        comparison,
        "Return after training: interquartile mean (IQM) over runs of the mean over their "
        f"distinct episodes; {INTERVAL}. Below it mean ± standard deviation over runs.",
        lambda rows: _return_cell(rows, num_seeds),
    )
    yield _dots(comparison)
    if any(row.clear_rate is not None for row in finals):
        yield finals_table(
            comparison,
            "Clear rate after training: mean over runs. 95 % intervals: bootstrap over runs; of a "
            "single run Wilson's, over its distinct episodes.",
            _clear_cell,
        )
    if any(row.x_pos_mean is not None for row in finals):
        yield finals_table(
            comparison,
            "Final x position in pixels after training: mean over runs. 95 % intervals: bootstrap "
            "over runs.",
            _x_cell,
        )
    yield finals_table(
        comparison,
        "Distinct games: how many of the episodes of all runs differ from the others of their "
        "run. Identical ones count once in every number above.",
        lambda rows: Cell(
            f"{sum(row.num_distinct for row in rows):,} of "
            f"{sum(row.num_episodes for row in rows):,}"
        ),
    )


def _return_cell(rows: Sequence[EvaluationRow], num_seeds: int) -> Cell:
    returns = [row.return_mean for row in rows]
    iqm = estimate_cell(iqm_estimate(returns))
    spread = f"mean {format_mean_and_deviation(returns)}"
    return Cell(iqm.text, f"{iqm.note}\n{spread}\n{len(rows)} of {count(num_seeds, 'run')}")


def _clear_cell(rows: Sequence[EvaluationRow]) -> Cell:
    rate = clear_rate_estimate(rows)
    return NOTHING if rate is None else estimate_cell(rate, scale=100, unit=" %", digits=0)


def _x_cell(rows: Sequence[EvaluationRow]) -> Cell:
    values = [row.x_pos_mean for row in rows if row.x_pos_mean is not None]
    return estimate_cell(mean_estimate(values), digits=0) if values else NOTHING


def _dots(comparison: Comparison) -> Block:
    dots = []
    for measure in measures_of(comparison):
        for index, label in enumerate(labels_of(comparison)):
            returns = returns_of(comparison, label, measure)
            if returns:
                name = name_of(comparison, measure)
                dots.append(Dot(name, label, index, *iqm_estimate(returns), runs=returns))
    return DotChart(
        alt="Interquartile mean of the return after training of each side, with intervals",
        caption=f"Return after training. Large signs: IQM over runs; bars: {INTERVAL}; small "
        "ticks: every run.",
        x_label="return",
        dots=dots,
    )


def threshold(comparison: Comparison) -> Iterator[Block]:
    """Return how many runs reached the threshold, and what it took them."""
    value = comparison.header.protocol.threshold
    if value is None or not comparison.evaluations:
        return
    has_goal = any(row.clear_rate is not None for row in comparison.evaluations)
    what = f"clear rate of {value:.0%}" if has_goal else f"mean return of {value:g}"
    yield table_by_measure(
        comparison,
        f"To the first evaluation with a {what} or more: how many of the runs reached it (the "
        "bar), and the medians of steps and seconds of training. A run that never reaches it "
        "counts as infinite, so there is a median only where more than half of them do.",
        lambda label, measure: _reached_cell(comparison, label, measure),
    )


def _reached_cell(comparison: Comparison, label: str, measure: Measure) -> Cell:
    steps = reached(comparison, label, *measure, "step")
    seconds = reached(comparison, label, *measure, "seconds")
    if steps is None or seconds is None:
        return NOTHING
    note = "no median"
    if steps.median is not None and seconds.median is not None:
        note = f"median {steps.median:,.0f} steps\n{seconds.median:,.1f} seconds"
    share = steps.num_reached / steps.num_runs
    return Cell(f"{steps.num_reached} of {steps.num_runs}", note, share=share)


def better(comparison: Comparison) -> Iterator[Block]:
    """Return probabilities of improvement, and performance profiles under the first condition."""
    choices: dict[str, Sequence[Block]] = {}
    for measure in measures_of(comparison):
        returns = {
            label: values
            for label in labels_of(comparison)
            if (values := returns_of(comparison, label, measure))
        }
        if len(returns) < 2:
            continue
        blocks = [_improvement(comparison, measure, returns)]
        if measure in main_measures_of(comparison):
            blocks.append(_profile(comparison, measure, returns))
        choices[name_of(comparison, measure)] = blocks
    if choices:
        yield Switch("Which evaluation", choices)


def _improvement(
    comparison: Comparison, measure: Measure, returns: dict[str, list[float]]
) -> Block:
    def cell(row: str, column: str) -> Cell:
        if row == column:
            return NOTHING
        probability = probability_of_improvement(returns[row], returns[column])
        return estimate_cell(probability, digits=2)

    return Table(
        "Probability of improvement: that a run of the row has a higher return than one of the "
        f"column, ties counting half; {name_of(comparison, measure)}. {INTERVAL} of both sides.",
        [Cell("row above column"), *(Cell(label) for label in returns)],
        [
            [side_cell(comparison, row), *(cell(row, column) for column in returns)]
            for row in returns
        ],
    )


def _profile(comparison: Comparison, measure: Measure, returns: dict[str, list[float]]) -> Block:
    every = [value for values in returns.values() for value in values]
    margin = 0.02 * (max(every) - min(every)) or 1.0
    thresholds = np.linspace(min(every) - margin, max(every) + margin, _PROFILE_POINTS)
    series = []
    for label, values in returns.items():
        profile = performance_profile(values, thresholds)
        line = Points(profile.thresholds, profile.share)
        index = labels_of(comparison).index(label)
        series.append(Series(label, index, line, profile.low, profile.high))
    return LineChart(
        alt="Performance profile: the share of runs above each return, of each side",
        caption=f"Performance profile, {name_of(comparison, measure)}: the share of runs with a "
        f"higher return than the one below; {INTERVAL}.",
        x_label="return",
        y_label="share of runs",
        series=series,
    )


def costs(comparison: Comparison) -> Iterator[Block]:
    """Return what the trainings took, and the speeds of sides that alternated."""
    header = comparison.header
    load = "" if header.load is None else f" Load as they ended: {header.load:.1f} on average."
    columns = {  # of `Costs`, in its order: the digits behind the point
        "steps a second": 0,
        "seconds": 1,
        "CPU-seconds": 1,
        "seconds of evaluation": 1,
        "peak memory (10⁶ bytes)": 0,
    }

    def cells(label: str) -> Iterator[Cell]:
        taken = costs_of(comparison, label)
        for values, digits in zip(taken, columns.values(), strict=True):
            yield Cell(format_mean_and_range(values, digits) or "-")

    yield Table(
        "What a training took: mean over finished runs [smallest to largest]; evaluations are not "
        "counted, but in the peak memory. Trainings at once: "
        f"{trainings_at_once(header)}.{load}",
        [Cell("side"), *(Cell(name) for name in columns)],
        [[side_cell(comparison, label), *cells(label)] for label in labels_of(comparison)],
    )
    if comparison.speeds:
        yield _speeds(comparison)


def _speeds(comparison: Comparison) -> Block:
    speeds = speed_ratios(comparison)
    return Table(
        "Speeds, the sides alternating in one process when nothing else ran: means over "
        f"{count(len(speeds[0].ratios), 'round')}, 95 % intervals: bootstrap over rounds. The "
        f"ratio is to {speeds[0].label} in the same round.",
        [Cell("side"), Cell("steps a second"), Cell("ratio"), Cell("updates in 1,000 steps")],
        [
            [
                side_cell(comparison, each.label),
                estimate_cell(mean_estimate(each.steps_per_second), digits=0),
                estimate_cell(mean_estimate(each.ratios), digits=2),
                Cell(f"{each.updates_per_thousand:,.1f}"),
            ]
            for each in speeds
        ],
    )


def every_run(comparison: Comparison) -> Iterator[Block]:
    """Return each run: how it ended, what it scored."""
    runs = [run for label in labels_of(comparison) for run in _runs_of(comparison, label)]
    again = [run for run in runs if run.num_restarts]
    if again:
        yield Text("Interrupted, and begun again since they cannot be resumed exactly:")
        yield Items(
            [
                f"{run.algorithm}, seed {run.seed}: {count(run.num_restarts, 'time')}"
                for run in again
            ]
        )
    measures = measures_of(comparison)
    finals = {
        (row.algorithm, row.seed, row.condition, row.policy): row
        for row in comparison.evaluations
        if row.is_final
    }

    def score(run: RunRow, measure: Measure) -> Cell:
        row = finals.get((run.algorithm, run.seed, *measure))
        if row is None:
            return NOTHING
        spread = f"± {format_number(row.return_std)} over {count(row.num_distinct, 'game')}"
        return Cell(format_number(row.return_mean), spread)

    table = Table(
        "Every run. Returns after training: mean and standard deviation over its distinct games. "
        "A run that was never interrupted has one process.",
        [
            Cell("run"),
            Cell("state"),
            *(Cell("return", name_of(comparison, measure)) for measure in measures),
            *(Cell(name) for name in ("steps", "episodes", "updates", "seconds", "processes")),
        ],
        [
            [
                Cell(f"{run.algorithm}, seed {run.seed}"),
                Cell(run.state),
                *(score(run, measure) for measure in measures),
                Cell(f"{run.num_steps:,}"),
                Cell(f"{run.num_episodes:,}"),
                Cell(f"{run.num_updates:,}"),
                Cell(f"{run.seconds:,.1f}"),
                Cell(f"{run.num_processes}"),
            ]
            for run in runs
        ],
    )
    states = Counter(run.state for run in runs)
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    yield Details(f"{count(len(runs), 'run')}: {told}", [table])


def _runs_of(comparison: Comparison, label: str) -> list[RunRow]:
    return [run for run in comparison.runs if run.algorithm == label]
