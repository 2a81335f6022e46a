"""Plays episodes with a trained agent and sums them up: return, length, x position, clear rate."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from mario_rl_agents.agent import Agent

if TYPE_CHECKING:
    from rich.table import Table

_EXPLORATION = "exploration"  # the generator that agents draw actions from


@dataclass(frozen=True)
class EvaluatedEpisode:
    """One episode of an evaluation; `seed` and the evaluation's epsilon play it again."""

    seed: int
    episodic_return: float
    length: int  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels from the start of the stage; None where infos do not say
    cleared: bool | None  # whether the flag was reached; None where infos do not say


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured; standard deviations are of a sample (n - 1), 0 for one episode."""

    epsilon: float  # probability of a random action
    sampled: bool  # whether the other actions were drawn as in training, or greedy
    seed: int
    num_episodes: int
    return_mean: float
    return_std: float
    length_mean: float  # environment steps
    length_std: float
    x_pos_mean: float | None  # pixels; None where infos have no x_pos
    clear_rate: float | None  # in [0, 1]; None where infos have no flag_get
    clear_rate_interval: tuple[float, float] | None  # Wilson, 95 %
    episodes: tuple[EvaluatedEpisode, ...]

    @property
    def repeats_itself(self) -> bool:
        """Whether several episodes were all the same one.

        A greedy agent in a deterministic environment can play but one: a spread of 0 says nothing.
        """
        played = {dataclasses.replace(episode, seed=0) for episode in self.episodes}
        return len(self.episodes) > 1 and len(played) == 1

    @property
    def best(self) -> EvaluatedEpisode:
        """The episode with the highest return, the earliest of equals."""
        return max(self.episodes, key=lambda episode: episode.episodic_return)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return dataclasses.asdict(self)


def evaluate(
    agent: Agent,
    env: gym.Env[Any, Any],
    *,
    num_episodes: int,
    epsilon: float = 0.0,
    sample: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Play whole episodes without learning and return their summary.

    Episode i starts from `env.reset(seed=seed + i)` and draws its random actions from a generator
    of that seed, so that each can be played again alone.

    Args:
        agent: the agent; it is not changed.
        env: an environment with the agent's spaces, not the one it trains on.
        num_episodes: how many episodes, at least 1.
        epsilon: the probability of a uniformly random action at each step, in [0, 1].
        sample: whether the agent draws the other actions, with the exploration of its training,
            instead of taking the best ones.
        seed: the seed of the first episode.

    Raises:
        ValueError: an argument outside its range.
    """
    if num_episodes < 1:
        raise ValueError(f"num_episodes must be at least 1, received {num_episodes}")
    if not 0.0 <= epsilon <= 1.0:
        raise ValueError(f"epsilon must be between 0 and 1, received {epsilon}")
    episodes = [
        _play(agent, env, epsilon=epsilon, sample=sample, seed=seed + index)
        for index in range(num_episodes)
    ]
    return _summarize(episodes, epsilon=epsilon, sampled=sample, seed=seed)


class EvaluationPolicy:
    """Acts greedily, or as in training, but for a share of random actions; all from one seed."""

    def __init__(
        self,
        agent: Agent,
        env: gym.Env[Any, Any],
        *,
        epsilon: float,
        seed: int,
        sample: bool = False,
    ) -> None:
        """Make the policy.

        Args:
            agent: who chooses the other actions.
            env: the environment whose actions they are.
            epsilon: the probability of a uniformly random action.
            seed: of all that is random.
            sample: whether the agent explores as in training.

        Raises:
            ValueError: `sample` is asked of an agent that has no exploration.
        """
        if sample and _EXPLORATION not in agent.generators:
            raise ValueError(
                f"{agent.algorithm} draws no actions of its own: evaluate it without sample"
            )
        self._agent = agent
        self._epsilon = epsilon
        self._sample = sample
        self._random = np.random.default_rng(seed)
        self._actions = copy.deepcopy(env.action_space)  # the environment's own must not move
        self._actions.seed(seed)
        self.was_random = False  # whether the latest action was drawn

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
        successes: how many succeeded, between 0 and `trials`.
        trials: how many were tried, at least 1.
        confidence: between 0 and 1, both excluded.

    Raises:
        ValueError: an argument outside its range.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, received {trials}")
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


def evaluation_table(evaluations: list[Evaluation], *, title: str | None = None) -> Table:
    """Return a rich table with one row an evaluation."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # Tight, so that all of it fits into 80 columns.
    table = Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy", no_wrap=True)
    for column in ("episodes", "return", "steps"):
        table.add_column(column, justify="right", no_wrap=True)
    has_x_pos = any(evaluation.x_pos_mean is not None for evaluation in evaluations)
    has_clears = any(evaluation.clear_rate is not None for evaluation in evaluations)
    if has_x_pos:
        table.add_column("x (pixels)", justify="right", no_wrap=True)
    if has_clears:
        table.add_column("clear rate (95 %)", justify="right", no_wrap=True)
    for evaluation in evaluations:
        cells = [
            policy_name(evaluation.epsilon, sampled=evaluation.sampled)
            + (" *" if evaluation.repeats_itself else ""),
            str(evaluation.num_episodes),
            _spread(evaluation.return_mean, evaluation.return_std, evaluation.num_episodes),
            f"{evaluation.length_mean:,.1f}",
        ]
        if has_x_pos:
            cells.append("" if evaluation.x_pos_mean is None else f"{evaluation.x_pos_mean:,.0f}")
        if has_clears:
            cells.append(_clear_cell(evaluation))
        table.add_row(*cells)
    if any(evaluation.repeats_itself for evaluation in evaluations):
        table.caption = (
            "* every episode was the same: this policy and this environment vary too little, so "
            "more of them tell no more; a larger --epsilon varies them"
        )
    return table


def policy_name(epsilon: float, *, sampled: bool = False) -> str:
    """Return "greedy", "sampled", "epsilon 0.05" or "sampled, epsilon 0.05"."""
    noise = f"epsilon {epsilon:g}" if epsilon > 0.0 else ""
    return ", ".join(filter(None, ("sampled" if sampled else "", noise))) or "greedy"


def _play(
    agent: Agent, env: gym.Env[Any, Any], *, epsilon: float, sample: bool, seed: int
) -> EvaluatedEpisode:
    policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
    obs, info = env.reset(seed=seed)
    episodic_return, length, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        obs, reward, terminated, truncated, info = env.step(policy(obs))
        episodic_return += float(reward)
        length += 1
    return EvaluatedEpisode(
        seed=seed,
        episodic_return=episodic_return,
        length=length,
        terminated=bool(terminated),
        truncated=bool(truncated),
        x_pos=int(info["x_pos"]) if "x_pos" in info else None,
        cleared=bool(info["flag_get"]) if "flag_get" in info else None,
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


def _spread(mean: float, std: float, count: int) -> str:
    return f"{mean:,.1f}" if count == 1 else f"{mean:,.1f} ± {std:,.1f}"


def _clear_cell(evaluation: Evaluation) -> str:
    if evaluation.clear_rate is None or evaluation.clear_rate_interval is None:
        return ""
    low, high = evaluation.clear_rate_interval
    return f"{evaluation.clear_rate:.0%} [{low:.0%}, {high:.0%}]"
