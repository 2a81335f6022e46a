"""`mario-rl demonstrate`: a teacher plays, for agents that begin by imitating it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mario_rl_agents.cli.completion import complete_env_id, complete_keyword
from mario_rl_agents.cli.options import Trust, read_pairs
from mario_rl_agents.cli.terminal import (
    UsageError,
    ask_to_trust,
    make_console,
    one_line_errors,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.demonstrations.games import Demonstrations
    from mario_rl_agents.teachers import AgentTeacher, PlannerTeacher

_NUM_ENVS = 16
_SUFFIX = ".safetensors"
_TAUGHT = 12_000  # decisions that a learner is shown before it practices


def demonstrate(
    env_id: Annotated[
        str,
        typer.Argument(
            metavar="ENV_ID",
            autocompletion=complete_env_id,
            help="The environment: MarioRL-1-4-v0; with --agent any whose actions are discrete.",
        ),
    ],
    decisions: Annotated[
        int, typer.Option(min=1, help="How many decisions to record, at least.")
    ] = 10_000,
    noise: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="The probability that the action before is taken once more, whatever the teacher "
            "does: it then shows how to go on.",
        ),
    ] = 0.25,
    agent: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="The teacher: a checkpoint, a run's folder or a policy of the package. "
            "[default: a planner, which tries plans on the game itself]",
            show_default=False,
        ),
    ] = None,
    learner: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Let this agent play half of the time; recorded is what the teacher would do "
            "(DAgger).",
            show_default=False,
        ),
    ] = None,
    practice: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="ROUNDS",
            help="Let a learner practice for so many rounds, corrected by the planner where it "
            "fails, and record how it plays then (Mario).",
        ),
    ] = 0,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            autocompletion=complete_keyword,
            help="A keyword of gym.make beside those of the recipe pixels, on Mario.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the games, the noise and the plans.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where they are written. [default: in demonstrations/, by the id]",
            show_default=False,
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Record demonstrations for an agent to begin with, as PPO does.

    On Mario a planner plays, which is not learned: it tries what to press on the game itself, three
    seconds ahead. The keywords of gym.make are those that the recipe pixels trains with.

    mario-rl demonstrate MarioRL-1-4-v0 --out 1-4.safetensors

    mario-rl train ppo MarioRL-1-4-v0 --recipe imitation --imitate 1-4.safetensors

    mario-rl demonstrate MarioRL-1-4-v0 --practice 30 --decisions 30000
    """
    with one_line_errors():
        from mario_rl_agents.demonstrations.recording import record
        from mario_rl_agents.files import check_writable
        from mario_rl_agents.recipes import is_mario
        from mario_rl_agents.recipes.recipe import FROM_PIXELS

        if practice and (agent or learner):
            raise UsageError(
                "--practice: the planner corrects a learner of its own, leave --agent and "
                "--learner out"
            )
        path = out or Path("demonstrations", env_id.rpartition(":")[2] + _SUFFIX)
        path = path.expanduser()
        if path.exists():
            raise UsageError(f"{path} exists: give another --out, or delete it")
        check_writable(path)
        with usage_errors():
            kwargs: dict[str, Any] = dict(FROM_PIXELS) if is_mario(env_id) else {}
            kwargs |= {"sticky": 0.0} if is_mario(env_id) else {}  # the noise is in its place
            kwargs |= read_pairs("--env", env)
            console = make_console()
            taught = _TAUGHT if practice else decisions
            with (
                _teacher(agent, kwargs, seed, trust=trust) as teacher,
                _learner(learner, trust=trust) as student,
                console.status("playing") as status,
            ):
                games = record(
                    teacher,
                    env_id,
                    kwargs,
                    num_decisions=taught,
                    noise=noise,
                    learner=student,
                    seed=seed,
                    num_envs=_NUM_ENVS,
                    tell=lambda count: status.update(f"{count:,} of {taught:,} decisions"),
                )
            if practice:
                games = _practice(games, practice, decisions, seed, console)
        games.save(path)
        console.print(f"{games.summary}: {path}", soft_wrap=True)


def _practice(
    games: Demonstrations, num_rounds: int, num_decisions: int, seed: int, console: Console
) -> Demonstrations:
    """Let a learner practice after demonstrations; return what it shows then."""
    from mario_rl_agents.algorithms.ppo import PPO
    from mario_rl_agents.envs import make_vec_env
    from mario_rl_agents.practice import Practice
    from mario_rl_agents.recipes.ppo import RECIPES
    from mario_rl_agents.recipes.recipe import MARIO

    # Its networks are what matters; they were measured without normalized layers.
    pixels = RECIPES[MARIO, "pixels"].config
    config = dataclasses.replace(pixels, layer_norm=False, ema_decay=0.0)
    with contextlib.closing(make_vec_env(games.env_id, _NUM_ENVS, games.env_kwargs)) as envs:
        learner = PPO.create(envs, config, seed=seed)
        with Practice(learner, games.env_id, games.env_kwargs, seed=seed) as practice:
            practice.learn_from(games)
            practice.learn(num_rounds, console.print)
            return practice.record(num_decisions)


@contextlib.contextmanager
def _teacher(
    agent: Path | None, env_kwargs: dict[str, Any], seed: int, *, trust: bool
) -> Iterator[PlannerTeacher | AgentTeacher]:
    """Give the teacher, and free what it has."""
    if agent is None:
        from mario_rl_agents.teachers import PlannerTeacher

        with contextlib.closing(PlannerTeacher(env_kwargs, seed=seed)) as planner:
            yield planner
    else:
        with _agent(agent, greedy=None, trust=trust) as teacher:
            yield teacher


@contextlib.contextmanager
def _learner(agent: Path | None, *, trust: bool) -> Iterator[AgentTeacher | None]:
    """Give the learner, if there is one: it plays as it does in training."""
    if agent is None:
        yield None
    else:
        with _agent(agent, greedy=False, trust=trust) as learner:
            yield learner


@contextlib.contextmanager
def _agent(path: Path, *, greedy: bool | None, trust: bool) -> Iterator[AgentTeacher]:
    """Give an agent as a teacher, and free its environment; None: it plays as it scored best."""
    from mario_rl_agents.cli.checkpoints import find
    from mario_rl_agents.cli.policy import best_policy
    from mario_rl_agents.runs.loading import load_agent
    from mario_rl_agents.teachers import AgentTeacher

    checkpoint = find(path).checkpoint
    loaded = ask_to_trust(lambda trust: load_agent(checkpoint, trust=trust), trust=trust)
    with contextlib.closing(loaded.env):
        if greedy is None:
            greedy = not best_policy(checkpoint, loaded).sample
        yield AgentTeacher(loaded, greedy=greedy)
