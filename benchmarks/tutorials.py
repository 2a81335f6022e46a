"""Every tutorial's result from scratch: rows in parallel over cores, resumable, with a report.

    python benchmarks/tutorials.py --rows T1..T10 --seeds 5
    python benchmarks/tutorials.py --rows T2 T8 'LunarLander-*' --jobs 4 --minutes 60
    python benchmarks/tutorials.py --report                       # run nothing, write the report

Each row with each seed is a job (of T3 each rung is one), a process with one torch thread whose
run is kept in `OUT/ROW-seedN/run` with all its logs and checkpoints. Jobs that are finished are
skipped; one that was stopped, by Ctrl-C, --minutes or a kill, goes on from its last checkpoint (at
most a minute old) when the command is given again. A job that fails is reported at the end and
stops no other. Several of these commands may share a folder: they leave each other's jobs alone.

docs/tutorials.md says what each row is. What the finished ones came to is kept in
`benchmarks/tutorial_runs`, a file a row, from which the report is written: a table in
`benchmarks/results.md` and learning curves in `benchmarks/curves`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from mario_rl_agents.experiments import JobResult  # noqa: E402

from benchmarks.running import add_options, run_jobs  # noqa: E402
from benchmarks.tutorial_report import write_report  # noqa: E402
from benchmarks.tutorial_results import KEPT, keep  # noqa: E402
from benchmarks.tutorial_rows import MEASURES, ROWS, Row, find_rows  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the jobs, keep what they came to, write the report; return the exit code."""
    options = parse(arguments)
    code = 0
    if not options.report:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        rows = {
            job.name: (row, job)
            for row in find_rows(options.rows)
            for seed in seeds
            for job in row.jobs(seed)
        }
        jobs = [job for _, job in rows.values()]
        code = run_jobs(jobs, options, lambda job, result: summarize(result, rows[job.name][0]))
        for row in find_rows(options.rows):
            keep(row, seeds, options.out, options.kept)
    if not options.no_report:
        write_report(ROWS, options.out, options.kept)
    return code


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", default=[], help="ids, patterns or T1..T10; all")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds a row")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    add_options(parser, ROOT / "runs" / "tutorials")
    parser.add_argument("--kept", type=Path, default=KEPT, help="the folder of what is kept")
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    parser.add_argument("--no-report", action="store_true", help="run, write no report")
    options = parser.parse_args(arguments)
    too_few_jobs = options.jobs is not None and options.jobs < 1
    if options.seeds < 1 or options.first_seed < 0 or too_few_jobs:
        parser.error("--seeds and --jobs must be at least 1, --first-seed at least 0")
    try:
        find_rows(options.rows)
    except ValueError as error:
        parser.error(str(error))
    return options


def summarize(result: JobResult, row: Row) -> str:
    """Return what a job came to, beside what it should."""
    value = MEASURES[row.measure].value(result)
    return f"{'too few games' if value is None else f'{value:,.1f}'}, target {row.target:,g}"


if __name__ == "__main__":
    sys.exit(main())
