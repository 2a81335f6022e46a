"""The page of a comparison: it shows what the raw data says, and says what is missing."""

import dataclasses
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mario_rl_agents.experiments.comparison_page import comparison_page, write_page
from mario_rl_agents.experiments.statistics import iqm_estimate
from mario_rl_agents.experiments.tables import TABLES, Comparison, SpeedRow
from mario_rl_agents.experiments.videos import video_path
from mario_rl_agents.reports.html.blocks import Block, Cell, Details, Notice, Table
from mario_rl_agents.reports.html.charts import DotChart, LineChart
from support.browser import Browser
from support.comparisons import FIVE, make_comparison

SMALL: dict[str, Any] = {"num_evaluations": 4, "num_games": 10, "num_points": 10}


def written(folder: Path, comparison: Comparison) -> Path:
    comparison.write(folder)
    return write_page(folder)


def blocks_of(comparison: Comparison, folder: Path) -> list[Block]:
    comparison.write(folder)
    page = comparison_page(comparison, folder)
    return [
        inner for section in page.sections for block in section.blocks for inner in block.blocks()
    ]


def text_of(path: Path) -> str:
    """Return what a reader reads."""
    body = re.sub(r"<script>.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body.partition("<body>")[2])).split())


def find_table(blocks: Sequence[Block], words: str) -> Table:
    [table] = [block for block in blocks if isinstance(block, Table) and words in block.caption]
    return table


def row(table: Table, label: str) -> list[Cell]:
    [cells] = [cells for cells in table.rows if cells[0].text == label]
    return list(cells)


def test_five_sides_and_five_seeds_are_a_small_page_that_asks_for_nothing(
    tmp_path: Path, browser: Browser
) -> None:
    path = written(tmp_path, make_comparison())
    assert path == tmp_path / "report.html"
    assert path.stat().st_size < 5_000_000
    page = browser.open(path)
    assert (page.complaints, page.requests) == ([], [])
    assert page.evaluate("document.querySelectorAll('.chart').length") == 8
    assert page.evaluate("Bokeh.documents[0].roots().length") == 8
    page.close()


def test_a_telephone_reads_a_comparison_on_mario(tmp_path: Path, browser: Browser) -> None:
    labels = ("ppo", "a_module.of_mine:WithALongName/and_recipe")
    page = browser.open(
        written(tmp_path, make_comparison(labels, range(2), mario=True, **SMALL)), width=380
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert (page.complaints, page.requests) == ([], [])
    page.close()


def test_numbers_are_those_of_the_statistics(tmp_path: Path) -> None:
    comparison = make_comparison(("ppo", "sb3-ppo"), range(4), **SMALL)
    blocks = blocks_of(comparison, tmp_path)
    returns = [
        each.return_mean
        for each in comparison.evaluations
        if each.is_final and (each.algorithm, each.policy) == ("sb3-ppo", "greedy")
    ]
    assert len(returns) == 4
    value, low, high = iqm_estimate(returns)
    cell = row(find_table(blocks, "Return after"), "sb3-ppo")[1]
    assert cell.text == f"{value:,.1f}"
    assert cell.note.startswith(f"{low:,.1f} to {high:,.1f}\nmean ")
    assert cell.note.endswith("4 of 4 runs")
    [dots] = [block for block in blocks if isinstance(block, DotChart)]
    [dot] = [dot for dot in dots.dots if (dot.group, dot.name) == ("greedy", "sb3-ppo")]
    assert (dot.value, dot.low, dot.high, dot.runs) == (value, low, high, returns)
    [wins] = [
        block
        for block in blocks
        if isinstance(block, Table) and "counting half; greedy" in block.caption
    ]
    assert row(wins, "ppo")[2].text == "1.00"
    assert row(find_table(blocks, "Distinct games"), "ppo")[1].text == "36 of 40"


def test_curves_show_every_run_over_steps_and_over_seconds(tmp_path: Path) -> None:
    comparison = make_comparison(("ppo", "dqn"), range(3), **SMALL)
    charts = [block for block in blocks_of(comparison, tmp_path) if isinstance(block, LineChart)]
    over = {(chart.x_label, len(chart.series)) for chart in charts if chart.y_label == "return"}
    assert over == {
        ("environment steps", 2),
        ("environment steps", 1),  # sampled: DQN has no such evaluations here
        ("seconds of training", 2),
        ("seconds of training", 1),
    }
    first = charts[0].series[0]
    rows = [
        each
        for each in comparison.evaluations
        if (each.algorithm, each.seed, each.policy) == ("ppo", 0, "greedy")
    ]
    assert len(first.runs) == 3
    *along, at_the_end, final = rows  # at one step: that with more episodes
    assert at_the_end.step == final.step
    assert first.runs[0].y == [each.return_mean for each in (*along, final)]


def test_runs_that_never_reach_the_threshold_are_counted(tmp_path: Path) -> None:
    blocks = blocks_of(
        make_comparison(("ppo", "dqn"), range(3), failed=[("ppo", 0)], **SMALL), tmp_path
    )
    reached, _ = row(find_table(blocks, "To the first"), "ppo")[1:]
    assert (reached.text, reached.share) == ("2 of 3", 2 / 3)
    assert reached.note.startswith("median ")
    none = make_comparison(("ppo", "dqn"), range(3), threshold=10_000, **SMALL)
    cell = row(find_table(blocks_of(none, tmp_path), "To the first"), "ppo")[1]
    assert (cell.text, cell.note, cell.share) == ("0 of 3", "no median", 0.0)


def test_failed_and_unfinished_runs_are_said(tmp_path: Path) -> None:
    comparison = make_comparison(
        ("ppo", "dqn"), range(3), failed=[("ppo", 1)], unfinished=[("dqn", 2)], **SMALL
    )
    blocks = blocks_of(comparison, tmp_path)
    notices = [block for block in blocks if isinstance(block, Notice)]
    assert [notice.text.split(":")[0] for notice in notices] == [
        "1 run of 6 failed and is missing from means and intervals; to the threshold it counts as "
        "one that did not reach it.",
        "1 run of 6 not finished",
    ]
    assert notices[0].items == ["ppo, seed 1: RuntimeError: out of <b>memory</b>"]
    assert "2 of 3 runs" in row(find_table(blocks, "Return after"), "ppo")[1].note
    [runs] = [b for b in blocks if isinstance(b, Details) and b.summary.startswith("6 runs")]
    assert runs.summary == "6 runs: 4 finished, 1 failed, 1 unfinished"


def test_one_seed_has_no_interval_but_wilsons(tmp_path: Path) -> None:
    blocks = blocks_of(
        make_comparison(("ppo",), (0,), mario=True, threshold=0.5, **SMALL), tmp_path
    )
    [notice] = [block for block in blocks if isinstance(block, Notice)]
    assert notice.text.startswith("One seed: there is no interval over seeds")
    assert "one run: no interval" in row(find_table(blocks, "Return after"), "ppo")[1].note
    clear = row(find_table(blocks, "Clear rate"), "ppo")[1]  # one distinct game, cleared
    assert (clear.text, clear.note) == ("100 %", "21 to 100 %")


def test_no_run_is_finished(tmp_path: Path) -> None:
    unfinished = [("ppo", 0), ("ppo", 1)]
    path = written(tmp_path, make_comparison(("ppo",), range(2), unfinished=unfinished, **SMALL))
    assert "No run has been evaluated after its training yet." in text_of(path)


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    comparison = make_comparison(("ppo",), range(2), **SMALL)
    empty = dataclasses.replace(comparison, runs=(), evaluations=(), games=(), training=())
    assert "0 runs" in text_of(written(tmp_path, empty))


def test_what_it_was_made_with_is_told(tmp_path: Path) -> None:
    text = text_of(written(tmp_path, make_comparison(("ppo", "sb3-ppo"), range(2), **SMALL)))
    for words in (
        "a processor, 2 cores",
        "1.5 processes on average",
        "trainings at once at most 2",
        "0123abc",
        "2026-11-26T05:00:00Z",
        "stable-baselines3 2.9.2",
        "mario-rl compare ppo sb3-ppo --env CartPole-v1",
        "settings of the paper, no trials of our own",
        "sb3-ppo: max_grad_norm has no counterpart",
        "sb3-ppo, seed 1: 1 time",
        "hidden_sizes [64, 64]",
    ):
        assert words in text, words


def test_what_is_unknown_of_the_trainings_is_said(tmp_path: Path) -> None:
    comparison = make_comparison(("ppo",), range(2), load=None, num_jobs=None, **SMALL)
    text = text_of(written(tmp_path, comparison))
    assert "Trainings at once: unknown." in text
    assert "Load as they ended" not in text
    assert "load as trainings ended unknown trainings at once unknown" in text


def test_tables_are_linked_and_their_hashes_checked(tmp_path: Path) -> None:
    path = written(tmp_path, make_comparison(("ppo",), range(2), **SMALL))
    source = path.read_text(encoding="utf-8")
    for name in TABLES:
        assert f'href="{name}.csv"' in source
    assert text_of(path).count("fits the SHA-256") == len(TABLES)
    with (tmp_path / "runs.csv").open("a") as file:
        file.write("\n")
    (tmp_path / "runs.csv").write_text((tmp_path / "runs.csv").read_text().rstrip("\n"))
    text = text_of(write_page(tmp_path))
    assert text.count("fits the SHA-256") == len(TABLES) - 1
    assert "does not fit the SHA-256" in text
    assert "may not be what was measured. runs.csv" in text


def test_videos_are_within_the_page(tmp_path: Path) -> None:
    video = video_path(tmp_path, "sb3-ppo/like")
    video.parent.mkdir()
    video.write_bytes(b"a video")
    comparison = make_comparison(("ppo", "sb3-ppo/like"), range(2), **SMALL)
    source = written(tmp_path, comparison).read_text(encoding="utf-8")
    assert source.count("<video") == 1
    assert "data:video/mp4;base64,YSB2aWRlbw" in source


def test_speeds_are_shown_with_their_ratios(tmp_path: Path) -> None:
    speeds = [
        SpeedRow(turn, label, 1000, 250, seconds * (1 + turn), 1.0)
        for turn in range(3)
        for label, seconds in (("ppo", 1.0), ("sb3-ppo", 2.0))
    ]
    comparison = make_comparison(("ppo", "sb3-ppo"), range(2), **SMALL)
    blocks = blocks_of(dataclasses.replace(comparison, speeds=tuple(speeds)), tmp_path)
    cells = row(find_table(blocks, "alternating"), "sb3-ppo")
    assert [cell.text for cell in cells[1:]] == ["306", "0.50", "250.0"]


@pytest.mark.parametrize("labels", [FIVE, FIVE[:1]])
def test_sides_have_one_style_in_all_charts(tmp_path: Path, labels: Sequence[str]) -> None:
    blocks = blocks_of(make_comparison(labels, range(2), **SMALL), tmp_path)
    for block in blocks:
        if isinstance(block, LineChart):
            pairs = [(series.name, series.style) for series in block.series]
        elif isinstance(block, DotChart):
            pairs = [(dot.name, dot.style) for dot in block.dots]
        else:
            continue
        assert all(labels.index(name) == style for name, style in pairs)
