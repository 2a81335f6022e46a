"""The tables of a comparison as text: scores, costs, speeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from mario_rl_agents.cli.terminal import duration, titled
from mario_rl_agents.experiments.scores import (
    Costs,
    clear_rate_estimate,
    costs_of,
    final_scores,
    reached,
    speed_ratios,
)
from mario_rl_agents.experiments.statistics import Estimate, iqm_estimate, mean_estimate
from mario_rl_agents.experiments.tables import Comparison


def score_table(comparison: Comparison) -> Group:
    """Return the scores after training: a row a side, condition and policy."""
    header = comparison.header
    games = header.protocol.num_final_episodes
    title = (
        f"{header.env_id}: after {header.total_steps:,} steps, {games} episodes, "
        f"{len(header.seeds)} {'seed' if len(header.seeds) == 1 else 'seeds'}"
    )
    table = _table()
    table.add_column("side", overflow="fold")
    table.add_column("condition, policy", overflow="fold")
    table.add_column("return (IQM)", justify="right")
    has_goal = any(row.clear_rate is not None for row in comparison.evaluations)
    if has_goal:
        table.add_column("clear rate", justify="right")
    table.add_column("reached", justify="right", overflow="fold")
    for entry in header.algorithms:
        for condition in header.protocol.conditions:
            for policy in header.protocol.policies:
                rows = final_scores(comparison, entry.label, condition.name, policy)
                if not rows:
                    continue
                cells = [
                    entry.label,
                    f"{condition.name}, {policy}",
                    _cell(iqm_estimate([row.return_mean for row in rows])),
                ]
                if has_goal:
                    rate = clear_rate_estimate(rows)
                    cells.append("" if rate is None else _percent(rate))
                cells.append(_reached(comparison, entry.label, condition.name, policy))
                table.add_row(*cells)
        table.add_section()
    caption = (
        "IQM: interquartile mean over seeds [95 %: bootstrap over seeds]; reached: runs that "
        "reached the threshold, median of the steps to it over all runs"
    )
    return titled(table, title, caption)


def cost_table(comparison: Comparison) -> Group:
    """Return what the trainings took: a row a side, means over its finished runs."""
    table = _table()
    table.add_column("side", overflow="fold")
    for column in ("runs", "steps/s", "time", "CPU s", "peak MB"):
        table.add_column(column, justify="right")
    for entry in comparison.header.algorithms:
        runs = [run for run in comparison.runs if run.algorithm == entry.label]
        done = [run for run in runs if run.state == "finished"]
        cells = _costs(costs_of(comparison, entry.label))
        table.add_row(entry.label, f"{len(done)}/{len(runs)}", *cells)
    title = "what it took, means over finished runs; evaluations count in peak MB alone"
    return titled(table, title)


def speed_table(comparison: Comparison) -> Group:
    """Return the speeds of sides that alternated: steps per second, and the ratio to the first."""
    table = _table()
    for column in ("side", "steps/s", "ratio", "updates per 1,000 steps"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for label, speeds, ratios, updates in speed_ratios(comparison):
        cells = (_cell(mean_estimate(speeds)), _cell(mean_estimate(ratios)), f"{updates:,.1f}")
        table.add_row(label, *cells)
    title = "speeds, the sides alternating; ratio to the first side of the same round"
    return titled(table, title)


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _costs(costs: Costs) -> list[str]:
    def number(value: float) -> str:
        return f"{value:,.0f}"

    columns: list[tuple[list[float], Callable[[float], str]]] = [
        (costs.steps_per_second, number),
        (costs.seconds, duration),
        (costs.cpu_seconds, number),
        (costs.peak_memory, number),
    ]
    return [text(statistics.mean(values)) if values else "" for values, text in columns]


def _reached(comparison: Comparison, label: str, condition: str, policy: str) -> str:
    found = reached(comparison, label, condition, policy)
    if found is None:
        return ""
    median = "" if found.median is None else f", {found.median:,.0f}"
    return f"{found.num_reached}/{found.num_runs}{median}"


def _cell(estimate: Estimate) -> str:
    digits = 2 if abs(estimate.value) < 10 else 1
    text = f"{estimate.value:,.{digits}f}"
    if estimate.low is None:
        return text
    return f"{text} [{estimate.low:,.{digits}f}, {estimate.high:,.{digits}f}]"


def _percent(estimate: Estimate) -> str:
    if estimate.low is None:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} [{estimate.low:.0%}, {estimate.high:.0%}]"
