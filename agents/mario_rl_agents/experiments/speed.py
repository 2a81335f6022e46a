"""Speeds of training, the sides alternating: what slows the machine for a while slows them all."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Final

import torch

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.checkpoint import make_config
from mario_rl_agents.config import Count, convert
from mario_rl_agents.experiments.plan import Plan
from mario_rl_agents.experiments.stopwatch import Times
from mario_rl_agents.experiments.tables import Entry, SpeedRow
from mario_rl_agents.runs.loading import find_algorithm, open_training_env

_TURN_SECONDS: Final = 2.0  # that a turn of the slowest side lasts at least
_SEED: Final = 500  # of trainings that are not evaluated
_NUM_PHASES: Final = 4  # of gradient steps, before the first round


def measure_speeds(plan: Plan, *, num_rounds: int) -> Iterator[SpeedRow]:
    """Train every side in turns of as many environment steps, and return what each turn took.

    The sides learn in this process, with one torch thread. Before the first round each has begun to
    take gradient steps. The order turns round from one round to the next. A turn is a whole number
    of each side's rollouts, so that gradient steps are those of the environment steps.

    Args:
        plan: What is compared.
        num_rounds: How many turns each side has.

    Raises:
        ValueError: `num_rounds` is below 1.
    """
    num_rounds = convert(Count, num_rounds, "num_rounds")
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with contextlib.ExitStack() as stack:
            sides = {
                entry.label: stack.enter_context(_training(plan, entry)) for entry in plan.entries
            }
            num_steps = _steps_of_a_turn(list(sides.values()), plan.total_steps)
            for index in range(num_rounds):
                for label in list(sides)[:: 1 if index % 2 == 0 else -1]:
                    yield _turn(index, label, sides[label], num_steps)
    finally:
        torch.set_num_threads(num_threads)


@contextlib.contextmanager
def _training(plan: Plan, entry: Entry) -> Iterator[Agent]:
    """Yield a new agent of one side in the environment of its training."""
    spec = plan.job(entry, _SEED).spec
    kind = find_algorithm(spec.algorithm)
    with contextlib.closing(open_training_env(spec)) as env:
        config = make_config(kind.config_class, spec.config, entry.label)
        yield kind.create(env, config, seed=spec.seed, device="cpu")


def _steps_of_a_turn(sides: list[Agent], most: int) -> int:
    """Return the environment steps of a turn, after every side has begun to learn.

    Args:
        sides: The agents, which are trained.
        most: Environment steps within which they begin to.
    """
    phases = [_Phases() for _ in sides]
    for agent, phase in zip(sides, phases, strict=True):
        agent.learn(most, [phase])
    cycle = math.lcm(*(phase.cycle for phase in phases))
    seconds = max(cycle * phase.seconds_per_step for phase in phases)
    return cycle * max(math.ceil(_TURN_SECONDS / seconds), 1)


def _turn(index: int, label: str, agent: Agent, num_steps: int) -> SpeedRow:
    steps, updates, start = agent.num_steps, agent.num_updates, Times.now()
    agent.learn(num_steps)
    spent = Times.now().since(start)
    return SpeedRow(
        round=index,
        algorithm=label,
        num_steps=agent.num_steps - steps,
        num_updates=agent.num_updates - updates,
        seconds=spent.seconds,
        cpu_seconds=spent.cpu_seconds,
    )


class _Phases(Callback):
    """Ends training after some phases of gradient steps, and tells how far they are apart."""

    def __init__(self) -> None:
        self._ends: list[tuple[int, float]] = []  # environment steps, seconds

    @property
    def cycle(self) -> int:
        """Environment steps from one phase to the next; 1 of an agent that takes none."""
        (first, _), (last, _) = self._ends[-2:] if len(self._ends) > 1 else ((0, 0.0), (1, 0.0))
        return last - first

    @property
    def seconds_per_step(self) -> float:
        """Seconds of an environment step with its share of gradient steps."""
        (first, start), (last, end) = self._ends[-2:] if len(self._ends) > 1 else self._whole
        return max((end - start) / (last - first), 1e-6)

    def on_training_start(self, agent: Agent) -> None:
        self._num_updates = agent.num_updates
        self._whole = [(agent.num_steps, Times.now().seconds)] * 2

    def on_step(self, agent: Agent) -> bool | None:
        now = agent.num_steps, Times.now().seconds
        self._whole[1] = now
        if agent.num_updates != self._num_updates:
            self._num_updates = agent.num_updates
            self._ends.append(now)
        return False if len(self._ends) == _NUM_PHASES else None
