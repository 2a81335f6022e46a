"""Opens what a user of `mario-rl` names: a new run, a run to go on with, a checkpoint.

A name that leads nowhere is a `UsageError` that says what there is.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from mario_rl_agents.agent import Agent
from mario_rl_agents.checkpoint import CheckpointHeader, read_header
from mario_rl_agents.cli.terminal import Failure, UsageError
from mario_rl_agents.config import did_you_mean, parse_pairs, replaced
from mario_rl_agents.recipes import ALGORITHMS, find_recipe, make_env
from mario_rl_agents.runs.training import Run, RunError, RunSpec


def new_run(
    algorithm: str,
    env_id: str,
    *,
    recipe: str,
    changes: dict[str, Any],
    env_kwargs: dict[str, Any],
    steps: int | None,
    seed: int,
    device: str,
    folder: Path | None,
    overwrite: bool,
    command: list[str],
) -> tuple[Run, Agent]:
    """Return a new run and its agent; nothing is written before everything is known to fit.

    Args:
        algorithm: a key of `ALGORITHMS`.
        env_id: any Gymnasium id.
        recipe: the name of the configuration to start from.
        changes: fields of that configuration and their new values.
        env_kwargs: keywords of gym.make beside the recipe's.
        steps: environment steps in all; None takes the recipe's.
        seed: of the agent.
        device: a torch device or "auto".
        folder: where; None finds a free one in runs/.
        overwrite: replace a run that is already there.
        command: the command line, for the record.

    Raises:
        UsageError: one of them is not there, or they do not go together.
        RunError: the folder holds something already.
    """
    check_known(algorithm)
    try:
        chosen = find_recipe(algorithm, env_id, recipe)
    except ValueError as error:
        raise UsageError(str(error)) from error
    config = _changed(chosen.config, changes)
    kwargs = {**chosen.env_kwargs, **env_kwargs}
    env = open_env(env_id, kwargs)
    spec = RunSpec(
        algorithm=algorithm,
        env_id=env_id,
        env_kwargs=kwargs,
        config=dataclasses.asdict(config),
        seed=seed,
        total_steps=steps or chosen.total_steps,
        evaluation_epsilon=chosen.evaluation_epsilon,
    )
    try:
        agent = ALGORITHMS[algorithm].create(env, config, seed=seed, device=device)
    except ValueError as error:
        raise UsageError(f"{algorithm} on {env_id}: {error}") from error
    folder = folder or _free_folder(f"{algorithm}-{env_id}-seed{seed}")
    return Run.create(folder, spec, command=command, overwrite=overwrite), agent


def check_known(algorithm: str) -> None:
    """Check the name of an algorithm.

    Raises:
        UsageError: there is none of that name.
    """
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"there is no algorithm {algorithm!r}"
            f"{did_you_mean(algorithm, ALGORITHMS) or ':'} known are {', '.join(ALGORITHMS)}"
        )


def resumed_run(
    folder: Path,
    *,
    algorithm: str | None,
    env_id: str | None,
    steps: int | None,
    device: str,
) -> tuple[Run, Agent]:
    """Return a run that exists and its agent as it was when saved.

    Args:
        folder: the run's.
        algorithm: refused if it is not the run's own.
        env_id: refused if it is not the run's own.
        steps: a new total of environment steps; None keeps the run's.
        device: a torch device or "auto".

    Raises:
        UsageError: it is another algorithm's or environment's, or has taken all its steps.
        Failure: it has no checkpoint, or one that cannot be loaded.
        RunError: there is no run in the folder.
    """
    run = Run.open(folder)
    for name, given, own in (
        ("algorithm", algorithm, run.spec.algorithm),
        ("environment", env_id, run.spec.env_id),
    ):
        if given is not None and given != own:
            raise UsageError(
                f"{folder} has the {name} {own}, not {given}: leave it out with --resume"
            )
    _check_algorithm(folder, run.spec.algorithm)
    if not run.checkpoint.is_file():
        raise Failure(
            f"{folder} has no checkpoint yet: start it again with --out {folder} --overwrite"
        )
    env = open_env(run.spec.env_id, run.spec.env_kwargs)
    agent = load_agent(run.checkpoint, run.spec.algorithm, env, device)
    total_steps = steps or run.spec.total_steps
    if agent.num_steps >= total_steps:
        raise UsageError(
            f"{folder} is finished: it has taken {agent.num_steps:,} of {total_steps:,} steps; "
            f"go on with --steps and a larger total"
        )
    return (run if total_steps == run.spec.total_steps else run.extended_to(total_steps)), agent


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint that a user means by a file or by a run's folder: there its best.

    Raises:
        UsageError: there is no such file.
        Failure: the run has no checkpoint yet.
        RunError: the folder is not a run's.
    """
    if path.is_dir():
        run = Run.open(path)
        for candidate in (run.best, run.checkpoint):
            if candidate.is_file():
                return candidate
        raise Failure(f"{path} has no checkpoint yet")
    if not path.is_file():
        raise UsageError(
            f"there is no checkpoint at {path}: give a .safetensors file or a run's folder"
        )
    return path


def open_agent(
    path: Path, env_changes: dict[str, Any], *, device: str, render_mode: str | None = None
) -> Agent:
    """Return the agent of a checkpoint, in the environment that the checkpoint names.

    Args:
        path: the checkpoint.
        env_changes: keywords of gym.make that differ from those of the training.
        device: a torch device or "auto".
        render_mode: of the environment.

    Raises:
        UsageError: the environment cannot be made.
        Failure: the checkpoint names no environment or an unknown algorithm, or cannot be loaded.
        CheckpointError: the file is damaged or is no checkpoint.
    """
    header = read_header(path)
    if header.env_id is None:
        raise Failure(f"{path} does not name its environment: load it from Python")
    if ":" in header.env_id:  # Gymnasium would import what stands before it
        raise Failure(f"{path} names the environment {header.env_id!r}, which is no plain id")
    _check_algorithm(path, header.algorithm)
    env = open_env(header.env_id, {**_env_kwargs(path, header), **env_changes}, render_mode)
    return load_agent(path, header.algorithm, env, device)


def load_agent(path: Path, algorithm: str, env: gym.Env[Any, Any], device: str) -> Agent:
    """Return the agent of a checkpoint, in an environment that is open already.

    Raises:
        Failure: it cannot be loaded.
    """
    try:
        return ALGORITHMS[algorithm].load(path, env, device=device)
    except ValueError as error:
        raise Failure(str(error)) from error


def open_env(
    env_id: str, kwargs: dict[str, Any], render_mode: str | None = None
) -> gym.Env[Any, Any]:
    """Return an environment.

    Raises:
        UsageError: there is none of that id, or it does not take these keywords.
    """
    try:
        return make_env(env_id, kwargs, render_mode=render_mode)
    except (gym.error.UnregisteredEnv, ModuleNotFoundError) as error:
        close = did_you_mean(env_id, gym.registry)
        raise UsageError(
            f"there is no environment {env_id!r}{close or ':'} mario-rl envs lists those of Mario, "
            "and any Gymnasium id is taken"
        ) from error
    except (gym.error.Error, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"{env_id} cannot be made: {error}") from error


def read_pairs(option: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return KEY=VALUE options as a dict; a value is JSON where it can be, else text.

    Args:
        option: what the user wrote before them, for the message.
        texts: the options; None is none.

    Raises:
        UsageError: one has no key or no equals sign.
    """
    try:
        return parse_pairs(texts or ())
    except ValueError as error:
        raise UsageError(f"{option} {error}") from error


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    """Return the configuration with fields replaced."""
    try:
        return replaced(config, changes)
    except ValueError as error:
        raise UsageError(f"--set {error}") from error


def _check_algorithm(path: Path, algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise Failure(f"{path} was trained by {algorithm}; known are {', '.join(ALGORITHMS)}")


def _env_kwargs(path: Path, header: CheckpointHeader) -> dict[str, Any]:
    """Return the keywords of gym.make that a checkpoint was trained with."""
    # A checkpoint knows the keywords of the environment; its run those of gym.make itself too.
    with contextlib.suppress(RunError):
        spec = Run.open(path.parent).spec
        if spec.env_id == header.env_id:
            return spec.env_kwargs
    return {name: value for name, value in header.env_kwargs.items() if name != "render_mode"}


def _free_folder(name: str) -> Path:
    """Return runs/NAME, or runs/NAME-2 and so on if that is taken."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder
