"""What it is worth that torch's threads wait awake: PPO from pixels, alone and beside another.

    python benchmarks/spinning.py [--rounds 5] [--seconds 30] [--page]

The package has OpenMP's threads sleep while they wait for each other (`OMP_WAIT_POLICY=PASSIVE`).
`GOMP_SPINCOUNT` says how often they look before that. Each round trains both ways, one after the
other: one process alone on the machine, then two at once, each with as many threads as there are
cores. Nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks.throughput import cpu_name, describe_commit, save  # noqa: E402

RESULTS: Final = ROOT / "benchmarks" / "results.md"
MARK: Final = "spinning"
SPINS: Final = 30_000  # about 0.3 ms; `make demo` has it too
WAYS: Final[Mapping[str, dict[str, str]]] = {
    "asleep": {},
    "awake": {"GOMP_SPINCOUNT": str(SPINS)},
}
TOGETHER: Final = (1, 2)  # processes at once
# Trains for a while, then for as long again while it counts: the start takes seconds.
CODE: Final = """
import sys, time

seconds = float(sys.argv[1])
from mario_rl_agents import PPO, make_vec_env
from mario_rl_agents.recipes import find_recipe

recipe = find_recipe("ppo", "MarioRL-1-1-v0", "demo")
envs = make_vec_env("MarioRL-1-1-v0", recipe.num_envs, recipe.env_kwargs)
agent = PPO.create(envs, recipe.config, seed=0, device="cpu")
rollout = recipe.num_envs * recipe.config.rollout_steps
agent.learn(2 * rollout)
begin, before = time.monotonic(), agent.num_steps
while time.monotonic() - begin < seconds:
    agent.learn(rollout)
print((agent.num_steps - before) / (time.monotonic() - begin))
"""


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each training")
    parser.add_argument("--page", action="store_true", help="write the table to results.md")
    args = parser.parse_args()
    rounds = []
    for _ in range(args.rounds):
        rounds.append(measure(args.seconds))
        print(rounds[-1], flush=True)
    text = f"{table(rounds)}\n\n{setup(args.rounds, args.seconds)}"
    print(text)
    if args.page:
        save(RESULTS, text, MARK)


def measure(seconds: float) -> dict[tuple[str, int], float]:
    """Return the environment steps per second of one process, by way and processes at once."""
    return {
        (way, number): statistics.mean(train(way, number, seconds))
        for number in TOGETHER
        for way in WAYS
    }


def train(way: str, number: int, seconds: float) -> list[float]:
    """Return the environment steps per second of each of so many processes at once."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "agents")))
    plain = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment = {**plain, "PYTHONPATH": paths, **WAYS[way]}
    command = [sys.executable, "-c", CODE, str(seconds)]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(number)
    ]
    answers = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("a training failed; what it said is above")
    return [float(answer) for answer in answers]


def table(rounds: Sequence[Mapping[tuple[str, int], float]]) -> str:
    """Return the rounds in Markdown: medians, and the ratio within a round with its range."""
    lines = [
        "| trainings at once | asleep, steps/s of each | awake, steps/s of each | awake / asleep |",
        "|---:|---:|---:|---:|",
    ]
    for number in TOGETHER:
        asleep, awake = ([each[way, number] for each in rounds] for way in WAYS)
        ratios = [b / a for a, b in zip(asleep, awake, strict=True)]
        lines.append(
            f"| {number} | {statistics.median(asleep):,.0f} | {statistics.median(awake):,.0f} "
            f"| {statistics.median(ratios):.2f} [{min(ratios):.2f} to {max(ratios):.2f}] |"
        )
    return "\n".join(lines)


def setup(rounds: int, seconds: float) -> str:
    """Return one paragraph on what was measured with what."""
    return (
        f"Median [lowest to highest] of {rounds} rounds of {seconds:g} seconds a training; awake: "
        f"`GOMP_SPINCOUNT={SPINS}`. {datetime.date.today()}, {describe_commit()}; {cpu_name()}, "
        f"{os.cpu_count()} cores, as many torch threads a training; torch "
        f"{importlib.metadata.version('torch')}."
    )


if __name__ == "__main__":
    main()
