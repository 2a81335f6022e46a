"""A job's folder: its run, and what an engine needs beside it. No other module names its files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

from mario_rl_agents.config import convert, read
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.result import ConditionScore, JobResult, Progress, Score
from mario_rl_agents.files import read_json, write_json
from mario_rl_agents.lock import is_locked, lock
from mario_rl_agents.runs.metrics import EpisodeRow
from mario_rl_agents.runs.run import Run

T = TypeVar("T")


class JobFolder:
    """Where a job is kept: OUT/NAME.

    Attributes:
        path: The folder.
        run: The folder of the job's run, as `mario-rl train` leaves one.
        log: What the job's processes printed.
        reloaded: The trained agent, while it is saved, loaded and evaluated again.
    """

    def __init__(self, out: str | Path, name: str) -> None:
        """Name the folder; nothing is made.

        Args:
            out: Where the folders of an experiment's jobs are.
            name: Of the job.
        """
        self.path = Path(out).expanduser() / name
        self.run = self.path / "run"
        self.log = self.path / "log.txt"
        self.reloaded = self.path / "reloaded.safetensors"
        self._job = self.path / "job.json"
        self._result = self.path / "result.json"
        self._so_far = self.path / "so_far.json"
        self._progress = self.path / "progress.json"
        self._scores = self.path / "scores.json"
        self._evaluations = self.path / "evaluations.json"
        self._lock = self.path / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep other processes from the job inside the block; yield False where one is at it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with lock(self._lock) as free:
            yield free

    def is_locked(self) -> bool:
        """Return whether another process is at the job."""
        return is_locked(self._lock)

    def files(self) -> list[Path]:
        """Return all files in the folder but its lock, and links, in the order of their times."""
        found = [
            path
            for path in self.path.rglob("*")
            if path != self._lock and path.is_file() and not path.is_symlink()
        ]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    @property
    def holds_job(self) -> bool:
        """Whether there is a file that says what the job is."""
        return self._job.is_file()

    def clear(self) -> None:
        """Delete what the job has done so far: the files that have its names.

        Raises:
            JobError: The folder is not a job's.
            RunError: The run in it is not a job's, or it is being trained.
        """
        self.check()
        if self.run.is_dir():
            spec = self.read_job().spec if self.holds_job else Run.open(self.run).spec
            Run(self.run, spec).delete()
        for path in (
            self._result,
            self._so_far,
            self._progress,
            self._scores,
            self._evaluations,
            self.reloaded,
        ):
            path.unlink(missing_ok=True)

    def check(self) -> None:
        """Check that the folder is a job's: it says so, or what is in it does.

        Raises:
            JobError: It is not.
            RunError: The run in it is none.
        """
        if self.holds_job:
            self.read_job()
            return
        self.read_result()
        self.read_so_far()
        self.read_progress()
        self.read_scores()
        self.read_evaluations()
        if self.run.is_dir() and any(self.run.iterdir()):
            Run.open(self.run)

    def read_job(self) -> Job:
        """Return the job.

        Raises:
            JobError: There is none, or its file is damaged.
        """
        content = self._read(self._job)
        if content is None:
            raise JobError(f"there is no job at {self.path}: no {self._job.name} in it")
        try:
            return Job.from_json(content)
        except ValueError as error:
            raise JobError(
                f"{self._job} is damaged, or not of a job ({error}): delete it, or choose another "
                "folder for all jobs"
            ) from error

    def write_job(self, job: Job) -> None:
        """Write the job, for the process that runs it."""
        self._write(self._job, job.to_json())

    def read_result(self) -> JobResult | None:
        """Return the result; None where the job is not finished.

        Raises:
            JobError: The file is damaged.
        """
        return self._read_result(self._result)

    def write_result(self, result: JobResult) -> None:
        """Write the result, or what is known so far where no budget is used up yet."""
        path = self._so_far if result.ended_by is None else self._result
        self._write(path, result.to_json())

    def read_so_far(self) -> JobResult | None:
        """Return what an unfinished job measured when its time was over; None if nothing.

        Raises:
            JobError: The file is damaged.
        """
        return self._read_result(self._so_far)

    def read_progress(self) -> Progress:
        """Return how far the job is.

        Raises:
            JobError: The file is damaged.
        """
        content = self._read(self._progress) or {}
        with self._reading(self._progress):
            return read(Progress, content)

    def write_progress(self, progress: Progress) -> None:
        """Write how far the job is."""
        self._write(self._progress, dataclasses.asdict(progress))

    def read_scores(self) -> list[Score]:
        """Return the evaluations along the training, oldest first.

        Raises:
            JobError: The file is damaged.
        """
        return self._read_list(self._scores, "scores", Score)

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Write the evaluations along the training."""
        self._write(self._scores, {"scores": [dataclasses.asdict(score) for score in scores]})

    def read_evaluations(self) -> list[ConditionScore]:
        """Return the evaluations along the training by the job's protocol, oldest first.

        Raises:
            JobError: The file is damaged.
        """
        return self._read_list(self._evaluations, "evaluations", ConditionScore)

    def write_evaluations(self, scores: Sequence[ConditionScore]) -> None:
        """Write the evaluations along the training by the job's protocol."""
        content = {"evaluations": [dataclasses.asdict(score) for score in scores]}
        self._write(self._evaluations, content)

    def read_episodes(self) -> list[EpisodeRow]:
        """Return the finished training episodes, oldest first; none before training begins.

        Raises:
            RunError: The run is damaged.
        """
        return Run.open(self.run).episodes() if self.run.is_dir() else []

    def _read_result(self, path: Path) -> JobResult | None:
        content = self._read(path)
        if content is None:
            return None
        with self._reading(path):
            return JobResult.from_json(content)

    def _read_list(self, path: Path, key: str, kind: type[T]) -> list[T]:
        content = self._read(path) or {key: []}
        with self._reading(path):
            entries: tuple[T, ...] = convert(
                GenericAlias(tuple, (kind, ...)), content.get(key), key
            )
            return list(entries)

    def _read(self, path: Path) -> dict[str, Any] | None:
        if not path.is_file():
            return None
        with self._reading(path):
            return read_json(path)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(path, content)

    @contextlib.contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise JobError(
                f"{path} is damaged ({error}): begin the job anew (fresh), or delete the file to "
                "do again what it holds"
            ) from error
