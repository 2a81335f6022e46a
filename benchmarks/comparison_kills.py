"""Kill a comparison again and again, resume it, and compare it with one that was left alone.

    python benchmarks/comparison_kills.py               # ten kills
    python benchmarks/comparison_kills.py --kills 2 --steps 1500

The command and its trainings are killed (SIGKILL, the whole group of processes) at random moments
of the time that the undisturbed comparison took. In the end all tables must be equal but for times,
memory and the number of processes; what cannot be resumed must say how often it began again.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.experiments.tables import Comparison

ROOT: Final = Path(__file__).resolve().parents[1]
ALGORITHMS: Final = ("dqn", "double_dqn", "ppo", "sb3-dqn", "sb3-ppo")
TABLES: Final = ("runs", "evaluations", "games", "training")
# What differs each time, by table.
TIMES: Final = {
    "runs": ("seconds", "cpu_seconds", "evaluation_seconds", "peak_memory", "num_processes"),
    "evaluations": ("seconds", "cpu_seconds"),
}
RESTARTS: Final = "num_restarts"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Run `mario-rl compare` as the leader of a group of processes."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "agents")])
    return subprocess.Popen(
        [sys.executable, "-m", "mario_rl_agents", "compare", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a comparison and return what it printed.

    Raises:
        RuntimeError: It failed.
    """
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}:\n{output}")
    return output


def kill_and_resume(
    folder: Path, arguments: Sequence[str], num_kills: int, seconds: float, seed: int
) -> list[float]:
    """Run a comparison that is killed `num_kills` times; return after how many seconds each.

    A comparison that ends before it is killed is not; then there are fewer.
    """
    generator = random.Random(seed)
    moments = []
    process = start(folder, *arguments, "--out", "killed")
    for _ in range(num_kills):
        moment = generator.uniform(2.0, max(2.0, 2 * seconds / num_kills))
        try:
            process.wait(moment)
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            moments.append(moment)
        has_plan = (folder / "killed" / "plan.json").is_file()
        again = ("--resume", "killed") if has_plan else (*arguments, "--out", "killed")
        process = start(folder, *again)
    finish(process)
    return moments


def differences(first: Path, second: Path) -> list[str]:
    """Return the tables of two comparisons that differ in more than times."""
    comparisons = [Comparison.read(folder)[0] for folder in (first, second)]
    return [
        name
        for name in TABLES
        if _timeless(comparisons[0], name) != _timeless(comparisons[1], name)
    ]


def _timeless(comparison: Comparison, table: str) -> list[Any]:
    names = (*TIMES.get(table, ()), *((RESTARTS,) if table == "runs" else ()))
    return [row._replace(**dict.fromkeys(names)) for row in getattr(comparison, table)]


def main() -> int:
    """Run both and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("algorithms", nargs="*", default=ALGORITHMS)
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    arguments = [*options.algorithms, "--env", options.env, "--steps", str(options.steps)]
    arguments += ["--seeds", str(options.seeds), "--episodes", "3", "--final-episodes", "20"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.monotonic()
        finish(start(folder, *arguments, "--out", "whole"))
        seconds = time.monotonic() - begun
        moments = kill_and_resume(folder, arguments, options.kills, seconds, options.seed)
        differing = differences(folder / "whole", folder / "killed")
        runs = Comparison.read(folder / "killed")[0].runs
    times = ", ".join(f"{moment:.1f}" for moment in moments)
    print(f"undisturbed in {seconds:.0f} s; killed {len(moments)} times, after {times} s")
    for run in runs:
        again = f", began again {run.num_restarts} times" if run.num_restarts else ""
        print(f"  {run.algorithm} seed {run.seed}: {run.num_processes} processes{again}")
    print(f"tables that differ: {', '.join(differing) or 'none'}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
