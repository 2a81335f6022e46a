"""Learning curves over seeds: each seed, their mean and spread, beside lines to compare with."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mario_rl_agents.experiments.result import Score
from mario_rl_agents.files import replacing
from mario_rl_agents.reports.plots import mean_curve
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, EpisodeRow, running_average

_TITLE_WIDTH: Final = 76  # characters of a line
_COLOR: Final = "#2f6fde"
_SCORE_COLOR: Final = "#e4572e"


@dataclass(frozen=True)
class ReferenceLine:
    """A return that the curves are compared with, drawn from side to side."""

    value: float  # points
    label: str
    color: str = "#888888"
    style: str = ":"  # of matplotlib


def draw_seeds(
    seeds: Sequence[Sequence[EpisodeRow]],
    path: Path,
    *,
    title: str,
    by_episode: bool = False,
    scores: Sequence[Score] = (),
    scores_label: str = "evaluations",
    lines: Sequence[ReferenceLine] = (),
) -> None:
    """Draw the running average of the returns of each seed, their mean, and a band of one s.d.

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
    # The object interface, not pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not seeds or not all(seeds):
        counts = [len(episodes) for episodes in seeds]
        raise ValueError(f"expected episodes of at least one seed, received {counts} episodes")
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    curves = []
    for episodes in seeds:
        at = [row.episode + 1 if by_episode else row.step for row in episodes]
        average = running_average([row.episodic_return for row in episodes])
        curves.append((np.asarray(at, dtype=np.float64), average))
        axis.plot(*curves[-1], color=_COLOR, lw=0.7, alpha=0.4)
    grid, mean, deviation = mean_curve(curves)
    label = f"mean of {len(curves)} seeds ± 1 s.d." if len(curves) > 1 else "one seed"
    axis.plot(grid, mean, color=_COLOR, lw=1.8, label=label)
    axis.fill_between(grid, mean - deviation, mean + deviation, color=_COLOR, alpha=0.18, lw=0)
    if scores:
        steps, means = [score.step for score in scores], [score.return_mean for score in scores]
        axis.plot(steps, means, "o", ms=4, mew=0, color=_SCORE_COLOR, alpha=0.7, label=scores_label)
    for line in lines:
        axis.axhline(line.value, color=line.color, ls=line.style, label=line.label)
    axis.set_xlabel("training episodes" if by_episode else "environment steps")
    axis.set_ylabel(f"return, running average of {RUNNING_EPISODES}", fontsize=8)
    axis.locator_params(axis="x", nbins=6)
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axis.legend(loc="best", frameon=False, fontsize=8)
    axis.grid(color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    title = textwrap.fill(title, _TITLE_WIDTH)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        figure.savefig(new, dpi=90)
