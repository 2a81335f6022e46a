"""Learning curves of one run or of several, drawn from what the runs logged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.config import check
from mario_rl_agents.errors import RunError
from mario_rl_agents.recipes import recipe_of
from mario_rl_agents.reports.mario import flag_of
from mario_rl_agents.reports.plot_style import (
    COLORS,
    draw_level,
    draw_mean,
    new_figure,
    range_of,
    save,
    style_axes,
    write_legend,
    write_title,
)
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, EpisodeRow, running_average
from mario_rl_agents.runs.run import Run, RunSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Axis = Literal["steps", "games"]
Panel = Literal["episodic_return", "x_pos", "cleared"]

_FLAG = "#1d7a46"
_GRID_POINTS = 400  # common steps at which runs are averaged


@dataclass(frozen=True)
class Curve:
    """One run in a plot."""

    label: str  # runs with the same label are averaged
    episodes: list[EpisodeRow]
    over: Axis = "steps"

    @classmethod
    def of_each(cls, runs: Sequence[Run], over: Axis = "steps") -> list[Self]:
        """Return the curves of runs: those that differ in seed and length alone have one label.

        It names algorithm and environment, and the settings that others of these do not share.

        Raises:
            RunError: A run has no finished episode yet, or its log is damaged.
        """
        specs = [run.spec for run in runs]
        return [cls(_label(run.spec, specs), _episodes(run), over) for run in runs]

    @property
    def places(self) -> NDArray[np.float64]:
        """Environment steps, or games, at the end of each episode, shape [N]."""
        if self.over == "games":
            return np.arange(1.0, len(self.episodes) + 1)
        return np.asarray([row.step for row in self.episodes], dtype=np.float64)


def plot_learning_curves(
    runs: Sequence[Run],
    path: Path,
    *,
    over: Axis = "steps",
    random: Mapping[Panel, float] | None = None,
) -> None:
    """Draw return, clear rate and final x of runs over environment steps, or over games.

    One run is drawn with every episode; of several, each is a faint line, and those of the same
    settings, whatever their seeds, get their mean and a band of one standard deviation as far as
    all of them reached. The band ends where no episode has been. Where all runs play a stage of
    Mario with a flag, its place is drawn among the final x.

    Args:
        runs: At least one.
        path: The picture to write; its ending is the format, such as .png or .svg. Without one it
            is a .png.
        over: What they are drawn over: environment steps, or games (episodes).
        random: What random play comes to, where that is known, as a line in each panel.

    Raises:
        RunError: A run has no finished episode yet, or its log is damaged.
        ValueError: There are no runs, or the format is unknown, or `over`.
    """
    figure = draw_learning_curves(runs, over=over, random=random)
    save(figure, (path if path.suffix else path.with_suffix(".png")).expanduser())


def draw_learning_curves(
    runs: Sequence[Run], *, over: Axis = "steps", random: Mapping[Panel, float] | None = None
) -> Figure:
    """Return what `plot_learning_curves` writes, as a figure of matplotlib's.

    Raises:
        RunError: A run has no finished episode yet, or its log is damaged.
        ValueError: There are no runs, or `over` is unknown.
    """
    if not runs:
        raise ValueError("expected at least one run to plot, received none")
    check("over", over, over in get_args(Axis), " or ".join(get_args(Axis)))
    curves = Curve.of_each(runs, over)
    with_clears = [c for c in curves if c.episodes[0].cleared is not None]
    with_x = [c for c in curves if c.episodes[0].x_pos is not None]
    panels: list[tuple[Panel, list[Curve], str]] = [
        ("episodic_return", curves, "episodic return (points)"),
        ("x_pos", with_x, "final x position (pixels)"),
        ("cleared", with_clears, "clear rate (%)"),
    ]
    panels = [panel for panel in panels if panel[1]]
    [flag, *others] = {flag_of(run.spec.env_id) for run in runs}
    flag = None if others else flag
    heights = [3.0] + [1.6] * (len(panels) - 1)
    figure = new_figure(9, 1.4 + sum(heights))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (field, drawn, label) in zip(axes, panels, strict=True):
        _draw_panel(axis, drawn, field)
        if random is not None and field in random:
            draw_level(axis, random[field], f"random play: {random[field]:,.0f}", beside="above")
        if field == "x_pos" and flag is not None:
            axis.margins(y=0.12)
            # Where learning begins the curve is far from it.
            draw_level(
                axis,
                flag,
                f"flag at {flag:,}",
                style="--",
                color=_FLAG,
                beside="below",
                at="left",
            )
        axis.set_ylabel(label)
        axis.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
        style_axes(axis)
    axes[-1].set_xlabel("games" if over == "games" else "environment steps")
    axes[-1].xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    write_legend(axes[0])
    write_title(figure, _title(runs, curves))
    return figure


def mean_curve(
    curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return steps that all curves reach, and mean and standard deviation there, each [G].

    The steps are evenly spaced from where the last curve begins to where the first one ends, and
    the curves interpolated in between. All three are empty where there is no such step. The
    deviation is that of a sample (n - 1), 0 for a single curve.

    Args:
        curves: Of each its steps in rising order and its values, both [N]; at least one curve.
    """
    first = max(float(steps[0]) for steps, _ in curves)
    last = min(float(steps[-1]) for steps, _ in curves)
    grid = np.linspace(first, last, _GRID_POINTS if first <= last else 0)  # [G]
    values = np.stack([np.interp(grid, *curve) for curve in curves])  # [curves, G]
    std = values.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros_like(grid)
    return grid, values.mean(axis=0), std


def _episodes(run: Run) -> list[EpisodeRow]:
    episodes = run.episodes()
    if not episodes:
        raise RunError(f"{run.folder} has no finished episode yet: nothing to plot")
    return episodes


def _title(runs: Sequence[Run], curves: Sequence[Curve]) -> str:
    """Return what was trained on what, by which recipe, as far as the runs agree."""
    names = {f"{run.spec.algorithm} on {run.spec.env_id}" for run in runs}
    recipes = {
        recipe_of(run.spec.algorithm, run.spec.env_id, run.spec.config, run.spec.env_kwargs)
        for run in runs
    }
    if len(names) > 1:
        return f"{len(runs)} runs"
    [name] = names
    [recipe, *others] = recipes
    if recipe is not None and not others:
        name += f", recipe {recipe}"
    return name if len({curve.label for curve in curves}) == 1 else f"{name}, {len(runs)} runs"


def _label(spec: RunSpec, others: Sequence[RunSpec]) -> str:
    """Return what a run was trained with, as far as it tells it from the others."""
    name = f"{spec.algorithm} on {spec.env_id}"
    alike = [
        _settings(other)
        for other in others
        if (other.algorithm, other.env_id) == (spec.algorithm, spec.env_id)
    ]
    own = _settings(spec).items()
    differing = [f"{k}={v}" for k, v in own if any(other.get(k) != v for other in alike)]
    return ", ".join([name, *differing])


def _settings(spec: RunSpec) -> dict[str, str]:
    """Return as texts what a run was trained with, beside algorithm, environment, seed, length."""
    settings = {"num_envs": spec.num_envs, **spec.config, **spec.env_kwargs}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in settings.items()}


def _plain(text: str) -> str:
    """Return a text as matplotlib shows it, which reads what is between dollars as a formula."""
    return text.replace("$", r"\$")


def _draw_panel(axis: Axes, curves: list[Curve], field: Panel) -> None:
    labels = list(dict.fromkeys(curve.label for curve in curves))
    for index, label in enumerate(labels):
        color = COLORS[index % len(COLORS)]
        group = [curve for curve in curves if curve.label == label]
        if len(group) > 1:
            _draw_group(axis, group, field, color, _plain(label))
            continue
        [curve] = group
        values = _values(curve, field)
        name = _plain(label) if len(labels) > 1 else f"mean of the last {RUNNING_EPISODES} episodes"
        if len(curves) == 1 and field != "cleared":
            axis.plot(
                curve.places, values, "o", ms=4, color=color, alpha=0.35, mew=0, label="one episode"
            )
        axis.plot(curve.places, running_average(values), color=color, lw=2, label=name)
    if field == "cleared":
        axis.set_ylim(-3, 103)
    axis.margins(x=0.01)


def _draw_group(axis: Axes, group: list[Curve], field: Panel, color: str, label: str) -> None:
    """Draw runs of one label: each faintly, their mean, and a band of a standard deviation."""
    averages = [running_average(_values(curve, field)) for curve in group]
    grid, mean, std = mean_curve([(c.places, a) for c, a in zip(group, averages, strict=True)])
    for index, (curve, average) in enumerate(zip(group, averages, strict=True)):
        name = f"{label}, {len(group)} runs" if len(grid) == 0 and index == 0 else None
        axis.plot(curve.places, average, color=color, lw=0.8, alpha=0.35, label=name)
    if len(grid) == 0:
        return
    draw_mean(
        axis,
        grid,
        mean,
        std,
        color=color,
        label=f"{label}, mean of {len(group)} runs ± 1 s.d.",
        possible=range_of([_values(curve, field) for curve in group]),
    )


def _values(curve: Curve, field: Panel) -> list[float]:
    scale = 100.0 if field == "cleared" else 1.0  # per cent
    values: list[Any] = [getattr(row, field) for row in curve.episodes]
    return [scale * float(value or 0.0) for value in values]
