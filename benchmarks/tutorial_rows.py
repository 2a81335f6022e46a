"""The rows of the tutorials: what is trained, for how long, and what counts as success.

`tutorials.py` runs them, `tutorial_results.py` keeps what came of them, and `tutorial_report.py`
writes it. docs/tutorials.md says what each row is.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mario_rl_agents.experiments import Job, JobResult, PeriodicEvaluation

from benchmarks.throughput import ROOT

LADDER: Final = "ladder"  # a measure, of examples/why_naive_q_fails.py with all its rungs
MAX_NAIVE_SCORE: Final = 60.0  # points, of the ladder's first rung


@dataclass(frozen=True)
class Measure:
    """How a result is rated."""

    title: str  # in the table
    value: Callable[[JobResult], float | None]  # None where there were too few episodes


MEASURES: Final[Mapping[str, Measure]] = {
    "test": Measure("100 test games of the final agent", lambda r: r.final.return_mean),
    "kept": Measure("100 test games of the kept agent", lambda r: r.kept.return_mean),
    "last_50": Measure("last 50 training games", lambda r: r.training.last_50),
    "last_100": Measure("last 100 training games", lambda r: r.training.last_100),
    "best_100": Measure(
        "best running average of 100 training games", lambda r: r.training.best_100
    ),
    "all": Measure("all games", lambda r: r.training.mean),
    LADDER: Measure(
        "100 test games of the last rung; the first must stay under 60",
        lambda r: r.final.return_mean,
    ),
    "cleared": Measure(
        "share of the 100 test games that reach the flag", lambda r: r.kept.clear_rate
    ),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: an algorithm, an environment, a recipe, a budget and a target."""

    id: str
    title: str
    author: str  # what the author of the tutorial shows
    algorithm: str
    env_id: str
    recipe: str
    measure: str  # how its author measures it, a key of MEASURES
    target: float  # in points, by that measure
    games: int | None = None  # the budget: so many training episodes ...
    steps: int | None = None  # ... or so many environment steps
    max_game_steps: int = 1000  # environment steps, what a game is cut at; with `games`
    stop_at: float | None = None  # points in a greedy test that end training early
    stop_period: int = 20_000  # environment steps between two of these tests
    reload: bool = False  # test again after the agent was saved, deleted and loaded
    num_processes: int = 1  # that a job of this row keeps busy

    def __post_init__(self) -> None:
        """Check that there is one budget and a known measure."""
        if (self.games is None) == (self.steps is None):
            raise ValueError(f"{self.id} needs a budget in games or in steps, and not in both")
        if self.measure not in MEASURES:
            raise ValueError(f"{self.id}: {self.measure!r} is not one of {list(MEASURES)}")

    @property
    def total_steps(self) -> int:
        """Environment steps that training cannot exceed."""
        if self.steps is not None:
            return self.steps
        assert self.games is not None
        return self.games * self.max_game_steps

    @property
    def budget(self) -> str:
        """The budget as the table says it."""
        if self.steps is None:
            return f"{self.games:,} games"
        return f"{'at most ' * (self.stop_at is not None)}{self.steps:,} steps"

    def jobs(self, seed: int) -> list[Job]:
        """Return what is run with a seed: one job, or one for each rung of the ladder."""
        job = Job.from_recipe(
            self.algorithm,
            self.env_id,
            self.recipe,
            total_steps=self.total_steps,
            seed=seed,
            max_episodes=self.games,
            evaluation=None
            if self.stop_at is None
            else PeriodicEvaluation(self.stop_period, stop_at=self.stop_at),
            check_reload=self.reload,
            num_cores=self.num_processes,
            name=f"{self.id}-seed{seed}",
        )
        return ladder_jobs(job) if self.measure == LADDER else [job]


@functools.cache
def load_ladder() -> Any:
    """Return the module of the example."""
    path = ROOT / "examples" / "why_naive_q_fails.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ladder_jobs(job: Job) -> list[Job]:
    """Return a job for each rung of the ladder, in order; they share the steps of `job`."""
    example = load_ladder()
    num_steps = job.spec.total_steps // len(example.RUNGS)
    evaluation = PeriodicEvaluation(max(num_steps // example.NUM_TESTS, 1), num_episodes=10)
    jobs = []
    for rung in example.RUNGS:
        config = dataclasses.asdict(example.make_config(rung, num_steps, example.CONFIG))
        spec = dataclasses.replace(job.spec, config=config, total_steps=num_steps)
        jobs.append(
            dataclasses.replace(job, spec=spec, evaluation=evaluation, name=f"{job.name}-{rung}")
        )
    return jobs


ROWS: Final[tuple[Row, ...]] = (
    Row(
        id="T1",
        title="random play",
        author="about 20",
        algorithm="random",
        env_id="CartPole-v0",
        recipe="default",
        measure="all",
        target=20.0,
        games=100,
        max_game_steps=200,
    ),
    Row(
        id="T2",
        title="DQN with Boltzmann exploration, the tutorial's settings",
        author="200 of 200 in 100 test games, and again after reloading",
        algorithm="dqn",
        env_id="CartPole-v0",
        recipe="tutorial",
        measure="test",
        target=195.0,
        steps=50_000,
        reload=True,
    ),
    Row(
        id="T2-CartPole-v1",
        title="DQN, our recipe",
        author="",
        algorithm="dqn",
        env_id="CartPole-v1",
        recipe="default",
        measure="test",
        target=475.0,
        steps=50_000,
        reload=True,
    ),
    Row(
        id="T3",
        title="naive Q-learning and its ladder to Double DQN",
        author="does not learn, and why is the lesson",
        algorithm="naive_q",
        env_id="CartPole-v0",
        recipe="tutorial",
        measure=LADDER,
        target=195.0,
        steps=7 * 25_000,
    ),
    Row(
        id="T4",
        title="DQN from pixels, the tutorial's settings",
        author="the flag after 50,000 games, two days on an RTX 3080",
        algorithm="dqn",
        env_id="MarioRL-1-1-v0",
        recipe="tutorial",
        measure="cleared",
        target=0.01,
        steps=10_000_000,
    ),
    Row(
        id="T4-DoubleDQN",
        title="Double DQN from pixels, the tutorial's settings",
        author="as above: the tutorial's text names Double DQN",
        algorithm="double_dqn",
        env_id="MarioRL-1-1-v0",
        recipe="tutorial",
        measure="cleared",
        target=0.01,
        steps=10_000_000,
    ),
    Row(
        id="T5",
        title="one-step actor-critic, the tutorial's settings",
        author="160 to 170 at the end of 1,800 games, rising",
        algorithm="actor_critic",
        env_id="CartPole-v0",
        recipe="tutorial",
        measure="last_100",
        target=140.0,
        games=1_800,
        max_game_steps=200,
    ),
    Row(
        id="T5-CartPole-v1",
        title="actor-critic, our recipe",
        author="",
        algorithm="actor_critic",
        env_id="CartPole-v1",
        recipe="default",
        measure="test",
        target=475.0,
        steps=800_000,
    ),
    Row(
        id="T6",
        title="DDPG, the tutorial's settings",
        author="a clear upward trend in 250 games",
        algorithm="ddpg",
        env_id="Pendulum-v1",
        recipe="tutorial",
        measure="last_100",
        target=-200.0,
        games=250,
        max_game_steps=200,
    ),
    Row(
        id="T7",
        title="TD3, the tutorial's settings",
        author="285 to 290 after 1,000 games",
        algorithm="td3",
        env_id="BipedalWalker-v3",
        recipe="tutorial",
        measure="last_100",
        target=285.0,
        games=1_000,
        max_game_steps=1_600,
    ),
    Row(
        id="T7-recipe",
        title="TD3, our recipe",
        author="",
        algorithm="td3",
        env_id="BipedalWalker-v3",
        recipe="default",
        measure="test",
        target=290.0,
        steps=1_000_000,
        stop_at=300.0,
    ),
    Row(
        id="T8",
        title="PPO, the tutorial's settings",
        author="200 of 200 in the last 50 of 300 games",
        algorithm="ppo",
        env_id="CartPole-v0",
        recipe="tutorial",
        measure="last_50",
        target=200.0,
        games=300,
        max_game_steps=200,
    ),
    Row(
        id="T8-recipe",
        title="PPO, our recipe: a learning rate that falls",
        author="as above",
        algorithm="ppo",
        env_id="CartPole-v0",
        recipe="default",
        measure="last_50",
        target=200.0,
        games=300,
        max_game_steps=200,
    ),
    Row(
        id="T8-CartPole-v1",
        title="PPO, our recipe",
        author="",
        algorithm="ppo",
        env_id="CartPole-v1",
        recipe="default",
        measure="test",
        target=475.0,
        steps=100_000,
    ),
    Row(
        id="T9",
        title="SAC with a value network, our recipe: smaller networks",
        author="1,000 of 1,000 in nearly every game by game 250",
        algorithm="sac",
        env_id="InvertedPendulumBulletEnv-v0",
        recipe="default",
        measure="last_50",
        target=990.0,
        games=250,
        max_game_steps=1_000,
    ),
    Row(
        id="T9-tutorial",
        title="SAC with a value network, the tutorial's settings",
        author="as above",
        algorithm="sac",
        env_id="InvertedPendulumBulletEnv-v0",
        recipe="tutorial",
        measure="last_50",
        target=990.0,
        games=250,
        max_game_steps=1_000,
    ),
    Row(
        id="T10",
        title="A3C, our recipe",
        author="200 of 200 within 3,000 to 5,000 games, with much spread",
        algorithm="a3c",
        env_id="CartPole-v0",
        recipe="default",
        measure="last_100",
        target=195.0,
        games=1_500,
        max_game_steps=200,
        num_processes=2,
    ),
    Row(
        id="T10-tutorial",
        title="A3C, the tutorial's settings",
        author="as above",
        algorithm="a3c",
        env_id="CartPole-v0",
        recipe="tutorial",
        measure="last_100",
        target=195.0,
        games=5_000,
        max_game_steps=200,
        num_processes=2,
    ),
    Row(
        id="LunarLander-PPO",
        title="PPO, our recipe",
        author="",
        algorithm="ppo",
        env_id="LunarLander-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=1_000_000,
        stop_at=240.0,
    ),
    Row(
        id="LunarLander-ActorCritic",
        title="Actor-critic, our recipe",
        author="",
        algorithm="actor_critic",
        env_id="LunarLander-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=4_000_000,
        stop_at=240.0,
        stop_period=100_000,
    ),
    Row(
        id="LunarLander-A3C",
        title="A3C, our recipe",
        author="",
        algorithm="a3c",
        env_id="LunarLander-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=3_000_000,
        num_processes=2,
        stop_at=225.0,
        stop_period=100_000,
    ),
    Row(
        id="LunarLander-DoubleDQN",
        title="Double DQN, our recipe",
        author="",
        algorithm="double_dqn",
        env_id="LunarLander-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=400_000,
        stop_at=240.0,
    ),
    Row(
        id="LunarLander-TD3",
        title="TD3, our recipe",
        author="",
        algorithm="td3",
        env_id="LunarLanderContinuous-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=400_000,
        stop_at=225.0,
    ),
    Row(
        id="LunarLander-SAC",
        title="SAC, our recipe",
        author="",
        algorithm="sac",
        env_id="LunarLanderContinuous-v3",
        recipe="default",
        measure="test",
        target=200.0,
        steps=400_000,
        stop_at=225.0,
    ),
)

_TUTORIAL = re.compile(r"T(\d+)")


def find_rows(names: Sequence[str], rows: Sequence[Row] = ROWS) -> list[Row]:
    """Return the rows that a user names, in the order of the table.

    Args:
        names: ids (`T2`), patterns (`T2*`, `LunarLander-*`), or ranges (`T1..T10`, which takes in
            what belongs to these tutorials, such as `T2-CartPole-v1`); none means all rows.
        rows: the table.

    Raises:
        ValueError: a name that fits no row.
    """
    if not names:
        return list(rows)
    chosen: set[str] = set()
    for name in names:
        ids = _ids(name, rows)
        if not ids:
            known = ", ".join(row.id for row in rows)
            raise ValueError(f"no row is called {name!r}: known are {known}, or T1..T10")
        chosen |= ids
    return [row for row in rows if row.id in chosen]


def _ids(name: str, rows: Sequence[Row]) -> set[str]:
    first, dots, last = name.partition("..")
    ends = [_TUTORIAL.fullmatch(end) for end in (first, last)]
    if dots and all(ends):
        low, high = (int(end[1]) for end in ends if end)
        numbers = {row.id: _TUTORIAL.match(row.id) for row in rows}
        return {id for id, found in numbers.items() if found and low <= int(found[1]) <= high}
    return {row.id for row in rows if fnmatch.fnmatchcase(row.id, name)}
