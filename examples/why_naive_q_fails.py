"""Why naive Q-learning fails on CartPole: seven rungs from it to Double DQN, one switch at a time.

Every rung is the same agent, network, learning rate and loss with one switch more. Each is trained
with several seeds and drawn beside the others in one picture.

    python examples/why_naive_q_fails.py

Each finished training is kept in the folder `--out`; run again after a break, the script goes on
with those that are missing. Needs `pip install ".[agents]"` in the project's folder.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import torch
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.naive_q import NaiveQ, NaiveQConfig, ladder
from mario_rl_agents.config import linear
from mario_rl_agents.files import write_json
from mario_rl_agents.reports.plot_style import style_axes
from mario_rl_agents.runs.evaluation import evaluate

matplotlib.use("agg")  # draws to files, without a screen
import matplotlib.pyplot as plt

# What each rung adds, for the picture.
RUNGS = {
    "naive": ("naive Q", "max Q(s, a) is\nfitted to the reward"),
    "taken": ("+ action taken", "Q(s, a) of the action\nthat was taken"),
    "bootstrap": ("+ bootstrap", "the next state's value\nis added"),
    "explore": ("+ exploration", "epsilon-greedy,\n1 to 0.02"),
    "replay": ("+ replay", "random batches\nof the past"),
    "target_network": ("+ target network", "targets from a copy\nthat stands still"),
    "double": ("+ Double", "one picks the action,\nthe other rates it"),
}
MAX_SCORE = 200  # points, and environment steps of an episode
SOLVED = 195  # points
NUM_TESTS = 25  # along a training

# The tutorial's learning rate and loss with a network of 64-64 instead of its 1024-512: a gradient
# step takes a fourth of the time. `--hidden 1024 512` has the tutorial's. The learning rate falls
# in every rung, so that what is learned is kept at the end.
LEARNING_RATE = 1e-3  # at first
CONFIG = NaiveQConfig(
    hidden_sizes=(64, 64),
    replay_batch_size=64,
    target_update_period=100,
    epsilon=linear(1, 0.02, 5_000),
)


def make_env() -> gym.Env[Any, Any]:
    """Return CartPole with a time limit of 200 steps, which is what CartPole-v0 was."""
    return gym.make("CartPole-v1", max_episode_steps=MAX_SCORE)


class Tests(Callback):
    """Plays greedy test games all along a training."""

    def __init__(self, period: int) -> None:
        """Test every `period` environment steps."""
        self.period = period
        self.env = make_env()
        self.steps: list[int] = []
        self.scores: list[float] = []

    def on_step(self, agent: Agent) -> None:
        """Play ten games, the same ones each time."""
        if agent.num_steps % self.period == 0:
            evaluation = evaluate(agent, self.env, num_episodes=10, seed=20_000)
            self.steps.append(agent.num_steps)
            self.scores.append(evaluation.return_mean)


def make_config(rung: str, num_steps: int, config: NaiveQConfig) -> NaiveQConfig:
    """Return the configuration of a rung, with a learning rate that falls until the end."""
    rate = linear(LEARNING_RATE, 0, num_steps)
    return dataclasses.replace(ladder(config)[rung], learning_rate=rate)


def train(rung: str, seed: int, num_steps: int, config: NaiveQConfig) -> dict[str, Any]:
    """Train one rung with one seed and return how it went, as JSON values."""
    torch.set_num_threads(1)  # each training has a process of its own
    config = make_config(rung, num_steps, config)
    agent = NaiveQ.create(make_env(), config, seed=seed, device="cpu")
    tests = Tests(max(num_steps // NUM_TESTS, 1))
    agent.learn(num_steps, [tests])
    final = evaluate(agent, tests.env, num_episodes=100, seed=10_000)
    return {
        "rung": rung,
        "seed": seed,
        "num_steps": num_steps,
        "config": json.loads(json.dumps(dataclasses.asdict(agent.config))),
        "test_steps": tests.steps,
        "test_scores": tests.scores,
        "final_score": final.return_mean,
    }


def train_all(
    folder: Path, rungs: list[str], num_seeds: int, num_steps: int, config: NaiveQConfig, jobs: int
) -> list[dict[str, Any]]:
    """Return what `train` does for all rungs and seeds, from files where it is done already."""
    folder.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    missing: list[tuple[str, int]] = []
    for seed in range(num_seeds):
        for rung in rungs:
            path = folder / f"{rung}-seed{seed}.json"
            result = json.loads(path.read_text()) if path.is_file() else None
            expected = json.loads(
                json.dumps(dataclasses.asdict(make_config(rung, num_steps, config)))
            )
            if result and (result["num_steps"], result["config"]) == (num_steps, expected):
                results.append(result)
            else:
                missing.append((rung, seed))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(jobs, 1), mp_context=context) as pool:
        futures = [pool.submit(train, rung, seed, num_steps, config) for rung, seed in missing]
        for future in as_completed(futures):
            result = future.result()
            results.append(result)
            path = folder / f"{result['rung']}-seed{result['seed']}.json"
            write_json(path, result)
            print(f"{result['rung']:>15}  seed {result['seed']}  {result['final_score']:6.1f}")
    return results


def draw(results: list[dict[str, Any]], rungs: list[str], path: Path) -> None:
    """Draw a panel a rung: each seed's test scores, and the mean of their last tests."""
    colors = plt.get_cmap("viridis")(np.linspace(0.0, 0.8, len(rungs)))
    figure, panels = plt.subplots(
        1, len(rungs), figsize=(2.1 * len(rungs), 4.8), sharey=True, squeeze=False
    )
    for panel, rung, color in zip(panels[0], rungs, colors, strict=True):
        seeds = [result for result in results if result["rung"] == rung]
        steps = np.array(seeds[0]["test_steps"]) / 1000
        scores = np.array([result["test_scores"] for result in seeds])  # [seeds, tests]
        panel.fill_between(steps, scores.min(axis=0), scores.max(axis=0), color=color, alpha=0.2)
        panel.plot(steps, scores.T, color=color, alpha=0.4, linewidth=0.8)
        panel.plot(steps, scores.mean(axis=0), color=color, linewidth=2.5)
        panel.axhline(SOLVED, color="black", linestyle=":", linewidth=1)
        title, meaning = RUNGS[rung]
        panel.set_title(title, fontsize=12, fontweight="bold", color=color)
        finals = [result["final_score"] for result in seeds]
        panel.text(
            0.5, -0.26, f"{np.mean(finals):.0f}", transform=panel.transAxes, ha="center",
            va="top", fontsize=22, fontweight="bold", color=color,
        )  # fmt: skip
        panel.text(
            0.5, -0.43, f"{min(finals):.0f} to {max(finals):.0f}\n\n{meaning}",
            transform=panel.transAxes, ha="center", va="top", fontsize=10,
        )  # fmt: skip
        panel.set_ylim(0, MAX_SCORE * 1.04)
        panel.set_xlabel("thousand steps")
        style_axes(panel)
    panels[0, 0].set_ylabel(f"greedy test score of {MAX_SCORE}")
    panels[0, 0].text(0, SOLVED - 4, " solved: 195", va="top", fontsize=10)
    num_seeds = len({result["seed"] for result in results})
    figure.suptitle(
        "Why naive Q-learning fails on CartPole, and what mends it: each panel has one switch more",
        fontsize=13,
    )
    figure.text(
        0.995, 0.01,
        f"Lines: {num_seeds} seeds, their mean and range, 10 test games each. "
        "Figures: 100 test games after training, mean and range over the seeds.",
        ha="right", fontsize=10,
    )  # fmt: skip
    figure.subplots_adjust(left=0.05, right=0.995, top=0.83, bottom=0.42, wspace=0.12)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train what is missing, print a table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each rung")
    parser.add_argument("--steps", type=int, default=25_000, help="environment steps of each")
    parser.add_argument("--rungs", nargs="+", choices=list(RUNGS), default=list(RUNGS))
    parser.add_argument("--hidden", nargs="+", type=int, help="units of each hidden layer")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("runs/why_naive_q_fails"))
    arguments = parser.parse_args()
    config = CONFIG
    if arguments.hidden:
        config = dataclasses.replace(config, hidden_sizes=tuple(arguments.hidden))
    results = train_all(
        arguments.out, arguments.rungs, arguments.seeds, arguments.steps, config, arguments.jobs
    )
    print(f"\n{'rung':>15}  score of {MAX_SCORE}: mean, lowest and highest of the seeds")
    for rung in arguments.rungs:
        finals = [result["final_score"] for result in results if result["rung"] == rung]
        print(f"{rung:>15}  {np.mean(finals):6.1f}  [{min(finals):.1f} to {max(finals):.1f}]")
    picture = arguments.out / "why_naive_q_fails.png"
    draw(results, arguments.rungs, picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
