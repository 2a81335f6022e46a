"""The command line: what each command leaves and prints, and that every mistake is one line."""

import dataclasses
import hashlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TransformObservation, TransformReward
from mario_rl_agents.algorithms.ppo import PPOConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.cli.app import app
from mario_rl_agents.recipes import ALGORITHMS, ANY, MARIO, recipes_of
from mario_rl_agents.runs.loading import load_agent
from mario_rl_agents.runs.run import Run
from mario_rl_agents.weights.policies import load_policy
from support.agent_toys import ROOT, run_python
from typer.testing import CliRunner, Result

import mario_rl_envs

# Epsilon hardly falls, so that episodes stay short.
EXPLORE = ["--set", "exploration=epsilon_greedy", "--set", "learning_starts=50"]
TRAIN = ["train", "dqn", "CartPole-v1", *EXPLORE, "--eval-episodes", "2"]
MODULE = [sys.executable, "-m", "mario_rl_agents"]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def wide(*arguments: str | Path) -> str:
    """Return what a command prints on a wide screen."""
    result = CliRunner().invoke(app, [str(x) for x in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def words_of(output: str) -> str:
    """Return what is printed without the breaks and the frames of tables."""
    return " ".join(output.replace("│", " ").split())


def fail(code: int, *arguments: str | Path) -> str:
    """Return the one line that a mistake prints."""
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)  # no traceback
    lines = result.output.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert len(lines) == 1
    return lines[-1].removeprefix("error: ")


def fail_late(*arguments: str | Path) -> str:
    """Return the one line in which training ends after it began to show its progress."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)  # no traceback
    return result.output.strip().splitlines()[-1].removeprefix("error: ")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was trained for 100 episodes and recorded."""
    folder = tmp_path_factory.mktemp("runs") / "cartpole"
    output = succeed(*TRAIN, "--steps", "3000", "--out", folder, "--video", "--device", "cpu")
    assert "finished, 3,000 steps" in output
    assert f"mario-rl watch {folder}" in output
    return folder


def test_train_leaves_a_whole_run(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert {
        "best.safetensors",
        "checkpoint.safetensors",
        "config.json",
        "episodes.csv",
        "evaluation.json",
        "learning_curve.png",
        "metrics.csv",
        "tensorboard",
        "video.mp4",
        "video.decisions.json",
    } <= names
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["learning_starts"] == 50
    assert config["total_steps"] == 3000
    assert read_header(run / "checkpoint.safetensors").num_steps == 3000
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert [entry["num_episodes"] for entry in evaluation["evaluations"]] == [2]


def test_evaluate_prints_a_table_or_json(run: Path) -> None:
    table = succeed("evaluate", run, "--episodes", "3", "--seed", "5")
    assert "greedy" in table
    first = succeed("evaluate", run, "--episodes", "3", "--epsilon", "0.5", "--json")
    content = json.loads(first)  # nothing else is printed
    assert content["checkpoint"].endswith("best.safetensors")
    [evaluation] = content["evaluations"]
    assert (evaluation["epsilon"], evaluation["num_episodes"]) == (0.5, 3)
    assert succeed("evaluate", run, "--episodes", "3", "--epsilon", "0.5", "--json") == first
    latest = succeed("evaluate", run / "checkpoint.safetensors", "--episodes", "1", "--json")
    assert json.loads(latest)["checkpoint"].endswith("checkpoint.safetensors")


def test_evaluate_writes_the_usual_evaluation_of_a_run(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    path = copy / "evaluation.json"
    content = json.loads(succeed("evaluate", copy, "--episodes", "3", "--json"))
    num_steps = read_header(Path(content["checkpoint"])).num_steps
    assert json.loads(path.read_text()) == {**content, "num_steps": num_steps}
    assert content["best_policy"] == {"epsilon": 0.0, "sampled": False}
    for other in (["--epsilon", "0.5"], ["--sample"], ["--env", "max_episode_steps=3"]):
        succeed("evaluate", copy, "--episodes", "1", *other)
    succeed("evaluate", copy / "checkpoint.safetensors", "--episodes", "1")
    assert json.loads(path.read_text()) == {**content, "num_steps": num_steps}


def test_the_summary_says_that_learning_had_not_begun(tmp_path: Path) -> None:
    short = ["--steps", "20", "--eval-episodes", "0", "--device", "cpu"]
    output = succeed("train", "dqn", "CartPole-v1", *short, "--out", tmp_path / "dqn")
    assert "0 updates: learning had not begun (learning_starts = 1,000)" in words_of(output)
    output = succeed("train", "ppo", "CartPole-v1", *short, "--out", tmp_path / "ppo")
    assert (
        "0 updates: learning had not begun (rollout_steps = 128 in 8 environments: 1,024 steps)"
        in words_of(output)
    )
    output = succeed("train", "random", "CartPole-v1", *short, "--out", tmp_path / "random")
    assert "0 updates, " in words_of(output)


def test_plot_draws_one_run_and_several(run: Path, tmp_path: Path) -> None:
    (run / "learning_curve.png").unlink()
    assert succeed("plot", run, "--out", tmp_path / "curve").strip() == str(tmp_path / "curve.png")
    assert "is a folder: give a file in it, as " in fail(2, "plot", run, "--out", tmp_path)
    assert succeed("plot", run).strip() == str(run / "learning_curve.png")
    assert (run / "learning_curve.png").is_file()
    succeed("plot", run, run, "--out", tmp_path / "two.svg")
    assert (tmp_path / "two.svg").read_text().startswith("<?xml")


def test_what_cannot_be_written_is_said_first(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process that may: to root everything is allowed."""
    locked = tmp_path / "locked"
    locked.mkdir()
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (mode & os.W_OK and Path(path) in (run, locked))
    )
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    refused: list[tuple[Path, tuple[str | Path, ...]]] = [
        (run, ("evaluate", run, "--episodes", "1")),
        (run, ("plot", run)),
        (locked, ("plot", run, "--out", locked / "curve.png")),
        (run, ("report", run)),
        (locked, ("report", run, "--out", locked / "new" / "page.html")),
        (locked, ("export", run, "--onnx", locked / "agent.onnx")),
        (locked, ("watch", run, "--video", locked / "video.gif")),
        (locked, ("watch", "--route", "1-1", "--video", locked / "video.gif")),
    ]
    for folder, arguments in refused:
        assert fail(1, *arguments) == f"[Errno 13] nothing may be written there: '{folder}'"
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    assert not list(locked.iterdir())


def test_a_folder_in_place_of_a_file_is_said_before_what_it_is_to_hold_is_made(
    run: Path, tmp_path: Path
) -> None:
    for name, arguments in {
        "page.html": ("report", run, "--out"),
        "agent.onnx": ("export", run, "--onnx"),
        "video.gif": ("watch", run, "--video"),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        said = fail(1, *arguments, folder)
        assert said == f"[Errno 21] it is a folder, name a file in it: '{folder}'"


@pytest.mark.parametrize("minutes", ["inf", "nan"])
def test_minutes_are_finite(minutes: str, tmp_path: Path) -> None:
    for command in (
        ("train", "dqn", "CartPole-v1"),
        ("compare", "dqn", "--env", "CartPole-v1", "--steps", "9"),
    ):
        result = invoke(*command, "--minutes", minutes, "--out", tmp_path / "run")
        assert result.exit_code == 2
        assert "Invalid value for '--minutes'" in words_of(result.output)
    assert not list(tmp_path.iterdir())


def test_envs_lists_every_environment() -> None:
    output = succeed("envs")
    listed = [word for word in output.split() if word.startswith("MarioRL-")]
    assert {env_id for env_id in mario_rl_envs.ENV_IDS if env_id in listed} == set(
        mario_rl_envs.ENV_IDS
    )
    [row] = [line for line in output.splitlines() if "MarioRL-8-4-v0" in line]
    assert "world 8, stage 4" in row
    assert "(4, 84, 84)" in row
    [row] = [line for line in output.splitlines() if "MarioRL-v0" in line]
    assert "the whole game" in row


def test_recipes_lists_every_one() -> None:
    for algorithm in ALGORITHMS:
        rows = [" ".join(line.split()) for line in wide("recipes", algorithm).splitlines()]
        assert algorithm in rows
        for (env_id, name), recipe in recipes_of(algorithm).items():
            place = {MARIO: "any MarioRL-...", ANY: "any other"}.get(env_id, env_id)
            sizes = {"tiles": "tiles", **dict.fromkeys(["imitation", "pixels"], "pixels 42")}
            sizes["demo"] = "pixels 42" if algorithm == "ppo" else "pixels 52"
            sees = "tiles" if algorithm == "cem" else sizes.get(name, "pixels 84")
            facts = [place, name, *([sees] if env_id == MARIO else []), f"{recipe.total_steps:,}"]
            if recipe.measured is not None:
                facts += [f"{recipe.measured.minutes:.1f}", recipe.measured.result]
            assert any(row.startswith(" ".join(facts)) for row in rows), facts
            if recipe.measured is None:
                assert " ".join(facts) in rows  # and nothing more
    assert max(map(len, succeed("recipes").splitlines())) <= 80
    assert "double_dqn" not in succeed("recipes", "dqn")
    assert "the settings of dqn's default" in wide("recipes", "sb3-dqn")
    assert "like" not in succeed("recipes", "sb3-qrdqn")
    assert "no algorithm 'dqqn', did you mean dqn?" in fail(2, "recipes", "dqqn")


def test_recipes_shows_every_number() -> None:
    shown = wide("recipes", "ppo", "MarioRL-1-1-v0", "--show")
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    names = ["default", "demo", "imitation", "pixels", "tiles"]
    assert [row for row in rows if ", recipe " in row] == [
        f"ppo on any MarioRL-..., recipe {name}" for name in names
    ]
    pixels = rows[rows.index("ppo on any MarioRL-..., recipe pixels") :]
    assert pixels[1] == "1,750,000 steps in 64 sub-environments side by side"
    assert "--env sticky=0.25" in pixels
    assert "--env channels=last" in pixels
    assert "gamma 0.9 0.99 discount per environment step" in pixels
    assert "gae_lambda 0.95 0 trusts the values, 1 the rewards alone" in pixels
    for field in dataclasses.fields(PPOConfig):
        assert sum(row.startswith(f"{field.name} ") for row in rows) == len(names)
    measured = wide("recipes", "dqn", "CartPole-v1", "--show")
    assert "measured: 1.3 minutes, 500.0 ± 0.00" in measured
    for algorithm in ALGORITHMS:
        assert f"{algorithm} on" in succeed("recipes", algorithm, "--show")
    assert [line for line in wide("recipes", "dqn", "CartPole-v1").splitlines() if "Pole" in line]
    assert "MarioRL" not in wide("recipes", "dqn", "CartPole-v1").partition("Train with")[0]
    assert "--show needs an algorithm" in fail(2, "recipes", "--show")
    assert "ddpg on any other, recipe default" in wide("recipes", "ddpg", "My-v0", "--show")
    for options in ([], ["--show"]):
        misspelled = wide("recipes", "dqn", "CartPol-v1", *options)
        assert "nothing registers CartPol-v1, did you mean CartPole-v1 or" in misspelled
        assert "any other" in misspelled
    assert "did you mean" not in wide("recipes", "dqn", "mine:CartPol-v1")
    assert "did you mean" not in wide("recipes", "dqn", "CartPole-v1")


def test_version_and_help() -> None:
    assert succeed("--version").startswith(f"mario-rl {mario_rl_envs.__version__} (Python 3.")
    output = succeed("--help")
    assert all(
        name in output for name in ("train", "evaluate", "watch", "play", "plot", "envs", "recipes")
    )
    for command in ("train", "evaluate", "watch", "play", "plot", "envs", "recipes"):
        assert "Usage" in succeed(command, "--help")


COMMANDS: Final = {info.callback.__name__: info.callback for info in app.registered_commands}  # type: ignore[union-attr]


def help_of(*arguments: str, width: int, encoding: str) -> str:
    """Return a help page as a stream of that encoding gets it."""
    runner = CliRunner(charset=encoding)
    result = runner.invoke(app, [*arguments, "--help"], terminal_width=width)
    assert result.exit_code == 0, result.exception
    result.stdout_bytes.decode("ascii")  # whatever the encoding: there is nothing to replace
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= width
    return " ".join(result.output.split())


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252", "utf-8"])
@pytest.mark.parametrize("width", [60, 80])
def test_help_is_complete_everywhere(width: int, encoding: str) -> None:
    overview = help_of(width=width, encoding=encoding).replace("- ", "-")  # words in two
    for name, command in COMMANDS.items():
        paragraphs = (inspect.getdoc(command) or "").split("\n\n")
        assert " ".join(paragraphs[0].split()).replace("- ", "-") in overview
        page = help_of(name, width=width, encoding=encoding).replace("- ", "-")
        for text in (*paragraphs, *(texts_of(command))):
            assert " ".join(text.split()).replace("- ", "-") in page, text
            assert not re.search(r"\[/|\[bold|\[dim", text)  # no markup: help is plain


def test_usage_names_arguments_alike() -> None:
    """In capitals, once; that there may be several is said by the dots at the end."""
    for name in COMMANDS:
        words = succeed(name, "--help").splitlines()[0].split()[4:]
        for word in words:
            assert re.fullmatch(r"\[[A-Z_]+\](\.\.\.)?|\{[A-Z_]+\}(\.\.\.)?", word), words


def texts_of(command: Any) -> list[str]:
    """Return the help of each option and argument of a command."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return")
    return [get_args(hint)[1].help for hint in hints.values()]


@pytest.mark.parametrize("width", ["60", "80"])
@pytest.mark.parametrize("command", ["envs", "recipes"])
def test_tables_are_complete_on_narrow_terminals(command: str, width: str) -> None:
    result = CliRunner().invoke(app, [command], env={"COLUMNS": width})
    assert max(map(len, result.output.splitlines())) <= int(width)
    assert "…" not in result.output
    if command == "envs":
        assert set(mario_rl_envs.ENV_IDS) <= set(result.output.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="of Linux")
@pytest.mark.parametrize("command", ["envs", "recipes"])
def test_a_full_disk_is_one_line(command: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*MODULE, command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_results_are_printed_in_every_encoding(encoding: str) -> None:
    """By a process: its streams are those of a console of that encoding."""
    done = subprocess.run(
        [*MODULE, "recipes", "ppo"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "120"},
        check=True,
    )
    sign = "+-" if encoding == "ascii" else "±"
    assert f"237.5 {sign} 4.97, 328,000 steps" in done.stdout.decode(encoding)


def test_help_imports_neither_torch_nor_the_game() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from mario_rl_agents.cli.app import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "print(*{'torch', 'gymnasium', 'matplotlib', 'mario_rl_envs'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == ""


@pytest.mark.parametrize("algorithm", ["a3c", "ppo", "double_dqn"])
def test_training_leaves_the_compiler_of_pytorch_alone(algorithm: str, tmp_path: Path) -> None:
    """Its import costs every process as much time as that of the rest of PyTorch."""
    folder = str(tmp_path / "run")
    train = ["train", algorithm, "CartPole-v1", "--steps", "200", "--out", folder]
    resume = ["train", "--resume", folder, "--steps", "300"]
    evaluate = ["evaluate", folder, "--episodes", "1"]
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mario_rl_agents.cli.app import app\n"
        f"for command in {[train, resume, evaluate]}:\n"
        "    result = CliRunner().invoke(app, [*command, '--device', 'cpu'])\n"
        "    assert result.exit_code == 0, result.output\n"
        "print('torch' in sys.modules, 'torch._dynamo' in sys.modules)\n"
    )
    assert run_python(code).strip() == "True False"


def test_resume_goes_on_to_a_new_total(tmp_path: Path) -> None:
    train = [*TRAIN, "--eval-episodes", "0", "--device", "cpu"]
    succeed(*train, "--steps", "300", "--out", tmp_path / "whole")
    succeed(*train, "--steps", "170", "--out", tmp_path / "parts")
    output = succeed("train", "--resume", tmp_path / "parts", "--steps", "300", "--device", "cpu")
    assert "resuming at step 170" in output
    assert Run.open(tmp_path / "parts").episodes() == Run.open(tmp_path / "whole").episodes()
    speed = "charts/steps_per_second"
    parts, whole = (
        [row for row in Run.open(tmp_path / name).metrics() if row.metric != speed]
        for name in ("parts", "whole")
    )
    assert parts == whole


def test_a_run_without_a_name_gets_a_free_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        succeed(*TRAIN[:3], "--steps", "5", "--eval-episodes", "0", "--seed", "4")
    names = {path.name for path in Path("runs").iterdir()}
    assert names == {"dqn-CartPole-v1-seed4", "dqn-CartPole-v1-seed4-2"}


def test_env_keywords_reach_training_and_evaluation(tmp_path: Path) -> None:
    run = tmp_path / "walk"
    walk: list[str | Path] = ["train", "double_dqn", "FlagWalk-v0", "--steps", "12", "--out", run]
    output = succeed(*walk, "--env", "flag_probability=1", "--eval-episodes", "2")
    assert "100% [34%, 100%]" in output
    assert all(row.cleared for row in Run.open(run).episodes())
    never = succeed("evaluate", run, "--episodes", "2", "--env", "flag_probability=0")
    assert "0% [0%, 66%]" in never
    succeed(*walk[:-1], tmp_path / "cut", "--env", "max_episode_steps=3", "--eval-episodes", "1")
    assert {row.episodic_length for row in Run.open(tmp_path / "cut").episodes()} == {3}
    content = json.loads(succeed("evaluate", tmp_path / "cut", "--episodes", "1", "--json"))
    assert content["evaluations"][0]["episodes"][0]["length"] == 3


def test_mario_trains_and_is_evaluated_greedily_once(tmp_path: Path) -> None:
    run = tmp_path / "mario"
    limits = ["--recipe", "demo", "--env", "max_episode_steps=4"]
    succeed(
        "train", "double_dqn", "MarioRL-1-1-v0", "--steps", "9", "--out", run,
        *limits, "--eval-episodes", "2",
    )  # fmt: skip
    evaluations = json.loads((run / "evaluation.json").read_text())["evaluations"]
    assert [(entry["epsilon"], entry["num_episodes"]) for entry in evaluations] == [
        (0, 1),
        (0.05, 2),
    ]
    assert all(entry["clear_rate"] == 0.0 for entry in evaluations)
    assert [row.cleared for row in Run.open(run).episodes()] == [False, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dqnn", "CartPole-v1"], "there is no algorithm 'dqnn', did you mean dqn"),
        (
            ["acer", "CartPole-v1"],
            "there is no algorithm 'acer': known are a3c, actor_critic, cem, ddpg,",
        ),
        (["dqn", "CartPole-v9"], "there is no environment 'CartPole-v9', did you mean CartPole-v1"),
        (["dqn", "MarioRL-1-9-v0"], "did you mean MarioRL-1-"),
        (["dqn", "Zelda"], "there is no environment 'Zelda': mario-rl envs lists those of Mario"),
        (["dqn", "nowhere:Env-v0"], "there is no environment 'nowhere:Env-v0'"),
        (["dqn", "Pendulum-v1"], "dqn on Pendulum-v1: "),
        (["dqn"], "give an algorithm and an environment"),
        (["dqn", "CartPole-v1", "--recipe", "fast"], "there is no recipe 'fast'"),
        (["dqn", "MarioRL-1-1-v0", "--recipe", "dmo"], "MarioRL-1-1-v0, did you mean demo? known"),
        (["dqn", "CartPole-v1", "--set", "gamma"], "--set takes KEY=VALUE, received 'gamma'"),
        (["dqn", "CartPole-v1", "--set", "gama=1"], "has no such field, did you mean gamma"),
        (
            ["dqn", "CartPole-v1", "--set", "gamma=7"],
            "--set gamma must be a number in [0, 1], ",
        ),
        (["dqn", "CartPole-v1", "--set", "dueling=maybe"], "--set dueling must be true or false"),
        (["dqn", "CartPole-v1", "--env", "wind=3"], "CartPole-v1 cannot be made: "),
        (["dqn", "MarioRL-1-1-v0", "--env", "action=simple"], "'action', did you mean actions?"),
        (
            ["dqn", "FrozenLake-v1", "--env", "is_slippery=maybe"],
            "is_slippery must be true or false, yes or no, on or off, got 'maybe'",
        ),
        (["dqn", "SuperMarioBros-1-1-v0"], "did you mean MarioRL-1-1-v0"),
        (["dqn", "MarioRL-1-1-v0", "--env", "actions=fly"], "MarioRL-1-1-v0 cannot be made: "),
        (["dqn", "CartPole-v1", "--device", "abacus"], "dqn on CartPole-v1: "),
        (
            ["dqn", "CartPole-v1", "--video", "--eval-episodes", "0"],
            "--video records an episode of",
        ),
    ],
)
def test_mistakes_of_train_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in fail(2, "train", *arguments)
    assert not Path("runs").exists()


def test_a_training_begins_with_the_weights_of_another(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "next"
    begin = ["train", "dqn", "CartPole-v1", "--begin-with"]
    few = [*EXPLORE, "--steps", "10", "--eval-episodes", "0", "--out", str(out)]
    lines = succeed(*begin, run, *few)
    checkpoint = run / "best.safetensors"
    assert f"it begins with the weights of {checkpoint}" in lines
    spec = Run.open(out).spec
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (spec.begins_with, spec.begins_with_sha256) == (str(checkpoint), digest)
    # No gradient step is due yet.
    first, second = (load_agent(each, make_env=False).networks["q"] for each in (run, out))
    for name, x in first.state_dict().items():
        assert x.equal(second.state_dict()[name])
    nothing = tmp_path / "nothing.safetensors"
    assert f"there is no checkpoint at {nothing}" in fail(2, *begin, nothing, *few)
    other = ["--set", "hidden_sizes=[8]", "--overwrite"]
    message = fail(2, *begin, run, *few, *other)
    assert f"{checkpoint} does not fit: " in message
    assert "differ in {'hidden_sizes': " in message
    message = fail(2, "train", "ppo", "CartPole-v1", "--begin-with", run, "--out", out, other[-1])
    assert "holds an agent of algorithm 'dqn', not 'ppo'" in message
    assert Run.open(out).spec == spec  # nothing is lost by that
    message = fail(2, "train", "--resume", out, "--begin-with", run)
    assert "--begin-with cannot change a run" in message


def test_a_training_begins_with_a_policy_of_the_package(tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ["--num-envs", "2", "--set", "rollout_steps=8", "--set", "batch_size=16"]
    few = ["--steps", "16", "--eval-episodes", "0", "--set", "learning_rate=1e-12"]
    start = ["train", "ppo", "MarioRL-3-1-v0", "--recipe", "imitation", *small, *few]
    succeed(*start, "--begin-with", "MarioRL-3-2-v0", "--out", out)
    policy = load_policy("MarioRL-3-2-v0", device="cpu")
    trained = load_agent(out, make_env=False, device="cpu")
    obs = np.random.default_rng(0).integers(0, 256, (64, 42, 42, 4), np.uint8)
    np.testing.assert_array_equal(trained.act(obs), policy.act(obs))
    policy.env.close()


def test_resume_refuses_what_it_cannot_do(run: Path, tmp_path: Path) -> None:
    assert "there is no run at" in fail(1, "train", "--resume", tmp_path / "nowhere")
    line = fail(2, "train", "--resume", run)
    assert "is finished: 3,000 of 3,000 steps; go on with --steps" in line
    line = fail(2, "train", "--resume", run, "--set", "gamma=0.5", "--seed", "1")
    assert "--set, --seed cannot change a run" in line
    line = fail(2, "train", "--resume", run, "--seed", "0", "--recipe", "default")
    assert "--seed, --recipe cannot change a run" in line  # the defaults no more than others
    line = fail(2, "train", "double_dqn", "--resume", run, "--steps", "4000")
    assert "has the algorithm dqn, not double_dqn" in line
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    assert "has no checkpoint yet" in fail(1, "train", "--resume", tmp_path)
    games = tmp_path / "games"
    begun = invoke(
        "train", "dqn", "CartPole-v1", "--out", games,
        "--games", "2", "--print-games", "--eval-episodes", "0",
    )  # fmt: skip
    assert "game 2 · return" in begun.stderr
    assert re.search(r"\n  q: 64, 64, 2 \(4,610 weights\)\n", begun.stderr)
    line = fail(2, "train", "--resume", games, "--eval-episodes", "0")
    assert re.search(r"is finished: \d+ of 50,000 steps, 2 of 2 games; go on with --games", line)
    succeed("train", "--resume", games, "--games", "3", "--eval-episodes", "0")
    assert len(Run.open(games).episodes()) == 3
    assert json.loads((run / "config.json").read_text())["total_steps"] == 3000


def test_an_existing_run_is_kept_unless_told(run: Path) -> None:
    before = (run / "episodes.csv").read_bytes()
    assert "already holds a run" in fail(1, *TRAIN, "--steps", "20", "--out", run)
    assert (run / "episodes.csv").read_bytes() == before


def register(env_id: str, make: Callable[[], gym.Env[Any, Any]]) -> None:
    gym.register(env_id, entry_point=lambda **_: make())


@pytest.mark.filterwarnings("ignore:.*reward is a NaN:UserWarning")
def test_what_training_runs_into_is_one_line(tmp_path: Path) -> None:
    short = ["--steps", "9", "--set", "learning_starts=1"]
    register("Tumble-v0", lambda: TransformObservation(gym.make("FlagWalk-v0"), np.flip, None))
    message = fail_late("train", "dqn", "Tumble-v0", *short, "--out", tmp_path / "tumble")
    assert "training stopped at step 1: next_obs is not" in message
    register("Nan-v0", lambda: TransformReward(gym.make("CartPole-v1"), lambda _: float("nan")))
    message = fail_late("train", "dqn", "Nan-v0", *short, "--out", tmp_path / "nan")
    assert "training stopped at step 0: the reward of environment step 0 is nan" in message


def test_a_bug_in_training_keeps_its_traceback(tmp_path: Path) -> None:
    def fail(_: Any) -> float:
        raise ValueError("a bug")

    register("Bug-v0", lambda: TransformReward(gym.make("CartPole-v1"), fail))
    result = invoke("train", "dqn", "Bug-v0", "--steps", "9", "--out", tmp_path / "run")
    assert isinstance(result.exception, ValueError)
    assert "error:" not in result.output


def test_mistakes_of_the_other_commands_are_one_line(run: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert "there is no checkpoint at" in fail(2, "evaluate", nowhere)
    assert "there is no run at" in fail(1, "evaluate", tmp_path)
    assert "there is no run at" in fail(1, "plot", nowhere)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((run / "checkpoint.safetensors").read_bytes()[:1000])
    assert "is truncated, corrupted or no checkpoint" in fail(1, "evaluate", broken)


def wait_for_episodes(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a run has logged more than `count` episodes."""
    while not (run / "config.json").is_file() or len(Run.open(run).episodes()) <= count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_saves_and_the_command_it_prints_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "a run"  # the command must quote it
    command = [*MODULE, *TRAIN, "--eval-episodes", "0", "--steps", "1000000", "--out", str(run)]
    kept = ["--keep-every", "500000", "--best-from", "1"]  # are part of what it prints
    process = subprocess.Popen(
        [*command, *kept], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_episodes(run, 5, process)
    process.send_signal(signal.SIGINT)
    _, output = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    [line] = [line for line in output.splitlines() if line.strip().startswith("mario-rl ")]
    steps = read_header(run / "checkpoint.safetensors").num_steps
    assert f"interrupted at step {steps:,}" in output
    episodes = Run.open(run).episodes()
    assert episodes[-1].step <= steps

    program, *arguments = shlex.split(line)
    assert program == "mario-rl"
    assert arguments[3:7] == kept
    resumed = subprocess.run(
        [*MODULE, *arguments, "--minutes", "0.005"], capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert f"resuming at step {steps:,}" in resumed.stderr
    assert "out of time" in resumed.stdout
    assert read_header(run / "checkpoint.safetensors").num_steps > steps
    assert Run.open(run).episodes()[: len(episodes)] == episodes


@pytest.mark.slow
def test_code_that_a_run_names_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment of one's own is trained, resumed and evaluated; that of others only so."""
    code = (
        "import gymnasium as gym\ngym.register('Walk-v0', entry_point='support.flag_walk:FlagWalk')"
    )
    (tmp_path / "walk_of_mine.py").write_text(code)
    paths = os.pathsep.join((str(tmp_path), str(ROOT / "agents"), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "XDG_STATE_HOME": str(tmp_path / "state")}
    run = str(tmp_path / "run")

    def answer(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MODULE, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    options = ["--steps", "20", "--eval-episodes", "0"]
    trained = answer("train", "random", "walk_of_mine:Walk-v0", *options, "--out", run)
    assert trained.returncode == 0, trained.stderr
    evaluated = answer("evaluate", run, "--episodes", "1")
    assert evaluated.returncode == 0, evaluated.stderr
    shutil.rmtree(tmp_path / "state")
    refused = answer("train", "--resume", run, "--steps", "30")
    assert refused.returncode == 1
    assert "walk_of_mine" in refused.stderr
    assert "--trust" in refused.stderr
    assert answer("evaluate", run, "--episodes", "1", "--trust").returncode == 0


def test_an_evaluation_that_was_stopped_is_finished_by_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, **keywords: Any) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("mario_rl_agents.cli.summary.measure", stop)
        result = invoke(*TRAIN, "--steps", "100", "--out", run)
    assert result.exit_code == 130
    assert f"mario-rl train --resume {run} --eval-episodes 2" in result.output
    assert Run.open(run).evaluations() == []
    assert "finished" in succeed("train", "--resume", run, "--eval-episodes", "2")
    assert [each.num_episodes for each in Run.open(run).evaluations()] == [2]
    assert "is finished" in fail(2, "train", "--resume", run)
