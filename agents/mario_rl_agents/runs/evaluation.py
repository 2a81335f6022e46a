"""Evaluation of a trained agent over whole episodes: return, length, x position, clear rate."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final, Self

import numpy as np

from mario_rl_agents.agent import Agent
from mario_rl_agents.config import (
    Count,
    Fraction,
    Measured,
    NonNegative,
    Seed,
    Whole,
    convert,
    read,
)
from mario_rl_agents.envs import Env, as_number, opened, position_of, success_of

# Half an hour of a console's game at 15 decisions a second, the usual cap on Atari (Machado et al.
# 2018, "Revisiting the arcade learning environment").
EPISODE_LIMIT: Final = 27_000  # environment steps

_EXPLORATION = "exploration"  # the generator that agents draw actions from


@dataclass(frozen=True)
class EvaluatedEpisode:
    """One episode of an evaluation; `seed` and the evaluation's policy repeat it."""

    seed: Seed
    episodic_return: Measured
    length: Whole  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels from the start of the stage; None where infos do not say
    cleared: bool | None  # whether the goal was reached; None where infos do not say
    cut: bool = False  # whether the evaluation's limit ended it, not the environment


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`; standard deviations are of a sample (n - 1), 0 for one episode."""

    epsilon: Fraction  # probability of a random action
    sampled: bool  # whether the other actions were drawn as in training, or greedy
    seed: Seed
    num_episodes: Count
    return_mean: Measured
    return_std: Measured
    length_mean: NonNegative  # environment steps
    length_std: NonNegative
    x_pos_mean: float | None  # pixels; None where infos do not say
    clear_rate: Fraction | None  # in [0, 1]; None where infos do not say
    clear_rate_interval: tuple[Fraction, Fraction] | None  # Wilson, 95 %
    episodes: tuple[EvaluatedEpisode, ...]

    @property
    def repeats_itself(self) -> bool:
        """Whether all of several episodes are equal.

        A greedy agent repeats one episode in a deterministic environment: its spread of 0 is no
        confidence.
        """
        played = {dataclasses.replace(episode, seed=0) for episode in self.episodes}
        return len(self.episodes) > 1 and len(played) == 1

    @property
    def num_cut(self) -> int:
        """How many episodes the limit of the evaluation ended."""
        return sum(episode.cut for episode in self.episodes)

    @property
    def score(self) -> tuple[float, float]:
        """What policies are compared by: the clear rate where there is one, then the return."""
        return self.clear_rate or 0.0, self.return_mean

    @property
    def best(self) -> EvaluatedEpisode:
        """The episode with the highest return, the earliest of equals."""
        return max(self.episodes, key=lambda episode: episode.episodic_return)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the evaluation that `to_json` returned as JSON values.

        Raises:
            ValueError: A field is missing, unknown or not accepted.
        """
        return read(cls, content)


def evaluate(
    agent: Agent,
    env: Env | str,
    *,
    num_episodes: int,
    epsilon: float = 0.0,
    sample: bool = False,
    seed: int = 0,
    max_steps: int | None = EPISODE_LIMIT,
) -> Evaluation:
    """Play whole episodes without learning and return their statistics.

    Episode i starts from `env.reset(seed=seed + i)` and draws its random actions from a generator
    of that seed, so that each can be repeated alone.

    Args:
        agent: The agent; it is not changed.
        env: An environment with the agent's spaces, not the one it trains on; or the id of one,
            which is made and closed again.
        num_episodes: How many episodes, at least 1.
        epsilon: The probability of a uniformly random action at each step, in [0, 1].
        sample: Whether the agent draws the other actions, with the exploration of its training,
            instead of taking the best ones.
        seed: The seed of the first episode.
        max_steps: Environment steps after which an episode is cut, for environments that never end
            one; None: never.

    Raises:
        ValueError: An argument is not accepted, or the environment cannot be made.
        TypeError: `env` is no single environment and no id.
    """
    num_episodes = convert(Count, num_episodes, "num_episodes")
    epsilon = convert(Fraction, epsilon, "epsilon")
    sample = convert(bool, sample, "sample")
    seed = convert(Whole, seed, "seed")
    max_steps = convert(Count | None, max_steps, "max_steps")
    with opened(env) as made:
        episodes = [
            _play(agent, made, epsilon=epsilon, sample=sample, seed=seed + i, max_steps=max_steps)
            for i in range(num_episodes)
        ]
    return _summarize(episodes, epsilon=epsilon, sampled=sample, seed=seed)


class EvaluationPolicy:
    """The agent's actions, greedy or as in training, mixed with random ones; all from one seed."""

    def __init__(
        self,
        agent: Agent,
        env: Env,
        *,
        epsilon: float,
        seed: int,
        sample: bool = False,
    ) -> None:
        """Make the policy.

        Args:
            agent: The agent that takes the other actions.
            env: The environment; its action space gives the random actions.
            epsilon: The probability of a uniformly random action.
            seed: Of all that is random.
            sample: Whether the agent explores as in training.

        Raises:
            ValueError: `sample` is asked of an agent that has no exploration, or an argument is
                not accepted.
        """
        epsilon = convert(Fraction, epsilon, "epsilon")
        sample = convert(bool, sample, "sample")
        seed = convert(Whole, seed, "seed")
        if sample and _EXPLORATION not in agent.generators:
            raise ValueError(
                f"{agent.algorithm} has no exploration to sample from: evaluate it with "
                "sample=False"
            )
        self._agent = agent
        self._epsilon = epsilon
        self._sample = sample
        self._random = np.random.default_rng(seed)
        self._actions = copy.deepcopy(env.action_space)  # the environment's own must not move
        self._actions.seed(seed)
        self.was_random = False  # whether the latest action was a random one

    def __call__(self, obs: Any) -> Any:
        """Return the action for one observation."""
        self.was_random = bool(self._random.random() < self._epsilon)
        if self.was_random:
            return self._actions.sample()
        batch = np.asarray(obs)[None]
        if not self._sample:
            return self._agent.act(batch, greedy=True)[0]
        generators = self._agent.generators
        own, generators[_EXPLORATION] = generators[_EXPLORATION], self._random
        try:
            return self._agent.act(batch, greedy=False)[0]
        finally:
            generators[_EXPLORATION] = own


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927), within [0, 1].

    Unlike the textbook's normal interval it is not empty when none or all succeed, and it holds
    for few trials.

    Args:
        successes: How many succeeded, between 0 and `trials`.
        trials: How many were tried, at least 1.
        confidence: Between 0 and 1, both excluded.

    Raises:
        ValueError: An argument is outside its range.
    """
    trials = convert(Count, trials, "trials")
    successes = convert(int, successes, "successes")
    confidence = convert(float, confidence, "confidence")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be between 0 and {trials}, received {successes}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, received {confidence}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / trials
    center = p + z * z / (2 * trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # The bounds are exact at the ends; rounding would leave 1e-17.
    low = 0.0 if successes == 0 else (center - half) / scale
    high = 1.0 if successes == trials else (center + half) / scale
    return low, high


def best_evaluation(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation of the policy that scored best, the earliest of equals.

    Args:
        evaluations: Of one checkpoint; at least one.
    """
    return max(evaluations, key=lambda evaluation: evaluation.score)


def evaluations_json(checkpoint: Path, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the evaluations of a checkpoint, at least one, as plain JSON values."""
    best = best_evaluation(evaluations)
    return {
        "checkpoint": str(checkpoint),
        "best_policy": {"epsilon": best.epsilon, "sampled": best.sampled},
        "evaluations": [evaluation.to_json() for evaluation in evaluations],
    }


def policy_name(epsilon: float, *, sampled: bool = False) -> str:
    """Return "greedy", "sampled", "epsilon 0.05" or "sampled, epsilon 0.05"."""
    noise = f"epsilon {epsilon:g}" if epsilon > 0.0 else ""
    return ", ".join(filter(None, ("sampled" if sampled else "", noise))) or "greedy"


def _play(
    agent: Agent, env: Env, *, epsilon: float, sample: bool, seed: int, max_steps: int | None
) -> EvaluatedEpisode:
    policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
    obs, info = env.reset(seed=seed)
    episodic_return, length, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated) and length != max_steps:
        obs, reward, terminated, truncated, info = env.step(policy(obs))
        episodic_return += as_number(reward)
        length += 1
    return EvaluatedEpisode(
        seed=seed,
        episodic_return=episodic_return,
        length=length,
        terminated=bool(terminated),
        truncated=bool(truncated),
        x_pos=position_of(info),
        cleared=success_of(info),
        cut=not (terminated or truncated),
    )


def _summarize(
    episodes: list[EvaluatedEpisode], *, epsilon: float, sampled: bool, seed: int
) -> Evaluation:
    return_mean, return_std = _mean_and_std([e.episodic_return for e in episodes])
    length_mean, length_std = _mean_and_std([e.length for e in episodes])
    x_pos = [e.x_pos for e in episodes if e.x_pos is not None]
    cleared = [e.cleared for e in episodes if e.cleared is not None]
    return Evaluation(
        epsilon=epsilon,
        sampled=sampled,
        seed=seed,
        num_episodes=len(episodes),
        return_mean=return_mean,
        return_std=return_std,
        length_mean=length_mean,
        length_std=length_std,
        x_pos_mean=float(np.mean(x_pos)) if x_pos else None,
        clear_rate=float(np.mean(cleared)) if cleared else None,
        clear_rate_interval=wilson_interval(sum(cleared), len(cleared)) if cleared else None,
        episodes=tuple(episodes),
    )


def _mean_and_std(values: list[float] | list[int]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
