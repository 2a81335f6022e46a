"""`mario-rl evaluate` by the protocol: every condition, greedy and sampled, in one table."""

import contextlib
import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import pytest
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.cli import conditions
from mario_rl_agents.experiments.protocol import MARIO_CONDITIONS, conditions_for
from mario_rl_agents.weights.policies import policy_path
from support.commands import fail, succeed

ROWS = [
    (condition, policy)
    for condition in ("plain", "no-ops", "sticky")
    for policy in ("greedy", "sampled")
]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """End games after four steps."""
    short = tuple(
        dataclasses.replace(each, env_kwargs={**each.env_kwargs, "max_episode_steps": 4})
        for each in MARIO_CONDITIONS
    )
    monkeypatch.setattr(conditions, "conditions_for", lambda env_id: short)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an agent that was trained with more sticky actions than any condition has."""
    env = gym.make("MarioRL-1-1-v0", size=42, sticky=0.9, noop_max=60)
    path = tmp_path_factory.mktemp("agent") / "agent.safetensors"
    PPO.create(env, PPOConfig(encoder="small"), seed=1, device="cpu").save(path)
    env.close()
    return path


def rows_of(lines: list[str]) -> list[list[str]]:
    """Return the cells of the rows of a table."""
    names = {condition for condition, _ in ROWS}
    return [line.split() for line in lines if line.split()[:1] and line.split()[0] in names]


def test_a_policy_is_evaluated_under_every_condition_by_its_id() -> None:
    lines = succeed("evaluate", "MarioRL-1-1-v0", "--episodes", "2")
    num_steps = read_header(policy_path("MarioRL-1-1-v0")).num_steps
    assert lines[0].startswith(f"ppo, MarioRL-1-1-v0.safetensors: {num_steps:,} steps of training")
    rows = rows_of(lines)
    assert [tuple(row[:2]) for row in rows] == ROWS
    assert rows[0][2] == "1"  # the two greedy games of the plain condition are one
    assert "games that repeat another one to the last action count once" in lines[-1]
    assert all(row[4] == "4.0" for row in rows)  # steps
    assert "0% [0%, " in lines[5]


def test_any_checkpoint_is_evaluated_so_if_it_is_asked_for(checkpoint: Path) -> None:
    content = json.loads("\n".join(succeed("evaluate", checkpoint, "--protocol", "--json")))
    assert content["checkpoint"] == str(checkpoint)
    found = content["evaluations"]
    assert [(each["condition"], each["policy"]) for each in found] == ROWS
    assert [each["num_episodes"] for each in found] == [2, *[100] * 5]
    # Its own sticky actions and no-op starts would have the plain greedy games differ.
    assert {x["digest"] for x in found[0]["episodes"]} == {found[0]["episodes"][0]["digest"]}
    assert {x["length"] for each in found for x in each["episodes"]} == {4}


def test_one_evaluation_is_asked_for_as_ever() -> None:
    short = ["--env", "max_episode_steps=3", "--episodes", "2"]
    lines = succeed("evaluate", "MarioRL-1-1-v0", "--sample", *short)
    assert len([line for line in lines if line.strip().startswith("sampled")]) == 1
    assert not rows_of(lines)
    greedy = succeed("evaluate", "MarioRL-1-1-v0", "--greedy", "--json", *short)
    [found] = json.loads("\n".join(greedy))["evaluations"]
    assert (found["epsilon"], found["sampled"], found["num_episodes"]) == (0.0, False, 2)
    assert succeed("evaluate", "MarioRL-1-1-v0", "--epsilon", "0", "--json", *short) == greedy


def test_what_the_protocol_sets_cannot_be_changed(checkpoint: Path) -> None:
    line = fail(2, "evaluate", checkpoint, "--protocol", "--env", "sticky=0.5")
    assert line.startswith("--env sticky: the conditions of the protocol set it; leave it out, or")
    line = fail(2, "evaluate", checkpoint, "--protocol", "--epsilon", "0.1")
    assert "--protocol has policies of its own" in line
    assert line == fail(2, "evaluate", checkpoint, "--protocol", "--greedy")
    for other in (["--sample"], ["--epsilon", "0.1"]):
        line = fail(2, "evaluate", checkpoint, "--greedy", *other)
        assert line == "--greedy excludes --sample and --epsilon: give one"


def test_what_infos_do_not_say_has_no_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "conditions_for", conditions_for)
    with contextlib.closing(gym.make("CartPole-v1")) as env:
        PPO.create(env, seed=1, device="cpu").save(tmp_path / "agent.safetensors")
    lines = succeed("evaluate", tmp_path / "agent.safetensors", "--protocol", "--episodes", "1")
    assert ["condition", "policy", "games", "return", "steps"] in [line.split() for line in lines]
    assert [row[:3] for row in rows_of(lines)] == [
        ["plain", "greedy", "1"],
        ["plain", "sampled", "1"],
    ]
