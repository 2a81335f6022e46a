"""An engine of processes on this machine: as many jobs at once as there are cores for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mario_rl_agents.experiments.engine import (
    JobReport,
    JobState,
    check_demonstrations,
    check_names,
    end_of,
    read_report,
    settled,
)
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.files import open_to_append
from mario_rl_agents.processors import num_processors

UNFINISHED: Final = 3  # exit codes of a job's process, beside 0 for a finished job
BUSY: Final = 75  # another process is at the job

_POLL_PERIOD: Final = 0.25  # seconds
_TELL_PERIOD: Final = 60.0  # seconds between two lines on what is running


class LocalEngine:
    """Runs each job in a process of its own, with one torch thread.

    Several engines may share a folder, also from other programs: a job is locked while a process
    is at it. Ctrl-C (KeyboardInterrupt) lets every running job save, and is raised again then.
    """

    def __init__(
        self,
        num_processes: int | None = None,
        *,
        device: str = "cpu",
        checkpoint_seconds: float = 60.0,
        is_one_of_many: bool = False,
        tell: Callable[[str], None] | None = None,
        trust: bool = False,
    ) -> None:
        """Take the settings; nothing is started.

        Args:
            num_processes: Processes at once, and cores: a job of more `num_cores` counts as so
                many. None: the cores that this process may use.
            device: A torch device for every job, or "auto".
            checkpoint_seconds: Time between checkpoints: what a kill can cost a job.
            is_one_of_many: Whether other engines run jobs beside it, as on the nodes of a cluster:
                then jobs do not record how many run at once.
            tell: Called with a line on each job that starts or ends, and once a minute with how
                far the running ones are.
            trust: Whether the module of an environment MODULE:ID that a file of demonstrations
                names may be imported, though the user has not named it in a training.

        Raises:
            ValueError: A number is out of range.
        """
        if num_processes is None:
            num_processes = num_processors()
        if num_processes < 1:
            raise ValueError(f"num_processes must be at least 1, received {num_processes}")
        if checkpoint_seconds <= 0:
            raise ValueError(f"checkpoint_seconds must be above 0, received {checkpoint_seconds}")
        self._num_processes = num_processes
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._is_one_of_many = is_one_of_many
        self._tell = tell or (lambda line: None)
        self._trust = trust

    def run(
        self,
        jobs: Sequence[Job],
        out: str | Path,
        *,
        minutes: float | None = None,
        fresh: bool = False,
        stop: Callable[[], bool] | None = None,
    ) -> list[JobReport]:
        """Run every job that is not finished; see `Engine.run`.

        `stop` is asked several times a second; when it returns True, every running job saves.
        """
        check_names(jobs)
        if not self._trust:
            check_demonstrations(jobs, out)
        deadline = None if minutes is None else time.monotonic() + 60 * minutes
        queue = _Queue(Path(out).expanduser().resolve(), deadline, fresh, self._num_processes)
        queue.add(jobs)
        told = time.monotonic()
        try:
            while queue.waiting or queue.running:
                if stop is not None and stop():
                    queue.drop_running()
                    queue.drop_waiting()
                for job in queue.startable():
                    self._start(job, queue)
                time.sleep(_POLL_PERIOD)
                for line in queue.collect():
                    self._tell(line)
                if time.monotonic() - told >= _TELL_PERIOD:
                    told = time.monotonic()
                    self._tell(queue.describe())
        except BaseException:
            queue.stop()
            raise
        return [queue.reports[job.name] for job in jobs]

    def _start(self, job: Job, queue: _Queue) -> None:
        """Start the process of a job; what it prints goes to the job's log."""
        folder = JobFolder(queue.out, job.name)
        folder.write_job(job)
        command = [sys.executable, "-m", "mario_rl_agents.experiments.worker", str(folder.path)]
        command += ["--device", self._device, "--trust"]
        command += ["--checkpoint-seconds", str(self._checkpoint_seconds)]
        if not self._is_one_of_many:
            command += ["--num-jobs", str(self._num_processes)]
        if queue.deadline is not None:
            command += ["--minutes", str(max(queue.deadline - time.monotonic(), 0.0) / 60)]
        if queue.fresh:
            command += ["--fresh"]
        # Its modules come from where this process has them, as multiprocessing's "spawn" has it.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": paths,
        }
        with open_to_append(folder.log) as log:
            log_start = log.tell()
            # In a session of its own: Ctrl-C reaches this process alone, which asks each job once.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        queue.running.append(_Running(job, folder, process, log_start))
        self._tell(f"{job.name}: started")


@dataclass(frozen=True)
class _Running:
    """A job and its process."""

    job: Job
    folder: JobFolder
    process: subprocess.Popen[bytes]
    log_start: int  # where in the log this process begins


@dataclass
class _Queue:
    """The jobs of one call: those that wait, those that run, reports on the others."""

    out: Path
    deadline: float | None  # of time.monotonic
    fresh: bool
    num_processes: int
    waiting: list[Job] = field(default_factory=list)
    running: list[_Running] = field(default_factory=list)
    reports: dict[str, JobReport] = field(default_factory=dict)

    def add(self, jobs: Sequence[Job]) -> None:
        """Queue those that are not finished."""
        self.waiting += [job for job in jobs if self._is_due(job)]

    def startable(self) -> list[Job]:
        """Take the jobs out of the queue that there are cores for, in order."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.drop_waiting()
        free = self.num_processes - sum(self._num_cores(each.job) for each in self.running)
        started: list[Job] = []
        for job in list(self.waiting):
            if JobFolder(self.out, job.name).is_locked():
                continue  # another engine is at it
            if self._num_cores(job) > free:
                break  # later ones wait too, or a job of several cores would never have its turn
            self.waiting.remove(job)
            if self._is_due(job):  # another engine may have finished it
                free -= self._num_cores(job)
                started.append(job)
        return started

    def drop_waiting(self) -> None:
        """Start no more jobs."""
        self.reports |= {job.name: read_report(job, self.out) for job in self.waiting}
        self.waiting.clear()

    def drop_running(self) -> None:
        """Let every running job save and end; how it stands is what its folder says."""
        self.stop()
        self.reports |= {each.job.name: read_report(each.job, self.out) for each in self.running}
        self.running.clear()

    def collect(self) -> list[str]:
        """Report on the processes that have ended; return a line on each."""
        lines = []
        for each in list(self.running):
            code = each.process.poll()
            if code is None:
                continue
            self.running.remove(each)
            if code == BUSY:  # another engine was faster
                self.waiting.append(each.job)
                lines.append(f"{each.job.name}: left to another process")
                continue
            report = read_report(each.job, self.out)
            if code not in (0, UNFINISHED):
                error = f"{_describe_exit(code)}\n{_end_of_log(each)}".rstrip()
                report = JobReport(each.job, JobState.FAILED, report.progress, error=error)
            self.reports[each.job.name] = report
            lines.append(": ".join(filter(None, (each.job.name, report.state.value, report.error))))
        return lines

    def describe(self) -> str:
        """Return how far the running jobs are, in one line."""
        parts = []
        for each in self.running:
            progress = read_report(each.job, self.out).progress
            parts.append(
                f"{each.job.name}: {progress.num_steps:,} steps, {progress.num_episodes:,} episodes"
            )
        return "; ".join(parts) or f"waiting for {', '.join(job.name for job in self.waiting)}"

    def stop(self) -> None:
        """Let every running job save and end."""
        for each in self.running:
            each.process.terminate()
        for each in self.running:
            each.process.wait()

    def _num_cores(self, job: Job) -> int:
        return min(job.num_cores, self.num_processes)

    def _is_due(self, job: Job) -> bool:
        """Return whether a job is to be run; report on it if it is finished or damaged."""
        report = settled(job, self.out, fresh=self.fresh)
        if report is None:
            return True
        self.reports[job.name] = report
        return False


def _describe_exit(code: int) -> str:
    """Return what an exit code says: "exit code 1", or "killed by SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _end_of_log(each: _Running) -> str:
    with each.folder.log.open(errors="replace") as log:
        log.seek(each.log_start)
        return end_of(log.read())
