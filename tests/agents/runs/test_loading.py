"""Runs and agents by name: what is made, what is found, and what is refused."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.checkpoint import make_config
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.envs import NoEnv
from mario_rl_agents.errors import CheckpointError, NoEnvError, RunError
from mario_rl_agents.recipes import find_recipe
from mario_rl_agents.recipes.recipe import Recipe
from mario_rl_agents.runs.loading import (
    find_algorithm,
    find_checkpoint,
    load_agent,
    new_run,
    open_env,
    resume_run,
    spec_from_recipe,
    untrained_agent,
)
from mario_rl_agents.runs.run import Run
from mario_rl_agents.runs.trainer import train
from mario_rl_agents.teachers import AgentTeacher
from safetensors.numpy import load_file
from support.interface_toys import toy
from support.signed_files import read_signed, write_signed


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[Run, Agent]]:
    """Return a short run and its agent."""
    spec = spec_from_recipe("dqn", "CartPole-v1", total_steps=30, seed=2)
    run, agent = new_run(spec, tmp_path / "run", device="cpu")
    train(agent, run)
    yield run, agent
    agent.env.close()


def test_a_spec_is_the_recipe_but_for_what_is_given() -> None:
    recipe = find_recipe("double_dqn", "MarioRL-1-1-v0", "demo")
    spec = spec_from_recipe("double_dqn", "MarioRL-1-1-v0", "demo", seed=3)
    assert spec.config == json.loads(json.dumps(dataclasses.asdict(recipe.config)))
    assert (spec.env_kwargs, spec.total_steps) == (recipe.env_kwargs, recipe.total_steps)
    assert (spec.evaluation_epsilon, spec.seed) == (0.05, 3)
    changed = dataclasses.replace(recipe, config=DQNConfig(gamma=0.5))
    spec = spec_from_recipe(
        "double_dqn", "MarioRL-1-1-v0", changed, env_kwargs={"sticky": 0.25}, total_steps=7
    )
    assert spec.config["gamma"] == 0.5
    assert spec.env_kwargs == {**recipe.env_kwargs, "sticky": 0.25}
    assert spec.total_steps == 7


def test_names_that_do_not_exist_are_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no algorithm 'dqnn', did you mean dqn"):
        spec_from_recipe("dqnn", "CartPole-v1")
    with pytest.raises(ValueError, match="no recipe 'fast' for dqn on CartPole-v1: known are"):
        spec_from_recipe("dqn", "CartPole-v1", "fast")
    with pytest.raises(ValueError, match="no environment 'CartPole-v9', did you mean CartPole-v1"):
        new_run(spec_from_recipe("dqn", "CartPole-v9"), tmp_path / "run")
    with pytest.raises(ValueError, match="CartPole-v1 cannot be made: "):
        open_env("CartPole-v1", {"wind": 3})
    with pytest.raises(ValueError, match="dqn on Pendulum-v1: "):
        new_run(spec_from_recipe("dqn", "Pendulum-v1"), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_records_every_field_of_its_configuration(tmp_path: Path) -> None:
    spec = dataclasses.replace(spec_from_recipe("dqn", "CartPole-v1"), config={"gamma": 0.5})
    run, agent = new_run(spec, tmp_path / "run", device="cpu")
    agent.env.close()
    assert make_config(DQNConfig, run.spec.config, run.folder) == DQNConfig(gamma=0.5)


def test_a_run_is_resumed_where_it_was_saved(trained: tuple[Run, Agent]) -> None:
    run, agent = trained
    again, resumed = resume_run(run.folder, device="cpu")
    resumed.env.close()
    assert again == run
    assert (resumed.num_steps, resumed.seed, resumed.config) == (30, 2, agent.config)


def test_a_run_that_begins_with_weights_had_them_before_its_training(
    trained: tuple[Run, Agent], tmp_path: Path
) -> None:
    source, first = trained
    spec = spec_from_recipe("dqn", "CartPole-v1", seed=3, begins_with=source.folder)
    run, agent = new_run(spec, tmp_path / "next", device="cpu")
    untrained = untrained_agent(run, device="cpu")
    for each in (agent, untrained):
        each.env.close()
        for name, x in first.networks["q"].state_dict().items():
            assert x.equal(each.networks["q"].state_dict()[name])
    # Meanwhile the file is another one, and then it is gone.
    RandomAgent.create("CartPole-v1", device="cpu").save(source.checkpoint)
    with pytest.raises(ValueError, match="holds other weights than the run begins with: put"):
        new_run(spec, tmp_path / "another", device="cpu")
    with pytest.raises(CheckpointError, match="holds other weights than the run begins with: put"):
        untrained_agent(run, device="cpu")
    source.checkpoint.unlink()
    with pytest.raises(FileNotFoundError, match="is missing, with whose weights the run begins"):
        new_run(spec, tmp_path / "another", device="cpu")
    with pytest.raises(FileNotFoundError, match="is missing, with whose weights the run begins"):
        untrained_agent(run, device="cpu")
    assert not (tmp_path / "another").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_training_plays_without_a_compiler_and_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_from_recipe("dqn", "CartPole-v1")
    spec = dataclasses.replace(spec, config={"compile": True})
    monkeypatch.setenv("CXX", sys.executable)  # it is there
    run, agent = new_run(spec, tmp_path / "run", device="cpu")
    agent.save(run.checkpoint, replay=True)
    agent.env.close()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert load_agent(run.folder, make_env=False, device="cpu").config.compile
    with pytest.raises(ValueError, match=r"compile=True needs a C\+\+ compiler"):
        resume_run(run.folder, device="cpu")


def test_a_run_keeps_what_it_begins_by_imitating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resumed from anywhere, and moved, though the file is another one by then."""
    monkeypatch.chdir(tmp_path)
    game = gym.make("CartPole-v1")
    teacher = AgentTeacher(RandomAgent.create(game, device="cpu"), greedy=True)
    shown = record(teacher, "CartPole-v1", {}, num_decisions=40, num_envs=2)
    shown.save("shown.safetensors")
    game.close()
    config = PPOConfig(
        rollout_steps=8, batch_size=8, cloning_epochs=1, demonstrations=("shown.safetensors",)
    )
    recipe = Recipe(config, total_steps=64)
    spec = spec_from_recipe("ppo", "CartPole-v1", recipe)
    whole, agent = new_run(spec, tmp_path / "whole", device="cpu")
    train(agent, whole)
    agent.env.close()
    half, agent = new_run(dataclasses.replace(spec, total_steps=32), tmp_path / "half")
    train(agent, half)
    agent.env.close()
    assert half.spec.config["demonstrations"] == ["shown.safetensors"]  # of no folder of the user's
    (tmp_path / "shown.safetensors").write_bytes(b"another")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "half").rename("moved")
    resumed, agent = resume_run("moved", device="cpu")
    train(agent, resumed.extended_to(64))
    agent.env.close()
    weights = [load_file(run.checkpoint) for run in (whole, resumed)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    # One's own copy is what a training begins with that replaces it.
    own = {**spec.config, "demonstrations": ["moved/demonstrations-1.safetensors"]}
    again, agent = new_run(dataclasses.replace(spec, config=own), "moved", overwrite=True)
    agent.env.close()
    assert (again.folder / "demonstrations-1.safetensors").is_file()
    assert not again.checkpoint.exists()


def test_a_run_of_an_older_version_has_its_demonstrations_where_they_were(tmp_path: Path) -> None:
    run = Run(tmp_path, spec_from_recipe("ppo", "CartPole-v1"))
    named = [Path("one.safetensors"), Path("two.safetensors")]
    assert run.demonstrations(named) == tuple(named)
    [copy] = run.keep_demonstrations([b"one"])
    assert copy.read_bytes() == b"one"
    assert run.demonstrations(named) == (copy, named[1])


def test_a_run_without_a_checkpoint_cannot_be_resumed(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a run", spec_from_recipe("dqn", "CartPole-v1"))
    anew = rf"has no checkpoint yet: train it anew \(--out '{tmp_path}/a run' --overwrite\)"
    with pytest.raises(RunError, match=anew):
        resume_run(run.folder)
    with pytest.raises(RunError, match="has no checkpoint yet"):
        load_agent(run.folder)


def test_an_agent_is_loaded_from_a_folder_or_a_file(trained: tuple[Run, Agent]) -> None:
    run, agent = trained
    obs = np.linspace(-0.1, 0.1, 12, dtype=np.float32).reshape(3, 4)
    for path in (run.folder, run.checkpoint, str(run.checkpoint)):
        loaded = load_agent(path, device="cpu")
        loaded.env.close()
        assert isinstance(loaded, DQN)
        assert loaded.num_steps == 30
        assert np.array_equal(loaded.act(obs), agent.act(obs))
    assert find_checkpoint(run.folder) == run.checkpoint
    run.best.write_bytes(run.checkpoint.read_bytes())
    assert find_checkpoint(run.folder) == run.best


def test_an_agent_is_loaded_into_an_environment_of_the_users(trained: tuple[Run, Agent]) -> None:
    run, _ = trained
    with gym.make("CartPole-v1") as env:
        assert load_agent(run.folder, env, device="cpu").env is env
        with pytest.raises(ValueError, match="are of a new environment: leave out env"):
            load_agent(run.folder, env, render_mode="human")
    with (
        gym.make("MountainCar-v0") as env,
        pytest.raises(CheckpointError, match="does not fit the environment"),
    ):
        load_agent(run.folder, env)


def test_an_agent_acts_without_its_environment_being_made(
    trained: tuple[Run, Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, agent = trained
    obs = np.linspace(-0.1, 0.1, 12, dtype=np.float32).reshape(3, 4)
    monkeypatch.delitem(gym.registry, "CartPole-v1")  # as where its package is not installed
    alone = load_agent(run.folder, make_env=False, device="cpu")
    assert np.array_equal(alone.act(obs), agent.act(obs))
    with pytest.raises(NoEnvError, match=r"cannot learn: load it with one, as load_agent\(path\)"):
        alone.learn(10)
    with pytest.raises(ValueError, match="are of an environment: leave out make_env"):
        load_agent(run.folder, make_env=False, env_kwargs={"render_mode": "human"})
    with pytest.raises(ValueError, match="no environment 'CartPole-v1'"):
        load_agent(run.folder, device="cpu")


def test_the_environment_tells_the_spaces_that_a_file_of_before_does_not(tmp_path: Path) -> None:
    agent = PPO.create(toy("vector", "continuous"), device="cpu")
    path = tmp_path / "agent.safetensors"
    agent.save(path)
    header, tensors = read_signed(path)
    del header["spaces"]
    write_signed(path, header, tensors)
    alone = load_agent(path, make_env=False, device="cpu")
    assert isinstance(alone.env, NoEnv)
    assert alone.action_space == agent.action_space
    obs = np.ones((2, 3), np.float32)
    assert np.array_equal(alone.act(obs), agent.act(obs))


def test_keywords_change_those_of_the_training(tmp_path: Path) -> None:
    spec = spec_from_recipe("dqn", "FlagWalk-v0", env_kwargs={"flag_probability": 1.0})
    spec = dataclasses.replace(
        spec, total_steps=3, env_kwargs={**spec.env_kwargs, "max_episode_steps": 2}
    )
    run, agent = new_run(spec, tmp_path / "run", device="cpu")
    train(agent, run)
    agent.env.close()

    def made(**keywords: Any) -> gym.envs.registration.EnvSpec:
        env = load_agent(run.folder, env_kwargs=keywords, device="cpu").env
        env.close()
        assert env.spec is not None
        return env.spec

    assert made().kwargs["flag_probability"] == 1.0
    assert made().max_episode_steps == 2  # known to the run, not to the checkpoint
    assert made(flag_probability=0.0).kwargs["flag_probability"] == 0.0


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint at .*: give a \.safe"):
        load_agent(tmp_path / "nowhere")
    with pytest.raises(RunError, match="there is no run at"):
        load_agent(tmp_path)
    stranger = tmp_path / "stranger.safetensors"

    class Stranger(RandomAgent):
        algorithm = "stranger"

    with gym.make("CartPole-v1") as env:
        Stranger.create(env, device="cpu").save(stranger)
    with pytest.raises(CheckpointError, match="was trained by stranger; known are a3c, "):
        load_agent(stranger)


def test_an_agent_of_ones_own_without_a_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "partial_agents.py").write_text(
        "from mario_rl_agents import Agent\n\n\n"
        "class Nameless(Agent):\n"
        "    def act(self, obs, *, greedy=True): ...\n"
        "    def observe(self, step): ...\n\n\n"
        'class Idle(Agent):\n    algorithm = "idle"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match='give the class one, as algorithm = "nameless"'):
        find_algorithm("partial_agents:Nameless")
    with pytest.raises(ValueError, match="is no whole agent: it lacks act and observe"):
        find_algorithm("partial_agents:Idle")
