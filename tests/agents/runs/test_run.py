"""A run's folder: made, opened, read, and never overwritten unasked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.errors import RunError
from mario_rl_agents.experiments import JobFolder
from mario_rl_agents.reports.run_page import run_page
from mario_rl_agents.runs.evaluation import Evaluation
from mario_rl_agents.runs.loading import load_agent
from mario_rl_agents.runs.metrics import EpisodeRow, MetricRow, write_rows
from mario_rl_agents.runs.playing import EvaluatedEpisode
from mario_rl_agents.runs.provenance import describe_commit
from mario_rl_agents.runs.run import Run, RunSpec
from support.agent_toys import run_python


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
    record = run.record()
    assert (saved["commit"], saved["machine"]) == (record.commit, record.machine)
    assert record.commit == describe_commit()
    assert record.machine.endswith(" cores")
    assert run.extended_to(20).spec.total_steps == 20
    assert Run.open(run.folder).spec.total_steps == 20
    assert run.record() == record


def test_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 10)
    (run.folder / "metrics.csv").write_text("old")
    with pytest.raises(RunError, match=r"already holds a run: replace it \(--overwrite\), or"):
        new_run(run.folder, 10)
    run.checkpoint.write_bytes(b"")
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
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        spec(0)
    with pytest.raises(ValueError, match=r"num_envs must be a whole number in \[1, 65536\], got 0"):
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
    assert run.evaluations(run.best) == [silent, clear]
    assert run.evaluations(run.kept(100)) == run.evaluations(run.checkpoint) == []
    assert json.loads(run.evaluation_path.read_text())["checkpoint"] == str(run.best)


def test_an_evaluation_is_of_the_weights_that_there_were(tmp_path: Path) -> None:
    """Those of the same file, after more steps of training, have none."""
    run = new_run(tmp_path / "run")
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    episode = EvaluatedEpisode(3, 5.0, 10, True, False, None, None)
    played = Evaluation(0.0, False, 3, 1, 5.0, 0.0, 10.0, 0.0, None, None, None, (episode,))
    notice = "The evaluation is of earlier weights"
    agent.learn(10)
    agent.save(run.checkpoint)
    run.write_evaluations(run.checkpoint, [played])
    assert run.evaluations(run.checkpoint) == [played]
    run_page(run).write(run.report)
    assert notice not in run.report.read_text(encoding="utf-8")
    agent.learn(10)
    agent.save(run.checkpoint)
    assert run.evaluations(run.checkpoint) == []
    assert run.evaluations() == [played]
    run_page(run).write(run.report)
    assert notice in run.report.read_text(encoding="utf-8")
    agent.env.close()


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


def test_a_model_of_others_is_no_run(tmp_path: Path) -> None:
    """Every model of Hugging Face has a config.json."""
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 768}')
    (tmp_path / "model.safetensors").write_text("weights")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="is not a run: choose another folder"):
            Run.create(tmp_path, spec(10), overwrite=overwrite)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}


def test_overwriting_deletes_a_run_and_nothing_else(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    own = [
        "checkpoint.safetensors",
        "checkpoint.replay-20-0123abcd.safetensors",
        "best.safetensors",
        "episodes.csv",
        "metrics.csv",
        "evaluation.json",
        "learning_curve.png",
        "video.mp4",
        "video.decisions.json",
        "demonstrations-12.safetensors",
        "tensorboard/events.out.tfevents.1.host",
        ".metrics.csv.0123abcd.tmp.csv",
        ".checkpoint.replay-40-0123abcd.safetensors.0123abcd.tmp.safetensors",
        ".checkpoint.safetensors.lock",
    ]
    others = ["thesis.tex", "notes/day.txt", "other.safetensors", "tensorboard/notes.txt"]
    others += ["demonstrations-of-1-4.safetensors"]
    for name in (*own, *others):
        path = run.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    outside = tmp_path / "outside"
    outside.write_text("somebody's")
    (run.folder / "evaluation.json").unlink()
    (run.folder / "evaluation.json").symlink_to(outside)
    Run.create(run.folder, spec(20), overwrite=True)
    left = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert left == {"config.json", *others}
    assert outside.read_text() == "somebody's"
    assert Run.open(run.folder).spec.total_steps == 20
    run.delete()
    assert not (run.folder / "config.json").exists()
    assert (run.folder / "thesis.tex").exists()


FULL_DISK = """
import resource, signal
from mario_rl_agents.runs.run import Run, RunSpec
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
try:
    Run.create({folder!r}, RunSpec("dqn", "CartPole-v1", {{}}, {{}}, seed=0, total_steps=10))
except OSError as error:
    print(error.errno)
"""


def test_a_full_disk_while_a_run_is_made_leaves_no_folder(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of file sizes are a POSIX feature")
    assert run_python(FULL_DISK.format(folder=str(tmp_path / "run"))) == "27\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_leaves_of_the_making_of_a_run_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".config.json.0123abcd.tmp.json").write_text("{")
    (tmp_path / "lock").touch()
    new_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_run_in_training_is_not_overwritten_extended_or_deleted(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    with run.locked():
        for change in (
            lambda: Run.create(run.folder, spec(20), overwrite=True),
            lambda: run.extended_to(20),
            run.delete,
        ):
            with pytest.raises(RunError, match="is being trained by another process: wait until"):
                change()
    assert Run.open(run.folder) == run


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": "0"},
        {"total_steps": 2**70},
        {"total_steps": True},
        {"num_envs": 10**9},
        {"env_id": None},
        {"env_kwargs": []},
        {"config": 1},
        {"evaluation_epsilon": float("nan")},
    ],
)
def test_an_impossible_config_is_said(tmp_path: Path, change: dict[str, Any]) -> None:
    run = new_run(tmp_path / "run")
    path = run.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=rf"is damaged \({next(iter(change))} must be"):
        Run.open(run.folder)


def test_keywords_that_are_not_plain_are_written_as_what_they_stand_for(tmp_path: Path) -> None:
    keywords = {"skip": np.int64(2), "rom_path": Path("mario.nes"), "start": np.arange(2)}
    run = Run.create(tmp_path, RunSpec("dqn", "X-v0", keywords, {}, seed=0, total_steps=1))
    assert run.spec.env_kwargs == {"skip": 2, "rom_path": "mario.nes", "start": [0, 1]}
    with pytest.raises(ValueError, match="env_kwargs must be an object"):
        RunSpec("dqn", "X-v0", {"reward": abs}, {}, seed=0, total_steps=1)


def test_a_leading_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = Run.create("~/run", spec(10))
    assert run.folder == tmp_path / "run"
    assert Run.open("~/run") == run
    agent = DQN.create("CartPole-v1", DQNConfig(hidden_sizes=(4,)), device="cpu")
    agent.save("~/run/checkpoint.safetensors", replay=True)
    loaded = load_agent("~/run")
    loaded.save("~/run/checkpoint.safetensors")
    loaded.env.close()
    assert JobFolder("~", "job").path == tmp_path / "job"
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "checkpoint.safetensors"}
