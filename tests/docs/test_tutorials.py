"""The tutorials: which rows there are, what a row makes of its results, the report."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra 'agents'")

from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments import JobFolder, LocalEngine, PeriodicEvaluation
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.seeds import format_with_values
from mario_rl_agents.recipes import ALGORITHMS, find_recipe
from mario_rl_agents.runs.run import Run

from benchmarks import tutorial_report, tutorial_rows, tutorials
from benchmarks.tutorial_rows import LADDER, MEASURES, ROWS, Row, find_rows, read_row

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
    assert read_row(RANDOM, 3, tmp_path) is None
    assert run_row(RANDOM, 3, tmp_path)
    result = read_row(RANDOM, 3, tmp_path)
    [job] = RANDOM.jobs(3)
    episodes = JobFolder(tmp_path, job.name).read_episodes()
    mean = sum(episode.episodic_return for episode in episodes) / 60
    assert result.value == pytest.approx(mean)
    assert result.reached
    assert (result.num_games, result.num_steps) == (60, episodes[-1].step)
    assert result.cpu_minutes == JobFolder(tmp_path, job.name).read_progress().cpu_seconds / 60 > 0
    assert MEASURES["last_100"].value(result.last) is None


def test_a_result_is_measured_as_the_row_is_now(tmp_path):
    assert run_row(RANDOM, 0, tmp_path)
    harder = dataclasses.replace(RANDOM, measure="last_50", target=400.0)
    result = read_row(harder, 0, tmp_path)
    assert result.value == result.last.training.last_50
    assert not result.reached


def test_training_ends_once_the_greedy_agent_is_good_enough(tmp_path):
    row = dataclasses.replace(LEARNER, env_id="CartPole-v1", stop_at=5.0, stop_period=150)
    assert run_row(row, 0, tmp_path)
    result = read_row(row, 0, tmp_path)
    assert result.last.ended_by == "evaluation"
    assert result.num_steps == 150


def test_a_folder_of_another_recipe_is_left_alone(tmp_path):
    assert not run_row(LEARNER, 0, tmp_path, minutes=0.0)
    other = dataclasses.replace(LEARNER, env_id="CartPole-v1")
    with pytest.raises(
        JobError, match=r"begun with another env_id than L-seed0 has now.*\(fresh\)"
    ):
        run_row(other, 0, tmp_path)


def test_a_job_that_fails_is_reported_and_stops_no_other(tmp_path, capsys):
    (row,) = find_rows(["T1"])
    [job] = row.jobs(0)
    run = JobFolder(tmp_path, job.name).run
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    Run(run, job.spec).checkpoint.write_text("no checkpoint")
    arguments = ["--rows", "T1", "--seeds", "2", "--jobs", "1", "--no-report"]
    assert tutorials.main([*arguments, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "T1-seed0: failed: exit code 1" in said
    assert "config.json is damaged" in said
    first = read_row(row, 1, tmp_path)
    assert f"T1-seed1: {first.value:.1f}, target 20" in said
    arguments += ["--fresh", "--first-seed", "0", "--seeds", "1"]
    assert tutorials.main([*arguments, "--out", str(tmp_path)]) == 0
    assert read_row(row, 0, tmp_path) is not None
    assert read_row(row, 1, tmp_path) == first


def test_ctrl_c_says_how_far_each_job_is(tmp_path, capsys, monkeypatch):
    def interrupted(self, jobs, out, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "run", interrupted)
    arguments = ["--rows", "T1", "--seeds", "1", "--no-report", "--out", str(tmp_path)]
    assert tutorials.main(arguments) == 130
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
    out = tmp_path / "out"
    assert run_row(RANDOM, 0, out)
    assert run_row(RANDOM, 1, out)
    assert not run_row(LEARNER, 0, out, minutes=0.0)
    tutorial_report.write_report((RANDOM, LEARNER), out, page, tmp_path / "curves")
    text = page.read_text()
    assert text.startswith("# Before\n\n<!-- tutorials -->\n\n| row |")
    assert text.endswith("<!-- /tutorials -->\n\n# After\n")
    assert "old" not in text
    first, second = (read_row(RANDOM, seed, out).value for seed in (0, 1))
    assert f"({first:.1f}, {second:.1f}) | 5.00 | 2 of 2 |" in text
    finals = [read_row(RANDOM, seed, out).last.final.return_mean for seed in (0, 1)]
    assert f"| 2 of 2 | {format_with_values(finals)} |" in text
    assert "unfinished: seed 0: 1 of 1,600 steps" in text
    assert "![R: random](curves/R.png)" in text
    assert (tmp_path / "curves" / "R.png").stat().st_size > 5_000
    assert not (tmp_path / "curves" / "L.png").exists()  # no game is finished


def test_a_report_without_runs_says_so(tmp_path):
    page = tmp_path / "results.md"
    tutorial_report.write_report(ROWS, tmp_path / "out", page, tmp_path / "curves")
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
    assert read_row(row, 4, tmp_path) is None
    assert "seed 4: 30 of 60 steps" in tutorial_report.state(row, tmp_path)
    run_job(double, tmp_path)
    result = read_row(row, 4, tmp_path)
    scores = [each.final.return_mean for each in result.results]
    assert result.value == scores[-1]
    assert result.num_steps == 60
    assert result.reached  # the target is low, and none of them can balance yet
    monkeypatch.setattr(tutorial_rows, "MAX_NAIVE_SCORE", scores[0])
    assert not result.reached
    shown = " | ".join(f"{score:.2f}" if score < 10 else f"{score:.1f}" for score in scores)
    assert f"| seed 4 | {shown} |" in tutorial_report.ladder([row], {row.id: [result]})
    assert tutorial_report.draw(row, [result], tmp_path, tmp_path / "curves" / "T3.png")
    assert (tmp_path / "curves" / "T3.png").stat().st_size > 5_000
    assert row.measure == LADDER
