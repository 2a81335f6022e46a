"""Evaluation of a trained agent over whole episodes: return, length, x position, clear rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final, Self

import numpy as np
from gymnasium.vector import VectorEnv

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
from mario_rl_agents.envs import Env, VecEnv, opened
from mario_rl_agents.runs.playing import EvaluatedEpisode, play, play_side_by_side

# Half an hour of a console's game at 15 decisions a second, the usual cap on Atari (Hessel et al.
# 2018, "Rainbow", table 3).
EPISODE_LIMIT: Final = 27_000  # environment steps


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
        return len(self.episodes) > 1 and len(distinct(self.episodes)) == 1

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
    env: Env | VecEnv | str,
    *,
    num_episodes: int,
    epsilon: float = 0.0,
    sample: bool = False,
    seed: int = 0,
    max_steps: int | None = EPISODE_LIMIT,
) -> Evaluation:
    """Play whole episodes without learning and return their statistics.

    Episode i starts from `env.reset(seed=seed + i)` and draws its random actions from a generator
    of that seed, so that each can be repeated alone. In a vector environment episodes are played
    side by side, which is faster: their starts are the same, their random actions are drawn for all
    at once, and their greedy ones may differ where a network rates two actions alike.

    Args:
        agent: The agent; it is not changed.
        env: An environment with the agent's spaces, not the one it trains on; or the id of one,
            which is made and closed again; or a vector environment that is reset as it is told to.
        num_episodes: How many episodes, at least 1.
        epsilon: The probability of a uniformly random action at each step, in [0, 1].
        sample: Whether the agent draws the other actions, with the exploration of its training,
            instead of taking the best ones.
        seed: The seed of the first episode.
        max_steps: Environment steps after which an episode is cut, for environments that never end
            one; None: never.

    Raises:
        ValueError: An argument is not accepted, or the environment cannot be made.
        TypeError: `env` is neither an environment nor an id.
    """
    num_episodes = convert(Count, num_episodes, "num_episodes")
    epsilon = convert(Fraction, epsilon, "epsilon")
    sample = convert(bool, sample, "sample")
    seed = convert(Whole, seed, "seed")
    max_steps = convert(Count | None, max_steps, "max_steps")
    if isinstance(env, VectorEnv):
        episodes = play_side_by_side(
            agent,
            env,
            num_episodes=num_episodes,
            epsilon=epsilon,
            sample=sample,
            seed=seed,
            max_steps=max_steps,
        )
    else:
        with opened(env) as made:
            episodes = [
                play(
                    agent, made, epsilon=epsilon, sample=sample, seed=seed + i, max_steps=max_steps
                )
                for i in range(num_episodes)
            ]
    return summarize(episodes, epsilon=epsilon, sampled=sample, seed=seed)


def distinct(episodes: Sequence[EvaluatedEpisode]) -> list[EvaluatedEpisode]:
    """Return the episodes that differ in more than their seed, in order; the first of each kind."""
    kinds: dict[EvaluatedEpisode, EvaluatedEpisode] = {}
    for episode in episodes:
        kinds.setdefault(dataclasses.replace(episode, seed=0), episode)
    return list(kinds.values())


def counted_once(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with identical episodes counted once: repeated, they tell no more."""
    return summarize(
        distinct(evaluation.episodes),
        epsilon=evaluation.epsilon,
        sampled=evaluation.sampled,
        seed=evaluation.seed,
    )


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


def summarize(
    episodes: Sequence[EvaluatedEpisode], *, epsilon: float, sampled: bool, seed: int
) -> Evaluation:
    """Return the statistics of episodes, at least one."""
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
