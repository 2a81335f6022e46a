"""The tables of policies stand in README and docs as the files have them."""

import re
from pathlib import Path

import pytest
from mario_rl_agents.weights.policies import policy_ids, policy_record

from benchmarks import ship_weights
from mario_rl_envs.game.stages import STAGES


@pytest.mark.parametrize("page", [ship_weights.README, ship_weights.PAGE], ids=lambda x: x.name)
def test_tables_are_what_the_files_say(page: Path) -> None:
    text = page.read_text()
    assert ship_weights.MARKERS.search(text), "no table"
    assert ship_weights.with_tables(text) == text, "run python benchmarks/ship_weights.py"


def test_every_policy_has_its_row_and_every_stage_its_cell_solved_or_not() -> None:
    table, *said = ship_weights.table().split("\n\n")
    head, _, *rows = table.splitlines()
    assert [row.split("`")[1] for row in rows] == list(policy_ids())
    assert {row.count("|") for row in rows} == {head.count("|")}
    assert ("algorithm" in head) != any("algorithm `ppo`" in line for line in said)
    for stage in STAGES:
        has_none = any(re.search(rf"No policy yet .*\b{stage}\b", line) for line in said)
        assert has_none == (f"MarioRL-{stage}-v0" not in policy_ids()), stage
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
