"""The evaluations of a protocol: along a training, and after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.protocol import PERIODIC_SEED, Condition, Policy, Protocol
from mario_rl_agents.experiments.result import ConditionEvaluation, ConditionScore
from mario_rl_agents.experiments.stopwatch import Stopwatch
from mario_rl_agents.runs.evaluation import Evaluation, evaluate
from mario_rl_agents.runs.loading import open_envs
from mario_rl_agents.runs.playing import can_sample
from mario_rl_agents.runs.run import RunSpec

_NUM_ENVS: Final = 32  # sub-environments that episodes are played in side by side


class Played(NamedTuple):
    """The evaluation of an agent under one condition, with one policy."""

    condition: Condition
    policy: Policy
    evaluation: Evaluation


def play_conditions(
    agent: Agent,
    env_id: str,
    env_kwargs: Mapping[str, Any],
    protocol: Protocol,
    *,
    num_episodes: int,
    seed: int,
) -> Iterator[Played]:
    """Evaluate an agent under every condition, with every policy that it has.

    Args:
        agent: The agent; it is not changed.
        env_id: A Gymnasium id: where it was trained.
        env_kwargs: Keywords of gym.make likewise, some of which each condition changes.
        protocol: The conditions and policies.
        num_episodes: Of each evaluation.
        seed: Of the first episode of each.

    Raises:
        ValueError: The environment cannot be made.
    """
    policies = [policy for policy in protocol.policies if policy == "greedy" or can_sample(agent)]
    for condition in protocol.conditions:
        kwargs = {**env_kwargs, **condition.env_kwargs}
        for policy in policies:
            count = protocol.count(condition, policy, num_episodes)
            with contextlib.closing(open_envs(env_id, kwargs, min(count, _NUM_ENVS))) as envs:
                evaluation = evaluate(
                    agent, envs, num_episodes=count, sample=policy == "sampled", seed=seed
                )
            yield Played(condition, policy, evaluation)


def evaluate_conditions(
    agent: Agent,
    spec: RunSpec,
    protocol: Protocol,
    stopwatch: Stopwatch,
    *,
    num_episodes: int,
    seed: int,
) -> Iterator[ConditionEvaluation]:
    """Evaluate an agent in training under every condition, with every policy that it has.

    Args:
        agent: The agent; it is not changed.
        spec: What it is trained in: each condition changes keywords of that environment.
        protocol: The conditions and policies.
        stopwatch: What the training has taken until now.
        num_episodes: Of each evaluation.
        seed: Of the first episode of each.
    """
    times = stopwatch.times
    for condition, policy, evaluation in play_conditions(
        agent, spec.env_id, spec.env_kwargs, protocol, num_episodes=num_episodes, seed=seed
    ):
        score = ConditionScore.of(
            evaluation,
            condition=condition.name,
            policy=policy,
            step=agent.num_steps,
            seconds=times.seconds,
            cpu_seconds=times.cpu_seconds,
        )
        yield ConditionEvaluation(score, evaluation)


class ConditionEvaluator(Callback):
    """Evaluates the agent along its training, by the job's protocol.

    Evaluations that are later than the checkpoint are dropped when training is resumed.
    """

    def __init__(
        self, job: Job, protocol: Protocol, folder: JobFolder, stopwatch: Stopwatch
    ) -> None:
        """Read the evaluations of the process before."""
        self._spec, self._protocol = job.spec, protocol
        self._folder, self._stopwatch = folder, stopwatch
        self._scores = folder.read_evaluations()

    def catch_up(self, agent: Agent) -> None:
        """Make the evaluations that a kill cut off, right after the checkpoint of that step."""
        self._scores = [score for score in self._scores if score.step <= agent.num_steps]
        self._evaluate_if_due(agent)

    def on_step(self, agent: Agent) -> bool | None:
        """Evaluate when a period is over."""
        self._evaluate_if_due(agent)
        return None

    def _evaluate_if_due(self, agent: Agent) -> None:
        # The last one, after training, has more episodes.
        if agent.num_steps >= self._spec.total_steps:
            return
        period = self._protocol.period
        last = self._scores[-1].step if self._scores else 0
        if agent.num_steps // period == last // period:
            return
        with self._stopwatch.evaluating():
            found = evaluate_conditions(
                agent,
                self._spec,
                self._protocol,
                self._stopwatch,
                num_episodes=self._protocol.num_episodes,
                seed=PERIODIC_SEED,
            )
            self._scores += [each.score for each in found]
        self._folder.write_evaluations(self._scores)
