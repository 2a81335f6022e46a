"""One row of the tutorials with one seed: trained, tested and measured, in its own process.

    python -m benchmarks.tutorial_jobs T2 0 runs/tutorials [--minutes 10]

Exit codes: 0 the result is there, `UNFINISHED` time was over or a signal came, `BUSY` another
process is at it, anything else is a failure. Started again, a job goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import fcntl
import functools
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.checkpoint import make_config
from mario_rl_agents.cli.opening import load_agent, new_run, open_env
from mario_rl_agents.recipes import ALGORITHMS, find_recipe
from mario_rl_agents.runs.evaluation import Evaluation, evaluate
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, read_episodes, running_average
from mario_rl_agents.runs.training import Outcome, Run, train, versions, write_json
from rich.console import Console

from benchmarks.throughput import ROOT, cpu_name, describe_commit
from benchmarks.tutorial_rows import LADDER, MEASURES, ROWS, Row

UNFINISHED: Final = 3  # exit codes
BUSY: Final = 75
NUM_TEST_GAMES: Final = 100
NUM_STOP_GAMES: Final = 20  # of the tests that can end training early
TEST_SEED: Final = 1_000_000  # far from the seeds of training; 100 apart are those of a stop's test
STOP_SEED: Final = 2_000_000
MAX_NAIVE_SCORE: Final = 60.0  # points, of the ladder's first rung
PROGRESS_PERIOD: Final = 2.0  # seconds between two notes of how far it is


class JobError(Exception):
    """A job that cannot be run; the message says why and what to do."""


def job_folder(out: Path, row: Row, seed: int) -> Path:
    """Return where a row with a seed is trained."""
    return out / f"{row.id}-seed{seed}"


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds; None without it."""
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_result(out: Path, row: Row, seed: int) -> dict[str, Any] | None:
    """Return what a finished job found, measured as the row is now; None if it is not finished."""
    result = read_json(job_folder(out, row, seed) / "result.json")
    if result is not None and row.algorithm != LADDER:
        value = result["measures"][row.measure]
        result |= {"value": value, "reached": reached(row, value)}
    return result


def reached(row: Row, value: float | None) -> bool:
    """Return whether a value is as good as the row wants it."""
    return value is not None and value >= row.target


def read_progress(folder: Path) -> dict[str, Any]:
    """Return how far a job is: seconds and commits of all its processes, steps, games."""
    nothing = {"seconds": 0.0, "commits": [], "steps": 0, "games": 0}
    return read_json(folder / "progress.json") or nothing


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a job's lock; whether it was free. The system lets go of it when a process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def run_job(
    row: Row,
    seed: int,
    out: Path,
    *,
    minutes: float | None = None,
    checkpoint_seconds: float = 60.0,
) -> bool:
    """Train, test and measure, from wherever the last process stopped; whether it is finished.

    Args:
        row: what to train.
        seed: of the agent.
        out: where the jobs' folders are.
        minutes: after which training stops; None is no limit.
        checkpoint_seconds: time between checkpoints: what a kill can cost.

    Raises:
        JobError: the folder holds a run of another recipe.
    """
    folder = job_folder(out, row, seed)
    run, agent = open_job(row, seed, folder)
    watch = Stopwatch(folder)
    games = GameLimit(row.games)
    stop = StopTest(row, run)
    if agent.num_steps < row.total_steps and not games.reached(agent) and not stop.passed(agent):
        console = Console(file=sys.stderr, width=120)
        outcome = train(
            agent,
            run,
            console=console,
            minutes=minutes,
            checkpoint_seconds=checkpoint_seconds,
            callbacks=[watch, games, stop],
        )
        if outcome is not Outcome.FINISHED or watch.orphaned:
            if outcome is Outcome.OUT_OF_TIME:
                write_json(folder / "so_far.json", measure(row, seed, run, agent, stop))
            return False
    write_json(folder / "result.json", measure(row, seed, run, agent, stop))
    return True


def run_ladder(row: Row, seed: int, out: Path, *, minutes: float | None = None) -> bool:
    """Train the rungs of examples/why_naive_q_fails.py that are missing; whether all are there.

    Args:
        row: the ladder's.
        seed: of every rung.
        out: where the jobs' folders are.
        minutes: after which no further rung is begun; None is no limit.
    """
    start, parent = time.monotonic(), os.getppid()
    folder = job_folder(out, row, seed)
    folder.mkdir(parents=True, exist_ok=True)
    example = load_ladder()
    for rung in example.RUNGS:
        path = folder / f"{rung}.json"
        before = read_progress(folder)
        if path.is_file():
            continue
        if minutes is not None and time.monotonic() - start >= 60 * minutes:
            return False
        if os.getppid() != parent:
            return False
        begun = time.monotonic()
        num_steps = row.total_steps // len(example.RUNGS)
        write_json(path, example.train(rung, seed, num_steps, example.CONFIG))
        progress = {
            "seconds": before["seconds"] + time.monotonic() - begun,
            "commits": list(dict.fromkeys([*before["commits"], describe_commit()])),
            "steps": before["steps"] + num_steps,
            "games": 0,
        }
        write_json(folder / "progress.json", progress)
    scores = {rung: read_rung(folder, rung)["final_score"] for rung in example.RUNGS}
    first, *_, last = scores.values()
    progress = read_progress(folder)
    result = {
        "value": last,
        "reached": first < MAX_NAIVE_SCORE and last >= row.target,
        "measures": {name: last if name == "test" else None for name in MEASURES},
        "rungs": scores,
        "reloaded": None,
        "stopped_early": False,
        "steps": progress["steps"],
        "games": None,
        **origin(row, seed, progress),
    }
    write_json(folder / "result.json", result)
    return True


def load_ladder() -> Any:
    """Return the module of the example."""
    path = ROOT / "examples" / "why_naive_q_fails.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_rung(folder: Path, rung: str) -> dict[str, Any]:
    """Return how a rung of the ladder went."""
    found = read_json(folder / f"{rung}.json")
    assert found is not None
    return found


def open_job(row: Row, seed: int, folder: Path) -> tuple[Run, Agent]:
    """Return the job's run and its agent, as the last checkpoint has them or new."""
    recipe = find_recipe(row.algorithm, row.env_id, row.recipe)
    if (folder / "checkpoint.safetensors").is_file():
        run = Run.open(folder)
        config = make_config(type(recipe.config), run.spec.config, folder)
        saved = (run.spec.env_id, dict(run.spec.env_kwargs), run.spec.seed, config)
        if saved != (row.env_id, dict(recipe.env_kwargs), seed, recipe.config):
            raise JobError(
                f"{folder} was begun with another recipe than {row.id} has now: --fresh begins "
                "anew, another --out leaves it alone"
            )
        if run.spec.total_steps != row.total_steps:
            run = run.extended_to(row.total_steps)
        env = open_env(run.spec.env_id, dict(run.spec.env_kwargs))
        return run, load_agent(run.checkpoint, row.algorithm, env, "cpu")
    return new_run(
        row.algorithm,
        row.env_id,
        recipe=row.recipe,
        changes={},
        env_kwargs={},
        steps=row.total_steps,
        seed=seed,
        device="cpu",
        folder=folder,
        overwrite=True,
        command=sys.argv,
    )


class Stopwatch(Callback):
    """Notes how far training is, over all processes of a job, and ends it when left alone."""

    def __init__(self, folder: Path) -> None:
        """Go on from what the last process noted."""
        self._path = folder / "progress.json"
        before = read_progress(folder)
        self._before = float(before["seconds"])
        self._commits = list(dict.fromkeys([*before["commits"], describe_commit()]))
        self._parent = os.getppid()
        self.orphaned = False  # whether who started this process is gone

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock."""
        self._start = self._noted = time.monotonic()
        self._note(agent, self._start)

    def on_step(self, agent: Agent) -> bool | None:
        """Note now and then."""
        now = time.monotonic()
        if now - self._noted >= PROGRESS_PERIOD:
            self._noted = now
            self._note(agent, now)
            self.orphaned = os.getppid() != self._parent
            if self.orphaned:
                return False
        return None

    def on_training_end(self, agent: Agent) -> None:
        """Note the end."""
        self._note(agent, time.monotonic())

    def _note(self, agent: Agent, now: float) -> None:
        seconds = self._before + now - self._start
        progress = {"seconds": seconds, "commits": self._commits}
        progress |= {"steps": agent.num_steps, "games": agent.num_episodes}
        write_json(self._path, progress)


class GameLimit(Callback):
    """Ends training after so many games."""

    def __init__(self, games: int | None) -> None:
        """Take the number; None is no limit."""
        self._games = games

    def reached(self, agent: Agent) -> bool:
        """Return whether all are played."""
        return self._games is not None and agent.num_episodes >= self._games

    def on_step(self, agent: Agent) -> bool | None:
        """End it."""
        return False if self.reached(agent) else None


class StopTest(Callback):
    """Plays greedy games now and then, and ends training once they are good enough.

    What was played is in `stop_tests.json`, those after the checkpoint left out on resumption.
    """

    def __init__(self, row: Row, run: Run) -> None:
        """Read what was played before."""
        self._row, self._run = row, run
        self._path = run.folder / "stop_tests.json"
        self.tests: list[dict[str, float]] = (read_json(self._path) or {"tests": []})["tests"]

    def passed(self, agent: Agent) -> bool:
        """Return whether the agent passed, as far as it is trained."""
        self.tests = [test for test in self.tests if test["step"] <= agent.num_steps]
        wanted = self._row.stop_at
        return wanted is not None and any(test["mean"] >= wanted for test in self.tests)

    def on_training_start(self, agent: Agent) -> None:
        """Open an environment that training does not use."""
        self._next = self._after(agent.num_steps)
        if self._row.stop_at is not None:
            self._env = open_env(self._run.spec.env_id, dict(self._run.spec.env_kwargs))

    def on_step(self, agent: Agent) -> bool | None:
        """Test when it is time."""
        if self._row.stop_at is None or agent.num_steps < self._next:
            return None
        self._next = self._after(agent.num_steps)
        seed = STOP_SEED + self._run.spec.seed * NUM_STOP_GAMES
        found = evaluate(agent, self._env, num_episodes=NUM_STOP_GAMES, seed=seed)
        self.tests.append({"step": agent.num_steps, "mean": found.return_mean})
        write_json(self._path, {"tests": self.tests})
        return False if found.return_mean >= self._row.stop_at else None

    def _after(self, step: int) -> int:
        return (step // self._row.stop_period + 1) * self._row.stop_period


def measure(row: Row, seed: int, run: Run, agent: Agent, stop: StopTest) -> dict[str, Any]:
    """Return everything that is known of a job whose training ended."""
    progress = read_progress(run.folder)
    final = test(run, agent)
    reloaded = None
    if row.reload:
        # Saved and forgotten, then read back: the checkpoint alone must play as the agent did.
        num_steps, num_updates = agent.num_steps, agent.num_updates
        num_episodes = agent.num_episodes
        weights = run.folder / "weights.safetensors"
        agent.save(weights)
        del agent
        agent = load_agent(weights, row.algorithm, open_env(row.env_id, run.spec.env_kwargs), "cpu")
        assert (agent.num_steps, agent.num_updates) == (num_steps, num_updates)
        assert agent.num_episodes == num_episodes
        reloaded = test(run, agent).return_mean
    kept = final
    if run.best.is_file():
        env = open_env(row.env_id, dict(run.spec.env_kwargs))
        kept = test(run, load_agent(run.best, row.algorithm, env, "cpu"))
    returns = [episode.episodic_return for episode in read_episodes(run.folder)][: row.games]
    measures = {
        "test": final.return_mean,
        "kept": kept.return_mean,
        **training_measures(returns),
        "cleared": kept.clear_rate,
        "ladder": None,
    }
    value = measures[row.measure]
    return {
        "value": value,
        "reached": reached(row, value),
        "measures": measures,
        "test_std": final.return_std,
        "kept_std": kept.return_std,
        "reloaded": reloaded,
        "stopped_early": stop.passed(agent),
        "steps": agent.num_steps,
        "games": agent.num_episodes,
        "updates": agent.num_updates,
        "config": dataclasses.asdict(agent.config),
        **origin(row, seed, progress),
    }


def origin(row: Row, seed: int, progress: dict[str, Any]) -> dict[str, Any]:
    """Return what a result comes from."""
    return {
        "row": row.id,
        "seed": seed,
        "measure": row.measure,
        "target": row.target,
        "minutes": progress["seconds"] / 60,
        "commits": progress["commits"],
        "versions": versions(),
        "hardware": f"{cpu_name()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def test(run: Run, agent: Agent) -> Evaluation:
    """Play the test games: greedy, or as random as the recipe says where they would be equal."""
    with contextlib.closing(open_env(run.spec.env_id, dict(run.spec.env_kwargs))) as env:
        epsilon = run.spec.evaluation_epsilon
        return evaluate(agent, env, num_episodes=NUM_TEST_GAMES, epsilon=epsilon, seed=TEST_SEED)


def training_measures(returns: list[float]) -> dict[str, float | None]:
    """Return what the training games themselves say; None where there are too few of them."""
    averages = running_average(returns)[RUNNING_EPISODES - 1 :]
    return {
        "last_50": float(np.mean(returns[-50:])) if len(returns) >= 50 else None,
        "last_100": float(np.mean(returns[-100:])) if len(returns) >= 100 else None,
        "best_100": float(averages.max()) if len(averages) else None,
        "all": float(np.mean(returns)) if returns else None,
    }


def main() -> None:
    """Run the job that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", choices=[row.id for row in ROWS])
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--fresh", action="store_true")
    arguments = parser.parse_args()
    row = next(row for row in ROWS if row.id == arguments.row)
    torch.set_num_threads(1)
    if row.algorithm not in (*ALGORITHMS, LADDER):
        sys.exit(f"there is no algorithm {row.algorithm!r} yet")
    with locked(job_folder(arguments.out, row, arguments.seed)) as free:
        if not free:
            sys.exit(BUSY)
        if arguments.fresh:
            shutil.rmtree(job_folder(arguments.out, row, arguments.seed), ignore_errors=True)
        if row.algorithm == LADDER:
            run = run_ladder
        else:
            run = functools.partial(run_job, checkpoint_seconds=arguments.checkpoint_seconds)
        finished = run(row, arguments.seed, arguments.out, minutes=arguments.minutes)
    sys.exit(0 if finished else UNFINISHED)


if __name__ == "__main__":
    main()
