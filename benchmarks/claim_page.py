"""The page of the claims: a section each, with its verdict and a picture, from the kept results."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from mario_rl_agents.experiments.seeds import format_number, format_with_values
from mario_rl_agents.experiments.statistics import Estimate, mean_estimate
from mario_rl_agents.files import replacing
from mario_rl_agents.reports.plot_style import new_figure, style_axes, write_legend
from mario_rl_agents.reports.plots import mean_curve

from benchmarks.claim_list import MEASURES, SEEDS, Arm, Claim, Side, Verdict, judge
from benchmarks.claim_results import WINDOW, Results
from benchmarks.throughput import ROOT, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE: Final = ROOT / "docs" / "claims.md"
PICTURES: Final = ROOT / "docs" / "images" / "claims"
MARK: Final = "claims"
COMMAND: Final = "python benchmarks/claims.py"
NOT_RUN: Final = "not run yet"
_NUM_SIMULATIONS: Final = 1_000
_COLORS: Final = ("#2f6fde", "#e4572e", "#2a9d5c", "#8e5bd0")

Curve = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]  # places in rising order, and values


def write_page(claims: Sequence[Claim], results: Results, page: Path, pictures: Path) -> None:
    """Write the part of the page between its marks, and a picture of each claim that has run.

    Args:
        claims: All of them, in order.
        results: What the runs came to.
        page: With the marks.
        pictures: The folder of the pictures.
    """
    for claim in claims:
        if results.is_complete(claim):
            draw(claim, results, pictures / f"{claim.id}.png")
    save(page, render(claims, results, os.path.relpath(pictures, page.parent)), MARK)


def render(claims: Sequence[Claim], results: Results, pictures: str) -> str:
    """Return what stands between the page's marks, in Markdown.

    Args:
        claims: All of them, in order.
        results: What the runs came to.
        pictures: Their folder, as the page links it.
    """
    verdicts = {claim.id: verdict_of(claim, results) for claim in claims}
    parts = [
        overview(claims, verdicts),
        rates(),
        *(section(claim, results, verdicts[claim.id], pictures) for claim in claims),
        footnote(claims, results),
    ]
    return "\n\n".join(part for part in parts if part)


def verdict_of(claim: Claim, results: Results) -> Verdict | None:
    """Return the verdict on a claim; None before all its arms have run with all seeds."""
    if not results.is_complete(claim):
        return None
    first, second = (values_of(side, results) for side in (claim.first, claim.second))
    return judge(claim.kind, first, second, claim.margin)


def values_of(side: Side, results: Results) -> list[float]:
    """Return what a side's runs are rated by, in the order of their seeds."""
    runs = results.runs(side.arm)
    return [MEASURES[side.measure].value(runs[seed]) for seed in sorted(runs)]


def overview(claims: Sequence[Claim], verdicts: Mapping[str, Verdict | None]) -> str:
    """Return the table of all claims."""
    lines = ["| claim | verdict | difference [95 %] | counts from |", "|---|---|---:|---:|"]
    for claim in claims:
        verdict = verdicts[claim.id]
        said = [NOT_RUN, ""] if verdict is None else [verdict.word, _interval(verdict.difference)]
        cells = [f"[{claim.title}](#{_anchor(claim.title)})", *said, f"{claim.margin:g}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


@functools.cache
def rates() -> str:
    """Return how often the interval misleads, where both sides are alike."""
    generator = np.random.default_rng(0)
    above = 0
    for _ in range(_NUM_SIMULATIONS):
        first, second = generator.standard_normal((2, len(SEEDS)))
        low = mean_estimate((first - second).tolist()).low
        above += low is not None and low > 0
    return (
        f"With {len(SEEDS)} seeds a bootstrap's intervals are too narrow: of {_NUM_SIMULATIONS:,} "
        "simulated comparisons of two sides that are alike (normal values, none of these runs) the "
        f"interval lies above 0 in {100 * above / _NUM_SIMULATIONS:.1f} %, where 2.5 % are meant. "
        'That the difference must reach the margin, too, makes a false "holds" rarer still.'
    )


def _anchor(title: str) -> str:
    """Return what a heading is linked by, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def section(claim: Claim, results: Results, verdict: Verdict | None, pictures: str) -> str:
    """Return a claim's section."""
    measures = dict.fromkeys(MEASURES[side.measure].title for side in claim.sides)
    said = "is above" if claim.kind == "better" else "is not below"
    parts = [
        f"### {claim.title}",
        f"- **Said by**: {claim.source}.\n"
        f"- **Task and budget**: {claim.task}; {_budget(claim)}, {len(SEEDS)} seeds.\n"
        f"- **Measure**: {'; '.join(measures)}.\n"
        f'- **Judged**: "{claim.first.label}" {said} "{claim.second.label}"; '
        f"a difference counts from {claim.margin:g} on.\n"
        f"- **Runs**: `{COMMAND} {claim.id}`, about {claim.minutes:.0f} minutes of one core.",
        claim.remark,
    ]
    if verdict is None:
        done = sum(len(results.runs(arm)) for arm in claim.arms)
        total = len(SEEDS) * len(claim.arms)
        parts.append(f"**{NOT_RUN}**: {done} of {total} runs are there.")
        return "\n\n".join(parts)
    chance = verdict.improvement
    parts += [
        f"**{verdict.word}.** The difference is {_interval(verdict.difference)}; a run of "
        f'"{claim.first.label}" is above one of "{claim.second.label}" with probability '
        f"{_interval(chance)}.",
        table(claim, results),
        f"![{claim.title}]({pictures}/{claim.id}.png)",
    ]
    return "\n\n".join(parts)


def table(claim: Claim, results: Results) -> str:
    """Return what each side came to."""
    lines = [
        "| arm | mean ± s.d. (seeds 0 to 4) | games | steps | core-minutes a run |",
        "|---|---:|---:|---:|---:|",
    ]
    for side in claim.sides:
        runs = list(results.runs(side.arm).values())
        cells = [
            side.label,
            format_with_values(values_of(side, results)),
            *(
                f"{np.mean([run[name] for run in runs]):,.0f}"
                for name in ("num_games", "num_steps")
            ),
            _core_minutes(runs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _core_minutes(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return what a run took of one core; of those whose workers were not counted, by the clock."""
    mean = np.mean([run["cpu_minutes"] for run in runs])
    if mean >= 0.05:
        return f"{mean:.1f}"
    return f"not counted, {np.mean([run['minutes'] for run in runs]):.1f} by the clock"


def footnote(claims: Sequence[Claim], results: Results) -> str:
    """Return what the runs were made with."""
    arms = {arm.id: arm for claim in claims for arm in claim.arms}
    runs = [run for arm in arms.values() for run in results.runs(arm).values()]
    if not runs:
        return ""
    commits = sorted({commit for run in runs for commit in run["commits"]})
    versions = sorted(
        {f"{name} {run['versions'][name]}" for run in runs for name in run["versions"]}
    )
    hardware = sorted({run["hardware"] for run in runs})
    dates = sorted({run["date"][:10] for run in runs})
    return (
        f"{len(runs)} runs in all, {sum(run['cpu_minutes'] for run in runs):.0f} minutes of one "
        f"core; one torch thread a job, on a machine that did other work beside them. "
        f"{', '.join(dates)}; commits {', '.join(commits)}; {', '.join(hardware)}; "
        f"{', '.join(versions)}."
    )


def draw(claim: Claim, results: Results, path: Path) -> None:
    """Draw the curves of a claim's sides: each run, their mean, and a band of one deviation."""
    figure = new_figure(6.4, 3.2)
    axis = figure.subplots()
    for index, (label, curves) in enumerate(curves_of(claim, results)):
        _draw_side(axis, label, curves, _COLORS[index % len(_COLORS)])
    axis.set_xlabel("training games" if claim.over == "games" else "environment steps")
    what = f"return, running average of {WINDOW}" if claim.over == "games" else "discounted return"
    axis.set_ylabel(what)
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    style_axes(axis)
    write_legend(axis)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        figure.savefig(new, dpi=90)


def curves_of(claim: Claim, results: Results) -> list[tuple[str, list[Curve]]]:
    """Return what is drawn: labels, and a curve of each run under it."""
    if claim.over == "games":
        sides = {side.arm.id: side for side in claim.sides}
        return [
            (side.label, [_curve(run, "games", "averages") for run in _runs(side.arm, results)])
            for side in sides.values()
        ]
    drawn = []
    for arm in claim.arms:
        label = next(side.label for side in claim.sides if side.arm == arm)
        for name in ("estimate", "truth"):
            own = name if len(claim.arms) == 1 else f"{label}, {name}"
            drawn.append((own, [_values(run, name) for run in _runs(arm, results)]))
    return drawn


def _runs(arm: Arm, results: Results) -> list[Mapping[str, Any]]:
    return list(results.runs(arm).values())


def _curve(run: Mapping[str, Any], at: str, values: str) -> Curve:
    return np.asarray(run[at], np.float64), np.asarray(run[values], np.float64)


def _values(run: Mapping[str, Any], name: str) -> Curve:
    rows = run["values"]
    return (
        np.asarray([row["step"] for row in rows], np.float64),
        np.asarray([row[name] for row in rows], np.float64),
    )


def _draw_side(axis: Axes, label: str, curves: Sequence[Curve], color: str) -> None:
    for curve in curves:
        axis.plot(*curve, color=color, lw=0.6, alpha=0.35)
    grid, mean, deviation = mean_curve(curves)
    axis.plot(grid, mean, color=color, lw=1.8, label=label)
    axis.fill_between(grid, mean - deviation, mean + deviation, color=color, alpha=0.15, lw=0)


def _budget(claim: Claim) -> str:
    return " and ".join(dict.fromkeys(arm.budget for arm in claim.arms))


def _interval(estimate: Estimate) -> str:
    """Return "12.3 [1.20 to 20.1]"."""
    value, low, high = estimate
    assert low is not None
    assert high is not None
    return f"{format_number(value)} [{format_number(low)} to {format_number(high)}]"
