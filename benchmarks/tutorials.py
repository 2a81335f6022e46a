"""Every tutorial's result from scratch: rows in parallel over cores, resumable, with a report.

    python benchmarks/tutorials.py --rows T1..T10 --seeds 3
    python benchmarks/tutorials.py --rows T2 T8 'LunarLander-*' --jobs 4 --minutes 60
    python benchmarks/tutorials.py --report                       # only write the report anew

Each row with each seed is a job, a process with one torch thread whose run is kept in
`OUT/ROW-seedN` with all its logs and checkpoints. Jobs that are finished are skipped; one that was
stopped, by Ctrl-C, --minutes or a kill, goes on from its last checkpoint (at most a minute old)
when the command is given again. A job that fails is reported at the end and stops no other. Several
of these commands may share a folder: they leave each other's jobs alone.

docs/tutorials.md says what each row is. The report goes to `benchmarks/results.md`, the learning
curves to `benchmarks/curves`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from mario_rl_agents.recipes import ALGORITHMS  # noqa: E402

from benchmarks.throughput import available_cores  # noqa: E402
from benchmarks.tutorial_jobs import (  # noqa: E402
    BUSY,
    UNFINISHED,
    job_folder,
    read_progress,
    read_result,
)
from benchmarks.tutorial_report import write_report  # noqa: E402
from benchmarks.tutorial_rows import LADDER, ROWS, Row, find_rows  # noqa: E402

POLL_PERIOD: Final = 0.5  # seconds
BUSY_PERIOD: Final = 10.0  # seconds before a job that another process is at is tried again
TELL_PERIOD: Final = 60.0  # seconds between two lines on what is running


@dataclass
class Job:
    """A row with a seed, and how it is going."""

    row: Row
    seed: int
    process: subprocess.Popen[bytes] | None = None
    state: str = "waiting"  # running, finished, unfinished, failed: why
    not_before: float = field(default=0.0)  # of time.monotonic

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.row.id} seed {self.seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the jobs, write the report; return the exit code."""
    options = parse(arguments)
    rows = find_rows(options.rows)
    code = 0
    if not options.report:
        jobs = [
            Job(row, options.first_seed + seed) for row in rows for seed in range(options.seeds)
        ]
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            run_jobs(jobs, options)
        except KeyboardInterrupt:
            code = 130
        failed = [summarize(job, options.out) for job in jobs]
        code = code or int(any(failed))
    if not options.no_report:
        write_report(ROWS, options.out)
    return code


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", default=[], help="ids, patterns or T1..T10; all")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds a row")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=len(available_cores()) or os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="for all of it; go on later")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "tutorials")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--fresh", action="store_true", help="begin these jobs anew")
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    parser.add_argument("--no-report", action="store_true", help="run, write no report")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.jobs < 1 or options.first_seed < 0:
        parser.error("--seeds and --jobs must be at least 1, --first-seed at least 0")
    try:
        find_rows(options.rows)
    except ValueError as error:
        parser.error(str(error))
    return options


def run_jobs(jobs: list[Job], options: argparse.Namespace) -> None:
    """Run all jobs, as many at once as there are cores for."""
    start = told = time.monotonic()
    deadline = None if options.minutes is None else start + 60 * options.minutes
    waiting: list[Job] = []
    for job in jobs:
        if job.row.algorithm not in (*ALGORITHMS, LADDER):
            job.state = f"failed: there is no algorithm {job.row.algorithm!r}"
        elif read_result(options.out, job.row, job.seed) is not None and not options.fresh:
            job.state = "finished"
        else:
            waiting.append(job)
    running: list[Job] = []
    try:
        while waiting or running:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                waiting.clear()
            start_jobs(waiting, running, options, deadline)
            time.sleep(POLL_PERIOD)
            for job in [job for job in running if finish(job)]:
                running.remove(job)
                tell(f"{job.name}: {job.state}")
                if job.state == "waiting":
                    waiting.append(job)
            if now - told >= TELL_PERIOD:
                told = now
                tell("; ".join(describe(job, options.out) for job in running) or "waiting")
    except BaseException:
        for job in running:
            assert job.process is not None
            job.process.terminate()  # training then saves and ends
        for job in running:
            assert job.process is not None
            job.process.wait()
            finish(job)
        raise


def start_jobs(
    waiting: list[Job], running: list[Job], options: argparse.Namespace, deadline: float | None
) -> None:
    """Start what there are cores for, in order."""
    now = time.monotonic()
    busy = sum(min(job.row.num_processes, options.jobs) for job in running)
    for job in list(waiting):
        if job.not_before > now:
            continue
        needed = min(job.row.num_processes, options.jobs)
        if busy + needed > options.jobs:
            return  # later ones wait too, or a job of several processes would never have its turn
        waiting.remove(job)
        running.append(job)
        busy += needed
        start_job(job, options, deadline)


def start_job(job: Job, options: argparse.Namespace, deadline: float | None) -> None:
    """Start the process of a job; what it says goes to a file beside its folder."""
    command = [sys.executable, "-m", "benchmarks.tutorial_jobs", job.row.id, str(job.seed)]
    command += [str(options.out.resolve())]
    command += ["--checkpoint-seconds", str(options.checkpoint_seconds)]
    if deadline is not None:
        command += ["--minutes", str(max(deadline - time.monotonic(), 0.0) / 60)]
    if options.fresh:
        command += ["--fresh"]
    folder = job_folder(options.out, job.row, job.seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    with log_path(options.out, job).open("a") as log:
        # In a session of its own: Ctrl-C reaches this process alone, which asks each job once.
        job.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    job.state = "running"
    tell(f"{job.name}: started")


def finish(job: Job) -> bool:
    """Look whether a job's process has ended, and how."""
    assert job.process is not None
    code = job.process.poll()
    if code is None:
        return False
    if code == 0:
        job.state = "finished"
    elif code == UNFINISHED:
        job.state = "unfinished"
    elif code == BUSY:
        job.state, job.not_before = "waiting", time.monotonic() + BUSY_PERIOD
    else:
        job.state = f"failed: exit code {code}"
    return True


def describe(job: Job, out: Path) -> str:
    """Return how far a job is."""
    progress = read_progress(job_folder(out, job.row, job.seed))
    return f"{job.name}: {progress['steps']:,} steps, {progress['games']:,} games"


def summarize(job: Job, out: Path) -> bool:
    """Say how a job ended; return whether it failed."""
    result = read_result(out, job.row, job.seed)
    if job.state == "finished" and result is not None:
        tell(f"{job.name}: {result['value']:,.1f}, target {job.row.target:,g}")
        return False
    if not job.state.startswith("failed"):
        tell(f"{describe(job, out)}, unfinished: the same command goes on")
        return False
    tell(f"{job.name}: {job.state}")
    log = log_path(out, job)
    if log.is_file():
        tell("".join(f"    {line}\n" for line in log.read_text().splitlines()[-5:]))
    return True


def log_path(out: Path, job: Job) -> Path:
    """Return where the output of a job's processes goes."""
    return out / f"{job_folder(out, job.row, job.seed).name}.log"


def tell(message: str) -> None:
    """Say how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
