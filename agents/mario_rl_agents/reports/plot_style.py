"""How pictures of curves look: one style for learning curves of runs, of seeds and of examples."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from mario_rl_agents.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS: Final = ("#2f6fde", "#e4572e", "#2a9d5c", "#8e5bd0", "#c79a00", "#1aa6b7", "#d6478f")
NEUTRAL: Final = "#6b7075"  # of lines to compare with

_GRID: Final = "#dddddd"
_TEXT: Final = 11  # points
_TITLE: Final = 13  # points
_DPI: Final = 120  # so that a page 800 pixels wide shows texts about 13 pixels high
_POINTS_A_CHARACTER: Final = 0.62 * _TITLE  # of the title, about


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, whose size is in inches.

    It is made without pyplot: no window system, no global state.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes) -> None:
    """Give axes the grid, the spines and the sizes of texts that all have."""
    axes.grid(color=_GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=_TEXT)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(_TEXT)


def matplotlibrc() -> str:
    """Return the style as a file of matplotlib's settings, for pictures that pyplot draws."""
    colors = ", ".join(repr(color.lstrip("#")) for color in COLORS)
    settings = {
        "axes.prop_cycle": f"cycler('color', [{colors}])",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": _GRID.lstrip("#"),
        "grid.linewidth": 0.6,
    }
    return "".join(f"{name}: {value}\n" for name, value in settings.items())


def write_legend(axes: Axes) -> None:
    """Write a legend where there is room for it."""
    axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none", fontsize=_TEXT)


def write_title(figure: Figure, text: str) -> None:
    """Write a title above a figure, on as many lines as it takes; dollars are no formula."""
    width = int(72 * figure.get_figwidth() / _POINTS_A_CHARACTER)
    lines = textwrap.fill(text, width).replace("$", r"\$")
    figure.suptitle(lines, x=0.01, ha="left", weight="bold", fontsize=_TITLE)


def draw_mean(
    axes: Axes,
    x: ArrayLike,
    mean: ArrayLike,
    deviation: ArrayLike,
    *,
    color: str,
    label: str,
    possible: tuple[float, float],
) -> None:
    """Draw a mean and a band of one standard deviation, within what is possible.

    Args:
        axes: Where to.
        x: Places, [G].
        mean: There, [G].
        deviation: There, [G].
        color: Of both.
        label: In the legend.
        possible: The least and the most that a value can be, or has been.
    """
    mean, deviation = np.asarray(mean), np.asarray(deviation)
    low, high = (mean - deviation).clip(*possible), (mean + deviation).clip(*possible)
    axes.plot(x, mean, color=color, lw=2, label=label)
    axes.fill_between(x, low, high, color=color, alpha=0.18, lw=0)


def draw_level(
    axes: Axes,
    value: float,
    label: str,
    *,
    color: str = NEUTRAL,
    style: str = ":",
    beside: Literal["above", "below"] | None = None,
    at: Literal["left", "right"] = "right",
) -> None:
    """Draw a value to compare with from side to side.

    Args:
        axes: Where to.
        value: The value.
        label: What it is.
        color: Of the line.
        style: Of the line, as matplotlib has it.
        beside: On which side of the line the label stands; None: in the legend.
        at: At which end of it.
    """
    axes.axhline(value, ls=style, lw=1.4, color=color, label=None if beside else label)
    if beside is not None:
        axes.annotate(
            label,
            (float(at == "right"), value),
            xycoords=("axes fraction", "data"),
            xytext=(-2 if at == "right" else 2, 3 if beside == "above" else -3),
            textcoords="offset points",
            ha=at,
            va="bottom" if beside == "above" else "top",
            color=color,
            fontsize=_TEXT,
        )


def range_of(values: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the least and the most of all values."""
    return min(map(min, values)), max(map(max, values))


def save(figure: Figure, path: Path) -> None:
    """Write a figure in place of `path`, whose folder is made too; its ending is the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        figure.savefig(new, dpi=_DPI)
