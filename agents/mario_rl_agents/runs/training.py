"""Runs: a folder for each training, progress, checkpoints, budgets, Ctrl-C and exact resumption.

A run is a folder: `config.json` says what it is, the other files what came of it (docs/training.md
lists them). Nothing here knows an algorithm or an environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any, Self

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.runs.metrics import (
    RUNNING_EPISODES,
    RunLogger,
    read_episodes,
    running_average,
)

CONFIG_FILE = "config.json"
FORMAT = 1  # of config.json

BEST_PERIOD = 10  # episodes between two looks at whether the weights are the best so far

_VERSIONED = ("mario-rl-envs", "torch", "gymnasium", "numpy", "nes-py", "gym-super-mario-bros")


class RunError(Exception):
    """A run cannot be made, opened or resumed; the message says why and what to do."""


class Outcome(Enum):
    """Why training stopped."""

    FINISHED = "finished"
    OUT_OF_TIME = "out of time"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class RunSpec:
    """What a run is: enough to make it again."""

    algorithm: str
    env_id: str
    env_kwargs: dict[str, Any]  # keywords of gym.make, JSON values
    config: dict[str, Any]  # the algorithm's configuration, JSON values
    seed: int
    total_steps: int  # environment steps, over all resumptions
    num_envs: int = 1  # sub-environments
    evaluation_epsilon: float = 0.0  # epsilon of the evaluation at the end

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.total_steps < 1:
            raise ValueError(f"total_steps must be at least 1, received {self.total_steps}")
        if self.num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, received {self.num_envs}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, received {self.seed}")


@dataclass(frozen=True)
class Run:
    """A run's folder and what it is."""

    folder: Path
    spec: RunSpec

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint, with the replay memory: what `--resume` goes on from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The weights that went with the best mean return of 100 episodes; none before those."""
        return self.folder / "best.safetensors"

    @property
    def learning_curve(self) -> Path:
        """The plot of returns over steps."""
        return self.folder / "learning_curve.png"

    @property
    def evaluation(self) -> Path:
        """The evaluation made at the end of training."""
        return self.folder / "evaluation.json"

    @property
    def video(self) -> Path:
        """The best episode of that evaluation."""
        return self.folder / "video.mp4"

    @classmethod
    def create(
        cls, folder: Path, spec: RunSpec, *, command: list[str], overwrite: bool = False
    ) -> Self:
        """Make the folder of a new run and write its `config.json`.

        Args:
            folder: where; its parents are made too.
            spec: what is run.
            command: the command line that made it, for the record.
            overwrite: delete a run that is already there.

        Raises:
            RunError: something is there, and either it is not a run or `overwrite` is False.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not (folder / CONFIG_FILE).is_file():
                raise RunError(f"{folder} exists and is not a run: choose another --out")
            if not overwrite:
                raise RunError(
                    f"{folder} already holds a run: go on with --resume {folder}, replace it with "
                    "--overwrite, or choose another --out"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, spec)
        run._write({"command": command, "versions": versions()})
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the run in a folder.

        Raises:
            RunError: no run is there, or its `config.json` cannot be read.
        """
        path = folder / CONFIG_FILE
        if not path.is_file():
            raise RunError(f"there is no run at {folder}: no {CONFIG_FILE} in it")
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["format"] != FORMAT:
                raise RunError(f"{path} has format {saved['format']}, this version reads {FORMAT}")
            names = [field.name for field in dataclasses.fields(RunSpec)]
            return cls(folder, RunSpec(**{name: saved[name] for name in names}))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error!r}") from error

    def extended_to(self, total_steps: int) -> Run:
        """Return the run with another number of total steps, written to `config.json`."""
        run = Run(self.folder, dataclasses.replace(self.spec, total_steps=total_steps))
        saved = json.loads((self.folder / CONFIG_FILE).read_text(encoding="utf-8"))
        run._write({key: saved[key] for key in ("command", "versions")})
        return run

    def _write(self, record: dict[str, Any]) -> None:
        content = {"format": FORMAT, **dataclasses.asdict(self.spec), **record}
        write_json(self.folder / CONFIG_FILE, content)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, atomically: a crash leaves the old one."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(new, path)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _VERSIONED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def train(
    agent: Agent,
    run: Run,
    *,
    console: Console,
    minutes: float | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Train until the run's total steps are taken, the minutes are over, or Ctrl-C; then save.

    A second Ctrl-C raises KeyboardInterrupt at once; the latest periodic checkpoint remains. Where
    the agent's `config.overlap` is True, torch has a thread fewer until this returns.

    Args:
        agent: a new agent, or one loaded from `run.checkpoint`: it goes on from there.
        run: where to write.
        console: where progress is shown: a bar on a terminal, a line now and then elsewhere.
        minutes: time budget of this call; None is no limit.
        checkpoint_seconds: time between checkpoints; longer where saving is slow, so that it costs
            under 5 % of the time.
        callbacks: more of them, asked after the others; the last checkpoint is saved after all.

    Returns:
        Why it stopped.

    Raises:
        RunError: the logs of the run that is resumed are damaged.
    """
    try:
        logger = RunLogger(run.folder, resume_step=agent.num_steps or None)
    except ValueError as error:
        raise RunError(str(error)) from error
    with _leave_a_core(agent), _stop_on_signals() as stop_requested:
        budget = _Budget(minutes, stop_requested)
        watchers = [
            logger,
            _BestKeeper(run),
            _Checkpointer(run.checkpoint, checkpoint_seconds),
            _ProgressDisplay(console, logger, run.spec.total_steps, minutes),
            budget,
            *callbacks,
        ]
        agent.learn(run.spec.total_steps - agent.num_steps, watchers)
        agent.save(run.checkpoint, replay=True)
    return budget.outcome


class _Budget(Callback):
    """Ends training when the time is over or a signal came."""

    def __init__(self, minutes: float | None, stop_requested: threading.Event) -> None:
        self._seconds = None if minutes is None else 60.0 * minutes
        self._stop_requested = stop_requested
        self.outcome = Outcome.FINISHED

    def on_training_start(self, agent: Agent) -> None:
        self._start = time.monotonic()

    def on_step(self, agent: Agent) -> bool | None:
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


class _BestKeeper(Callback):
    """Keeps the weights whenever the mean return of the last 100 episodes reaches a new high.

    Averages over fewer do not compete: early on they would be won by luck. It looks at every 10th
    episode, since saving at each would slow short episodes.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.best
        returns = [row.episodic_return for row in read_episodes(run.folder)]
        averages = running_average(returns)[RUNNING_EPISODES - 1 :: BEST_PERIOD]
        self._best = float(averages.max()) if len(averages) else -np.inf
        self._recent = deque(returns, maxlen=RUNNING_EPISODES)

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self._recent.append(float(episode.episodic_return))
        num_episodes = episode.index + 1
        if num_episodes < RUNNING_EPISODES or num_episodes % BEST_PERIOD != 0:
            return
        average = float(np.mean(self._recent))
        if average > self._best:
            self._best = average
            agent.save(self._path)


class _ProgressDisplay(Callback):
    """Shows a progress bar on a terminal, and elsewhere a line every ten seconds."""

    def __init__(
        self, console: Console, logger: RunLogger, total_steps: int, minutes: float | None
    ) -> None:
        self._console = console
        self._logger = logger
        self._total_steps = total_steps
        self._seconds = None if minutes is None else 60.0 * minutes
        self._period = 0.2 if console.is_terminal else 10.0  # seconds
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def on_training_start(self, agent: Agent) -> None:
        self._start = self._shown = time.monotonic()
        self._first_step = agent.num_steps
        # The speed is that of the last ten seconds or so, since it changes when learning starts.
        self._clocks = deque([(self._start, agent.num_steps)], maxlen=int(10 / self._period) + 1)
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("[bold]training"),
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                console=self._console,
                expand=True,
                auto_refresh=False,
            )
            self._task = self._progress.add_task(self._describe(agent), total=1.0)
            self._progress.start()

    def on_step(self, agent: Agent) -> bool | None:
        now = time.monotonic()
        if now - self._shown >= self._period:
            self._shown = now
            self._clocks.append((now, agent.num_steps))
            self._show(agent)
        return None

    def on_training_end(self, agent: Agent) -> None:
        self._clocks.append((time.monotonic(), agent.num_steps))
        self._show(agent)
        if self._progress is not None:
            self._progress.stop()

    def _show(self, agent: Agent) -> None:
        if self._progress is None:
            self._console.print(self._describe(agent), soft_wrap=True, highlight=False)
            return
        share, _ = self._share_and_seconds_left(agent)
        self._progress.update(self._task, completed=share, description=self._describe(agent))
        self._progress.refresh()

    def _speed(self) -> float:
        (then, steps_then), (now, steps) = self._clocks[0], self._clocks[-1]
        return (steps - steps_then) / max(now - then, 1e-9)

    def _share_and_seconds_left(self, agent: Agent) -> tuple[float, float | None]:
        """Return how much of the tighter budget is used, in [0, 1], and the seconds left of it."""
        steps = self._total_steps - self._first_step
        share = (agent.num_steps - self._first_step) / max(steps, 1)
        speed = self._speed()
        left = (self._total_steps - agent.num_steps) / speed if speed > 0 else None
        if self._seconds is not None:
            used = time.monotonic() - self._start
            share = max(share, used / max(self._seconds, 1e-9))
            left = min(max(self._seconds - used, 0.0), np.inf if left is None else left)
        return min(share, 1.0), left

    def _describe(self, agent: Agent) -> str:
        _, left = self._share_and_seconds_left(agent)
        parts = [
            f"step {agent.num_steps:,} of {self._total_steps:,}",
            f"{self._speed():,.0f} steps/s",
        ]
        mean_return, clear_rate = self._logger.mean_return(), self._logger.clear_rate()
        if mean_return is not None:
            parts.append(f"return {mean_return:,.1f}")
        if clear_rate is not None:
            parts.append(f"clear {clear_rate:.0%}")
        epsilon = agent.metrics().get("charts/epsilon")
        if epsilon is not None:
            parts.append(f"epsilon {epsilon:.2f}")
        if left is not None:
            parts.append(f"{duration(left)} left")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Return a time as "0:42", "12:07" or "3:00:00"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


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
