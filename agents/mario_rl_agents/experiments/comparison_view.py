"""What the sections of a comparison's page share: sides, kinds of evaluation, cells of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from mario_rl_agents.experiments.scores import final_scores
from mario_rl_agents.experiments.statistics import Estimate
from mario_rl_agents.experiments.tables import Comparison, ComparisonHeader, EvaluationRow
from mario_rl_agents.reports.html.blocks import Cell, Table

INTERVAL: Final = "95 % intervals: stratified bootstrap over runs"
NOTHING: Final = Cell("-")


class Measure(NamedTuple):
    """A kind of evaluation."""

    condition: str
    policy: str


def trainings_at_once(header: ComparisonHeader) -> str:
    """Return how many trainings ran at once: "at most 8", or that nothing tells."""
    return "unknown" if header.num_jobs is None else f"at most {header.num_jobs}"


def labels_of(comparison: Comparison) -> list[str]:
    """Return the labels of the sides, in the order of the header."""
    return [entry.label for entry in comparison.header.algorithms]


def measures_of(comparison: Comparison) -> list[Measure]:
    """Return the kinds of evaluation that there are, in the order of the protocol."""
    protocol = comparison.header.protocol
    found = {(row.condition, row.policy) for row in comparison.evaluations}
    return [
        Measure(condition.name, policy)
        for condition in protocol.conditions
        for policy in protocol.policies
        if (condition.name, policy) in found
    ]


def main_measures_of(comparison: Comparison) -> list[Measure]:
    """Return those under the first condition of the protocol."""
    first = comparison.header.protocol.conditions[0].name
    return [measure for measure in measures_of(comparison) if measure.condition == first]


def name_of(comparison: Comparison, measure: Measure) -> str:
    """Return what a kind is called: "greedy", of several conditions "plain, greedy"."""
    several = len(comparison.header.protocol.conditions) > 1
    return f"{measure.condition}, {measure.policy}" if several else measure.policy


def finals_of(comparison: Comparison, label: str, measure: Measure) -> list[EvaluationRow]:
    """Return the evaluations after training of one side, a row a run that has one."""
    return final_scores(comparison, label, *measure)


def returns_of(comparison: Comparison, label: str, measure: Measure) -> list[float]:
    """Return the mean return after training of each run that has one."""
    return [row.return_mean for row in finals_of(comparison, label, measure)]


def side_cell(comparison: Comparison, label: str) -> Cell:
    """Return the head of a side's row, with its sign in the charts."""
    return Cell(label, style=labels_of(comparison).index(label))


def table_by_measure(
    comparison: Comparison, caption: str, cell: Callable[[str, Measure], Cell]
) -> Table:
    """Return a table of a row a side and a column a kind of evaluation."""
    measures = measures_of(comparison)
    return Table(
        caption,
        [Cell("side"), *(Cell(name_of(comparison, measure)) for measure in measures)],
        [
            [side_cell(comparison, label), *(cell(label, measure) for measure in measures)]
            for label in labels_of(comparison)
        ],
    )


def finals_table(
    comparison: Comparison, caption: str, cell: Callable[[Sequence[EvaluationRow]], Cell]
) -> Table:
    """Return such a table, each cell made of the evaluations after training."""

    def of(label: str, measure: Measure) -> Cell:
        rows = finals_of(comparison, label, measure)
        return cell(rows) if rows else NOTHING

    return table_by_measure(comparison, caption, of)


def estimate_cell(
    estimate: Estimate, *, scale: float = 1.0, unit: str = "", digits: int = 1
) -> Cell:
    """Return a value with its interval below."""

    def text(value: float) -> str:
        return f"{scale * value:,.{digits}f}"

    value = text(estimate.value) + unit
    if estimate.low is None or estimate.high is None:
        return Cell(value, "one run: no interval")
    return Cell(value, f"{text(estimate.low)} to {text(estimate.high)}{unit}")


def count(number: int, noun: str) -> str:
    """Return "1 run", "2 runs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
