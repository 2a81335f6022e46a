"""What minutes teach: the demo of the README over several seeds, beside random play.

    python benchmarks/demo.py [--algorithm ppo] [--recipe demo] [--seeds 0 1 2] [--minutes 10]
        [--out FOLDER]

Trains one seed after the other with `mario-rl train`, each alone on the machine, and writes
`results.md` and `learning_curves.png` into the folder. Seeds already trained are not trained again.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import RunError
from mario_rl_agents.recipes import find_recipe
from mario_rl_agents.reports.plots import Panel, plot_learning_curves
from mario_rl_agents.runs.evaluation import Evaluation, evaluate, policy_name
from mario_rl_agents.runs.metrics import RUNNING_EPISODES
from mario_rl_agents.runs.run import Run, versions

import mario_rl_envs  # noqa: F401 (registers the ids)

ENV_ID = "MarioRL-1-1-v0"
MARIO_RL = (sys.executable, "-m", "mario_rl_agents")
NUM_EPISODES = 10  # of each evaluation, as in `make demo`
NUM_RANDOM_EPISODES = 30
NAMES = {"double_dqn": "Double DQN", "ppo": "PPO"}


def main() -> None:
    """Train, evaluate, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=NAMES, default="double_dqn")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, a seed")
    parser.add_argument("--out", type=Path, help="default: runs/RECIPE-ALGORITHM")
    arguments = parser.parse_args()
    algorithm, recipe = arguments.algorithm, arguments.recipe
    out = arguments.out or Path("runs", f"{recipe}-{algorithm}")
    folders = [out / f"seed{seed}" for seed in arguments.seeds]
    for seed, folder in zip(arguments.seeds, folders, strict=True):
        if not is_finished(folder):
            train(algorithm, recipe, seed, folder, arguments.minutes)
    runs = [Run.open(folder) for folder in folders]
    random = play_at_random(algorithm, recipe)
    levels: dict[Panel, float] = {"episodic_return": random.return_mean}
    if random.x_pos_mean is not None:
        levels["x_pos"] = random.x_pos_mean
    plot_learning_curves(runs, out / "learning_curves.png", random=levels)
    table = results(algorithm, random, runs, arguments.minutes)
    (out / "results.md").write_text(table)
    print(table)


def is_finished(folder: Path) -> bool:
    """Return whether a run is there that is trained and evaluated."""
    try:
        return bool(Run.open(folder).evaluations())
    except RunError:
        return False


def train(algorithm: str, recipe: str, seed: int, folder: Path, minutes: float) -> None:
    """Train one seed from scratch."""
    command = [*MARIO_RL, "train", algorithm, ENV_ID, "--recipe", recipe, "--overwrite"]
    command += ["--minutes", str(minutes), "--seed", str(seed), "--out", str(folder)]
    command += ["--eval-episodes", str(NUM_EPISODES)]
    subprocess.run(command, check=True)


def results(algorithm: str, random: Evaluation, runs: list[Run], minutes: float) -> str:
    """Return the table, in Markdown."""
    rows = []
    for run in runs:
        steps = read_header(run.checkpoint).num_steps
        greedy, varied = run.evaluations()
        rows.append({"steps": steps, **figures(greedy, varied), **last_games(run)})
    policy = policy_name(varied.epsilon, sampled=varied.sampled)
    lines = [
        f"| {ENV_ID} | steps trained | x, greedy | x, {policy} | return, same | cleared, same "
        f"| x, last {RUNNING_EPISODES} training games | cleared, same |",
        "|---|---|---|---|---|---|---|---|",
        f"| random play, {NUM_RANDOM_EPISODES} episodes | 0 | "
        f"| {random.x_pos_mean:,.0f} (epsilon 1) | {random.return_mean:,.0f} (epsilon 1) "
        f"| {random.clear_rate:.0%} (epsilon 1) | | |",
        f"| {NAMES[algorithm]}, {minutes:g} minutes, {len(rows)} seeds | {spread(rows, 'steps')} "
        f"| {spread(rows, 'greedy_x')} | {spread(rows, 'x')} | {spread(rows, 'return')} "
        f"| {statistics.mean(row['clear_rate'] for row in rows):.0%} | {spread(rows, 'last_x')} "
        f"| {statistics.mean(row['last_clear_rate'] for row in rows):.0%} |",
    ]
    found = versions()
    hardware = f"{os.cpu_count()} cores, {platform.machine()}"
    packages = ", ".join(f"{name} {found[name]}" for name in ("python", "torch", "nes-py"))
    return "\n".join(lines) + f"\n\nMean ± standard deviation over seeds; {hardware}, {packages}.\n"


def figures(greedy: Evaluation, varied: Evaluation) -> dict[str, float]:
    """Return the figures of one seed's evaluations: greedy, and with chance."""
    return {
        "greedy_x": greedy.x_pos_mean or 0.0,
        "x": varied.x_pos_mean or 0.0,
        "return": varied.return_mean,
        "clear_rate": varied.clear_rate or 0.0,
    }


def last_games(run: Run) -> dict[str, float]:
    """Return the figures of the last training games, played with exploration."""
    last = run.episodes()[-RUNNING_EPISODES:]
    return {
        "last_x": statistics.mean(row.x_pos for row in last if row.x_pos is not None),
        "last_clear_rate": statistics.mean(bool(row.cleared) for row in last),
    }


def spread(rows: list[dict[str, float]], key: str) -> str:
    """Return mean and standard deviation over the seeds."""
    values = [row[key] for row in rows]
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):,.0f} ± {deviation:,.0f}"


def play_at_random(algorithm: str, recipe: str) -> Evaluation:
    """Return the evaluation of uniformly random actions, at the pace of the recipe."""
    env = gym.make(ENV_ID, **find_recipe(algorithm, ENV_ID, recipe).env_kwargs)
    anyone = RandomAgent.create(env)  # at epsilon 1 it does not matter who plays
    evaluation = evaluate(anyone, env, num_episodes=NUM_RANDOM_EPISODES, epsilon=1.0, seed=0)
    env.close()
    return evaluation


if __name__ == "__main__":
    main()
