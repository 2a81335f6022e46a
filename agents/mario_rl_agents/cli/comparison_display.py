"""Progress of a comparison: all its runs at once on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from mario_rl_agents.cli.terminal import duration
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.engine import JobReport, JobState, read_report
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.plan import Plan

_PERIOD: Final = 1.0  # seconds between two looks at the folders


class ComparisonDisplay:
    """Shows how far the runs are, by what they write into their folders."""

    def __init__(self, console: Console, plan: Plan, jobs: Path) -> None:
        """Take what is shown.

        Args:
            console: Where.
            plan: What is compared.
            jobs: Where the jobs' folders are.
        """
        self._console, self._plan, self._jobs = console, plan, jobs
        self._start = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._done: dict[str, JobReport] = {}  # by job, those that nothing changes any more

    def __enter__(self) -> ComparisonDisplay:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take it away."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
            self._live.stop()

    def tell(self, line: str) -> None:
        """Print what an engine says of its jobs, where the runs are not shown."""
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)

    def _watch(self) -> None:
        while not self._stop.wait(_PERIOD):
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """Return a table with a row a side and a bar for its runs, and the last scores."""
        table = Table(box=SIMPLE, padding=(0, 1, 0, 0), expand=True)
        for column in ("side", "runs"):
            table.add_column(column, no_wrap=True)
        table.add_column("steps", ratio=1)
        table.add_column("steps/s", justify="right", no_wrap=True)
        table.add_column("last return", justify="right", no_wrap=True)
        total, taken = 0, 0
        for entry in self._plan.entries:
            reports = [self._report(entry.label, seed) for seed in self._plan.seeds]
            steps = sum(min(r.progress.num_steps, self._plan.total_steps) for r in reports)
            whole = self._plan.total_steps * len(reports)
            taken, total = taken + steps, total + whole
            num_done = sum(report.state is JobState.FINISHED for report in reports)
            num_failed = sum(report.state is JobState.FAILED for report in reports)
            failed = f", {num_failed} failed" if num_failed else ""
            table.add_row(
                entry.label,
                f"{num_done}/{len(reports)}{failed}",
                ProgressBar(total=whole, completed=steps),
                self._speed(reports),
                self._last_return(reports),
            )
        spent = time.monotonic() - self._start
        table.caption = f"{taken:,} of {total:,} steps, {duration(spent)}; Ctrl-C saves and stops"
        return table

    def _report(self, label: str, seed: int) -> JobReport:
        entry = next(entry for entry in self._plan.entries if entry.label == label)
        job = self._plan.job(entry, seed)
        if job.name not in self._done:
            report = read_report(job, self._jobs)
            if report.state is not JobState.FINISHED:
                return report
            self._done[job.name] = report
        return self._done[job.name]

    def _speed(self, reports: list[JobReport]) -> str:
        """Return the mean over runs that have begun, as the tables afterward have it."""
        progresses = [report.progress for report in reports if report.progress.seconds > 0]
        speeds = [progress.num_steps / progress.seconds for progress in progresses]
        return f"{statistics.mean(speeds):,.0f}" if speeds else ""

    def _last_return(self, reports: list[JobReport]) -> str:
        """Return the mean over runs of the last evaluation under the first condition and policy."""
        protocol = self._plan.protocol
        wanted = protocol.conditions[0].name, protocol.policies[0]
        returns = []
        for report in reports:
            try:
                scores = JobFolder(self._jobs, report.job.name).read_evaluations()
            except JobError:
                continue
            returns += [x.return_mean for x in scores if (x.condition, x.policy) == wanted][-1:]
        return f"{sum(returns) / len(returns):,.1f}" if returns else ""
