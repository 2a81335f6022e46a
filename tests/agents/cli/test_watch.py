"""`mario-rl watch`: an agent as it scored best, routes, windows, videos, and no screen."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.cli.policy import best_policy
from mario_rl_agents.envs import make_env
from mario_rl_agents.recipes import ALGORITHMS
from mario_rl_agents.runs.evaluation import Evaluation, evaluate
from mario_rl_agents.runs.loading import new_run, spec_from_recipe
from mario_rl_agents.runs.run import Run
from PIL import Image
from safetensors.numpy import load_file
from support import code_of_others
from support.commands import fail, succeed
from support.windows import Viewer

from mario_rl_envs import routes

SHORT = ["--env", "max_episode_steps=5"]
STILL = json.dumps([["down"]] * 5)  # five actions, as in training


def untrained(algorithm: str, env_id: str, folder: Path) -> tuple[Run, Agent]:
    """Return the run of an agent that has learned nothing, with a checkpoint."""
    run, agent = new_run(spec_from_recipe(algorithm, env_id), folder, device="cpu")
    agent.save(run.checkpoint)
    return run, agent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, agent = untrained("dqn", "CartPole-v1", tmp_path_factory.mktemp("runs") / "cartpole")
    agent.env.close()
    return run.folder


@pytest.fixture(scope="module")
def policy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, agent = untrained("ppo", "CartPole-v1", tmp_path_factory.mktemp("runs") / "policy")
    agent.env.close()
    return run.folder


def evaluation(run: Path, **changes: Any) -> Evaluation:
    """Return an evaluation of three episodes that went as `changes` say."""
    env = make_env("CartPole-v1", {"max_episode_steps": 3})
    agent = ALGORITHMS["random"].create(env, device="cpu")
    played = evaluate(agent, env, num_episodes=3)
    env.close()
    return dataclasses.replace(played, **changes)


@pytest.mark.parametrize(
    ("evaluations", "epsilon", "sample", "reason"),
    [
        # The stage is cleared more often when drawn, as after the demo.
        (
            [
                {"clear_rate": 0.0, "return_mean": 2_000.0},
                {"clear_rate": 0.8, "return_mean": 1_900.0, "sampled": True},
            ],
            0.0,
            True,
            "scored best in its evaluation: clear rate 80%",
        ),
        (
            [
                {"clear_rate": 1.0, "return_mean": 3_000.0},
                {"clear_rate": 0.8, "return_mean": 2_900.0, "sampled": True},
            ],
            0.0,
            False,
            "scored best in its evaluation: clear rate 100%",
        ),
        # Where nothing is cleared, or infos do not say, the return decides.
        (
            [
                {"clear_rate": 0.0, "return_mean": 200.0},
                {"clear_rate": 0.0, "return_mean": 600.0, "epsilon": 0.05},
            ],
            0.05,
            False,
            "scored best in its evaluation: return 600.0",
        ),
        ([{"return_mean": 9.0}], 0.0, False, "as it was evaluated: return 9.0"),
    ],
)
def test_an_agent_is_watched_as_it_scored_best(
    policy_run: Path,
    evaluations: list[dict[str, Any]],
    epsilon: float,
    sample: bool,
    reason: str,
) -> None:
    run = Run.open(policy_run)
    run.write_evaluations(
        run.checkpoint, [evaluation(policy_run, **changes) for changes in evaluations]
    )
    env = make_env("CartPole-v1", {})
    agent = ALGORITHMS["ppo"].load(run.checkpoint, env, device="cpu")
    assert best_policy(run.checkpoint, agent) == (epsilon, sample, reason)
    agent.save(run.kept(0))  # of which that tells nothing
    assert best_policy(run.kept(0), agent) == (0.0, True, "not evaluated yet")
    env.close()
    run.kept(0).unlink()
    run.evaluation_path.unlink()


@pytest.mark.parametrize(
    ("algorithm", "env_id", "epsilon", "sample"),
    [
        ("ppo", "MarioRL-1-1-v0", 0.0, True),
        ("ppo", "CartPole-v1", 0.0, True),
        ("dqn", "MarioRL-1-1-v0", 0.05, False),
        ("dqn", "CartPole-v1", 0.0, False),
        ("td3", "Pendulum-v1", 0.0, False),
        ("sac", "Pendulum-v1", 0.0, True),
    ],
)
def test_an_agent_that_was_not_evaluated_acts_by_its_kind(
    algorithm: str, env_id: str, epsilon: float, sample: bool, tmp_path: Path
) -> None:
    env = make_env(env_id, {"observation": "ram"} if "Mario" in env_id else {})
    agent = ALGORITHMS[algorithm].create(env, device="cpu")
    agent.save(tmp_path / "agent.safetensors")
    policy = best_policy(tmp_path / "agent.safetensors", agent)
    assert policy == (epsilon, sample, "not evaluated yet")
    env.close()


def test_options_choose_another_policy(policy_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, name in (
        ([], "sampled (not evaluated yet)"),
        (["--greedy"], "greedy (as you ask)"),
        (["--sample"], "sampled (as you ask)"),
        (["--epsilon", "0.5"], "epsilon 0.5 (as you ask)"),
        (["--sample", "--epsilon", "0.5"], "sampled, epsilon 0.5 (as you ask)"),
        (["--epsilon", "0"], "greedy (as you ask)"),
    ):
        with monkeypatch.context() as patch:
            Viewer(patch, {}, last=0)
            first, _ = succeed("watch", policy_run, *options)
        assert first == f"ppo, 0 steps of training: {name}"


def test_a_video_is_recorded(run: Path, tmp_path: Path) -> None:
    _, line = succeed("watch", run, "--video", tmp_path / "cartpole.gif", "--seed", "3", *SHORT)
    assert "cartpole.gif: return 5.0, 5 steps, truncated, " in line
    assert (tmp_path / "cartpole.gif").read_bytes().startswith(b"GIF89a")


def test_a_window_shows_one_episode_after_the_other(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = Viewer(monkeypatch, {}, last=150)
    lines = succeed("watch", run, "--episodes", "2", "--seed", "3", *SHORT)
    assert [line.split(":")[0] for line in lines[1:]] == ["seed 3", "seed 4"]
    assert lines[1].endswith("return 5.0, 5 steps, truncated")
    assert len(viewer.frames) == 2 * (1 + 5 + 50)


def test_a_window_goes_on_until_it_is_closed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Viewer(monkeypatch, {2: ["n"]}, last=7)
    lines = succeed("watch", run, "--seed", "3")
    assert [line.rsplit(" ", 1)[1] for line in lines[1:]] == ["stopped", "stopped"]


def test_the_window_has_the_picture_that_the_video_has(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mario_rl_agents.reports import video

    viewer = Viewer(monkeypatch, {}, last=100)
    succeed("watch", run, "--episodes", "1", *SHORT)
    recorded: list[Any] = []

    def keep(path: Path, frames: Any, fps: float) -> int:
        recorded.extend(frames)
        return len(recorded)

    monkeypatch.setattr(video, "_write_gif", keep)
    succeed("watch", run, "--video", tmp_path / "video.gif", *SHORT)
    assert len(viewer.frames) == len(recorded)
    assert all(map(np.array_equal, viewer.frames, recorded))


def test_before_and_after_its_training_side_by_side(tmp_path: Path) -> None:
    # Of several sub-environments: the batch size suits these alone.
    run, agent = new_run(spec_from_recipe("ppo", "CartPole-v1"), tmp_path / "run", device="cpu")
    agent.learn(1_024)
    agent.save(run.checkpoint)
    agent.env.close()
    both = ["--before-after", "--greedy", "--env", "max_episode_steps=30"]
    video = tmp_path / "both.gif"
    _, line = succeed("watch", run.folder, *both, "--video", video)
    assert re.search(r"before training: (episode over|truncated); after 1,024 steps: ", line)
    with Image.open(video) as picture:
        assert picture.width > 600  # two pictures of 600, at 0.6 of their size
    message = fail(2, "watch", run.checkpoint, "--before-after", "--video", video)
    assert "--before-after needs a run's folder, got" in message
    message = fail(2, "watch", "--route", "1-1", "--before-after", "--video", video)
    assert "--before-after cannot change a route" in message


def test_a_training_plays_in_a_window_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(name: str, *options: str) -> Run:
        command = ["train", "dqn", "CartPole-v1", "--games", "6", "--eval-episodes", "0"]
        small = ["--set", "learning_starts=32", "--env", "max_episode_steps=20", "--out"]
        succeed(*command, *small, tmp_path / name, *options)
        return Run.open(tmp_path / name)

    plain = train("plain")
    viewer = Viewer(monkeypatch, {}, last=10_000)
    shown = train("shown", "--render", "2")
    # Three games: of the start, of each step, and a second of the end.
    assert 3 * (1 + 8 + 50) <= len(viewer.frames) <= 3 * (1 + 20 + 50)
    assert shown.episodes() == plain.episodes()
    first, second = (load_file(run.checkpoint) for run in (plain, shown))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    # Closed, the window stays so; training goes on.
    viewer = Viewer(monkeypatch, {3: ["q"]}, last=10_000)
    assert len(train("closed", "--render", "1").episodes()) == 6
    assert len(viewer.frames) < 10


def test_mario_standing_still_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, agent = untrained("random", "MarioRL-1-1-v0", tmp_path / "run")
    agent.env.close()
    arguments: list[str | Path] = [
        run.folder,
        "--stall",
        "0.5",
        "--env",
        f"actions={STILL}",
        "--greedy",
    ]
    _, line = succeed("watch", *arguments, "--video", tmp_path / "still.gif")
    assert "stood still for 0.5 s" in line
    Viewer(monkeypatch, {}, last=200)
    _, line = succeed("watch", *arguments, "--episodes", "1")
    assert "stood still for 0.5 s" in line


def test_routes_are_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = routes.load("1-1")
    short = routes.Route("1-1", route.joypad[:5], route.rewards[:5], {})
    routes.write(short, tmp_path / "mine.json")
    first, line = succeed(
        "watch",
        "--route",
        tmp_path / "mine.json",
        "--video",
        tmp_path / "route.gif",
        "--env",
        "size=32",
    )
    assert first.endswith("mine.json: MarioRL-1-1-v0, 5 steps of 4 frames")
    assert "20 steps, end of the route" in line
    viewer = Viewer(monkeypatch, {}, last=30)
    first, line = succeed("watch", "--route", "1-1")
    assert first == f"route 1-1: MarioRL-1-1-v0, {route.num_steps} steps of 4 frames"
    assert "30 steps, stopped" in line
    assert viewer.frames[0].shape == (480, 912, 3)


def test_no_screen_is_said_before_the_agent_is_loaded(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    for arguments in ([run], ["--route", "1-1"]):
        line = fail(1, "watch", *arguments)
        assert line.startswith("there is no screen to open a window on")
        assert line.endswith("record a video instead, with --video FILE.mp4 or FILE.gif")


def test_no_screen_is_said_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    out = tmp_path / "run"
    line = fail(1, "train", "random", "CartPole-v1", "--render", "1", "--out", out)
    assert line.startswith("there is no screen to open a window on")
    assert line.endswith("train without --render, and record a video with mario-rl watch --video")
    assert not out.exists()


def test_without_a_screen_a_video_is_recorded_in_silence(tmp_path: Path) -> None:
    """By processes: what is printed there comes from a library below pygame."""
    screens = ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
    env = {name: value for name, value in os.environ.items() if name not in screens}
    for arguments in (
        ["train", "random", "CartPole-v1", "--steps", "20", "--eval-episodes", "1", "--video"],
        ["watch", "runs/random-CartPole-v1-seed0", "--video", "video.gif"],
    ):
        command = [sys.executable, "-m", "mario_rl_agents", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        assert "error" not in done.stderr
    assert (tmp_path / "video.gif").is_file()


def test_a_video_needs_no_pygame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, agent = untrained("random", "MarioRL-1-1-v0", tmp_path / "run")
    agent.env.close()
    monkeypatch.setitem(sys.modules, "pygame", None)  # what a failed import leaves
    assert 'pip install "mario-rl-envs[human]"' in fail(1, "watch", run.folder)
    short = ["--env", "max_episode_steps=2"]
    _, line = succeed("watch", run.folder, "--video", tmp_path / "video.gif", *short)
    assert "2 steps, truncated" in line


def test_both_agents_ask_before_code_of_others_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may name a module though its checkpoint names none."""
    ran = code_of_others.plant(tmp_path, monkeypatch)
    run, agent = untrained("random", "CartPole-v1", tmp_path / "run")
    agent.env.close()
    config = run.folder / "config.json"
    config.write_text(config.read_text().replace("CartPole-v1", "code_of_others:Acrobot-v1"))
    video = str(tmp_path / "video.gif")
    watch = ["watch", str(run.folder), "--before-after", "--video", video, *SHORT]
    assert "names 'code_of_others:Acrobot-v1': to make it" in fail(1, *watch)
    assert not ran.exists()
    succeed(*watch, "--trust")
    assert ran.exists()
    sys.modules.pop("code_of_others")


def test_mistakes_are_one_line(run: Path, tmp_path: Path) -> None:
    both = ["--greedy", "--sample"]
    for code, arguments, message in (
        (2, [], "or the id of a policy, or --route: one"),
        (
            2,
            [run, "--route", "1-1"],
            "or the id of a policy, or --route: one",
        ),
        (2, [run, *both], "--greedy and --sample exclude each other"),
        (2, ["--route", "1-1", *both[:1]], "--greedy cannot change a route"),
        (2, ["--route", "1-1", "--stall", "3", "--seed", "3"], "--stall, --seed cannot change"),
        (2, ["--route", "9-1"], "--route there is no file 9-1, nor a stage of that name: give a"),
        (2, ["--route", "/nope.json"], "--route there is no file /nope.json, nor a stage"),
        (2, ["--route", tmp_path], "is no file"),
        (2, ["--route", run / "config.json"], "config.json is no route: it is no JSON object"),
        (2, ["--route", "1-1", "--env", "sticky=0.5"], "--env sticky cannot be chosen here"),
        (2, [run, "--video", "video.avi"], "must end in one of .mp4, .gif"),
        (2, [run, "--video", "a.gif", "--episodes", "2"], "records one episode"),
        (2, [tmp_path / "nowhere"], "there is no checkpoint at"),
        (1, [tmp_path], "there is no run at"),
    ):
        assert message in fail(code, "watch", *arguments)
