"""The tables of a comparison as text: they say what its page says."""

import dataclasses

from mario_rl_agents.cli.comparison_tables import cost_table
from mario_rl_agents.experiments.comparison_results import costs
from mario_rl_agents.reports.html.blocks import Table
from rich.console import Console
from support.comparisons import make_comparison


def words(table, label):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    [line] = [line for line in capture.get().splitlines() if line.split()[:1] == [label]]
    return line.split()


def test_costs_are_means_over_finished_runs_here_and_on_the_page():
    comparison = make_comparison(["ppo", "dqn"], range(3), num_games=2, unfinished=[("ppo", 2)])
    slow, fast, unfinished, *others = comparison.runs
    slow = slow._replace(seconds=40.0, cpu_seconds=50.0, peak_memory=300.0)
    fast = fast._replace(seconds=10.0, cpu_seconds=20.0, peak_memory=400.0)
    comparison = dataclasses.replace(comparison, runs=(slow, fast, unfinished, *others))
    # 50,000 steps at 1,250 and at 5,000 a second; 100,000 in 50 seconds would be 2,000.
    assert words(cost_table(comparison), "ppo") == ["ppo", "2/3", "3,125", "0:25", "35", "350"]
    [table] = [block for block in costs(comparison) if isinstance(block, Table)]
    [cells] = [row for row in table.rows if row[0].text == "ppo"]
    assert [cell.text for cell in cells[1:]] == [
        "3,125 [1,250 to 5,000]",
        "25.0 [10.0 to 40.0]",
        "35.0 [20.0 to 50.0]",
        "12.5",
        "350 [300 to 400]",
    ]


def test_costs_of_a_run_that_took_no_time_have_no_speed():
    comparison = make_comparison(["ppo", "dqn"], [0], num_games=2, failed=[("dqn", 0)])
    instant, failed = comparison.runs
    instant = instant._replace(seconds=0.0, cpu_seconds=0.0, peak_memory=300.0)
    table = cost_table(dataclasses.replace(comparison, runs=(instant, failed)))
    assert words(table, "ppo") == ["ppo", "1/1", "0:00", "0", "300"]
    assert words(table, "dqn") == ["dqn", "0/1"]
