"""What `mario-rl evaluate` plays and prints."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import pytest
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.cli.evaluate import evaluation_table, measure
from mario_rl_agents.runs.evaluation import Evaluation, evaluate
from rich.console import Console

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
    assert "every episode was the same" in text_of([greedy, noisy])
    text = text_of([noisy])
    assert "every episode was the same" not in text
    assert "0% [0%, 56%]" in text  # z² / (3 + z²)


def test_the_table_has_a_column_for_what_infos_tell(cartpole: Env) -> None:
    agent = PPO.create(cartpole, seed=1, device="cpu")
    greedy, sampled = (
        evaluate(agent, cartpole, num_episodes=2, sample=sample) for sample in (False, True)
    )
    text = text_of([greedy, sampled])
    assert [line.split()[0] for line in text.splitlines()[3:5]] == ["greedy", "sampled"]
    assert "clear rate" not in text


def test_what_varies_the_usual_evaluation(cartpole: Env) -> None:
    plans = {}
    for kind in (DQN, PPO):
        agent = kind.create(cartpole, seed=1, device="cpu")
        evaluations = measure(agent, cartpole, 3, epsilon=None, seed=0, usual_epsilon=0.05)
        plans[kind] = [(x.epsilon, x.sampled, x.num_episodes) for x in evaluations]
    assert plans == {
        DQN: [(0.0, False, 1), (0.05, False, 3)],
        PPO: [(0.0, False, 1), (0.0, True, 3)],
    }
    [asked] = measure(agent, cartpole, 3, epsilon=None, sample=True, seed=0)
    assert (asked.epsilon, asked.sampled, asked.num_episodes) == (0.0, True, 3)
