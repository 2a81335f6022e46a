"""Learning curves over seeds: each seed, their mean and spread, beside lines to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mario_rl_agents.experiments.result import Score
from mario_rl_agents.reports.plot_style import (
    COLORS,
    NEUTRAL,
    draw_level,
    draw_mean,
    new_figure,
    range_of,
    save,
    style_axes,
    write_legend,
    write_title,
)
from mario_rl_agents.reports.plots import mean_curve
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, running_average

_COLOR: Final = COLORS[0]
_SCORE_COLOR: Final = COLORS[1]


@dataclass(frozen=True)
class Curve:
    """The training episodes of one seed, oldest first."""

    steps: Sequence[int]  # environment steps of the whole training when each ended
    returns: Sequence[float]  # points of each


@dataclass(frozen=True)
class ReferenceLine:
    """A return that the curves are compared with, drawn from side to side."""

    value: float  # points
    label: str
    color: str = NEUTRAL
    style: str = ":"  # of matplotlib


def draw_seeds(
    seeds: Sequence[Curve],
    path: Path,
    *,
    title: str,
    by_episode: bool = False,
    scores: Sequence[Score] = (),
    scores_label: str = "evaluations",
    lines: Sequence[ReferenceLine] = (),
) -> None:
    """Draw the running average of the returns of each seed, their mean, and a band of one s.d.

    The band ends where no episode has been: above the most that is possible there is none.

    Args:
        seeds: The training episodes of each seed, at least one of each.
        path: The picture; its folder is made too.
        title: Above it.
        by_episode: Whether the axis counts episodes instead of environment steps.
        scores: Evaluations along the trainings, of all seeds, drawn as dots.
        scores_label: What they are.
        lines: Returns to compare with.

    Raises:
        ValueError: There are no seeds, or one has no episode.
    """
    counts = [len(seed.returns) for seed in seeds]
    if not counts or 0 in counts:
        raise ValueError(f"expected episodes of at least one seed, received {counts} episodes")
    figure = new_figure(7.2, 4.0)
    axis = figure.subplots()
    curves = []
    for seed in seeds:
        at = range(1, len(seed.returns) + 1) if by_episode else seed.steps
        average = running_average(seed.returns)
        curves.append((np.asarray(at, dtype=np.float64), average))
        axis.plot(*curves[-1], color=_COLOR, lw=0.7, alpha=0.4)
    grid, mean, deviation = mean_curve(curves)
    label = f"mean of {len(curves)} seeds ± 1 s.d." if len(curves) > 1 else "one seed"
    draw_mean(
        axis,
        grid,
        mean,
        deviation,
        color=_COLOR,
        label=label,
        possible=range_of([seed.returns for seed in seeds]),
    )
    if scores:
        steps, means = [score.step for score in scores], [score.return_mean for score in scores]
        axis.plot(steps, means, "o", ms=4, mew=0, color=_SCORE_COLOR, alpha=0.7, label=scores_label)
    for line in lines:
        draw_level(axis, line.value, line.label, style=line.style, color=line.color)
    axis.set_xlabel("training episodes" if by_episode else "environment steps")
    axis.set_ylabel(f"return, running average of {RUNNING_EPISODES}")
    axis.locator_params(axis="x", nbins=5)
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    write_legend(axis)
    style_axes(axis)
    write_title(figure, title)
    save(figure, path)
