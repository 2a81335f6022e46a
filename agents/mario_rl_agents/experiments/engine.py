"""What an engine is, and how a job stands after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from mario_rl_agents.errors import JobError, RunError
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.result import JobResult, Progress
from mario_rl_agents.runs.loading import check_trusted_demonstrations
from mario_rl_agents.runs.run import Run

_NUM_ERROR_LINES: Final = 5
_MAX_ERROR_LINE: Final = 500  # characters: an exception may show a whole array in one line


class JobState(Enum):
    """How a job stands."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"  # run again, an engine goes on with it
    FAILED = "failed"


@dataclass(frozen=True)
class JobReport:
    """How a job stands: a result where it is finished, an error where it failed."""

    job: Job
    state: JobState
    progress: Progress
    result: JobResult | None = None
    error: str | None = None


class Engine(Protocol):
    """Runs jobs. What they leave is in their folders alone, so that any engine can go on."""

    def run(
        self,
        jobs: Sequence[Job],
        out: str | Path,
        *,
        minutes: float | None = None,
        fresh: bool = False,
    ) -> list[JobReport]:
        """Run every job that is not finished, from its last checkpoint on.

        A job that fails is reported and stops no other. A job that another engine is at is left to
        it, and its result is taken from there.

        Args:
            jobs: What is run; their names differ.
            out: Where their folders are.
            minutes: Of all of it; None is no limit. What is not finished then is saved.
            fresh: Whether these jobs begin anew, finished ones too.

        Returns:
            How each job stands, in the order of `jobs`.

        Raises:
            ValueError: Two jobs have one name.
            UntrustedError: A file of demonstrations names a module that the user has neither named
                in a training nor imported.
        """
        ...


def read_report(job: Job, out: str | Path) -> JobReport:
    """Return how a job stands by its folder alone: failed only where a file is damaged.

    The result of another job of that name does not count: say, of the recipe as it was before.
    """
    folder = JobFolder(out, job.name)
    progress = Progress()
    try:
        if folder.holds_job:
            folder.read_job()  # somebody else's file is not written over
        progress, result = folder.read_progress(), folder.read_result()
    except JobError as error:
        return JobReport(job, JobState.FAILED, progress, error=str(error))
    if result is None or result.job != job:
        return JobReport(job, JobState.UNFINISHED, progress)
    return JobReport(job, JobState.FINISHED, progress, result)


def settled(job: Job, out: str | Path, *, fresh: bool = False) -> JobReport | None:
    """Return the report on a job that is not to be run; None where one is.

    Args:
        job: What may be run.
        out: Where the jobs' folders are.
        fresh: Whether it begins anew, finished or not.
    """
    if not fresh:
        report = read_report(job, out)
        return None if report.state is JobState.UNFINISHED else report
    try:
        JobFolder(out, job.name).check()
    except (JobError, RunError) as error:
        return JobReport(job, JobState.FAILED, Progress(), error=str(error))
    return None


def end_of(text: str) -> str:
    """Return the last lines of what a job that failed has printed; each is cut where it is long."""
    lines = text.splitlines()[-_NUM_ERROR_LINES:]
    return "\n".join(
        line if len(line) <= _MAX_ERROR_LINE else f"{line[:_MAX_ERROR_LINE]}..." for line in lines
    )


def check_demonstrations(jobs: Sequence[Job], out: str | Path) -> None:
    """Check that what jobs begin by imitating runs no code that the user has not named.

    Args:
        jobs: What is run: environments and algorithms are named by the caller.
        out: Where the jobs' folders are.

    Raises:
        UntrustedError: It does.
    """
    for job in jobs:
        check_trusted_demonstrations(Run(JobFolder(out, job.name).run, job.spec))


def check_names(jobs: Sequence[Job]) -> None:
    """Check that no two jobs share a folder.

    Raises:
        ValueError: Two have one name.
    """
    names = [job.name for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"jobs must differ in name, since each has a folder of that name; received twice: "
            f"{', '.join(twice)}"
        )
