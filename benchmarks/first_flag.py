"""How long until an agent clears a stage from pixels: several seeds, on so many cores each.

    python benchmarks/first_flag.py --out runs/first-flag                 # PPO, 1-1, five seeds
    python benchmarks/first_flag.py --out runs/dqn --algorithm double_dqn --at-once 2 --cores 1
    python benchmarks/first_flag.py --out runs/gpu --device cuda --cores 4
    python benchmarks/first_flag.py --out runs/first-flag --page          # writes results.md

Along the training, every `--period` environment steps, the agent plays 100 episodes with no-op
starts (`--condition sticky`: sticky actions besides), with seeds of their own. The time of these
is not counted, but told. After the training 500 episodes of each condition are played, sampled and
greedy. A run that was killed goes on at its last checkpoint when the same is called again; a run
that is finished is not repeated.

The first flag is that of a training episode; its time is that of the evaluation before or after it,
whichever is nearer in steps, in proportion.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from mario_rl_agents.experiments.folder import JobFolder  # noqa: E402
from mario_rl_agents.experiments.job import Job  # noqa: E402
from mario_rl_agents.experiments.protocol import MARIO_CONDITIONS, Protocol  # noqa: E402
from mario_rl_agents.experiments.result import ConditionScore, JobResult  # noqa: E402
from mario_rl_agents.experiments.running import run_job  # noqa: E402
from mario_rl_agents.networks.precision import precision_on  # noqa: E402

from benchmarks.throughput import cpu_name, describe_commit, save  # noqa: E402

RESULTS: Final = ROOT / "benchmarks" / "results.md"
RATES: Final = (0.5, 0.9, 0.95)
CONDITIONS: Final = {condition.name: condition for condition in MARIO_CONDITIONS}
NUM_EPISODES: Final = 100  # of an evaluation along the training
NUM_FINAL: Final = 500  # of those after it


def main() -> None:
    """Train every seed, then print the table."""
    args = parse_args()
    jobs = [make_job(args, seed) for seed in range(args.first_seed, args.first_seed + args.seeds)]
    if args.job is not None:
        train(jobs[args.job], args)
        return
    train_all(jobs, args)
    text = table(jobs, args)
    print(text)
    if args.page:
        save(RESULTS, f"first-flag-{args.algorithm}", text)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--algorithm", default="ppo")
    parser.add_argument("--recipe", default="pixels")
    parser.add_argument("--env", default="MarioRL-1-1-v0", help="id of the environment")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=JSON")
    parser.add_argument("--env-kwarg", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--condition", choices=CONDITIONS, default="no-ops")
    parser.add_argument("--policy", choices=("sampled", "greedy"), default="sampled")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="environment steps; the recipe's by default")
    parser.add_argument("--period", type=int, default=65_536, help="steps between evaluations")
    parser.add_argument("--episodes", type=int, default=NUM_EPISODES, help="of an evaluation")
    parser.add_argument("--final-episodes", type=int, default=NUM_FINAL)
    parser.add_argument("--cores", type=int, default=2, help="of each run")
    parser.add_argument("--at-once", type=int, default=1, help="runs side by side")
    parser.add_argument("--first-core", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--page", action="store_true", help="write benchmarks/results.md")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def make_job(args: argparse.Namespace, seed: int) -> Job:
    """Return the training of one seed."""
    protocol = Protocol(
        period=args.period,
        conditions=(CONDITIONS[args.condition],),
        policies=(args.policy,),
        num_episodes=args.episodes,
        num_final_episodes=args.final_episodes,
    )
    return Job.from_recipe(
        args.algorithm,
        args.env,
        args.recipe,
        config=read_pairs(args.set),
        env_kwargs=read_pairs(args.env_kwarg),
        total_steps=args.steps,
        seed=seed,
        protocol=protocol,
    )


def read_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Return NAME=JSON as a dict; what is no JSON is text."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def train_all(jobs: Sequence[Job], args: argparse.Namespace) -> None:
    """Train the jobs that are not finished, each in a process on cores of its own."""
    waiting = [i for i, job in enumerate(jobs) if result_of(job, args) is None]
    free = list(range(args.at_once))
    running: dict[int, subprocess.Popen[bytes]] = {}
    while waiting or running:
        while waiting and free:
            slot = free.pop(0)
            running[slot] = start(waiting.pop(0), slot, args)
        time.sleep(0.5)
        for slot, process in list(running.items()):
            if process.poll() is not None:
                del running[slot]
                free.append(slot)
                if process.returncode != 0:
                    raise SystemExit(f"a run ended with status {process.returncode}")


def start(index: int, slot: int, args: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start the process of a job, on the cores of a slot."""
    first = args.first_core + slot * args.cores
    cores = set(range(first, first + args.cores))

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)

    return subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:], "--job", str(index)],
        env={**os.environ, "OMP_NUM_THREADS": str(args.cores)},
        preexec_fn=pin,
    )


def train(job: Job, args: argparse.Namespace) -> None:
    """Train one job, and evaluate it under every condition."""
    torch.set_num_threads(args.cores)
    result = run_job(job, args.out, device=args.device)
    if result is None:
        raise SystemExit("the training was interrupted: call it again to go on")
    print(f"seed {job.spec.seed}: {result.num_steps:,} steps, {result.minutes:.1f} minutes")


def result_of(job: Job, args: argparse.Namespace) -> JobResult | None:
    """Return what a job came to; None: it is not finished."""
    return JobFolder(args.out, job.name).read_result()


@dataclasses.dataclass(frozen=True)
class Milestone:
    """When something was first seen."""

    steps: int
    seconds: float

    def __str__(self) -> str:
        """Return it for a table."""
        return f"{self.steps / 1e6:.2f} M, {self.seconds / 60:.1f} min"


def first_flag(folder: JobFolder, scores: Sequence[ConditionScore], end: Milestone) -> Any:
    """Return when a training episode first cleared the stage; None: none did."""
    steps = next((row.step for row in folder.read_episodes() if row.cleared), None)
    if steps is None:
        return None
    known = [Milestone(score.step, score.seconds) for score in scores] + [end]
    after = next((each for each in known if each.steps >= steps), end)
    return Milestone(steps, after.seconds * steps / after.steps)


def first_at(rate: float, scores: Sequence[ConditionScore]) -> Milestone | None:
    """Return when an evaluation first gave so high a clear rate; None: none did."""
    for score in scores:
        if score.clear_rate is not None and score.clear_rate >= rate:
            return Milestone(score.step, score.seconds)
    return None


def table(jobs: Sequence[Job], args: argparse.Namespace) -> str:
    """Return what came out, as Markdown."""
    rates = [f"{rate:g}" for rate in RATES]
    lines = [
        f"| seed | first flag | {' | '.join(rates)} | trained | evaluations | at the end |",
        "|---|---|" + "---|" * len(rates) + "---|---|---:|",
    ]
    reached: dict[float, list[Milestone]] = {rate: [] for rate in RATES}
    for job in jobs:
        result = result_of(job, args)
        if result is None:
            continue
        folder = JobFolder(args.out, job.name)
        progress = folder.read_progress()
        final = [each.score for each in result.conditions]
        scores = [*folder.read_evaluations(), *final]
        end = Milestone(result.num_steps, 60 * result.minutes)
        for rate in RATES:
            milestone = first_at(rate, scores)
            if milestone is not None:
                reached[rate].append(milestone)
        cells = [first_flag(folder, scores, end), *(first_at(rate, scores) for rate in RATES)]
        ends = ", ".join(f"{score.clear_rate:.3f} of {score.num_episodes}" for score in final)
        lines.append(
            f"| {job.spec.seed} | {' | '.join(str(cell or 'never') for cell in cells)} | {end} | "
            f"{progress.evaluation_seconds / 60:.1f} min | {ends} |"
        )
    medians = [median(reached[rate], len(jobs)) for rate in RATES]
    lines.append(f"| median | | {' | '.join(medians)} | | | |")
    return "\n".join([describe(jobs[0], args), "", *lines])


def median(milestones: Sequence[Milestone], num_jobs: int) -> str:
    """Return the median over all seeds, of which some may never have come there."""
    if 2 * len(milestones) <= num_jobs:
        return f"never ({len(milestones)} of {num_jobs})"
    missing = num_jobs - len(milestones)
    steps = sorted(x.steps for x in milestones) + [2**62] * missing
    seconds = sorted(x.seconds for x in milestones) + [float("inf")] * missing
    return str(Milestone(int(statistics.median(steps)), statistics.median(seconds)))


def describe(job: Job, args: argparse.Namespace) -> str:
    """Return what was measured, and on what."""
    device = torch.device(args.device)
    precision = precision_on(job.spec.config.get("precision", "float32"), device.type)
    where = f"{args.cores} cores of {cpu_name()}"
    if device.type == "cuda":
        where = f"{torch.cuda.get_device_name(device)}, {where}"
    return (
        f"`{args.algorithm}`, recipe `{args.recipe}`, {args.env}, {job.spec.num_envs} games, "
        f"{precision}; {where}, {args.at_once} runs at once; evaluations of {args.episodes} "
        f"episodes, {args.condition}, {args.policy}; {describe_commit()}, "
        f"PyTorch {torch.__version__}."
    )


if __name__ == "__main__":
    main()
