"""What the commands that run many jobs share: their options, Ctrl-C, what is said, the exit code.

For `tutorials.py` and `claims.py`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mario_rl_agents.experiments import (
    Job,
    JobReport,
    JobResult,
    JobState,
    LocalEngine,
    read_report,
)


def add_options(parser: argparse.ArgumentParser, out: Path) -> None:
    """Add what a command line says of how jobs are run.

    Args:
        parser: Where to.
        out: The folder of the jobs where the command line names none.
    """
    parser.add_argument("--jobs", type=int, help="jobs at once; as many as there are cores")
    parser.add_argument("--minutes", type=float, help="for all of it; go on later")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--fresh", action="store_true", help="begin these jobs anew")


def run_jobs(
    jobs: Sequence[Job],
    options: argparse.Namespace,
    describe: Callable[[Job, JobResult], str],
) -> int:
    """Run jobs, and say how each of them stands.

    Args:
        jobs: In the order in which they are begun.
        options: Those of `add_options`.
        describe: Says what a job came to.

    Returns:
        The exit code: 0, 1 where a job failed, 130 after Ctrl-C or SIGTERM.
    """
    engine = LocalEngine(options.jobs, checkpoint_seconds=options.checkpoint_seconds, tell=_tell)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 0
    try:
        reports = engine.run(jobs, options.out, minutes=options.minutes, fresh=options.fresh)
    except KeyboardInterrupt:
        code = 130
        reports = [read_report(job, options.out) for job in jobs]
    finally:
        signal.signal(signal.SIGTERM, before)
    for report in reports:
        _tell(f"{report.job.name}: {_state(report, describe)}")
    return code or int(any(report.state is JobState.FAILED for report in reports))


def _state(report: JobReport, describe: Callable[[Job, JobResult], str]) -> str:
    """Return how a job stands, in a line or in some of its log."""
    if report.state is JobState.FAILED:
        return f"failed: {report.error}"
    if report.result is None:
        progress = report.progress
        return (
            f"{progress.num_steps:,} steps, {progress.num_episodes:,} games, unfinished: the same "
            "command goes on"
        )
    return describe(report.job, report.result)


def _tell(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)
