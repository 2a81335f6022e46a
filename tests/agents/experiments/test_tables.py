"""The raw data of a comparison: written and read back exactly; damage and changes are told."""

import csv
import dataclasses
import json
import math

import pytest
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.tables import Comparison, GameRow, RunRow, SpeedRow
from support.comparisons import make_comparison


def test_it_is_read_as_it_was_written(tmp_path):
    comparison = make_comparison(["dqn", "ppo"], range(2), num_games=3, num_points=5)
    odd = comparison.runs[0]._replace(
        algorithm='my, "own":Agent/x', error="line\nline", seconds=0.1 + 0.2, peak_memory=math.inf
    )
    changed = dataclasses.replace(
        comparison,
        runs=(odd, *comparison.runs[1:]),
        speeds=(SpeedRow(0, "dqn", 100, 25, 0.5, 0.25),),
    )
    changed.write(tmp_path)
    again, differing = Comparison.read(tmp_path)
    assert differing == []
    assert dataclasses.replace(again.header, files={}) == changed.header
    for table in ("runs", "evaluations", "games", "training", "speeds"):
        assert getattr(again, table) == getattr(changed, table)
    assert {type(x) for x in again.games[0]} >= {str, int, float, bool}
    assert again.games[0].x_pos is None
    assert isinstance(again.runs[0], RunRow)
    assert isinstance(again.games[0], GameRow)
    again.write(tmp_path / "again")
    for path in tmp_path.glob("*.csv"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_an_error_of_any_length_is_read_back(tmp_path):
    comparison = make_comparison(["dqn"], range(2), num_games=3, num_points=5)
    long = comparison.runs[0]._replace(error="x" * 200_000)  # beyond what csv reads by itself
    dataclasses.replace(comparison, runs=(long, *comparison.runs[1:])).write(tmp_path)
    limit = csv.field_size_limit()
    again, _ = Comparison.read(tmp_path)
    assert again.runs[0] == long
    assert csv.field_size_limit() == limit


def test_a_table_that_was_changed_is_named(tmp_path):
    make_comparison(["dqn", "ppo"], range(2), num_games=3, num_points=5).write(tmp_path)
    path = tmp_path / "evaluations.csv"
    text = path.read_text()
    path.write_text(text.replace("greedy", "sampled", 1))
    again, differing = Comparison.read(tmp_path)
    assert differing == ["evaluations.csv"]
    assert again.evaluations[0].policy == "sampled"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "comparison.json").unlink(), "there is no comparison at"),
        (lambda folder: (folder / "runs.csv").unlink(), "runs.csv is missing"),
        (lambda folder: (folder / "comparison.json").write_text("{"), "is damaged"),
        (
            lambda folder: (folder / "runs.csv").write_text("a,b\n"),
            "in line 1 .its columns are",
        ),
        (lambda folder: edit(folder / "games.csv", ",1,", ",yes,"), "damaged in line"),
        (lambda folder: header(folder, format=9), "has format 9, this version reads 1: use the"),
        (lambda folder: edit(folder / "comparison.json", '"format": 1,', ""), "it has no format"),
        (lambda folder: header(folder, seeds=["x"]), "is damaged .seeds"),
        (lambda folder: header(folder, env_id=None), "is damaged .env_id"),
    ],
)
def test_what_is_damaged_or_missing_is_told(tmp_path, damage, message):
    make_comparison(["dqn", "ppo"], range(2), num_games=3, num_points=5).write(tmp_path)
    damage(tmp_path)
    with pytest.raises(JobError, match=message):
        Comparison.read(tmp_path)


def edit(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


def header(folder, **changes):
    path = folder / "comparison.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
