"""Mean and spread over seeds: as curves, as text, in a picture."""

import pytest
from mario_rl_agents.experiments.curves import Curve, ReferenceLine, draw_seeds
from mario_rl_agents.experiments.result import Score, TrainingReturns
from mario_rl_agents.experiments.seeds import (
    format_mean_and_deviation,
    format_mean_and_range,
    format_with_values,
)


def curve(returns, length):
    """Return episodes of one length."""
    return Curve([(index + 1) * length for index in range(len(returns))], returns)


def test_figures_have_as_many_digits_as_matter():
    assert format_with_values([1.0, 2.0]) == "1.50 ± 0.71 (1.00, 2.00)"
    assert format_with_values([195.26]) == "195.3 (195.3)"
    assert format_mean_and_deviation([197.0, 199.0]) == "198.0 ± 1.41"
    assert format_mean_and_range([5, 7]) == "6 [5 to 7]"
    assert format_mean_and_range([50_000, 50_000]) == "50,000"
    assert format_mean_and_range([1.25, 1.25], digits=1) == "1.2"
    nothing = [
        f([]) for f in (format_with_values, format_mean_and_deviation, format_mean_and_range)
    ]
    assert nothing == ["", "", ""]


def test_returns_are_averaged_where_there_are_enough():
    few, many = TrainingReturns.of([1.0, 2.0]), TrainingReturns.of([1.0] * 100 + [3.0] * 60)
    assert few == TrainingReturns(1.5, None, None, None)
    assert many == TrainingReturns(280 / 160, 3.0, 220 / 100, 220 / 100)
    assert TrainingReturns.of([]) == TrainingReturns(None, None, None, None)


@pytest.mark.parametrize("by_episode", [False, True])
def test_a_picture_is_drawn(tmp_path, by_episode):
    path = tmp_path / "new" / "curves.png"
    draw_seeds(
        [curve([1, 2, 3], 10), curve([2, 2], 12)],
        path,
        title="two seeds",
        by_episode=by_episode,
        scores=[Score(10, 2.0, 0.1)],
        lines=[ReferenceLine(2.5, "target")],
    )
    assert path.stat().st_size > 5_000
    with pytest.raises(ValueError, match=r"of at least one seed, received \[3, 0\] episodes"):
        draw_seeds([curve([1, 2, 3], 10), curve([], 10)], path, title="one seed")
