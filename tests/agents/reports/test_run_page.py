"""The page of a run: before its first episode, on Mario's infos and on none, with a video."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from mario_rl_agents.errors import RunError
from mario_rl_agents.reports.html.blocks import Block, Facts, Notice, Switch, Video
from mario_rl_agents.reports.html.charts import LineChart
from mario_rl_agents.reports.run_page import run_page
from mario_rl_agents.runs.metrics import EpisodeRow, MetricRow, write_rows
from mario_rl_agents.runs.run import Run, RunSpec
from support.browser import Browser


def make_run(folder: Path, *, mario: bool = False, episodes: int = 150) -> Run:
    spec = RunSpec("dqn", "CartPole-v1", {"x": "<b>"}, {"gamma": 0.9}, seed=3, total_steps=10**6)
    run = Run.create(folder, spec, command=("mario-rl", "train", "dqn", "a b"))
    rows = [
        EpisodeRow(
            i, 100 * i + 100, 2.0 * i, 100, True, False, *((i, i > 120) if mario else (None, None))
        )
        for i in range(episodes)
    ]
    write_rows(run.episodes_path, EpisodeRow, rows)
    metrics = [MetricRow(step, "losses/td", 1e-5 * step) for step in range(0, 1000, 10)]
    write_rows(run.metrics_path, MetricRow, [*metrics, MetricRow(5, "charts/x_pos", 1.0)])
    return run


def blocks_of(run: Run) -> list[Block]:
    return [
        inner
        for section in run_page(run).sections
        for block in section.blocks
        for inner in block.blocks()
    ]


def test_views_are_those_that_have_values(tmp_path: Path) -> None:
    on_mario, elsewhere = ["return", "clear rate", "final x", "length"], ["return", "length"]
    for mario, views in ((True, on_mario), (False, elsewhere)):
        run = make_run(tmp_path / str(mario), mario=mario)
        curves, metrics = [block for block in blocks_of(run) if isinstance(block, Switch)]
        assert list(curves.choices) == views
        assert list(metrics.choices) == ["losses/td"]  # what the curves show is not shown twice


def test_clear_rate_counts_failures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", mario=True)
    curves = next(block for block in blocks_of(run) if isinstance(block, Switch))
    (chart,) = curves.choices["clear rate"]
    assert isinstance(chart, LineChart)
    line = chart.series[0].line
    assert line is not None
    assert np.asarray(line.y)[-1] == pytest.approx(29.0)  # 29 of the last 100, in per cent


def test_what_it_begins_with_is_told(tmp_path: Path) -> None:
    name = "begins with the weights of"
    plain = make_run(tmp_path / "plain")
    spec = dataclasses.replace(plain.spec, begins_with="first.safetensors")
    begun = Run.create(tmp_path / "begun", spec)
    for run, told in ((plain, None), (begun, "first.safetensors")):
        facts = [block.facts for block in blocks_of(run) if isinstance(block, Facts)]
        assert [each.get(name) for each in facts if "environment" in each] == [told]


def test_run_without_an_episode_says_so(tmp_path: Path) -> None:
    blocks = blocks_of(make_run(tmp_path / "run", episodes=0))
    notices = [block for block in blocks if isinstance(block, Notice)]
    assert [notice.text for notice in notices] == ["No training episode is finished yet."]


def test_what_it_was_made_with_and_its_video_are_there(tmp_path: Path, browser: Browser) -> None:
    run = make_run(tmp_path / "run")
    assert not any(isinstance(block, Video) for block in blocks_of(run))
    run_page(run).write(run.report)
    page = browser.open(run.report, width=380)
    assert (page.complaints, page.requests) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    text = page.evaluate("document.body.innerText")
    for words in (
        "mario-rl train dqn 'a b'",
        "x=<b>",
        "gamma",
        "torch",
        "seed 3",
        "commit",
        "cores",
    ):
        assert words in text, words
    page.close()
    run.video.write_bytes(b"a video")
    assert any(isinstance(block, Video) for block in blocks_of(run))


def test_damaged_record_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace('"versions": {', '"versions": {"torch": 1, "no": '))
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        run_page(run)


def test_older_record_has_less(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run.folder / "config.json"
    record = json.loads(path.read_text())
    for name in ("command", "versions", "commit", "machine"):
        del record[name]
    path.write_text(json.dumps(record))
    facts = [block.facts for block in blocks_of(run) if isinstance(block, Facts)]
    assert facts[-1] == {
        "environment": "CartPole-v1 (x=<b>)",
        "sub-environments": "1",
        "seed": "3",
    }
