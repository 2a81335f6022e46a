"""Statistics over seeds: values by hand, intervals, runs that never reach a threshold."""

import numpy as np
import pytest
from mario_rl_agents.experiments.statistics import (
    Estimate,
    Reached,
    iqm,
    iqm_curve,
    iqm_estimate,
    mean_estimate,
    performance_profile,
    probability_of_improvement,
    to_threshold,
)


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert iqm([100, 1, 2, 3, 4, 5, 6, -50]) == (2 + 3 + 4 + 5) / 4
    assert iqm([1, 2, 3, 4, 90]) == 3  # a quarter of five is one, rounded down
    assert iqm([1, 2, 6]) == 3
    assert iqm([[1, 1], [2, 8], [3, 3], [4, 0]], axis=0).tolist() == [2.5, 2.0]


def test_an_interval_holds_the_value_and_the_same_runs_give_the_same():
    runs = np.random.default_rng(7).normal(10, 2, 9).tolist()
    for estimate in (iqm_estimate, mean_estimate):
        value, low, high = estimate(runs)
        assert low < value < high
        assert high - low < 2 * 2 * 2
        assert estimate(runs) == (value, low, high)
    assert iqm_estimate([3.0]) == Estimate(3.0, None, None)
    assert iqm_estimate([3.0, 3.0]) == Estimate(3.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="at least one run, received none"):
        iqm_estimate([])


def test_intervals_hold_the_true_mean_about_as_often_as_they_say():
    """Of ten runs each a percentile bootstrap holds it somewhat less often than 95 %."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        _, low, high = mean_estimate(generator.normal(size=10).tolist())
        held += low <= 0 <= high
    assert 0.84 <= held / 200 <= 0.97


def test_the_probability_of_improvement_counts_pairs_and_halves_ties():
    # 3 beats 1 and 2, 2 beats 1 and ties 2: 3.5 of 4 pairs.
    assert probability_of_improvement([3, 2], [1, 2]).value == 3.5 / 4
    assert probability_of_improvement([1, 2], [3, 4]) == Estimate(0.0, 0.0, 0.0)
    assert probability_of_improvement([5, 5], [5, 5]) == Estimate(0.5, 0.5, 0.5)
    assert probability_of_improvement([5], [4, 3]) == Estimate(1.0, None, None)
    first, second = [1.0, 4.0, 6.0, 9.0], [2.0, 3.0, 5.0]
    value, low, high = probability_of_improvement(first, second)
    assert value + probability_of_improvement(second, first).value == 1
    assert low < value < high


def test_a_profile_is_the_share_of_runs_above_each_threshold():
    profile = performance_profile([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 3.5, 4.0])
    assert profile.share.tolist() == [1.0, 0.5, 0.25, 0.0]
    assert (profile.low <= profile.share).all()
    assert (profile.share <= profile.high).all()
    assert profile.low[1] == 0.0
    assert profile.high[1] == 1.0
    alone = performance_profile([2.0], [1.0, 3.0])
    assert alone.share.tolist() == alone.low.tolist() == alone.high.tolist() == [1.0, 0.0]


def test_a_curve_goes_where_all_runs_have_values():
    curve = iqm_curve([([0, 10, 20], [0.0, 10.0, 20.0]), ([10, 30], [0.0, 40.0])])
    assert curve.at.tolist() == [10, 20]
    assert curve.value.tolist() == [5.0, (20 + 20) / 2]  # the second run is at 20 halfway
    assert curve.low.tolist() == [0.0, 20.0]
    assert curve.high.tolist() == [10.0, 20.0]
    assert iqm_curve([([1, 2], [0.0, 0.0]), ([3, 4], [0.0, 0.0])]) is None
    assert iqm_curve([([], [])]) is None
    single = iqm_curve([([1, 2], [3.0, 4.0])])
    assert single.low.tolist() == single.value.tolist() == [3.0, 4.0]


def test_a_run_that_never_reaches_the_threshold_counts_as_one():
    fast, slow, never = ([1, 2, 3], [0, 5, 1]), ([1, 2, 3], [0, 0, 5]), ([1, 2, 3], [4, 4, 4])
    assert to_threshold([fast, slow, never], 5) == Reached(2, 3, 3.0)
    assert to_threshold([fast, never, never], 5) == Reached(1, 3, None)
    assert to_threshold([fast, slow], 5) == Reached(2, 2, 2.5)
    assert to_threshold([([], [])], 5) == Reached(0, 1, None)
