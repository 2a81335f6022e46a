"""The command line with an environment of the user's own: each trains, or is told what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from mario_rl_agents.cli.app import app
from mario_rl_agents.cli.summary import check_draws
from mario_rl_agents.experiments.plan import Plan
from mario_rl_agents.runs.evaluation import EPISODE_LIMIT
from mario_rl_agents.runs.run import RunSpec
from typer.testing import CliRunner

# Gymnasium's checker says it of the arrays that these environments pay with.
pytestmark = pytest.mark.filterwarnings("ignore:.*reward returned by:UserWarning")

SHORT = ["--steps", "60", "--eval-episodes", "1", "--device", "cpu"]


class Own(gym.Env[Any, Any]):
    """An environment as a user writes it first: without a render mode; arrays for numbers."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, *, length: int = 5, prompts: bool = False, wide: bool = False) -> None:
        self._length, self._prompts, self.wide = length, prompts, wide

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = self._length
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        if self._prompts and self._left == 2:
            raise EOFError("EOF when reading a line")  # of input(), for instance
        self._left -= 1
        return np.zeros(3, np.float32), np.array([float(action)]), self._left == 0, False, {}


class Blind(Own):
    """Takes a render mode and draws nothing."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = None


class Sketch(Blind):
    """Says that it draws, and does not."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  as in gym.Env

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    kinds: tuple[Any, ...] = (Own, Blind, Sketch)
    for kind in kinds:
        spec = EnvSpec(f"{kind.__name__}-v0", entry_point=kind)
        monkeypatch.setitem(gym.registry, spec.id, spec)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def fail(code: int, *arguments: str) -> str:
    """Return the one line that a mistake prints."""
    lines = run(*arguments, code=code).splitlines()
    assert lines[-1].startswith("error: ")
    return lines[-1]


@pytest.mark.parametrize("algorithm", ["ppo", "dqn"])
def test_an_environment_without_a_render_mode(algorithm: str) -> None:
    run("train", algorithm, "Own-v0", *SHORT, "--out", "run")
    [evaluation] = json.loads(Path("run/evaluation.json").read_text())["evaluations"]
    assert evaluation["episodes"][0]["length"] == 5


@pytest.mark.filterwarnings("ignore:.*the mode:UserWarning")
@pytest.mark.parametrize(
    ("env_id", "reason"),
    [
        ("Own-v0", "render_mode"),
        ("Blind-v0", "it draws nothing"),
        ("Sketch-v0", "cannot be recorded"),
    ],
)
def test_what_draws_nothing_is_refused_before_it_trains(env_id: str, reason: str) -> None:
    line = fail(2, "train", "ppo", env_id, *SHORT, "--out", "run", "--video")
    assert reason in line
    assert "leave --video and --render out" in line
    assert not Path("run").exists()
    run("train", "ppo", env_id, *SHORT, "--out", "run")
    assert reason in fail(2, "train", "--resume", "run", "--steps", "99", "--video")


@pytest.mark.filterwarnings("ignore:.*the mode:UserWarning")
@pytest.mark.parametrize(
    ("env_id", "reason"),
    [("Own-v0", "render_mode"), ("Blind-v0", "it draws nothing"), ("Sketch-v0", "cannot be rec")],
)
def test_videos_of_what_draws_nothing_are_refused_before_it_is_compared(
    env_id: str, reason: str
) -> None:
    options = ["--env", env_id, "--steps", "60", "--out", "compared", "--video"]
    line = fail(2, "compare", "random", *options)
    assert reason in line
    assert "leave --video out" in line
    assert not Path("compared").exists()
    Plan.make(["random"], env_id, total_steps=60, num_seeds=1).write("compared")
    assert reason in fail(2, "compare", "--resume", "compared", "--video")
    assert not Path("compared/jobs").exists()


@pytest.mark.filterwarnings("ignore:.*is not in the possible:UserWarning")
def test_what_cannot_be_watched_is_not_offered_and_says_why() -> None:
    assert "watch with" not in run("train", "random", "Own-v0", *SHORT, "--out", "run")
    line = fail(2, "watch", "run", "--video", "own.gif")
    assert 'to be drawn it has to take render_mode="rgb_array"' in line
    assert "watch with" in run("train", "random", "CartPole-v1", *SHORT, "--out", "other")


def test_what_draws_may_be_recorded() -> None:
    for env_id in ("FlagWalk-v0", "MarioRL-1-1-v0", "CartPole-v1"):
        check_draws(RunSpec("ppo", env_id, {}, {}, seed=0, total_steps=1))


def test_an_episode_that_never_ends_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = ["--env", "length=-1", "--out", "run"]
    output = run("train", "random", "Own-v0", *SHORT, *endless)
    text = " ".join(output.split())
    assert f"1 of the episodes did not end within {EPISODE_LIMIT:,} steps and were cut" in text
    assert "--env max_episode_steps=N" in text
    short = run("evaluate", "run", "--episodes", "1", "--env", "max_episode_steps=9")
    assert "were cut" not in short


def test_an_end_of_input_says_where() -> None:
    line = fail(1, "train", "random", "Own-v0", *SHORT, "--env", "prompts=true", "--out", "run")
    assert "EOFError in step, line " in line
    assert f"of {__file__}: EOF when reading a line" in line


def test_a_module_in_the_working_directory() -> None:
    """As a user calls it: the folder of the console script is on the path, not this one."""
    Path("mine.py").write_text(
        "import gymnasium as gym\n"
        "gym.register('Mine-v0', entry_point='agents.cli.test_own_environments:Own')\n"
    )
    start = "import sys; del sys.path[0]; from mario_rl_agents.cli.app import app; app()"
    train = ["train", "random", "mine:Mine-v0", "--num-envs", "2", *SHORT]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    subprocess.run(
        [sys.executable, "-c", start, *train], env={**os.environ, "PYTHONPATH": path}, check=True
    )


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("ours:Mnie-v0", "no environment 'Mnie-v0' after ours was imported, did you mean Mine-v0"),
        ("nowhere:Env-v0", "there is no module nowhere in the working directory, nor is it inst"),
        ("ours.deeper:Env-v0", "there is no module ours.deeper in the working directory, nor"),
        ("careless:Env-v0", "cannot be made: No module named 'no_such_package': install it"),
    ],
)
def test_a_module_that_does_not_register_it(
    env_id: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EnvSpec("Mine-v0", entry_point="agents.cli.test_own_environments:Own")
    monkeypatch.setitem(gym.registry, spec.id, spec)
    Path("ours.py").write_text("")
    Path("careless.py").write_text("import no_such_package\n")
    assert words in fail(2, "train", "random", env_id, *SHORT)


@pytest.mark.parametrize("name", ["run[lr=1e-3]", "x[/y]", "a [bold]b[/bold]", ":fire:", "[/]"])
def test_names_that_look_like_markup_are_printed_as_they_are(name: str) -> None:
    output = run("train", "random", "Own-v0", *SHORT, "--out", name)
    assert f"into {name}" in output
    assert f"{name}/checkpoint.safetensors" in output
    assert f"{name}/learning_curve.png" in run("plot", name)
    again = fail(1, "train", "random", "Own-v0", *SHORT, "--out", name)
    assert f"{name} already holds a run" in again
    assert f"no checkpoint at {name}x" in fail(2, "evaluate", f"{name}x")


def test_an_agent_of_ones_own_that_returns_a_list_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("listing.py").write_text(
        "from mario_rl_agents import Agent\n\n\nclass Zeros(Agent):\n"
        '    algorithm = "zeros"\n\n'
        "    def act(self, obs, *, greedy=True):\n        return [0 for _ in obs]\n\n"
        "    def observe(self, step):\n        return ()\n"
    )
    line = fail(1, "train", "listing:Zeros", "CartPole-v1", "--steps", "9")
    assert line.startswith(
        "error: act of Zeros must return a NumPy array of shape (1,) and dtype int64"
    )
