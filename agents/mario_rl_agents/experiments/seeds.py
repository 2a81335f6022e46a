"""Several seeds together: mean and spread, as curves and as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_GRID_POINTS: Final = 300

Curve = tuple[NDArray[Any], NDArray[Any]]  # where, in rising order, and how much there; both [N]


def mean_curve(
    curves: Sequence[Curve],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return points common to all curves, and mean and standard deviation there, each [300].

    The points are evenly spaced from where the last curve begins to where the first one ends; the
    curves are interpolated linearly. The deviation is of a sample (n - 1), 0 for one curve.

    Raises:
        ValueError: There is no curve.
    """
    if not curves:
        raise ValueError("expected at least one curve, received none")
    first = max(float(at[0]) for at, _ in curves)
    last = min(float(at[-1]) for at, _ in curves)
    grid = np.linspace(min(first, last), last, _GRID_POINTS)
    values = np.stack([np.interp(grid, at, value) for at, value in curves])  # [curves, grid]
    deviation = values.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros_like(grid)
    return grid, values.mean(axis=0), deviation


def format_number(value: float) -> str:
    """Return a number with two decimals below 10 and one above: "1.50", "1,195.3"."""
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


def format_mean_and_deviation(values: Sequence[float]) -> str:
    """Return "198.2 ± 1.3", the deviation that of a sample; a single value alone; "" for none."""
    if not values:
        return ""
    mean = format_number(statistics.mean(values))
    return f"{mean} ± {format_number(statistics.stdev(values))}" if len(values) > 1 else mean


def format_with_values(values: Sequence[float]) -> str:
    """Return "1.50 ± 0.71 (1.00, 2.00)": mean, deviation and every value; "" for none."""
    if not values:
        return ""
    each = ", ".join(format_number(value) for value in values)
    return f"{format_mean_and_deviation(values)} ({each})"


def format_mean_and_range(values: Sequence[float], digits: int = 0) -> str:
    """Return "300", or "512,000 [480,000 to 550,000]" where the values differ; "" for none."""
    if not values:
        return ""
    mean, low, high = (
        f"{each:,.{digits}f}" for each in (statistics.mean(values), min(values), max(values))
    )
    return mean if low == high else f"{mean} [{low} to {high}]"
