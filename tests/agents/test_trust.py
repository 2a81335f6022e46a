"""Code that a file names runs only where the user has named it."""

import dataclasses
import json
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.demonstrations.cloning import DemonstrationDataset
from mario_rl_agents.demonstrations.games import Demonstrations
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.errors import UntrustedError
from mario_rl_agents.experiments import Job, JobFolder, LocalEngine
from mario_rl_agents.experiments.plan import Plan
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.worker import main as work
from mario_rl_agents.runs.loading import load_agent, new_run, resume_run, spec_from_recipe
from mario_rl_agents.runs.run import Run
from mario_rl_agents.runs.trainer import train
from mario_rl_agents.trust import check_trusted, remember
from numpy.typing import NDArray
from support.commands import fail, succeed

CODE = """
import gymnasium as gym
from pathlib import Path
Path(__file__).with_name("ran").touch()
if "Their-v0" not in gym.registry:
    gym.register("Their-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv")

from mario_rl_agents.algorithms.random import RandomAgent


class Their(RandomAgent):
    algorithm = "their"
"""


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that the module `their_code` leaves where it runs; it is not imported yet."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delitem(sys.modules, "their_code", raising=False)
    return tmp_path / "code" / "ran"


def a_run(folder: Path) -> Run:
    """Return a trained run in an environment that the module registers."""
    spec = spec_from_recipe("random", "their_code:Their-v0", total_steps=5)
    run, agent = new_run(spec, folder, device="cpu")
    train(agent, run)
    agent.env.close()
    return run


def forget(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be another process, of a user who knows nothing of the module."""
    monkeypatch.delitem(sys.modules, "their_code")
    monkeypatch.delitem(gym.registry, "Their-v0")
    ran.unlink()


def test_a_run_of_others_imports_nothing_unasked(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path / "run")
    forget(ran, monkeypatch)
    (tmp_path / "state" / "mario-rl" / "modules.json").unlink()
    message = (
        r"names 'their_code:Their-v0': to make it, Python would run the module "
        r"their_code in .*their_code\.py, which you have not named .*--trust .*trust=True"
    )
    for open_it in (resume_run, load_agent):
        with pytest.raises(UntrustedError, match=message):
            open_it(run.folder)
        with pytest.raises(UntrustedError, match=message):
            load_agent(run.checkpoint)
    assert not ran.exists()
    agent = load_agent(run.folder, trust=True)
    agent.env.close()
    assert ran.exists()
    load_agent(run.folder).env.close()  # imported: there is no code left to run


def test_a_run_of_ones_own_is_opened_without_asking(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path / "run")
    forget(ran, monkeypatch)
    run, agent = resume_run(run.folder)
    agent.env.close()
    forget(ran, monkeypatch)
    load_agent(run.folder).env.close()
    path = tmp_path / "state" / "mario-rl" / "modules.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_module_of_the_same_name_is_asked_for(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(tmp_path / "run")
    forget(ran, monkeypatch)
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "their_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path / "download"))
    with pytest.raises(UntrustedError, match="download"):
        resume_run(tmp_path / "run")
    assert not (tmp_path / "download" / "ran").exists()


def test_a_job_of_others_imports_nothing_unasked(
    ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job.from_recipe("random", "their_code:Their-v0", total_steps=5, name="job")
    folder = JobFolder(tmp_path, "job")
    folder.write_job(job)
    assert work([str(folder.path)]) == 1
    assert "you have not named in a training of your own" in capsys.readouterr().err
    assert not ran.exists()


def test_an_agent_of_others_is_imported_only_when_trusted(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a run, of a checkpoint, of a job, of a comparison; reading them imports nothing."""
    spec = spec_from_recipe("their_code:Their", "CartPole-v1", total_steps=5)
    run, agent = new_run(spec, tmp_path / "run", device="cpu")
    train(agent, run)
    agent.env.close()
    job = Job(spec, num_test_episodes=1, name="job")
    JobFolder(tmp_path, "job").write_job(job)
    plan = Plan.make(["their_code:Their"], "CartPole-v1", total_steps=5, num_seeds=1)
    plan.write(tmp_path / "plan")
    forget(ran, monkeypatch)
    resume_run(run.folder)[1].env.close()  # the user has named it in the training above
    forget(ran, monkeypatch)
    (tmp_path / "state" / "mario-rl" / "modules.json").unlink()
    with pytest.raises(UntrustedError, match=r"names 'their_code:Their': to make it, Python would"):
        resume_run(run.folder)
    with pytest.raises(UntrustedError):
        load_agent(run.checkpoint)
    assert JobFolder(tmp_path, "job").read_job().spec.algorithm == "their_code:Their"
    assert work([str(tmp_path / "job")]) == 1
    assert "you have not named in a training of your own" in capsys.readouterr().err
    again = Plan.read(tmp_path / "plan")
    assert [job.spec.algorithm for job in again.jobs()] == ["their_code:Their"]
    message = fail(1, "compare", "--resume", tmp_path / "plan")
    assert "you have not named in a training of your own" in message
    assert not ran.exists()
    loaded = load_agent(run.folder, trust=True)
    assert type(loaded).__name__ == "Their"
    loaded.env.close()
    assert ran.exists()


class Left:
    """Shows always the same."""

    def begin(self, envs: Any, mask: NDArray[np.bool_]) -> None:
        pass

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        return np.zeros(len(obs), np.int64)

    def advance(self, actions: NDArray[np.int64]) -> None:
        pass


@pytest.fixture
def shown(ran: Path, tmp_path: Path) -> Path:
    """Return a file of demonstrations that names an environment of the module `their_code`."""
    games = record(Left(), "CartPole-v1", {}, num_decisions=8, num_envs=1)
    path = tmp_path / "download.safetensors"
    dataclasses.replace(games, env_id="their_code:Their-v0").save(path)
    return path


IMITATES: dict[str, Any] = {
    "rollout_steps": 8,
    "batch_size": 8,
    "hidden_sizes": [4],
    "cloning_epochs": 1,
}


def imitating_job(path: Path) -> Job:
    """Return a job that begins by imitating what is in a file."""
    config = {**IMITATES, "demonstrations": [str(path)]}
    return Job.from_recipe(
        "ppo",
        "CartPole-v1",
        config=config,
        num_envs=1,
        total_steps=8,
        num_test_episodes=1,
        name="job",
    )


def test_demonstrations_of_others_import_nothing_unasked(ran: Path, shown: Path) -> None:
    """Neither by themselves nor in an agent that learns from them."""
    games = Demonstrations.load(shown)
    with pytest.raises(
        UntrustedError, match="a file of demonstrations names 'their_code:Their-v0'"
    ):
        games.replay()
    with pytest.raises(UntrustedError, match=r"download\.safetensors names 'their_code:Their-v0'"):
        DemonstrationDataset([shown], torch.device("cpu"))
    config = PPOConfig(rollout_steps=8, batch_size=8, demonstrations=(str(shown),))
    agent = PPO.create("CartPole-v1", config, device="cpu")
    with pytest.raises(UntrustedError, match="download"):
        agent.learn(1)
    assert not ran.exists()
    games.replay(trust=True)
    assert ran.exists()
    agent.learn(1)  # imported: there is no code left to run
    agent.env.close()


@pytest.mark.parametrize("option", ["--imitate", "--set"])
def test_a_training_asks_before_it_imitates_others(
    ran: Path, shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """Before it is begun and before it is resumed, unless it is the user's own."""
    run = tmp_path / "run"
    settings = [f"{name}={json.dumps(value)}" for name, value in IMITATES.items()]
    imitates = str(shown) if option == "--imitate" else f'demonstrations=["{shown}"]'
    train = ["train", "ppo", "CartPole-v1", option, imitates, "--eval-episodes", "0"]
    train += [word for setting in settings for word in ("--set", setting)]
    train += ["--num-envs", "1", "--steps", "8", "--out", str(run)]
    refused = fail(1, *train)
    assert refused.startswith(f"{shown} names 'their_code:Their-v0': to make it, Python would run")
    assert not ran.exists()
    assert not run.exists()
    succeed(*train, "--trust")
    assert ran.exists()
    forget(ran, monkeypatch)
    resume = ["train", "--resume", str(run), "--eval-episodes", "0", "--steps"]
    succeed(*resume, "16")  # they have trusted it in the training above
    assert ran.exists()
    forget(ran, monkeypatch)
    (tmp_path / "state" / "mario-rl" / "modules.json").unlink()
    shown.unlink()  # the run has its own copy
    assert "names 'their_code:Their-v0'" in fail(1, *resume, "24")
    with pytest.raises(UntrustedError):
        resume_run(run)
    assert not ran.exists()
    succeed(*resume, "24", "--trust")
    assert ran.exists()


def test_a_job_that_imitates_others_imports_nothing_unasked(
    ran: Path, shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither here nor in a process of its own, neither when it begins nor when it goes on."""
    job = imitating_job(shown)
    with pytest.raises(UntrustedError, match="download"):
        run_job(job, tmp_path)
    with pytest.raises(UntrustedError, match="download"):
        LocalEngine(1).run([job], tmp_path)
    assert not ran.exists()
    folder = JobFolder(tmp_path, "job").run  # with a copy that names no module
    games = dataclasses.replace(Demonstrations.load(shown), env_id="CartPole-v1")
    games.save(folder / "demonstrations-1.safetensors")
    with pytest.raises(UntrustedError, match="download"):
        LocalEngine(1).run([job], tmp_path)
    shutil.rmtree(folder)
    assert not ran.exists()
    assert run_job(job, tmp_path, trust=True) is not None
    assert ran.exists()
    forget(ran, monkeypatch)
    (tmp_path / "state" / "mario-rl" / "modules.json").unlink()
    with pytest.raises(UntrustedError):
        run_job(dataclasses.replace(job, max_episodes=10_000), tmp_path)
    assert not ran.exists()


def test_a_comparison_that_imitates_others_asks_first(
    ran: Path, shown: Path, tmp_path: Path
) -> None:
    settings = {**IMITATES, "demonstrations": [str(shown)]}
    compare = ["compare", "ppo", "--env", "CartPole-v1", "--steps", "8", "--seeds", "1"]
    for name, value in settings.items():
        compare += ["--set", f"{name}={json.dumps(value)}"]
    assert fail(1, *compare, "--out", tmp_path / "out").startswith(f"{shown} names")
    plan = Plan.make(
        ["ppo"], "CartPole-v1", total_steps=8, num_seeds=1, num_envs=1, changes={"": settings}
    )
    plan.write(tmp_path / "plan")
    assert fail(1, "compare", "--resume", tmp_path / "plan").startswith(f"{shown} names")
    assert not ran.exists()
    compare += ["--num-envs", "1", "--episodes", "1", "--final-episodes", "1"]
    succeed(*compare, "--trust", "--speed", "1", "--out", tmp_path / "out")  # here and in a process
    assert ran.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"modules": 1}', '{"modules": [["a"]]}'])
def test_a_damaged_list_is_that_of_nobody(ran: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "state" / "mario-rl" / "modules.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UntrustedError):
        check_trusted("their_code:Their-v0", "run")
    remember("their_code:Their-v0")
    check_trusted("their_code:Their-v0", "run")
    assert [pair[0] for pair in json.loads(path.read_text())["modules"]] == ["their_code"]


def test_where_nothing_can_be_noted_the_user_is_asked_again(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember("their_code:Their-v0")
    with pytest.raises(UntrustedError):
        check_trusted("their_code:Their-v0", "run")


@pytest.mark.parametrize("env_id", ["CartPole-v1", "no_such_module:X-v0", ":X-v0", "..a:X", "os:X"])
def test_where_no_code_would_run_nobody_is_asked(ran: Path, env_id: str) -> None:
    check_trusted(env_id, "run")
