"""The tables of policies stand in README and docs as the files have them."""

from pathlib import Path

import pytest
from mario_rl_agents.weights.policies import policy_ids, policy_record

from benchmarks import ship_weights


@pytest.mark.parametrize("page", [ship_weights.README, ship_weights.PAGE], ids=lambda x: x.name)
def test_tables_are_what_the_files_say(page: Path) -> None:
    text = page.read_text()
    assert ship_weights.MARKERS.search(text), "no table"
    assert ship_weights.with_tables(text) == text, "run python benchmarks/ship_weights.py"


def test_every_stage_has_its_row_and_its_cell_solved_or_not() -> None:
    rows = ship_weights.table().splitlines()[2:]
    assert len(rows) >= 32
    assert [row.split("`")[1] for row in rows[:5]] == [
        f"MarioRL-{stage}-v0" for stage in ("1-1", "1-2", "1-3", "1-4", "2-1")
    ]
    missing = [row for row in rows if "| none |" in row]
    assert len(missing) == 32 - len([x for x in policy_ids() if x[8:9].isdigit()])
    record = policy_record("MarioRL-1-1-v0")
    rate = record.rate("sticky", "greedy")
    assert rate is not None
    assert f"| {rate.clear_rate:.1%} |" in rows[0]
    assert f"| {record.policy} |" in rows[0]
    grid = ship_weights.grid().splitlines()[2:]
    assert [row.count("|") for row in grid] == [6] * 8
    best = record.rate("no-ops")
    assert best is not None
    assert grid[0].startswith(f"| 1 | {best.clear_rate:.1%} / ")
