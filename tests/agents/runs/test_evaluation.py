"""Evaluation: what is counted, and that the same seed counts the same."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.envs import make_env, make_vec_env
from mario_rl_agents.runs.evaluation import (
    Evaluation,
    distinct,
    evaluate,
    wilson_interval,
)
from mario_rl_agents.runs.playing import EvaluationPolicy
from mario_rl_agents.seeding import generator_state
from mario_rl_agents.spaces import num_discrete_actions

Env = gym.Env[Any, Any]


@pytest.fixture
def cartpole() -> Iterator[Env]:
    env = gym.make("CartPole-v1")
    yield env
    env.close()


@pytest.fixture
def flag_walk() -> Iterator[Env]:
    env = gym.make("FlagWalk-v0")
    yield env
    env.close()


# By hand with z = 1.959964: p = k/n, (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.277533),  # z² / (n + z²)
        (10, 10, 0.722467, 1.0),  # n / (n + z²)
        (0, 1, 0.0, 0.793451),
        (1, 1, 0.206549, 1.0),
        (5, 10, 0.236593, 0.763407),
        (8, 10, 0.490162, 0.943318),
        (1, 100, 0.001767, 0.054486),
    ],
)
def test_wilson_interval_is_that_worked_by_hand(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-6)


def test_wilson_interval_ends_are_exact_and_hold_the_proportion() -> None:
    for trials in (1, 7, 1000):
        assert wilson_interval(0, trials)[0] == 0.0
        assert wilson_interval(trials, trials)[1] == 1.0
        for successes in range(trials + 1):
            low, high = wilson_interval(successes, trials)
            assert 0.0 <= low <= successes / trials <= high <= 1.0


def test_wilson_interval_of_less_confidence_is_narrower() -> None:
    low, high = wilson_interval(5, 10, confidence=0.5)
    assert 0.236593 < low < 0.5 < high < 0.763407


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "trials must be a whole number >= 1, got 0"),
        ((0, "9"), "trials must be a whole number >= 1, got '9' of type str"),
        (("1", 9), "successes must be a whole number, got '1' of type str"),
        ((-1, 3), "successes must be between 0 and 3, received -1"),
        ((4, 3), "successes must be between 0 and 3, received 4"),
    ],
)
def test_wilson_interval_refuses_what_is_no_proportion(
    arguments: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wilson_interval(*arguments)


def test_the_same_seed_gives_the_same_evaluation(cartpole: Env) -> None:
    agent = DQN.create(cartpole, seed=0, device="cpu")
    first = evaluate(agent, cartpole, num_episodes=4, epsilon=0.5, seed=3)
    again = evaluate(agent, cartpole, num_episodes=4, epsilon=0.5, seed=3)
    other = evaluate(agent, cartpole, num_episodes=4, epsilon=0.5, seed=100)
    assert first == again
    assert first.episodes != other.episodes


def test_each_episode_can_be_played_again_alone(cartpole: Env) -> None:
    agent = DQN.create(cartpole, seed=0, device="cpu")
    several = evaluate(agent, cartpole, num_episodes=4, epsilon=0.5, seed=3).episodes
    for episode in reversed(several):
        [alone] = evaluate(agent, cartpole, num_episodes=1, epsilon=0.5, seed=episode.seed).episodes
        assert alone == episode
    assert [episode.seed for episode in several] == [3, 4, 5, 6]


def test_evaluation_changes_neither_agent_nor_action_space(cartpole: Env) -> None:
    agent = DQN.create(cartpole, seed=0, device="cpu")
    before = (agent.num_steps, agent.num_episodes, agent.num_updates)
    cartpole.action_space.seed(7)
    expected = [cartpole.action_space.sample() for _ in range(20)]
    cartpole.action_space.seed(7)
    evaluate(agent, cartpole, num_episodes=2, epsilon=0.5)
    assert [cartpole.action_space.sample() for _ in range(20)] == expected
    assert (agent.num_steps, agent.num_episodes, agent.num_updates) == before


def test_means_and_deviations_are_those_of_the_episodes(flag_walk: Env) -> None:
    agent = DQN.create(flag_walk, seed=0, device="cpu")
    evaluation = evaluate(agent, flag_walk, num_episodes=6, epsilon=1.0, seed=0)
    returns = [episode.episodic_return for episode in evaluation.episodes]
    mean = sum(returns) / 6
    assert len(set(returns)) > 1
    assert evaluation.return_mean == pytest.approx(mean)
    variance = sum((value - mean) ** 2 for value in returns) / 5
    assert evaluation.return_std == pytest.approx(math.sqrt(variance))
    assert (evaluation.length_mean, evaluation.length_std) == (5.0, 0.0)
    assert evaluation.x_pos_mean == pytest.approx(mean)  # a pixel is a point here
    cleared = [bool(episode.cleared) for episode in evaluation.episodes]
    assert 0 < sum(cleared) < 6
    assert evaluation.clear_rate == pytest.approx(sum(cleared) / 6)
    assert evaluation.clear_rate_interval == wilson_interval(sum(cleared), 6)
    assert evaluation.best.episodic_return == max(returns)


def test_what_infos_do_not_tell_is_none(cartpole: Env) -> None:
    agent = DQN.create(cartpole, seed=0, device="cpu")
    evaluation = evaluate(agent, cartpole, num_episodes=1)
    assert evaluation.x_pos_mean is None
    assert evaluation.clear_rate is None
    assert evaluation.clear_rate_interval is None
    assert evaluation.return_std == 0.0


def test_a_greedy_agent_in_a_deterministic_environment_repeats_itself() -> None:
    env = gym.make("FlagWalk-v0", flag_probability=0.0)
    agent = DQN.create(env, seed=0, device="cpu")
    assert evaluate(agent, env, num_episodes=3).repeats_itself
    assert not evaluate(agent, env, num_episodes=3, epsilon=1.0).repeats_itself
    assert not evaluate(agent, env, num_episodes=1).repeats_itself
    env.close()


def test_json_holds_everything(flag_walk: Env) -> None:
    agent = DQN.create(flag_walk, seed=0, device="cpu")
    evaluation = evaluate(agent, flag_walk, num_episodes=2, epsilon=0.25, seed=9)
    content = json.loads(json.dumps(evaluation.to_json()))
    assert content["epsilon"] == 0.25
    assert content["num_episodes"] == 2
    assert [episode["seed"] for episode in content["episodes"]] == [9, 10]
    assert content["clear_rate_interval"] == list(evaluation.clear_rate_interval or ())
    assert Evaluation.from_json(content) == evaluation


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_episodes": 0}, "num_episodes must be a whole number >= 1, got 0"),
        ({"num_episodes": "3"}, "num_episodes must be a whole number >= 1, got '3' of type str"),
        ({"num_episodes": 2.5}, "num_episodes must be a whole number >= 1, got 2.5"),
        ({"num_episodes": 1, "epsilon": 1.5}, r"epsilon must be a number in \[0, 1\], got 1.5"),
        ({"num_episodes": 1, "epsilon": None}, r"epsilon must be a number in \[0, 1\], got None"),
        ({"num_episodes": 1, "seed": "a"}, "seed must be a whole number >= 0, got 'a'"),
        ({"num_episodes": 1, "sample": 3}, "sample must be true or false, yes or no, on or off"),
        ({"num_episodes": 1, "max_steps": 0}, "max_steps must be a whole number >= 1 or None, got"),
    ],
)
def test_bad_arguments_are_refused(cartpole: Env, keywords: Any, message: str) -> None:
    agent = DQN.create(cartpole, seed=0, device="cpu")
    with pytest.raises(ValueError, match=message):
        evaluate(agent, cartpole, **keywords)


def test_a_policy_is_sampled_by_the_seed_and_not_changed(cartpole: Env) -> None:
    agent = PPO.create(cartpole, seed=1, device="cpu")
    before = generator_state(agent.generators["exploration"])
    first, again, other = (
        evaluate(agent, cartpole, num_episodes=4, sample=True, seed=seed) for seed in (5, 5, 50)
    )
    assert generator_state(agent.generators["exploration"]) == before
    assert first == again
    assert [x.length for x in first.episodes] != [x.length for x in other.episodes]
    greedy = evaluate(agent, cartpole, num_episodes=4, seed=5)
    assert [x.length for x in first.episodes] != [x.length for x in greedy.episodes]
    assert (first.sampled, greedy.sampled) == (True, False)


def test_an_agent_without_exploration_of_its_own_cannot_be_sampled(cartpole: Env) -> None:
    agent = RandomAgent.create(cartpole, device="cpu")
    agent.generators.clear()
    with pytest.raises(
        ValueError, match="random has no exploration to sample from: evaluate it with sample"
    ):
        evaluate(agent, cartpole, num_episodes=1, sample=True)


def test_random_play_is_repeated_by_its_seed_and_is_not_changed(cartpole: Env) -> None:
    agent = RandomAgent.create(cartpole, device="cpu")
    before = generator_state(agent.generators["actions"])
    played = evaluate(agent, cartpole, num_episodes=4, seed=5)
    assert generator_state(agent.generators["actions"]) == before
    assert len(distinct(played.episodes)) == 4
    for episode in reversed(played.episodes):
        (again,) = evaluate(agent, cartpole, num_episodes=1, seed=episode.seed).episodes
        assert again == episode


class Endless(gym.Env[Any, Any]):
    """Never ends an episode; its rewards are arrays of one number."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), np.array([0.5]), False, False, {}


def test_an_episode_without_an_end_is_cut() -> None:
    agent = RandomAgent.create(Endless(), device="cpu")
    evaluation = evaluate(agent, Endless(), num_episodes=2, max_steps=9)
    assert [(x.length, x.cut) for x in evaluation.episodes] == [(9, True)] * 2
    assert not any(x.terminated or x.truncated for x in evaluation.episodes)
    assert (evaluation.num_cut, evaluation.return_mean) == (2, 4.5)
    limited = gym.wrappers.TimeLimit(Endless(), 9)
    assert evaluate(agent, limited, num_episodes=2, max_steps=9).num_cut == 0
    content = evaluation.to_json()
    for episode in content["episodes"]:
        del episode["cut"]  # as in files of before
    assert Evaluation.from_json(content).num_cut == 0


def test_an_id_is_made_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(CartPoleEnv, "close", lambda self: closed.append(self))
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    assert evaluate(agent, "CartPole-v1", num_episodes=1).num_episodes == 1
    assert len(closed) == 1
    assert closed != [agent.env.unwrapped]
    with pytest.raises(ValueError, match="env 'CartPole-v9' cannot be made: "):
        evaluate(agent, "CartPole-v9", num_episodes=1)
    anything: Any = 3
    with pytest.raises(TypeError, match=r"env must be a gymnasium\.Env, a gymnasium\.vector"):
        evaluate(agent, anything, num_episodes=1)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MarioRL-1-1-v0"])
def test_episodes_side_by_side_are_those_played_one_by_one(env_id: str) -> None:
    """In vectors of Gymnasium's environments and of native games, more episodes than those."""
    kwargs = {"CartPole-v1": {}, "MarioRL-1-1-v0": {"observation": "tiles", "noop_max": 30}}[env_id]
    limited = {**kwargs, "max_episode_steps": 60}
    env, envs = make_env(env_id, limited), make_vec_env(env_id, 3, limited)
    agent = PPO.create(env, PPOConfig(hidden_sizes=(8,)), device="cpu")
    with contextlib.closing(env), contextlib.closing(envs):
        single = evaluate(agent, env, num_episodes=7, seed=11)
        vector = evaluate(agent, envs, num_episodes=7, seed=11)
        assert [episode.seed for episode in vector.episodes] == list(range(11, 18))
        assert vector == single
        drawn = [evaluate(agent, envs, num_episodes=7, sample=True, seed=3) for _ in range(2)]
        assert drawn[0] == drawn[1] != evaluate(agent, envs, num_episodes=7, sample=True, seed=4)
        cut = evaluate(agent, envs, num_episodes=4, max_steps=5, seed=11)
        assert [(episode.length, episode.cut) for episode in cut.episodes] == [(5, True)] * 4


def test_side_by_side_half_of_the_actions_are_random() -> None:
    envs = make_vec_env("FlagWalk-v0", 2)
    num_actions = num_discrete_actions(envs.single_action_space)
    agent = DQN.create(envs, device="cpu")
    policy = EvaluationPolicy(agent, envs, epsilon=0.5, seed=0)
    obs, _ = envs.reset(seed=0)
    greedy = agent.act(obs)
    chosen = np.stack([policy.batch(obs) for _ in range(500)])  # [500, 2]
    assert np.mean(chosen != greedy) == pytest.approx(0.5 * (1 - 1 / num_actions), abs=0.06)
    envs.close()


def test_a_vector_that_resets_itself_is_refused() -> None:
    envs = gym.make_vec("MarioRL-1-1-v0", 2, autoreset_mode="SameStep")
    agent = RandomAgent.create(envs, device="cpu")
    with pytest.raises(ValueError, match=r"make it with autoreset_mode=.*DISABLED"):
        evaluate(agent, envs, num_episodes=1)
    envs.close()


def test_identical_episodes_count_once() -> None:
    with contextlib.closing(make_env("MarioRL-1-1-v0", {"max_episode_steps": 20})) as env:
        agent = RandomAgent.create(env, device="cpu")
        varied = evaluate(agent, env, num_episodes=3)
        assert len(distinct(varied.episodes)) == 3
        again = (*varied.episodes, dataclasses.replace(varied.episodes[1], seed=99))
        assert distinct(again) == list(varied.episodes)
        # Returns and lengths alone do not tell apart what was played.
        first, *_ = varied.episodes
        assert len(distinct([first, dataclasses.replace(first, digest="0" * 16)])) == 2


class Remembering(RandomAgent):
    """Notes where episodes begin."""

    def begin_episodes(self, mask: Any) -> None:
        begun.append(mask.tolist())


begun: list[list[bool]] = []


def test_an_agent_is_told_where_episodes_begin(cartpole: Env) -> None:
    begun.clear()
    agent = Remembering.create(cartpole, device="cpu")
    evaluate(agent, cartpole, num_episodes=2)
    assert begun == [[True], [True]]
    begun.clear()
    envs = make_vec_env("CartPole-v1", 3)
    evaluate(agent, envs, num_episodes=3, max_steps=4)  # all are cut at once
    assert begun == [[True] * 3]
    begun.clear()
    evaluate(agent, envs, num_episodes=5)
    assert begun[0] == [True] * 3
    assert sum(map(sum, begun)) >= 5
    envs.close()
