"""Rows of the logs: read as they were written, and what is told of several."""

import math
from pathlib import Path

import numpy as np
import pytest
from mario_rl_agents.agent import Episode
from mario_rl_agents.errors import RunError
from mario_rl_agents.runs.metrics import (
    EpisodeRow,
    MetricRow,
    clear_rate,
    mean_return,
    read_rows,
    running_average,
    write_rows,
)

WALK = EpisodeRow(0, 10, 5.0, 10, True, False, 101, True)
POLE = EpisodeRow(1, 25, 0.1 + 0.2, 15, False, True, None, None)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "episodes.csv", EpisodeRow, [WALK, POLE])
    assert read_rows(tmp_path / "episodes.csv", EpisodeRow) == [WALK, POLE]
    metrics = [MetricRow(10, "charts/epsilon", 1 / 3), MetricRow(20, "losses/td", float("inf"))]
    write_rows(tmp_path / "metrics.csv", MetricRow, metrics)
    assert read_rows(tmp_path / "metrics.csv", MetricRow) == metrics
    assert {path.name for path in tmp_path.iterdir()} == {"episodes.csv", "metrics.csv"}


def test_a_last_row_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "episodes.csv"
    write_rows(path, EpisodeRow, [WALK, POLE])
    path.write_text(path.read_text()[:-3])
    assert read_rows(path, EpisodeRow) == [WALK]


@pytest.mark.parametrize("row", ["0,ten,1.0,10,1,0,,", "0,10,1.0"])
def test_a_damaged_row_is_an_error(tmp_path: Path, row: str) -> None:
    path = tmp_path / "episodes.csv"
    write_rows(path, EpisodeRow, [])
    path.write_text(f"{path.read_text()}{row}\n")
    with pytest.raises(RunError, match=r"episodes\.csv is damaged in line 2 "):
        read_rows(path, EpisodeRow)


@pytest.mark.parametrize(
    ("info", "x_pos", "cleared"),
    [
        ({}, None, None),
        ({"x_pos": 40, "flag_get": False}, 40, False),
        ({"is_success": True}, None, True),
        ({"flag_get": True, "is_success": False}, None, True),
        ({"x_pos": np.float32(12.5), "is_success": np.True_}, 12, True),
        ({"x_pos": math.nan, "is_success": 1.0}, None, True),
        ({"x_pos": math.inf, "is_success": math.nan}, None, None),
        ({"x_pos": None, "flag_get": None, "is_success": 0}, None, False),
        ({"x_pos": "far", "flag_get": "no"}, None, None),
        ({"x_pos": np.zeros(2), "flag_get": np.zeros(2)}, None, None),
    ],
)
def test_position_and_goal_come_from_the_info(
    info: dict[str, object], x_pos: int | None, cleared: bool | None
) -> None:
    row = EpisodeRow.of(Episode(0, 10, 5.0, 10, True, False, info))
    assert (row.x_pos, row.cleared) == (x_pos, cleared)


def test_means_are_those_of_the_episodes_that_say() -> None:
    assert (mean_return([]), clear_rate([])) == (None, None)
    assert mean_return([WALK, WALK._replace(episodic_return=20.0)]) == 12.5
    assert clear_rate([POLE]) is None
    assert clear_rate([WALK, POLE, WALK._replace(cleared=False)]) == 0.5


def test_running_average_equals_a_loop() -> None:
    values = [float((7 * i) % 11) for i in range(250)]
    for window in (1, 3, 100, 1000):
        expected = []
        for end in range(1, len(values) + 1):
            latest = values[max(0, end - window) : end]
            expected.append(sum(latest) / len(latest))
        assert running_average(values, window).tolist() == pytest.approx(expected)
    assert running_average([]).tolist() == []
