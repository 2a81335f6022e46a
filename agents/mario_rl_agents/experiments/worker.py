"""The process of one job, which `LocalEngine` starts: `python -m ...worker FOLDER`.

Started by hand, it goes on with the job in that folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from mario_rl_agents.errors import (
    AgentError,
    CheckpointError,
    JobError,
    RunError,
    UntrustedError,
)
from mario_rl_agents.experiments.engine import JobState, read_report
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.local import BUSY, UNFINISHED
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.stopping import Orphaned
from mario_rl_agents.trust import check_trusted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job in a folder; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the job's, with its job.json")
    parser.add_argument("--minutes", type=float, help="of training, then it is saved")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--num-jobs", type=int, help="trainings at once, for the record")
    parser.add_argument("--trust", action="store_true", help="import the modules that it names")
    parser.add_argument("--fresh", action="store_true", help="begin the job anew")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    folder = JobFolder(options.folder.parent, options.folder.name)
    with folder.locked() as free:
        if not free:
            return BUSY
        try:
            job = folder.read_job()
            for name in (job.spec.env_id, job.spec.algorithm):
                check_trusted(name, folder.path, trust=options.trust)
            if options.fresh:
                folder.clear()
            elif read_report(job, options.folder.parent).state is JobState.FINISHED:
                return 0  # since this process was started
            result = run_job(
                job,
                options.folder.parent,
                minutes=options.minutes,
                checkpoint_seconds=options.checkpoint_seconds,
                device=options.device,
                num_jobs=options.num_jobs,
                callbacks=[Orphaned()],
                trust=options.trust,
            )
        except (AgentError, CheckpointError, JobError, RunError, UntrustedError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return UNFINISHED if result is None else 0


if __name__ == "__main__":
    sys.exit(main())
