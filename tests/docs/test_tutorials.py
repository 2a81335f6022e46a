"""The runner of the tutorials: which rows, resumption after a kill, early ends, the report."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch", reason="needs the extra 'agents'")

from mario_rl_agents.recipes import ALGORITHMS, find_recipe
from mario_rl_agents.runs.metrics import EpisodeRow, read_episodes

from benchmarks import tutorial_jobs, tutorial_report, tutorials
from benchmarks.tutorial_jobs import JobError, job_folder, read_result, run_job
from benchmarks.tutorial_rows import LADDER, MEASURES, ROWS, Row, find_rows

# Gymnasium would rather have version 1; the tutorials played version 0, which ends at 200 steps.
pytestmark = pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date:DeprecationWarning")

RANDOM = Row(
    id="R",
    title="random",
    author="",
    algorithm="random",
    env_id="CartPole-v1",
    recipe="default",
    measure="all",
    target=5.0,
    games=60,
)
# The learning rate of "default" on any environment; it learns from its 1,000th step on.
LEARNER = Row(
    id="L",
    title="double",
    author="",
    algorithm="double_dqn",
    env_id="Acrobot-v1",
    recipe="default",
    measure="test",
    target=-500.0,
    steps=1_600,
)


@pytest.fixture(autouse=True)
def few_test_games(monkeypatch):
    monkeypatch.setattr(tutorial_jobs, "NUM_TEST_GAMES", 2)
    monkeypatch.setattr(tutorial_jobs, "NUM_STOP_GAMES", 2)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["T2"], ["T2"]),
        (["T8", "T2"], ["T2", "T8"]),
        (["T2*"], ["T2", "T2-CartPole-v1"]),
        (["T10..T10"], ["T10", "T10-tutorial"]),
        (["LunarLander-PPO", "T1..T1"], ["T1", "LunarLander-PPO"]),
        ([], [row.id for row in ROWS]),
    ],
)
def test_rows_are_found_by_name_pattern_and_range(names, wanted):
    assert [row.id for row in find_rows(names)] == wanted


@pytest.mark.parametrize("name", ["T11", "T11..T12", "t2", "T1...T10"])
def test_a_row_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"no row is called '{name}': known are T1, T2"):
        find_rows([name])


def test_every_tutorial_has_a_row_with_a_recipe():
    ids = [row.id for row in ROWS]
    assert len(set(ids)) == len(ids)
    assert {f"T{number}" for number in range(1, 11)} <= set(ids)
    for row in ROWS:
        if row.algorithm != LADDER:
            recipe = find_recipe(row.algorithm, row.env_id, row.recipe)
            assert isinstance(recipe.config, ALGORITHMS[row.algorithm].config_class)


def test_the_page_explains_every_row():
    page = (tutorials.ROOT / "docs" / "tutorials.md").read_text()
    assert [row.id for row in ROWS if row.id not in page] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 5}, "a budget in games or in steps"),
        ({"games": None}, "a budget in games or in steps"),
        ({"measure": "luck"}, "'luck' is not one of"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RANDOM, **changes)


def test_a_job_ends_after_its_games_and_says_what_it_found(tmp_path):
    assert run_job(RANDOM, 3, tmp_path)
    result = read_result(tmp_path, RANDOM, 3)
    games = read_episodes(job_folder(tmp_path, RANDOM, 3))
    assert result["games"] == len(games) == 60
    assert result["steps"] == games[-1].step
    mean = sum(game.episodic_return for game in games) / 60
    assert result["value"] == result["measures"]["all"] == pytest.approx(mean)
    last = sum(game.episodic_return for game in games[-50:]) / 50
    assert result["measures"]["last_50"] == pytest.approx(last)
    assert result["measures"]["last_100"] is None
    assert result["reached"]
    assert (result["row"], result["seed"], result["stopped_early"]) == ("R", 3, False)
    assert result["minutes"] > 0
    assert set(result["measures"]) == set(MEASURES)


def test_a_result_is_measured_as_the_row_is_now(tmp_path):
    assert run_job(RANDOM, 0, tmp_path)
    harder = dataclasses.replace(RANDOM, measure="last_50", target=400.0)
    result = read_result(tmp_path, harder, 0)
    assert result["value"] == result["measures"]["last_50"]
    assert not result["reached"]


def test_a_kill_costs_no_more_than_what_came_after_the_last_checkpoint(tmp_path):
    """Killed with -9 in the middle and started again, it ends as one that was left alone."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.tutorial_rows import Row;"
        "from benchmarks.tutorial_jobs import run_job;"
        f"run_job({LEARNER!r}, 1, Path(sys.argv[1]), checkpoint_seconds=0.1)"
    )
    folder = job_folder(tmp_path / "killed", LEARNER, 1)
    environment = {**os.environ, "PYTHONPATH": str(tutorials.ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "killed")],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = folder / "checkpoint.safetensors"
    while process.poll() is None and not checkpoint.is_file():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    written = checkpoint.stat().st_mtime
    assert run_job(LEARNER, 1, tmp_path / "killed")
    assert checkpoint.stat().st_mtime > written
    assert run_job(LEARNER, 1, tmp_path / "whole")
    killed, whole = (read_result(tmp_path / name, LEARNER, 1) for name in ("killed", "whole"))
    for key in ("measures", "steps", "games", "updates", "config"):
        assert killed[key] == whole[key], key
    assert read_episodes(folder) == read_episodes(job_folder(tmp_path / "whole", LEARNER, 1))


def test_time_that_is_over_leaves_what_there_is_and_can_go_on(tmp_path):
    assert not run_job(LEARNER, 0, tmp_path, minutes=0.0)
    assert read_result(tmp_path, LEARNER, 0) is None
    so_far = json.loads((job_folder(tmp_path, LEARNER, 0) / "so_far.json").read_text())
    assert 0 < so_far["steps"] < LEARNER.total_steps
    assert run_job(LEARNER, 0, tmp_path)
    assert read_result(tmp_path, LEARNER, 0)["steps"] == LEARNER.total_steps


def test_training_ends_once_the_greedy_agent_is_good_enough(tmp_path):
    row = dataclasses.replace(LEARNER, env_id="CartPole-v1", stop_at=5.0, stop_period=150)
    assert run_job(row, 0, tmp_path)
    result = read_result(tmp_path, row, 0)
    assert result["stopped_early"]
    assert result["steps"] == 150
    never = dataclasses.replace(row, stop_at=501.0, steps=400)
    assert run_job(never, 1, tmp_path)
    result = read_result(tmp_path, never, 1)
    assert not result["stopped_early"]
    assert result["steps"] == 400
    tests = json.loads((job_folder(tmp_path, never, 1) / "stop_tests.json").read_text())["tests"]
    assert [test["step"] for test in tests] == [150, 300]


def test_a_folder_of_another_recipe_is_left_alone(tmp_path):
    assert not run_job(LEARNER, 0, tmp_path, minutes=0.0)
    other = dataclasses.replace(LEARNER, env_id="CartPole-v1")
    with pytest.raises(JobError, match="begun with another recipe than L has now: --fresh"):
        run_job(other, 0, tmp_path)


def test_only_one_process_is_at_a_job(tmp_path):
    folder = job_folder(tmp_path, RANDOM, 0)
    with tutorial_jobs.locked(folder) as first, tutorial_jobs.locked(folder) as second:
        assert (first, second) == (True, False)
    with tutorial_jobs.locked(folder) as third:
        assert third


def test_a_job_that_fails_is_reported_and_stops_no_other(tmp_path, capsys):
    broken = tmp_path / "T1-seed0"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    (broken / "checkpoint.safetensors").write_text("no checkpoint")
    arguments = ["--rows", "T1", "--seeds", "2", "--jobs", "1", "--no-report"]
    assert tutorials.main([*arguments, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "T1 seed 0: failed: exit code 1" in said
    assert "config.json is damaged" in said
    (row,) = find_rows(["T1"])
    result = read_result(tmp_path, row, 1)
    assert f"T1 seed 1: {result['value']:.1f}, target 20" in said
    before = (tmp_path / "T1-seed1" / "result.json").stat().st_mtime
    arguments += ["--fresh", "--first-seed", "0", "--seeds", "1"]
    assert tutorials.main([*arguments, "--out", str(tmp_path)]) == 0
    assert read_result(tmp_path, row, 0) is not None
    assert (tmp_path / "T1-seed1" / "result.json").stat().st_mtime == before


def test_arguments_that_make_no_sense_are_refused(capsys):
    for arguments in (["--rows", "T99"], ["--seeds", "0"], ["--jobs", "0"]):
        with pytest.raises(SystemExit, match="2"):
            tutorials.main(arguments)
    assert "no row is called 'T99'" in capsys.readouterr().err


def test_the_report_goes_between_its_marks(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("# Before\n\n<!-- tutorials -->old<!-- /tutorials -->\n\n# After\n")
    out = tmp_path / "out"
    assert run_job(RANDOM, 0, out)
    assert run_job(RANDOM, 1, out)
    assert not run_job(LEARNER, 0, out, minutes=0.0)
    tutorial_report.write_report((RANDOM, LEARNER), out, page, tmp_path / "curves")
    text = page.read_text()
    assert text.startswith("# Before\n\n<!-- tutorials -->\n\n| row |")
    assert text.endswith("<!-- /tutorials -->\n\n# After\n")
    assert "old" not in text
    first, second = (read_result(out, RANDOM, seed)["value"] for seed in (0, 1))
    assert f"({first:.1f}, {second:.1f})" in text
    assert "| 2 of 2 |" in text
    assert "unfinished: seed 0: 1 of 1,600 steps" in text
    assert "![R: random](curves/R.png)" in text
    assert (tmp_path / "curves" / "R.png").stat().st_size > 5_000
    assert not (tmp_path / "curves" / "L.png").exists()  # no game is finished


def test_the_mean_curve_is_taken_where_all_seeds_have_been():
    histories = [[(10, 1.0), (20, 3.0), (40, 7.0)], [(20, 5.0), (30, 5.0)]]
    curves = [tuple(map(tutorial_report.np.array, zip(*each, strict=True))) for each in histories]
    grid, mean, deviation = tutorial_report.mean_curve(curves)
    assert (grid[0], grid[-1]) == (20, 30)
    assert mean[0] == pytest.approx(4.0)  # (3 + 5) / 2
    assert mean[-1] == pytest.approx(5.0)  # (5 + 5) / 2
    assert deviation[0] == pytest.approx(2**0.5)
    assert deviation[-1] == pytest.approx(0.0)


def test_figures_have_as_many_digits_as_matter():
    assert tutorial_report.with_seeds([1.0, 2.0]) == "1.50 ± 0.71 (1.00, 2.00)"
    assert tutorial_report.with_seeds([195.26]) == "195.3 (195.3)"
    assert tutorial_report.mean_and_range([5, 7]) == "6 [5 to 7]"
    assert tutorial_report.mean_and_range([50_000, 50_000]) == "50,000"
    assert tutorial_report.mean_and_range([]) == ""


def test_a_ladder_is_finished_when_all_rungs_are(tmp_path, monkeypatch):
    """The rungs that are there are not trained again; the first must fail and the last succeed."""
    row = dataclasses.replace(find_rows(["T3"])[0], steps=20)
    scores = {"naive": 10.0, "double": 199.0}
    trained = []

    class Example:
        RUNGS = scores
        CONFIG = "the configuration"

        @staticmethod
        def train(rung, seed, num_steps, config):
            trained.append((rung, seed, num_steps, config))
            return {"final_score": scores[rung]}

    monkeypatch.setattr(tutorial_jobs, "load_ladder", Example)
    assert not tutorial_jobs.run_ladder(row, 4, tmp_path, minutes=0.0)
    assert tutorial_jobs.run_ladder(row, 4, tmp_path)
    assert trained == [
        ("naive", 4, 10, "the configuration"),
        ("double", 4, 10, "the configuration"),
    ]
    result = read_result(tmp_path, row, 4)
    assert (result["value"], result["reached"], result["steps"]) == (199.0, True, 20)
    (job_folder(tmp_path, row, 4) / "double.json").write_text('{"final_score": 194.0}')
    assert tutorial_jobs.run_ladder(row, 4, tmp_path)
    assert len(trained) == 2
    assert not read_result(tmp_path, row, 4)["reached"]
    assert "| seed 4 | 10.0 | 194.0 |" in tutorial_report.ladder(
        [row], {row.id: [read_result(tmp_path, row, 4)]}
    )


def test_games_are_read_as_training_wrote_them(tmp_path):
    assert tutorial_report.read_games(tmp_path) == []
    assert run_job(RANDOM, 0, tmp_path)
    games = tutorial_report.read_games(job_folder(tmp_path, RANDOM, 0))
    assert [game.episode for game in games] == list(range(60))
    assert isinstance(games[0], EpisodeRow)
