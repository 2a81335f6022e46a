"""Statistics of a comparison over seeds: what Agarwal et al. 2021 and Patterson et al. 2024 advise.

Every interval holds 95 %. Those over seeds are percentiles of bootstrap resamples of the runs; with
one environment that is the stratified bootstrap of Agarwal et al., whose strata are environments.
The resamples come from a generator of one seed: the same runs give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE: Final = 0.95
NUM_RESAMPLES: Final = 10_000
_SEED: Final = 0  # of the resamples


class Estimate(NamedTuple):
    """A statistic of some runs and its interval, which a single run does not have."""

    value: float
    low: float | None = None
    high: float | None = None


def iqm(values: ArrayLike, axis: int = -1) -> Any:
    """Return the interquartile mean: of the middle half of the values (Agarwal et al. 2021).

    A quarter of them is left out at each end, rounded down; of three or fewer it is the mean.
    """
    return stats.trim_mean(np.asarray(values, np.float64), 0.25, axis=axis)


def iqm_estimate(values: Sequence[float]) -> Estimate:
    """Return the interquartile mean of runs with its interval over them."""
    return bootstrap(values, iqm)


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of runs with its interval over them."""
    return bootstrap(values, np.mean)


def bootstrap(values: Sequence[float], statistic: Callable[..., Any]) -> Estimate:
    """Return a statistic of runs with the interval that resampling of the runs gives.

    Args:
        values: One of each run, at least one.
        statistic: From an array and an axis to numbers.

    Raises:
        ValueError: There are no values.
    """
    _check_some(values)
    value = float(statistic(np.asarray(values, np.float64), axis=-1))
    if len(values) < 2:
        return Estimate(value)
    return Estimate(value, *_interval(_resampled(values, statistic)))


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Return the probability that a run of the first scores higher than one of the second.

    It is the share of all pairs in which it does, a tie counting half: the statistic U of Mann and
    Whitney over the number of pairs (Agarwal et al. 2021, section 4.3). Both sides are resampled.

    Raises:
        ValueError: A side has no runs.
    """
    _check_some(first)
    _check_some(second)
    x, y = (np.asarray(side, np.float64) for side in (first, second))
    value = float(_share_of_wins(x, y))
    if min(len(x), len(y)) < 2:
        return Estimate(value)
    generator = np.random.default_rng(_SEED)
    x, y = (generator.choice(side, (NUM_RESAMPLES, len(side))) for side in (x, y))
    return Estimate(value, *_interval(_share_of_wins(x, y)))


class Profile(NamedTuple):
    """A performance profile: for each threshold the share of runs above it, with its interval."""

    thresholds: NDArray[np.float64]  # [T]
    share: NDArray[np.float64]  # [T], of the runs that score higher
    low: NDArray[np.float64]  # [T]
    high: NDArray[np.float64]  # [T]


def performance_profile(values: Sequence[float], thresholds: ArrayLike) -> Profile:
    """Return which share of the runs scores higher than each threshold (Agarwal et al. 2021).

    Args:
        values: One of each run, at least one.
        thresholds: Scores, [T].

    Raises:
        ValueError: There are no values.
    """
    _check_some(values)
    at = np.asarray(thresholds, np.float64)
    runs = np.asarray(values, np.float64)
    share = (runs[:, None] > at).mean(axis=0)
    if len(runs) < 2:
        return Profile(at, share, share, share)
    resamples = np.random.default_rng(_SEED).choice(runs, (NUM_RESAMPLES // 5, len(runs)))
    shares = (resamples[:, :, None] > at).mean(axis=1)  # [resamples, T]
    low, high = np.quantile(shares, _TAILS, axis=0)
    return Profile(at, share, low, high)


class Curve(NamedTuple):
    """The interquartile mean of several runs at the steps that all of them have."""

    at: NDArray[np.float64]  # [T]
    value: NDArray[np.float64]  # [T]
    low: NDArray[np.float64]  # [T]
    high: NDArray[np.float64]  # [T]


def iqm_curve(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Curve | None:
    """Return the interquartile mean of curves, each interpolated between its points.

    Args:
        curves: Of each run the places, in rising order, and the values.

    Returns:
        The curve over the places of all runs where each of them has values; None where there is no
        such place.
    """
    curves = [(at, values) for at, values in curves if len(at)]
    if not curves:
        return None
    first, last = max(at[0] for at, _ in curves), min(at[-1] for at, _ in curves)
    places = np.unique(np.concatenate([np.asarray(at, np.float64) for at, _ in curves]))
    places = places[(places >= first) & (places <= last)]
    if not len(places):
        return None
    runs = np.stack([np.interp(places, at, values) for at, values in curves])  # [runs, T]
    value = np.asarray(iqm(runs, axis=0))
    if len(runs) < 2:
        return Curve(places, value, value, value)
    chosen = np.random.default_rng(_SEED).integers(len(runs), size=(NUM_RESAMPLES // 10, len(runs)))
    low, high = np.quantile(iqm(runs[chosen], axis=1), _TAILS, axis=0)
    return Curve(places, value, low, high)


class Reached(NamedTuple):
    """How many runs reached a threshold, and what it took them."""

    num_reached: int
    num_runs: int
    median: float | None  # of all runs, those that never reach it counting as infinite; None: that


def to_threshold(
    curves: Sequence[tuple[Sequence[float], Sequence[float]]], threshold: float
) -> Reached:
    """Return how many runs score a threshold or more at some evaluation, and where first.

    Args:
        curves: Of each run the places of its evaluations, such as steps or seconds, in rising
            order, and the scores.
        threshold: The score to reach.
    """
    firsts = [
        next((place for place, score in zip(at, scores, strict=True) if score >= threshold), None)
        for at, scores in curves
    ]
    places = [math.inf if first is None else float(first) for first in firsts]
    median = float(np.median(places)) if places else math.inf
    num_reached = sum(first is not None for first in firsts)
    return Reached(num_reached, len(places), median if math.isfinite(median) else None)


_TAILS: Final = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


def _resampled(values: Sequence[float], statistic: Callable[..., Any]) -> NDArray[np.float64]:
    """Return a statistic of each resample, [resamples]."""
    result = stats.bootstrap(
        (np.asarray(values, np.float64),),
        statistic,
        n_resamples=NUM_RESAMPLES,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    )
    distribution: NDArray[np.float64] = result.bootstrap_distribution
    return distribution


def _interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(resampled, _TAILS)
    return float(low), float(high)


def _share_of_wins(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """Return the share of pairs that x wins, along the last axis."""
    num_pairs = x.shape[-1] * y.shape[-1]
    return stats.mannwhitneyu(x, y, axis=-1, method="asymptotic").statistic / num_pairs


def _check_some(values: Sequence[float]) -> None:
    if not len(values):
        raise ValueError("expected the values of at least one run, received none")
