"""What ends a job's training."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from typing import ClassVar

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.protocol import PERIODIC_SEED
from mario_rl_agents.experiments.result import Score
from mario_rl_agents.experiments.stopwatch import Stopwatch
from mario_rl_agents.runs.evaluation import evaluate
from mario_rl_agents.runs.loading import open_env


class StoppingCriterion(Callback, ABC):
    """Ends training once `reached`, and says so of an agent that is loaded, too."""

    name: ClassVar[str]  # in a result's `ended_by`

    @abstractmethod
    def reached(self, agent: Agent) -> bool:
        """Return whether training has come to its end by this criterion."""

    def on_step(self, agent: Agent) -> bool | None:
        """End training when it is time."""
        return False if self.reached(agent) else None


class StepLimit(StoppingCriterion):
    """Ends training after a number of environment steps."""

    name = "steps"

    def __init__(self, total_steps: int) -> None:
        """Take the number."""
        self._total_steps = total_steps

    def reached(self, agent: Agent) -> bool:
        """Return whether all steps are taken."""
        return agent.num_steps >= self._total_steps


class EpisodeLimit(StoppingCriterion):
    """Ends training after a number of episodes."""

    name = "episodes"

    def __init__(self, max_episodes: int) -> None:
        """Take the number."""
        self._max_episodes = max_episodes

    def reached(self, agent: Agent) -> bool:
        """Return whether all episodes are finished."""
        return agent.num_episodes >= self._max_episodes


class MinuteLimit(StoppingCriterion):
    """Ends training after some minutes, of all processes of the job together."""

    name = "minutes"

    def __init__(self, max_minutes: float, stopwatch: Stopwatch) -> None:
        """Take the minutes and what counts them."""
        self._seconds = 60.0 * max_minutes
        self._stopwatch = stopwatch

    def reached(self, agent: Agent) -> bool:
        """Return whether the minutes are over."""
        return self._stopwatch.times.seconds >= self._seconds


class Evaluator(StoppingCriterion):
    """Evaluates the agent along its training; ends that once a mean return is good enough.

    Scores that are later than the checkpoint are dropped when training is resumed: which
    evaluations are made depends on the steps taken alone.
    """

    name = "evaluation"

    def __init__(self, job: Job, folder: JobFolder, stopwatch: Stopwatch) -> None:
        """Read the scores of the process before."""
        assert job.evaluation is not None
        self._job, self._plan, self._folder = job, job.evaluation, folder
        self._stopwatch = stopwatch
        self._scores = folder.read_scores()

    def reached(self, agent: Agent) -> bool:
        """Return whether an evaluation of the agent, as far as it is trained, was good enough."""
        stop_at = self._plan.stop_at
        if stop_at is None:
            return False
        return any(
            score.return_mean >= stop_at for score in self._scores if score.step <= agent.num_steps
        )

    def catch_up(self, agent: Agent) -> None:
        """Make the evaluation that a kill cut off, right after the checkpoint of that step."""
        self._scores = [score for score in self._scores if score.step <= agent.num_steps]
        self._evaluate_if_due(agent)

    def on_step(self, agent: Agent) -> bool | None:
        """Evaluate when a period is over; end training where that was good enough."""
        return False if self._evaluate_if_due(agent) and self.reached(agent) else None

    def _evaluate_if_due(self, agent: Agent) -> bool:
        period = self._plan.period
        last = self._scores[-1].step if self._scores else 0
        if agent.num_steps // period == last // period:
            return False
        spec = self._job.spec
        env = open_env(spec.env_id, spec.env_kwargs)
        with self._stopwatch.evaluating(), contextlib.closing(env):
            found = evaluate(
                agent,
                env,
                num_episodes=self._plan.num_episodes,
                epsilon=spec.evaluation_epsilon,
                seed=PERIODIC_SEED + spec.seed * self._plan.num_episodes,
            )
        self._scores.append(Score(agent.num_steps, found.return_mean, found.return_std))
        self._folder.write_scores(self._scores)
        return True


class Orphaned(Callback):
    """Ends training once the process that started this one is gone."""

    def __init__(self) -> None:
        """Remember who that is."""
        self._parent = os.getppid()

    def on_step(self, agent: Agent) -> bool | None:
        """End training when another process has become the parent."""
        return False if os.getppid() != self._parent else None
