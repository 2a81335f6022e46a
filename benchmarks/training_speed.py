"""How fast agents train: ours beside Stable-Baselines3's, in one run, doing the same work.

    python benchmarks/training_speed.py                          # all tasks
    python benchmarks/training_speed.py --tasks dqn-cartpole --starts 1
    python benchmarks/training_speed.py --page                   # writes benchmarks/results.md
    python benchmarks/training_speed.py --compile                # what compile=True is worth

Both sides have the same environment, network, batch, gradient steps per environment step, optimizer
(Adam) and number of torch threads; where not said otherwise the settings are the defaults of
Stable-Baselines3. Each side is a process of its own, warmed up until it learns. Rounds go through
both, one after the other, so that a slow moment of the machine hits both alike; a ratio is taken
within a round. After some rounds both processes are started anew: one keeps the luck that it had
with its memory. Beside the clock on the wall the CPU time of each process is taken: what else runs
on the machine touches that less.

Needs the extra `sb3`.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks.throughput import cpu_name, describe_commit, save  # noqa: E402

RESULTS: Final = ROOT / "benchmarks" / "results.md"
MARK: Final = "training-speed"
PACKAGES: Final = ("torch", "stable-baselines3", "gymnasium", "numpy")
MARIO: Final = "MarioRL-1-1-v0"
SEED: Final = 0
TARGET: Final = 1.5  # times as fast as Stable-Baselines3

OURS: Final[dict[str, Any]] = {}  # settings of ours in this process, whatever the task

NAMES: Final = {"ours": "ours", "theirs": "SB3", "compiled": "compiled"}

Learn = Callable[[int], None]  # takes so many environment steps more, and learns


@dataclass(frozen=True)
class Task:
    """The same training for both sides."""

    id: str
    title: str
    settings: str
    warm_up: int  # environment steps before anything is measured, learning_starts among them
    num_steps: int  # environment steps of a round
    ours: Callable[[bool], Learn]  # with compile=True?
    theirs: Callable[[], Learn]


def main() -> None:
    """Measure and print; be a side if told to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--starts", type=int, default=5, help="of the processes")
    parser.add_argument("--rounds", type=int, default=3, help="after each start")
    parser.add_argument("--threads", type=int, default=1, help="of torch, for either side")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="of ours"
    )
    parser.add_argument(
        "--compile", action="store_true", help="ours with compile=True beside ours without"
    )
    parser.add_argument("--page", action="store_true", help="write the table to results.md")
    parser.add_argument("--side", choices=["ours", "theirs", "compiled"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        OURS["precision"] = options.precision
        be_side(TASKS[options.tasks[0]], options.side, options.threads)
        return
    sides = ("compiled", "ours") if options.compile else ("ours", "theirs")
    lines = [header(sides)]
    print(lines[0], flush=True)
    for name in options.tasks:
        rounds = measure(
            TASKS[name],
            sides,
            options.starts,
            options.rounds,
            ["--threads", str(options.threads), "--precision", options.precision],
        )
        lines.append(describe(TASKS[name], sides, rounds))
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n\n" + setup(options)
    print(text)
    if options.page:
        save(RESULTS, text, MARK)


class Side:
    """A process that trains when told to."""

    def __init__(self, task: Task, name: str, options: Sequence[str]) -> None:
        """Start it; it makes its agent and warms up."""
        command = [sys.executable, "-m", "benchmarks.training_speed", "--side", name]
        command += ["--tasks", task.id, *options]
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self._name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def train(self, num_steps: int) -> dict[str, float]:
        """Train for so many steps and return the environment steps per second."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{num_steps}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._name} ended with exit code {self._process.wait()}")
        rates: dict[str, float] = json.loads(answer)
        return rates

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(
    task: Task, names: Sequence[str], starts: int, rounds: int, options: Sequence[str]
) -> list[dict[str, dict[str, float]]]:
    """Return for each round and side the environment steps per second, by wall and CPU time.

    Args:
        task: What to train.
        names: Of the sides.
        starts: How often the processes of all sides are started.
        rounds: After each start.
        options: Of the command line, for every side.
    """
    measured = []
    for _ in range(starts):
        sides = {name: Side(task, name, options) for name in names}
        try:
            for side in sides.values():
                side.train(task.warm_up)
            for _ in range(rounds):
                measured.append({name: side.train(task.num_steps) for name, side in sides.items()})
        finally:
            for side in sides.values():
                side.close()
    return measured


def be_side(task: Task, name: str, threads: int) -> None:
    """Train as the lines of stdin say, and answer each with what was measured."""
    torch.set_num_threads(threads)
    learn = task.theirs() if name == "theirs" else task.ours(name == "compiled")
    for line in sys.stdin:
        num_steps = int(line)
        wall, cpu = time.perf_counter(), time.process_time()
        learn(num_steps)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": num_steps / wall, "cpu": num_steps / cpu}), flush=True)


def header(sides: Sequence[str]) -> str:
    """Return the head of the table."""
    first, second = (NAMES[side] for side in sides)
    return (
        f"| task | {first}, steps/s | {second}, steps/s | ratio | ratio of CPU time "
        "| 1.5 or more |\n|---|---:|---:|---:|---:|---|"
    )


def describe(
    task: Task, sides: Sequence[str], rounds: Sequence[dict[str, dict[str, float]]]
) -> str:
    """Return the task's line of the table."""
    rates = ([each[side]["wall"] for each in rounds] for side in sides)
    wall, cpu = (ratios(rounds, sides, clock) for clock in ("wall", "cpu"))
    cells = [
        f"{task.title}; {task.settings}",
        *(f"{statistics.median(each):,.0f}" for each in rates),
        spread(wall),
        spread(cpu),
        "yes" if min(statistics.median(wall), statistics.median(cpu)) >= TARGET else "no",
    ]
    return f"| {' | '.join(cells)} |"


def ratios(
    rounds: Sequence[dict[str, dict[str, float]]], sides: Sequence[str], clock: str
) -> list[float]:
    """Return how many times as fast as the second side the first one was, by round."""
    first, second = sides
    return [each[first][clock] / each[second][clock] for each in rounds]


def spread(values: Sequence[float]) -> str:
    """Return median and range of ratios."""
    return f"{statistics.median(values):.2f} [{min(values):.2f} to {max(values):.2f}]"


def setup(options: argparse.Namespace) -> str:
    """Return one paragraph on what was measured with what."""
    starts, rounds, threads = options.starts, options.rounds, options.threads
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"Median [lowest to highest] of {starts * rounds} rounds, {rounds} after each of {starts} "
        f"starts of both processes. {threads} torch thread"
        f"{'s' * (threads > 1)} a side, ours in {options.precision}. {datetime.date.today()}, "
        f"{describe_commit()}; "
        f"{cpu_name()}, {os.cpu_count()} cores; {platform.system()}; Python "
        f"{platform.python_version()}, {versions}."
    )


def _ours(compiled: bool, algorithm: str, env_id: str, num_envs: int = 1, **settings: Any) -> Learn:
    from mario_rl_agents.envs import make_vec_env
    from mario_rl_agents.recipes import ALGORITHMS

    agent_class = ALGORITHMS[algorithm]
    config = agent_class.config_class(**settings, **OURS, compile=compiled)
    envs = make_vec_env(env_id, num_envs, {})
    agent = agent_class.create(envs, config, seed=SEED, device="cpu")
    return agent.learn


def _theirs(algorithm: str, env_id: str, policy: str, num_envs: int = 1, **settings: Any) -> Learn:
    import stable_baselines3
    from stable_baselines3.common.env_util import make_vec_env

    import mario_rl_envs  # noqa: F401 (registers the ids)

    env = make_vec_env(env_id, n_envs=num_envs, seed=SEED)
    model = getattr(stable_baselines3, algorithm)(policy, env, seed=SEED, device="cpu", **settings)
    return functools.partial(model.learn, reset_num_timesteps=False, log_interval=1_000_000_000)


def _with_relu() -> dict[str, Any]:
    return {"activation_fn": torch.nn.ReLU}


def _noise() -> Any:
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise

    return NormalActionNoise(mean=np.zeros(1), sigma=np.full(1, 0.1))


_TASKS: Final = (
    Task(
        id="dqn-cartpole",
        title="DQN, CartPole-v1",
        settings="64-64, batch 32, a gradient step every 4 steps",
        warm_up=2_000,
        num_steps=2_000,
        ours=lambda compiled: _ours(
            compiled,
            "dqn",
            "CartPole-v1",
            hidden_sizes=(64, 64),
            learning_rate=1e-4,
            gamma=0.99,
            batch_size=32,
            update_period=4,
            replay_capacity=100_000,
            learning_starts=1_000,
            target_update_period=2_500,
            epsilon="linear(1, 0.05, 1000)",
            max_grad_norm=10.0,
            overlap=False,
        ),
        theirs=lambda: _theirs(
            "DQN",
            "CartPole-v1",
            "MlpPolicy",
            buffer_size=100_000,
            learning_starts=1_000,
            exploration_fraction=1e-9,
        ),
    ),
    Task(
        id="ppo-cartpole",
        title="PPO, CartPole-v1",
        settings="two networks of 64-64, 2,048 steps, 10 epochs of batches of 64",
        warm_up=2_048,
        num_steps=2_048,
        ours=lambda compiled: _ours(
            compiled,
            "ppo",
            "CartPole-v1",
            rollout_steps=2_048,
            num_epochs=10,
            batch_size=64,
            hidden_sizes=(64, 64),
            max_grad_norm=0.5,
            normalize_advantages="batch",
        ),
        theirs=lambda: _theirs("PPO", "CartPole-v1", "MlpPolicy", policy_kwargs=_with_relu()),
    ),
    Task(
        id="td3-pendulum",
        title="TD3, Pendulum-v1",
        settings="400-300, batch 256, a gradient step a step",
        warm_up=300,
        num_steps=150,
        ours=lambda compiled: _ours(
            compiled,
            "td3",
            "Pendulum-v1",
            batch_size=256,
            hidden_sizes=(400, 300),
            random_steps=100,
            learning_starts=100,
        ),
        theirs=lambda: _theirs("TD3", "Pendulum-v1", "MlpPolicy", action_noise=_noise()),
    ),
    Task(
        id="td3-pendulum-tutorial",
        title="TD3, Pendulum-v1",
        settings="the tutorial's batch of 100, 400-300",
        warm_up=300,
        num_steps=200,
        ours=lambda compiled: _ours(
            compiled,
            "td3",
            "Pendulum-v1",
            batch_size=100,
            hidden_sizes=(400, 300),
            random_steps=100,
            learning_starts=100,
        ),
        theirs=lambda: _theirs(
            "TD3", "Pendulum-v1", "MlpPolicy", batch_size=100, action_noise=_noise()
        ),
    ),
    Task(
        id="sac-pendulum",
        title="SAC, Pendulum-v1",
        settings="256-256, batch 256, learned temperature, a gradient step a step",
        warm_up=400,
        num_steps=150,
        ours=lambda compiled: _ours(
            compiled,
            "sac",
            "Pendulum-v1",
            value_network=False,
            temperature=None,
            reward_scale=1.0,
            batch_size=256,
            hidden_sizes=(256, 256),
            random_steps=100,
            learning_starts=256,
        ),
        theirs=lambda: _theirs("SAC", "Pendulum-v1", "MlpPolicy", learning_starts=256),
    ),
    Task(
        id="dqn-mario",
        title=f"DQN, {MARIO}",
        settings="Nature CNN, batch 32, a gradient step every 4 steps",
        warm_up=600,
        num_steps=80,
        ours=lambda compiled: _ours(
            compiled,
            "dqn",
            MARIO,
            learning_rate=1e-4,
            gamma=0.99,
            batch_size=32,
            update_period=4,
            replay_capacity=10_000,
            learning_starts=500,
            target_update_period=250,
            epsilon="linear(1, 0.05, 500)",
            max_grad_norm=10.0,
            overlap=False,
        ),
        theirs=lambda: _theirs(
            "DQN",
            MARIO,
            "CnnPolicy",
            buffer_size=10_000,
            learning_starts=500,
            target_update_interval=1_000,
            exploration_fraction=1e-9,
        ),
    ),
    Task(
        id="ppo-mario",
        title=f"PPO, {MARIO}",
        settings="Nature CNN, 8 games, 128 steps of each, 4 epochs of batches of 256",
        warm_up=1_024,
        num_steps=1_024,
        ours=lambda compiled: _ours(
            compiled,
            "ppo",
            MARIO,
            num_envs=8,
            rollout_steps=128,
            num_epochs=4,
            batch_size=256,
            learning_rate=2.5e-4,
            clip_range=0.1,
            entropy_coefficient=0.01,
            max_grad_norm=0.5,
            normalize_advantages="batch",
        ),
        theirs=lambda: _theirs(
            "PPO",
            MARIO,
            "CnnPolicy",
            num_envs=8,
            n_steps=128,
            n_epochs=4,
            batch_size=256,
            learning_rate=2.5e-4,
            clip_range=0.1,
            ent_coef=0.01,
        ),
    ),
)
TASKS: Final = {task.id: task for task in _TASKS}


if __name__ == "__main__":
    main()
