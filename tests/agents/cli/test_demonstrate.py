"""`mario-rl demonstrate` and `mario-rl train --imitate`, on the real game."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mario_rl_agents.demonstrations.games import Demonstrations
from mario_rl_agents.runs.loading import load_agent, new_run, spec_from_recipe
from mario_rl_agents.runs.run import Run
from support import code_of_others
from support.commands import fail, run_command, succeed

ENV = "MarioRL-1-4-v0"
TINY = ["--set", "rollout_steps=8", "--set", "batch_size=16", "--num-envs", "2"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demonstrations") / "new" / "1-4.safetensors"
    [line] = succeed("demonstrate", ENV, "--decisions", "300", "--noise", "0", "--out", path)
    games = Demonstrations.load(path)
    assert line == f"{games.summary}: {path}"
    return path


def test_the_planner_shows_how_to_clear_a_stage(path: Path) -> None:
    games = Demonstrations.load(path)
    assert games.num_decisions >= 300
    assert games.num_successes >= games.num_episodes / 2 > 0
    assert (games.env_id, games.env_kwargs["size"], games.env_kwargs["sticky"]) == (ENV, 42, 0)
    obs, action = games.replay()
    assert obs.shape == (games.num_decisions, 42, 42, 4)
    assert set(action.tolist()) <= set(range(5))
    np.testing.assert_array_equal(games.shown, games.played)


def test_an_agent_begins_with_them_and_goes_on_with_them_alone(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    imitate = ["--recipe", "imitation", "--imitate", str(path), "--set", "cloning_epochs=2"]
    steps = ["--set", "num_epochs=10", "--steps", "160", "--eval-episodes", "0"]
    lines = succeed("train", "ppo", ENV, *imitate, *steps, *TINY, "--out", out)
    assert "first it imitates demonstrations, which takes a minute or two" in lines
    run = Run.open(out)
    assert run.spec.config["demonstrations"] == [str(path)]
    assert any(row.metric == "losses/cloning" for row in run.metrics())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # it has its own copy
    named = os.path.relpath(path, tmp_path)
    run_config = (out / "config.json").read_text().replace(str(path), named)
    (out / "config.json").write_text(run_config)
    resume = ["train", "--resume", str(out), "--eval-episodes", "0", "--steps"]
    succeed(*resume, "170")
    [copy] = run.demonstrations([path])
    dataclasses.replace(Demonstrations.load(copy), seed=7, digest="").save(copy)
    *_, message = run_command(1, *resume, "180")
    assert f"{copy} holds other demonstrations than this training began with" in message


def test_demonstrations_of_another_game_are_refused(path: Path, tmp_path: Path) -> None:
    start = ["train", "ppo", "MountainCar-v0", "--imitate", str(path), "--steps", "9"]
    *_, message = run_command(1, *start, "--out", str(tmp_path / "run"))
    assert message.startswith("error: training stopped at step 0: the demonstrations have")
    assert not Run.open(tmp_path / "run").metrics_path.exists()  # nothing has begun


@pytest.mark.parametrize("role", ["--agent", "--learner"])
def test_an_agent_that_learned_other_actions_is_refused(role: str, tmp_path: Path) -> None:
    out = tmp_path / "games.safetensors"
    complex_ = ["--env", "actions=complex", "--decisions", "20", "--out", str(out)]
    assert fail(2, "demonstrate", "MarioRL-1-1-v0", role, "MarioRL-1-1-v0", *complex_) == (
        "ppo has learned actions Discrete(5), the environment has Discrete(12): give the keywords "
        "that it was trained with (--env)"
    )
    assert not out.exists()


def test_an_agent_teaches(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "games.safetensors"
    arguments = ["--agent", "MarioRL-1-1-v0", "--decisions", "20"]
    [line] = succeed("demonstrate", "MarioRL-1-1-v0", *arguments, "--out", out)
    games = Demonstrations.load(out)
    assert line.startswith(f"{games.num_decisions:,} decisions of ")
    assert games.num_decisions >= 20


def test_a_learner_is_corrected(tmp_path: Path) -> None:
    out = tmp_path / "games.safetensors"
    succeed("demonstrate", ENV, "--learner", "MarioRL-1-1-v0", "--decisions", "100", "--out", out)
    games = Demonstrations.load(out)
    assert games.num_decisions >= 100
    assert 0.15 < (games.played != games.shown).mean() < 0.7


def test_a_learner_practices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mario_rl_agents.cli.demonstrate._TAUGHT", 100)
    monkeypatch.setattr("mario_rl_agents.practice.ROUND", 320)
    out = tmp_path / "games.safetensors"
    *rounds, line = succeed(
        "demonstrate", ENV, "--practice", "2", "--decisions", "100", "--out", out
    )
    games = Demonstrations.load(out)
    assert line == f"{games.summary}: {out}"
    assert games.num_successes > 0
    assert "round 2 of 2: " in " ".join(rounds)
    message = fail(2, "demonstrate", ENV, "--practice", "2", "--agent", "MarioRL-1-1-v0")
    assert "leave --agent and --learner out" in message


def test_what_cannot_be_used_is_refused(path: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    message = fail(1, "train", "ppo", ENV, "--recipe", "pixels", "--imitate", missing)
    assert message.startswith(f"there are no demonstrations at {missing}")
    missing.write_bytes(b"")
    message = fail(2, "train", "ppo", ENV, "--recipe", "pixels", "--imitate", missing)
    assert message.startswith(f"--imitate {missing} is damaged")
    message = fail(2, "train", "random", ENV, "--imitate", path)
    assert message == (
        "--imitate is for algorithms that learn from demonstrations, as ppo; random does not: "
        "leave it out"
    )
    start = ["train", "ppo", ENV, "--recipe", "pixels", "--imitate", str(path)]
    message = fail(2, *start, "--set", 'demonstrations=["x.safetensors"]')
    assert message == "--imitate sets demonstrations: leave --set demonstrations=... out"
    message = fail(2, "train", "--resume", tmp_path, "--imitate", path)
    assert message.startswith("--imitate cannot change a run")
    message = fail(2, "demonstrate", "CartPole-v1", "--out", tmp_path / "x")
    assert message.startswith("a planner plays several games of MarioRL side by side")
    assert message.endswith(
        "give an agent that has learned this environment as the teacher (--agent)"
    )
    message = fail(2, "demonstrate", "NoSuch-v0", "--out", tmp_path / "x")
    assert message.startswith("NoSuch-v0 cannot be made: ")
    message = fail(2, "demonstrate", ENV, "--env", 'actions=[["left"]]', "--out", tmp_path / "x")
    assert message.startswith("a planner presses nothing, right, right + A")
    message = fail(2, "demonstrate", ENV, "--env", "sticky=0.1", "--out", tmp_path / "x")
    assert message.startswith("a planner follows games of sticky=0 and skip=4 alone")
    assert [each.name for each in tmp_path.iterdir()] == [missing.name]


def test_where_it_is_written_is_looked_at_first(tmp_path: Path) -> None:
    """Before anything is played, or even made: the environment would be refused."""
    (tmp_path / "games").write_text("minutes of play")
    message = fail(2, "demonstrate", "NoSuch-v0", "--out", tmp_path / "games")
    assert message == f"{tmp_path / 'games'} exists: give another --out, or delete it"
    message = fail(1, "demonstrate", "NoSuch-v0", "--out", tmp_path / "games" / "new" / "x")
    assert "it is no folder" in message
    assert (tmp_path / "games").read_text() == "minutes of play"


def test_a_teacher_of_others_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = code_of_others.plant(tmp_path, monkeypatch)
    run, agent = new_run(spec_from_recipe("random", "CartPole-v1"), tmp_path / "run", device="cpu")
    agent.save(run.checkpoint)
    agent.env.close()
    config = run.folder / "config.json"
    config.write_text(config.read_text().replace("CartPole-v1", "code_of_others:CartPole-v1"))
    out = tmp_path / "games.safetensors"
    for role in ("--agent", "--learner"):
        teach = ["demonstrate", "CartPole-v1", role, str(run.folder), "--decisions", "9"]
        assert "names 'code_of_others:CartPole-v1'" in fail(1, *teach, "--out", str(out))
        assert not ran.exists()
    teach += ["--agent", str(run.folder), "--trust"]
    succeed(*teach, "--out", str(out))
    assert ran.exists()
    assert Demonstrations.load(out).num_decisions >= 9
    sys.modules.pop("code_of_others")


def test_without_the_native_core_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(stage: str) -> None:
        raise ImportError("a search or a plan needs the native core")

    monkeypatch.setattr("mario_rl_envs.routes.planner.native_game", refuse)
    assert "needs the native core" in fail(1, "demonstrate", ENV)


def test_weights_to_begin_with_are_not_cloned_over(path: Path, tmp_path: Path) -> None:
    """What has learned more than demonstrations show keeps that."""
    first, second = tmp_path / "first", tmp_path / "second"
    imitate = ["--recipe", "imitation", "--imitate", str(path), "--set", "cloning_epochs=2"]
    steps = ["--steps", "16", "--eval-episodes", "0", *TINY]
    succeed("train", "ppo", ENV, *imitate, *steps, "--out", first)
    still = ["--set", "learning_rate=1e-12", "--set", "demonstration_coefficient=0"]
    lines = succeed(
        "train", "ppo", ENV, *imitate, *still, *steps, "--begin-with", first, "--out", second
    )
    assert f"it begins with the weights of {first / 'checkpoint.safetensors'}" in lines
    assert not any("imitates" in line for line in lines)
    before, after = (load_agent(run, make_env=False).networks for run in (first, second))
    for name, network in before.items():
        for key, x in network.state_dict().items():
            torch.testing.assert_close(after[name].state_dict()[key], x, atol=1e-6, rtol=0)
