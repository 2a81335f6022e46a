"""Mean and spread over seeds, as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


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
