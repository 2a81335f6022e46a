"""The tutorials: which rows there are, what a row makes of its results, the report."""

import dataclasses
import json
import signal
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra 'agents'")

from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments import JobFolder, LocalEngine, PeriodicEvaluation
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.seeds import format_with_values
from mario_rl_agents.recipes import ALGORITHMS, find_recipe
from mario_rl_agents.runs.run import Run

from benchmarks import tutorial_report, tutorial_results, tutorial_rows, tutorials
from benchmarks.tutorial_results import RowResult, keep, read_kept
from benchmarks.tutorial_rows import LADDER, ROWS, Row, find_rows

# Gymnasium would rather have version 1; the tutorials played version 0, which ends at 200 steps.
pytestmark = pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date:DeprecationWarning")


class QuickRow(Row):
    """A row whose agents play two test games."""

    def jobs(self, seed):
        return [dataclasses.replace(job, num_test_episodes=2) for job in super().jobs(seed)]


RANDOM = QuickRow(
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
LEARNER = QuickRow(
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


def run_row(row, seed, out, **keywords):
    """Run the jobs of a row in this process; return whether all are finished."""
    return None not in [run_job(job, out, **keywords) for job in row.jobs(seed)]


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
        recipe = find_recipe(row.algorithm, row.env_id, row.recipe)
        assert isinstance(recipe.config, ALGORITHMS[row.algorithm].config_class)


def test_every_row_makes_jobs_within_its_budget():
    names = [job.name for row in ROWS for job in row.jobs(2)]
    assert len(set(names)) == len(names)
    for row in ROWS:
        jobs = row.jobs(2)
        assert sum(job.spec.total_steps for job in jobs) == row.total_steps
        assert {job.spec.seed for job in jobs} == {2}
        assert {job.max_episodes for job in jobs} == {row.games}
    [lander] = next(row for row in ROWS if row.id == "LunarLander-PPO").jobs(0)
    assert lander.evaluation == PeriodicEvaluation(20_000, num_episodes=20, stop_at=240.0)


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


def test_a_row_says_what_its_seed_gave(tmp_path):
    assert RowResult.of(RANDOM, 3, tmp_path) is None
    assert run_row(RANDOM, 3, tmp_path)
    result = RowResult.of(RANDOM, 3, tmp_path)
    [job] = RANDOM.jobs(3)
    folder = JobFolder(tmp_path, job.name)
    episodes = folder.read_episodes()
    mean = sum(episode.episodic_return for episode in episodes) / 60
    assert result.value(RANDOM) == pytest.approx(mean)
    assert result.has_reached(RANDOM)
    assert (result.num_games, result.num_steps) == (60, episodes[-1].step)
    assert result.steps == tuple(episode.step for episode in episodes)
    assert result.returns == tuple(episode.episodic_return for episode in episodes)
    assert result.cpu_minutes == round(folder.read_progress().cpu_seconds / 60, 2)
    assert result.measured["last_100"] is None


def test_a_result_is_measured_as_the_row_is_now(tmp_path):
    assert run_row(RANDOM, 0, tmp_path)
    keep(RANDOM, [0], tmp_path, tmp_path)
    harder = dataclasses.replace(RANDOM, measure="last_50", target=400.0)
    [result] = read_kept(harder, tmp_path)
    assert result.value(harder) == result.measured["last_50"] != result.value(RANDOM)
    assert not result.has_reached(harder)


def test_what_is_kept_is_what_finished_seeds_gave(tmp_path):
    out, kept = tmp_path / "out", tmp_path / "kept"
    keep(RANDOM, [0, 1], out, kept)
    assert not kept.exists()
    assert run_row(RANDOM, 1, out)
    keep(RANDOM, [0, 1], out, kept)
    assert run_row(RANDOM, 0, out)
    found = [RowResult.of(RANDOM, seed, out) for seed in (0, 1)]
    assert read_kept(RANDOM, kept) == found[1:]
    keep(RANDOM, [0], out, kept)
    assert read_kept(RANDOM, kept) == found
    # Two jobs that differ are not of one row: say, when the recipe has changed since.
    assert read_kept(dataclasses.replace(RANDOM, games=59), kept) == []
    assert read_kept(dataclasses.replace(RANDOM, title="by chance"), kept) == found


def test_what_the_repository_keeps_is_of_rows_and_whole():
    """A file of a row that has changed is to be measured anew, or to be deleted."""
    rows = {row.id: row for row in ROWS}
    files = sorted(tutorial_results.KEPT.iterdir())
    assert files
    for path in files:
        results = read_kept(rows[path.stem])
        assert [result.seed for result in results] == list(range(len(results))), path.name
        assert results, path.name
        for result in results:
            assert len(result.steps) == len(result.returns)
            assert not any("changes" in commit for commit in result.commits), path.name


def test_training_ends_once_the_greedy_agent_is_good_enough(tmp_path):
    row = dataclasses.replace(LEARNER, env_id="CartPole-v1", stop_at=5.0, stop_period=150)
    assert run_row(row, 0, tmp_path)
    result = RowResult.of(row, 0, tmp_path)
    assert result.stopped_early
    assert result.num_steps == 150


def test_a_folder_of_another_recipe_is_left_alone(tmp_path):
    assert not run_row(LEARNER, 0, tmp_path, minutes=0.0)
    other = dataclasses.replace(LEARNER, env_id="CartPole-v1")
    with pytest.raises(
        JobError, match=r"begun with another env_id than L-seed0 has now.*\(fresh\)"
    ):
        run_row(other, 0, tmp_path)


@pytest.mark.slow
def test_a_job_that_fails_is_reported_and_stops_no_other(tmp_path, capsys):
    (row,) = find_rows(["T1"])
    [job] = row.jobs(0)
    run = JobFolder(tmp_path, job.name).run
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    Run(run, job.spec).checkpoint.write_text("no checkpoint")
    folders = ["--out", str(tmp_path), "--kept", str(tmp_path / "kept")]
    arguments = ["--rows", "T1", "--seeds", "2", "--jobs", "1", "--no-report", *folders]
    assert tutorials.main(arguments) == 1
    said = capsys.readouterr().err
    assert "T1-seed0: failed: exit code 1" in said
    assert "config.json is damaged" in said
    first = RowResult.of(row, 1, tmp_path)
    assert f"T1-seed1: {first.value(row):.1f}, target 20" in said
    assert read_kept(row, tmp_path / "kept") == [first]
    arguments += ["--fresh", "--first-seed", "0", "--seeds", "1"]
    assert tutorials.main(arguments) == 0
    assert read_kept(row, tmp_path / "kept") == [RowResult.of(row, 0, tmp_path), first]


def test_ctrl_c_says_how_far_each_job_is(tmp_path, capsys, monkeypatch):
    def interrupted(self, jobs, out, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "run", interrupted)
    folders = ["--out", str(tmp_path), "--kept", str(tmp_path / "kept")]
    handler = signal.getsignal(signal.SIGTERM)
    assert tutorials.main(["--rows", "T1", "--seeds", "1", "--no-report", *folders]) == 130
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "T1-seed0: 0 steps, 0 games, unfinished: the same command goes on" in (
        capsys.readouterr().err
    )


def test_arguments_that_make_no_sense_are_refused(capsys):
    for arguments in (["--rows", "T99"], ["--seeds", "0"], ["--jobs", "0"]):
        with pytest.raises(SystemExit, match="2"):
            tutorials.main(arguments)
    assert "no row is called 'T99'" in capsys.readouterr().err


def test_the_report_goes_between_its_marks(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("# Before\n\n<!-- tutorials -->old<!-- /tutorials -->\n\n# After\n")
    out, kept = tmp_path / "out", tmp_path / "kept"
    assert run_row(RANDOM, 0, out)
    assert run_row(RANDOM, 1, out)
    keep(RANDOM, [0, 1], out, kept)
    assert not run_row(LEARNER, 0, out, minutes=0.0)
    tutorial_report.write_report((RANDOM, LEARNER), out, kept, page, tmp_path / "curves")
    text = page.read_text()
    assert text.startswith("# Before\n\n<!-- tutorials -->\n\n| row |")
    assert text.endswith("<!-- /tutorials -->\n\n# After\n")
    assert "old" not in text
    results = read_kept(RANDOM, kept)
    first, second = (result.value(RANDOM) for result in results)
    assert f"({first:.1f}, {second:.1f}) | 5.00 | 2 of 2 |" in text
    finals = [result.finals[-1] for result in results]
    assert f"| 2 of 2 | {format_with_values(finals)} |" in text
    assert "unfinished: seed 0: 1 of 1,600 steps" in text
    assert "![R: random](curves/R.png)" in text
    assert (tmp_path / "curves" / "R.png").stat().st_size > 5_000
    assert not (tmp_path / "curves" / "L.png").exists()  # no game is finished


def test_a_report_without_runs_says_so(tmp_path):
    page = tmp_path / "results.md"
    nothing = tmp_path / "nothing"
    tutorial_report.write_report(ROWS, nothing, nothing, page, tmp_path / "curves")
    assert page.read_text().count("| not run |") == len(ROWS)


def test_a_ladder_is_finished_when_all_rungs_are(tmp_path, monkeypatch):
    """Each rung is a job; the first must fail and the last succeed."""
    example = tutorial_rows.load_ladder()
    few = {rung: example.RUNGS[rung] for rung in ("naive", "double")}
    names = [name for name in dir(example) if not name.startswith("_")]
    short = SimpleNamespace(**{name: getattr(example, name) for name in names} | {"RUNGS": few})
    for module in (tutorial_rows, tutorial_report):
        monkeypatch.setattr(module, "load_ladder", lambda: short)
    row = QuickRow(**dataclasses.asdict(find_rows(["T3"])[0]) | {"steps": 60, "target": 5.0})
    naive, double = row.jobs(4)
    assert (naive.name, double.name) == ("T3-seed4-naive", "T3-seed4-double")
    assert not naive.spec.config["bootstrap"]
    assert double.spec.total_steps == 30
    config = dataclasses.asdict(example.make_config("double", 30, example.CONFIG))
    assert double.spec.config == json.loads(json.dumps(config))
    run_job(naive, tmp_path)
    assert RowResult.of(row, 4, tmp_path) is None
    assert "seed 4: 30 of 60 steps" in tutorial_report.state(row, tmp_path)
    run_job(double, tmp_path)
    result = RowResult.of(row, 4, tmp_path)
    assert result.value(row) == result.finals[-1]
    assert result.num_steps == 60
    assert result.has_reached(row)  # the target is low, and none of them can balance yet
    monkeypatch.setattr(tutorial_results, "MAX_NAIVE_SCORE", result.finals[0])
    assert not result.has_reached(row)
    shown = " | ".join(f"{score:.2f}" if score < 10 else f"{score:.1f}" for score in result.finals)
    assert f"| seed 4 | {shown} |" in tutorial_report.ladder([row], {row.id: [result]})
    assert tutorial_report.draw(row, [result], tmp_path / "curves" / "T3.png")
    assert (tmp_path / "curves" / "T3.png").stat().st_size > 5_000
    assert row.measure == LADDER
