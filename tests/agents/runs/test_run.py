"""A run's folder: made, opened, read, and never overwritten unasked."""

import json
from pathlib import Path

import pytest
from mario_rl_agents.errors import RunError
from mario_rl_agents.runs.evaluation import EvaluatedEpisode, Evaluation
from mario_rl_agents.runs.metrics import EpisodeRow, MetricRow, write_rows
from mario_rl_agents.runs.run import Run, RunSpec


def spec(total_steps: int) -> RunSpec:
    return RunSpec("dqn", "CartPole-v1", {}, {}, seed=0, total_steps=total_steps)


def new_run(folder: Path, total_steps: int = 10) -> Run:
    return Run.create(folder, spec(total_steps), command=["mario-rl", "train"])


def test_config_says_what_the_run_is(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 10)
    saved = json.loads((run.folder / "config.json").read_text())
    assert saved["algorithm"] == "dqn"
    assert saved["env_id"] == "CartPole-v1"
    assert saved["command"] == ["mario-rl", "train"]
    assert {"python", "torch", "gymnasium", "numpy"} <= set(saved["versions"])
    assert Run.open(run.folder) == run
    assert run.extended_to(20).spec.total_steps == 20
    assert Run.open(run.folder).spec.total_steps == 20
    assert json.loads((run.folder / "config.json").read_text())["command"] == saved["command"]


def test_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 10)
    (run.folder / "metrics.csv").write_text("old")
    with pytest.raises(RunError, match=r"already holds a run: resume it \(--resume\), replace"):
        new_run(run.folder, 10)
    assert (run.folder / "metrics.csv").exists()
    Run.create(run.folder, spec(10), command=[], overwrite=True)
    assert not (run.folder / "metrics.csv").exists()


def test_what_is_not_a_run_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="is not a run: choose another folder"):
            Run.create(tmp_path, spec(10), command=[], overwrite=overwrite)
    with pytest.raises(RunError, match="is not a run"):
        Run.create(tmp_path / "thesis.tex", spec(10), command=[], overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("{}", "is damaged"),
        ('{"format": 99}', "has format 99, this version reads 1"),
    ],
)
def test_a_damaged_config_is_said(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match=message):
        Run.open(tmp_path)


def test_a_missing_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run at"):
        Run.open(tmp_path / "nowhere")


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="total_steps must be at least 1, received 0"):
        spec(0)
    with pytest.raises(ValueError, match="num_envs must be at least 1, received 0"):
        RunSpec("dqn", "CartPole-v1", {}, {}, seed=0, total_steps=1, num_envs=0)


def test_a_run_without_a_number_of_environments_has_one(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    path = run.folder / "config.json"
    saved = json.loads(path.read_text())
    del saved["num_envs"]
    path.write_text(json.dumps(saved))
    assert Run.open(run.folder) == run


def test_logs_are_empty_before_training_and_read_after_it(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    assert (run.episodes(), run.metrics(), run.evaluations()) == ([], [], [])
    episode = EpisodeRow(0, 10, 5.0, 10, True, False, None, None)
    metric = MetricRow(10, "charts/epsilon", 0.5)
    write_rows(run.episodes_path, EpisodeRow, [episode])
    write_rows(run.metrics_path, MetricRow, [metric])
    assert (run.episodes(), run.metrics()) == ([episode], [metric])


def test_evaluations_are_read_as_they_were_written(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    episode = EvaluatedEpisode(3, 5.0, 10, True, False, None, None)
    silent = Evaluation(0.0, False, 3, 1, 5.0, 0.0, 10.0, 0.0, None, None, None, (episode,))
    clear = Evaluation(
        0.05, True, 3, 1, 5.0, 0.0, 10.0, 0.0, 40.0, 1.0, (0.2, 1.0), (episode, episode)
    )
    run.write_evaluations(run.best, [silent, clear])
    assert run.evaluations() == [silent, clear]
    assert json.loads(run.evaluation_path.read_text())["checkpoint"] == str(run.best)


@pytest.mark.parametrize("content", ["{", "{}", '{"evaluations": [{"epsilon": 0}]}'])
def test_a_damaged_evaluation_is_said(tmp_path: Path, content: str) -> None:
    run = new_run(tmp_path / "run")
    run.evaluation_path.write_text(content)
    with pytest.raises(RunError, match=r"evaluation\.json is damaged"):
        run.evaluations()


def test_the_best_checkpoint_is_taken_else_the_latest(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    with pytest.raises(RunError, match="has no checkpoint yet"):
        run.best_or_latest()
    run.checkpoint.touch()
    assert run.best_or_latest() == run.checkpoint
    run.best.touch()
    assert run.best_or_latest() == run.best
