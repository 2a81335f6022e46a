"""A policy out of checkpoints: what is chosen by what, and what its file says."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.experiments.conditions import Played
from mario_rl_agents.experiments.protocol import MARIO_CONDITIONS, Protocol
from mario_rl_agents.runs.evaluation import summarize
from mario_rl_agents.runs.loading import new_run, spec_from_recipe
from mario_rl_agents.runs.playing import EvaluatedEpisode
from mario_rl_agents.runs.run import Run
from mario_rl_agents.weights import making
from mario_rl_agents.weights.making import CHOICE_SEED, Settings, checkpoints_of, make_policy
from mario_rl_agents.weights.record import known_record, read_record

MARIO: dict[str, Any] = {"size": 42, "sticky": 0.25, "noop_max": 30, "stall": 150}
SMALL = PPOConfig(encoder="small", hidden_sizes=(8,))
# By the agent's seed and the policy the games of ten that are cleared; greedy of seed 1 is best.
CLEARS = {(0, "greedy"): 5, (0, "sampled"): 8, (1, "greedy"): 9, (1, "sampled"): 3}


def saved(folder: Path, seed: int, env_id: str = "MarioRL-1-1-v0") -> Path:
    env = gym.make(env_id, **MARIO)
    agent = PPO.create(env, SMALL, seed=seed, device="cpu")
    agent.num_steps = 100 + seed
    agent.save(folder / f"agent{seed}.safetensors")
    env.close()
    return folder / f"agent{seed}.safetensors"


class Games:
    """In place of games: what is asked for, and results that depend on the agent alone."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, list[str]]] = []

    def __call__(
        self,
        agent: Agent,
        env_id: str,
        env_kwargs: dict[str, Any],
        protocol: Protocol,
        *,
        num_episodes: int,
        seed: int,
    ) -> Iterator[Played]:
        self.asked.append((seed, num_episodes, [each.name for each in protocol.conditions]))
        assert env_id == "MarioRL-1-1-v0"
        assert env_kwargs.items() >= MARIO.items()
        for condition in protocol.conditions:
            for policy in protocol.policies:
                cleared = CLEARS[agent.seed, policy]
                episodes = [
                    EvaluatedEpisode(i, 5.0, 3, True, False, 100, i < cleared) for i in range(10)
                ]
                evaluation = summarize(episodes, epsilon=0, sampled=policy == "sampled", seed=seed)
                yield Played(condition, policy, evaluation)


@pytest.fixture
def games(monkeypatch: pytest.MonkeyPatch) -> Games:
    games = Games()
    monkeypatch.setattr(making, "play_conditions", games)
    # Games that are equal count, here.
    monkeypatch.setattr("mario_rl_agents.weights.record.counted_once", lambda x: x)
    return games


def test_the_best_checkpoint_and_its_policy_are_chosen_and_measured_on_other_seeds(
    tmp_path: Path, games: Games
) -> None:
    path = tmp_path / "policy.safetensors"
    lines: list[str] = []
    checkpoints = [saved(tmp_path, seed) for seed in (0, 1)]
    settings = Settings(num_choice_episodes=7, num_episodes=9, commit="abc1234", note="By hand.")
    record = make_policy(checkpoints, path, settings, lines.append)
    varied, every = ["no-ops", "sticky"], [each.name for each in MARIO_CONDITIONS]
    assert games.asked == [(CHOICE_SEED, 7, varied)] * 2 + [(1_000_000, 9, every)]
    assert (record.policy, record.num_candidates) == ("greedy", 2)
    assert [(x.condition, x.policy, x.clear_rate) for x in record.choice] == [
        (condition, policy, CLEARS[1, policy] / 10)
        for policy in ("greedy", "sampled")
        for condition in varied
    ]
    assert (record.commit, record.note) == ("abc1234", "By hand.")
    rate = record.rate("sticky")
    assert rate is not None
    assert (rate.policy, rate.clear_rate) == ("greedy", 0.9)
    assert record.rate("rain") is None
    assert f"chosen: {checkpoints[1]}, greedy" in lines
    header = read_header(path)
    assert (header.seed, header.num_steps, header.env_kwargs["sticky"]) == (1, 101, 0.25)
    assert known_record(path) == record


def test_the_run_says_how_it_was_trained(tmp_path: Path, games: Games) -> None:
    spec = spec_from_recipe("ppo", "MarioRL-1-1-v0", env_kwargs=MARIO, num_envs=2, seed=1)
    spec = dataclasses.replace(spec, config=dataclasses.asdict(SMALL))
    command = ["mario-rl", "train", "ppo", "--out", str(tmp_path / "run"), "--seed", "1"]
    run, agent = new_run(spec, tmp_path / "run", device="cpu", command=command)
    agent.save(run.checkpoint)
    agent.env.close()
    path = tmp_path / "policy.safetensors"
    record = make_policy(checkpoints_of(run.folder), path, Settings(), lambda line: None)
    assert record.command == ("mario-rl", "train", "ppo", "--seed", "1")  # nothing of this machine
    assert record.commit == Run.open(run.folder).record().commit
    assert record.num_envs == 2
    assert record.versions["torch"]
    assert "tmp" not in json.dumps(record.to_json())
    assert games.asked[0][1] == 100


def test_no_folder_of_the_user_goes_into_a_policy(tmp_path: Path, games: Games) -> None:
    """Whatever option it was given by: of the files of its training the names remain."""
    shown = tmp_path / "my games" / "1-1.safetensors"
    spec = spec_from_recipe("ppo", "MarioRL-1-1-v0", env_kwargs=MARIO, num_envs=2, seed=1)
    env = gym.make("MarioRL-1-1-v0", **MARIO)
    agent = PPO.create(
        env, dataclasses.replace(SMALL, demonstrations=(str(shown), "demos/b.safetensors")), seed=1
    )
    command = ["mario-rl", "train", "ppo", f"--out={tmp_path}/run", "--out", str(tmp_path)]
    command += [f"--imitate={shown}", "--imitate", str(shown), "--imitate", "demos/b.safetensors"]
    command += ["--set", f'demonstrations=["{shown}", "~/b.safetensors"]', "--seed", "1"]
    command += ["--env", r"rom_path=C:\Users\tmp\rom.nes", "--set", "clip_range=linear(0.1,0,9)"]
    run = Run.create(tmp_path / "run", spec, command=command)
    agent.save(run.checkpoint)
    env.close()
    path = tmp_path / "policy.safetensors"
    record = make_policy([run.checkpoint], path, Settings(), lambda line: None)
    imitates = "--imitate=1-1.safetensors --imitate 1-1.safetensors --imitate demos/b.safetensors"
    assert record.command == (
        *("mario-rl", "train", "ppo", *imitates.split()),
        *("--set", 'demonstrations=["1-1.safetensors", "b.safetensors"]', "--seed", "1"),
        *("--env", "rom_path=rom.nes", "--set", "clip_range=linear(0.1,0,9)"),
    )
    header = read_header(path)
    assert header.config["demonstrations"] == []
    assert str(tmp_path) not in json.dumps(dataclasses.asdict(header))


def test_a_run_offers_its_best_and_its_latest_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", spec_from_recipe("ppo", "CartPole-v1"))
    run.checkpoint.write_bytes(b"")
    assert checkpoints_of(run.folder) == [run.checkpoint]
    run.best.write_bytes(b"")
    assert checkpoints_of(run.folder) == [run.best, run.checkpoint]
    assert checkpoints_of(run.best) == [run.best]


def test_weights_are_rated_in_half_precision(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, 0)
    with making.halved_agent(checkpoint, "cpu") as agent:
        whole = PPO.load(checkpoint, agent.single_env, device="cpu")
        for name, x in whole.networks["actor"].state_dict().items():
            assert (agent.networks["actor"].state_dict()[name] == x.half().float()).all()


def test_mistakes_say_what_to_do(
    tmp_path: Path, games: Games, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.safetensors"
    both = [saved(tmp_path, 0), saved(tmp_path, 1, "MarioRL-1-2-v0")]
    with pytest.raises(ValueError, match=r"must be of one environment, .*1-1-v0.*1-2-v0"):
        make_policy(both, path, Settings(), lambda line: None)
    monkeypatch.setattr(making, "MAX_BYTES", 1_000)
    with pytest.raises(ValueError, match="more than 1,000: train a smaller network"):
        make_policy(both[:1], path, Settings(), lambda line: None)
    assert not path.exists()
    assert read_record(both[0]) is None
    with pytest.raises(CheckpointError, match="is a checkpoint of a training, and no policy"):
        known_record(both[0])
    with making.halved_agent(both[0], "cpu") as agent:
        agent.save_weights(path, {"policy": "lazy"})
    with pytest.raises(CheckpointError, match="does not fit"):
        read_record(path)
