"""What a job's training takes: seconds, CPU-seconds, memory, over all processes that work at it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.result import Progress
from mario_rl_agents.runs.provenance import describe_commit
from mario_rl_agents.runs.run import merged_versions, versions

PROGRESS_PERIOD: Final = 2.0  # seconds between two writings of a job's progress


class Times(NamedTuple):
    """Two clocks at one moment."""

    seconds: float  # of the wall clock
    cpu_seconds: float  # of all threads of this process and of its workers

    @classmethod
    def now(cls) -> Times:
        """Return what the clocks show."""
        spent = os.times()
        ended = spent.children_user + spent.children_system
        return cls(time.monotonic(), spent.user + spent.system + ended + _of_workers())

    def since(self, start: Times) -> Times:
        """Return what has passed since an earlier moment."""
        cpu_seconds = max(self.cpu_seconds - start.cpu_seconds, 0.0)  # killed workers take theirs
        return Times(self.seconds - start.seconds, cpu_seconds)


class Stopwatch(Callback):
    """Counts what training takes, without evaluations, and writes the job's progress.

    Attributes:
        folder: The job's.
    """

    def __init__(
        self, folder: JobFolder, *, begins_again: bool = False, num_jobs: int | None = None
    ) -> None:
        """Continue the counts of the process before.

        Args:
            folder: The job's.
            begins_again: Whether the training begins anew, since it could not be resumed.
            num_jobs: Trainings at once of the engine that started this process; None: unknown.
        """
        self.folder = folder
        before = folder.read_progress()
        self._before = replace(
            before,
            commits=tuple(dict.fromkeys([*before.commits, describe_commit()])),
            num_restarts=before.num_restarts + begins_again,
            num_processes=before.num_processes + 1,
            versions=merged_versions([before.versions, versions()]),
            num_jobs=most_jobs([num_jobs, *([before.num_jobs] if before.num_processes else [])]),
        )
        self._start: Times | None = None  # while it trains
        self._evaluating = Times(0.0, 0.0)  # since then

    @property
    def times(self) -> Times:
        """What training has taken until now, without evaluations."""
        running = Times(0.0, 0.0)
        if self._start is not None:
            running = Times.now().since(self._start).since(self._evaluating)
        before = self._before
        return Times(before.seconds + running.seconds, before.cpu_seconds + running.cpu_seconds)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Count what the block takes as evaluation."""
        start = Times.now()
        try:
            yield
        finally:
            spent = Times.now().since(start)
            self._before = replace(
                self._before, evaluation_seconds=self._before.evaluation_seconds + spent.seconds
            )
            if self._start is not None:
                self._evaluating = Times(*map(sum, zip(self._evaluating, spent, strict=True)))

    def on_training_start(self, agent: Agent) -> None:
        """Start the clocks."""
        self._start, self._evaluating = Times.now(), Times(0.0, 0.0)
        self._written = time.monotonic()
        self.write(agent)

    def on_step(self, agent: Agent) -> bool | None:
        """Write the progress every `PROGRESS_PERIOD` seconds."""
        now = time.monotonic()
        if now - self._written >= PROGRESS_PERIOD:
            self._written = now
            self.write(agent)
        return None

    def on_training_end(self, agent: Agent) -> None:
        """Stop the clocks."""
        times = self.times
        self._start = None
        self._before = replace(
            self._before, seconds=times.seconds, cpu_seconds=times.cpu_seconds, load=load()
        )
        self.write(agent)

    def write(self, agent: Agent) -> None:
        """Write the progress as it is."""
        self.folder.write_progress(self._progress(agent))

    def _progress(self, agent: Agent) -> Progress:
        times = self.times
        return replace(
            self._before,
            seconds=times.seconds,
            cpu_seconds=times.cpu_seconds,
            num_steps=agent.num_steps,
            num_episodes=agent.num_episodes,
            peak_memory=max(self._before.peak_memory, peak_memory()),
        )


def most_jobs(found: Iterable[int | None]) -> int | None:
    """Return the most trainings at once of several processes; None where one does not tell."""
    told = list(found)
    known = [each for each in told if each is not None]
    return max(known) if known and len(known) == len(told) else None


def _of_workers() -> float:
    """Return the CPU-seconds of this process's workers, as A3C's; 0 where no system tells.

    Its own children that have ended are known from `os.times`. Workers at work are not, nor those
    that multiprocessing's server has forked off: it knows of these when they have ended.
    """
    if sys.platform != "linux":
        return 0.0
    from multiprocessing import forkserver

    server = getattr(forkserver, "_forkserver", None)
    pids = {child.pid for child in multiprocessing.active_children()}
    pids.add(getattr(server, "_forkserver_pid", None))
    ticks = 0
    for pid in pids - {None}:
        with contextlib.suppress(OSError):  # it ends just now
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and of its children that ended
    return ticks / os.sysconf("SC_CLK_TCK")


def load() -> float | None:
    """Return how many processes wanted a core, the mean of a minute; None where no system tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def peak_memory() -> float:
    """Return the most memory that this process has had, 10^6 bytes; 0 where no system tells."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes; getrusage(2) of each
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
