"""Training of an agent as a run: logs, checkpoints, budgets and signals around `Agent.learn`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Final

import numpy as np
import torch

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.checkpoint import model_path, read_header
from mario_rl_agents.config import Count, NonNegative, convert
from mario_rl_agents.errors import CheckpointError, RunError
from mario_rl_agents.runs.logger import RunLogger
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, running_average
from mario_rl_agents.runs.run import Run

BEST_PERIOD: Final = 10  # episodes between two looks at whether the weights are the best so far


class Outcome(Enum):
    """Why training stopped."""

    FINISHED = "finished"
    OUT_OF_TIME = "out of time"
    INTERRUPTED = "interrupted"


def train(
    agent: Agent,
    run: Run,
    *,
    minutes: float | None = None,
    checkpoint_seconds: float = 60.0,
    keep_every: int | None = None,
    best_from: int = RUNNING_EPISODES,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Train until the run's steps or games are done, the minutes are over, or Ctrl-C; then save.

    A second Ctrl-C raises KeyboardInterrupt at once; the latest periodic checkpoint remains. Where
    the agent's `config.overlap` is True, torch has a thread fewer until this returns. Nobody else
    can train the run meanwhile; when this process dies, however it dies, somebody else can.

    Args:
        agent: A new agent, or one loaded from `run.checkpoint`: it goes on from there.
        run: Where to write.
        minutes: Time budget of this call; None is no limit.
        checkpoint_seconds: Time between checkpoints; longer where saving is slow, so that it costs
            under 5 % of the time.
        keep_every: Environment steps between weights that are kept (`run.all_kept()`), from the
            untrained ones on, before anything is imitated; None keeps none.
        best_from: Game from which on the mean return of the last 100 games, or of those that there
            are, may make the weights the best. Before the 100th game a lucky one can.
        callbacks: More of them, asked after the others; the last checkpoint is saved after all.

    Returns:
        Why it stopped.

    Raises:
        ValueError: The run's steps or games are done already, or a time is no number >= 0.
        FileNotFoundError: A log of the run that is resumed is missing, or its replay memory; or a
            file of demonstrations.
        DemonstrationsError: A file of demonstrations is damaged, does not fit, or is not what the
            run that is resumed began with.
        UntrustedError: One names a module that the user has neither named in a training nor
            imported.
        RunError: Somebody else is training the run, or has since the agent was loaded; or a log
            of the run that is resumed is damaged.
        CheckpointError: The replay memory of the run that is resumed is damaged.
    """
    minutes = convert(NonNegative | None, minutes, "minutes")
    checkpoint_seconds = convert(NonNegative, checkpoint_seconds, "checkpoint_seconds")
    keep_every = convert(Count | None, keep_every, "keep_every")
    best_from = convert(Count, best_from, "best_from")
    if run.spec.is_finished(agent):
        raise ValueError(
            f"{run.folder} is finished, {run.spec.progress_of(agent)}: extend the run first, with "
            "run.extended_to(total_steps, total_games=...)"
        )
    with run.locked():
        _check_current(agent, run)
        agent.load_replay()  # before the logs are cut back to the checkpoint
        agent.load_demonstrations()
        run.note_training()
        run.remove_leftovers()
        # Before it learns: an agent that begins by imitating does so before callbacks are called.
        keepers = [] if keep_every is None else [_Keeper(run, keep_every, agent)]
        logger = RunLogger(run, resume_step=agent.num_steps or None)
        with _leave_a_core(agent), _stop_on_signals() as stop_requested:
            budget = _Budget(run, minutes, stop_requested)
            checkpointer = _Checkpointer(run.checkpoint, checkpoint_seconds)
            watchers = [*keepers, logger, _BestKeeper(run, best_from), checkpointer, budget]
            agent.learn(run.spec.total_steps - agent.num_steps, [*watchers, *callbacks])
            agent.save(run.checkpoint, replay=True)
    return budget.outcome


def _check_current(agent: Agent, run: Run) -> None:
    """Check that the run is as it was when the agent was made or loaded.

    Raises:
        RunError: Somebody else has replaced it, or trained it on.
    """
    if Run.open(run.folder).spec != run.spec:
        raise RunError(f"{run.folder} has been replaced or changed: open it again")
    if not run.checkpoint.is_file():
        return
    num_steps = read_header(run.checkpoint).num_steps
    if num_steps > agent.num_steps:
        raise RunError(
            f"{run.folder} has a checkpoint at step {num_steps:,}, the agent is at step "
            f"{agent.num_steps:,} and would lose what is between: resume the run anew (--resume), "
            "or choose another folder (--out)"
        )


class _Budget(Callback):
    """Ends training when the games are played, the time is over or a signal came."""

    def __init__(self, run: Run, minutes: float | None, stop_requested: threading.Event) -> None:
        self._spec = run.spec
        self._seconds = None if minutes is None else 60.0 * minutes
        self._stop_requested = stop_requested
        self.outcome = Outcome.FINISHED

    def on_training_start(self, agent: Agent) -> None:
        self._start = time.monotonic()

    def on_step(self, agent: Agent) -> bool | None:
        if self._spec.is_finished(agent):
            return False
        if self._stop_requested.is_set():
            self.outcome = Outcome.INTERRUPTED
            return False
        if self._seconds is not None and time.monotonic() - self._start >= self._seconds:
            self.outcome = Outcome.OUT_OF_TIME
            return False
        return None


class _Checkpointer(Callback):
    """Saves the whole state now and then."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    def on_training_start(self, agent: Agent) -> None:
        self._due = time.monotonic() + self._seconds

    def on_step(self, agent: Agent) -> bool | None:
        start = time.monotonic()
        if start >= self._due:
            agent.save(self._path, replay=True)
            end = time.monotonic()
            self._due = end + max(self._seconds, 20 * (end - start))
        return None


class _Keeper(Callback):
    """Keeps the weights of the untrained agent, and then those after every so many steps."""

    def __init__(self, run: Run, period: int, agent: Agent) -> None:
        self._run, self._period = run, period
        if agent.num_steps == 0:
            agent.save(run.kept(0))

    def on_training_start(self, agent: Agent) -> None:
        for num_steps, path in self._run.all_kept().items():
            if num_steps > agent.num_steps:  # the checkpoint that is gone on from is older
                path.unlink()
                model_path(path).unlink(missing_ok=True)
        self._num_periods = agent.num_steps // self._period

    def on_step(self, agent: Agent) -> bool | None:
        before, self._num_periods = self._num_periods, agent.num_steps // self._period
        if self._num_periods > before:
            agent.save(self._run.kept(agent.num_steps))
        return None


class _BestKeeper(Callback):
    """Keeps the weights whenever the mean return of the last 100 episodes reaches a new high.

    From the 100th episode on it looks at every 10th, since saving at each would slow short ones;
    before, at each from `first` on.
    """

    def __init__(self, run: Run, first: int) -> None:
        self._path, self._first = run.best, first
        rows = run.episodes()
        returns = [row.episodic_return for row in rows]
        averages = running_average(returns)
        looked_at = {
            index: float(averages[index]) for index in range(len(rows)) if self._looks_at(index + 1)
        }
        saved = _num_steps_of(self._path)
        # What the weights in the file were saved for. If that was after the last checkpoint, it is
        # no longer in the log, and will come again.
        of_file = [best for index, best in looked_at.items() if rows[index].step == saved]
        best = max(of_file or looked_at.values(), default=-np.inf)
        self._best = -np.inf if saved is None else best
        self._recent = deque(returns, maxlen=RUNNING_EPISODES)

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self._recent.append(float(episode.episodic_return))
        if not self._looks_at(episode.index + 1):
            return
        average = float(np.mean(self._recent))
        if average > self._best:
            self._best = average
            agent.save(self._path)

    def _looks_at(self, number: int) -> bool:
        """Return whether the episode of a number, from 1 on, may be the best one's end."""
        return number >= self._first and (number < RUNNING_EPISODES or number % BEST_PERIOD == 0)


def _num_steps_of(checkpoint: Path) -> int | None:
    """Return the steps after which a checkpoint was saved; None if it is missing or damaged."""
    try:
        return read_header(checkpoint).num_steps
    except (CheckpointError, FileNotFoundError):
        return None


@contextlib.contextmanager
def _leave_a_core(agent: Agent) -> Iterator[None]:
    """Give torch one thread fewer while the agent's environment steps beside its updates."""
    # Measured on two cores: a gradient step of Double DQN on 32 observations of (4, 84, 84) takes
    # 55 ms with one thread, and longer with two that share their cores with the running game.
    before = torch.get_num_threads()
    if getattr(agent.config, "overlap", False):
        torch.set_num_threads(max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or SIGTERM) into an event; the second is a KeyboardInterrupt."""
    requested = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    if threading.current_thread() is not threading.main_thread():
        yield requested  # signals reach the main thread only
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield requested
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
