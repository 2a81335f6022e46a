"""What `mario-rl evaluate` plays and prints."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import pytest
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.ddpg import DDPG
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.algorithms.sac import SAC
from mario_rl_agents.algorithms.td3 import TD3
from mario_rl_agents.cli.evaluate import evaluation_table, measure
from mario_rl_agents.runs.evaluation import (
    Evaluation,
    evaluate,
    evaluations_json,
)
from mario_rl_agents.runs.playing import EvaluatedEpisode
from rich.console import Console
from support.commands import fail

import mario_rl_envs  # noqa: F401  registers the environments of Mario

Env = gym.Env[Any, Any]


@pytest.fixture
def cartpole() -> Iterator[Env]:
    env = gym.make("CartPole-v1")
    yield env
    env.close()


def text_of(evaluations: list[Evaluation]) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(evaluation_table(evaluations))
    return capture.get()


def test_the_table_says_when_all_episodes_were_one() -> None:
    env = gym.make("FlagWalk-v0", flag_probability=0.0)
    agent = DQN.create(env, seed=0, device="cpu")
    greedy = evaluate(agent, env, num_episodes=3)
    noisy = evaluate(agent, env, num_episodes=3, epsilon=1.0)
    env.close()
    assert "every episode had the same return and length" in text_of([greedy, noisy])
    text = text_of([noisy])
    assert "every episode had the same return and length" not in text
    assert "0% [0%, 56%]" in text  # z² / (3 + z²)


def scored(epsilon: float, sampled: bool, returns: list[float], cleared: bool | None) -> Evaluation:
    episodes = tuple(EvaluatedEpisode(0, x, 5, True, False, None, cleared) for x in returns)
    mean = sum(returns) / len(returns)
    rate = None if cleared is None else float(cleared)
    return Evaluation(
        epsilon, sampled, 0, len(returns), mean, 0.0, 5.0, 0.0, None, rate, None, episodes
    )


@pytest.mark.parametrize(
    ("greedy", "sampled", "is_greedy"),
    [
        (scored(0, False, [9], None), scored(0, True, [4, 8], None), True),
        (scored(0, False, [5], None), scored(0, True, [4, 8], None), False),
        (scored(0, False, [9], False), scored(0, True, [4, 8], True), False),  # it clears the stage
        (scored(0, False, [6], None), scored(0, True, [4, 8], None), True),  # the first of equals
    ],
)
def test_the_policy_that_scored_best_is_named(
    greedy: Evaluation, sampled: Evaluation, is_greedy: bool
) -> None:
    best = "greedy" if is_greedy else "sampled"
    words = " ".join(text_of([greedy, sampled]).split())
    assert f"{best} scored best: mario-rl watch plays so" in words
    assert "scored best" not in text_of([greedy])
    content = evaluations_json(Path("a.safetensors"), [greedy, sampled])
    assert content["best_policy"] == {"epsilon": 0, "sampled": not is_greedy}


@pytest.mark.parametrize("width", [60, 80])
def test_the_table_is_complete_on_narrow_terminals(width: int) -> None:
    row = scored(0.05, True, [2874.5, 3009.0], True)
    row = dataclasses.replace(row, x_pos_mean=3100.0, clear_rate_interval=(0.31, 0.83))
    console = Console(width=width)
    with console.capture() as capture:
        console.print(evaluation_table([row]))
    words = capture.get().split()
    assert "…" not in capture.get()
    for word in ("sampled,", "0.05", "2,941.8", "5.0", "3,100", "100%", "[31%,", "83%]"):
        assert word in words


def test_what_stands_beside_a_table_is_as_wide_as_the_terminal() -> None:
    evaluations = [scored(0, False, [9], None), scored(0, True, [4, 8], None)]
    title = "dqn, checkpoint.safetensors: 1,234,567 steps of training"
    console = Console(width=100)
    with console.capture() as capture:
        console.print(evaluation_table(evaluations, title=title))
    first, *_, last = (line.rstrip() for line in capture.get().splitlines())
    assert first == title
    assert last == "greedy scored best: mario-rl watch plays so"


def test_what_has_no_exploration_is_not_sampled(cartpole: Env, tmp_path: Path) -> None:
    path = tmp_path / "random.safetensors"
    RandomAgent.create(cartpole, device="cpu").save(path)
    assert fail(2, "evaluate", path, "--sample") == (
        "--sample: random has no exploration to draw actions from, leave it out"
    )


def test_the_table_has_a_column_for_what_infos_tell(cartpole: Env) -> None:
    agent = PPO.create(cartpole, seed=1, device="cpu")
    greedy, sampled = (
        evaluate(agent, cartpole, num_episodes=2, sample=sample) for sample in (False, True)
    )
    text = text_of([greedy, sampled])
    assert [line.split()[0] for line in text.splitlines()[3:5]] == ["greedy", "sampled"]
    assert "clear rate" not in text


GREEDY: Final = (0.0, False, 1)
SAMPLED: Final = (0.0, True, 3)
EPSILON: Final = (0.05, False, 3)


@pytest.mark.parametrize(
    ("kind", "actions", "plan"),
    [
        (DQN, "simple", [GREEDY, EPSILON]),
        (PPO, "simple", [GREEDY, SAMPLED]),
        (SAC, "continuous", [GREEDY, SAMPLED]),
        (TD3, "continuous", [GREEDY, EPSILON]),
        (DDPG, "continuous", [GREEDY, EPSILON]),
        (RandomAgent, "simple", [(0.0, False, 3)]),
    ],
)
def test_what_varies_the_evaluation_on_mario(
    kind: type[Agent], actions: str, plan: list[tuple[float, bool, int]]
) -> None:
    """Of an id of the user's own, too: its environment is Mario all the same."""
    env = gym.make("MarioRL-1-1-v0", observation="ram", actions=actions, max_episode_steps=2)
    env.unwrapped.spec = None
    agent = kind.create(env, seed=1, device="cpu")
    evaluations = measure(agent, env, 3, epsilon=None, seed=0)
    assert [(x.epsilon, x.sampled, x.num_episodes) for x in evaluations] == plan
    env.close()


def test_elsewhere_the_usual_evaluation_is_greedy(cartpole: Env) -> None:
    agent = PPO.create(cartpole, seed=1, device="cpu")
    [usual] = measure(agent, cartpole, 3, epsilon=None, seed=0)
    assert (usual.epsilon, usual.sampled, usual.num_episodes) == (0.0, False, 3)
    [asked] = measure(agent, cartpole, 3, epsilon=None, sample=True, seed=0)
    assert (asked.epsilon, asked.sampled, asked.num_episodes) == (0.0, True, 3)
