"""Runs and agents by name: a recipe's run, a run to resume, the agent of a checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gymnasium as gym

from mario_rl_agents.agent import Agent
from mario_rl_agents.checkpoint import make_config, read_header, stand_in
from mario_rl_agents.config import did_you_mean
from mario_rl_agents.demonstrations.games import check_trusted_files
from mario_rl_agents.envs import Env, NoEnv, VecEnv, make_vec_env
from mario_rl_agents.envs import make_env as make_single_env
from mario_rl_agents.errors import CheckpointError, RunError
from mario_rl_agents.files import digest_of_file
from mario_rl_agents.recipes import ALGORITHMS, evaluation_epsilon, find_recipe
from mario_rl_agents.recipes.recipe import Recipe
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.trust import check_trusted, remember

OWN_STEPS: Final = 100_000  # environment steps of a training of an agent that has no recipes


def find_algorithm(name: str) -> type[Agent]:
    """Return the class of an algorithm.

    Args:
        name: A key of `ALGORITHMS`; or MODULE:CLASS, of which the module is imported: an agent of
            the user's own.

    Raises:
        ValueError: There is none of that name, or the class is no agent.
    """
    module, colon, class_name = name.rpartition(":")
    if colon:
        return _own_algorithm(module, class_name)
    if name not in ALGORITHMS:
        raise ValueError(
            f"there is no algorithm {name!r}"
            f"{did_you_mean(name, ALGORITHMS) or ':'} known are {', '.join(ALGORITHMS)}; an agent "
            "of your own is MODULE:CLASS"
        )
    return ALGORITHMS[name]


def _own_algorithm(module: str, name: str) -> type[Agent]:
    """Return the class of an agent of the user's own.

    Raises:
        ValueError: There is none, or it is no agent, or a part of it is missing.
    """
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ValueError(
            f"there is no algorithm {module}:{name}: {error}; the module is looked for in the "
            "working directory and among what is installed"
        ) from error
    if not isinstance(found, type) or not issubclass(found, Agent):
        what = "has no such class" if found is None else f"has {found!r} by that name"
        raise ValueError(
            f"there is no algorithm {module}:{name}: {module} {what}; it must be a subclass of "
            "mario_rl_agents.Agent with act and observe"
        )
    if not hasattr(found, "algorithm"):
        raise ValueError(
            f"{module}:{name} has no name that checkpoints could store: give the class one, as "
            f'algorithm = "{name.lower()}"'
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise ValueError(f"{module}:{name} is no whole agent: it lacks {' and '.join(missing)}")
    return found


def spec_from_recipe(
    algorithm: str,
    env_id: str,
    recipe: str | Recipe = "default",
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: int | None = None,
    total_steps: int | None = None,
    total_games: int | None = None,
    seed: int = 0,
    begins_with: str | Path | None = None,
) -> RunSpec:
    """Return what a recipe trains.

    Args:
        algorithm: A key of `ALGORITHMS`.
        env_id: Any Gymnasium id.
        recipe: A recipe, or the name of one for that algorithm and environment.
        env_kwargs: Keywords of gym.make beside the recipe's, or in place of them.
        num_envs: Sub-environments that are stepped side by side; None takes the recipe's.
        total_steps: Environment steps; None takes the recipe's.
        total_games: Episodes that end it as well; None: it has its steps alone.
        seed: Of the agent.
        begins_with: The run or checkpoint of an agent of the same algorithm and networks, whose
            weights it takes over; None: it begins with random ones.

    Raises:
        ValueError: There is no such algorithm or recipe, or a number is out of its range.
        FileNotFoundError: There is no such checkpoint.
        RunError: The folder holds no run, or a run without a checkpoint.
    """
    find_algorithm(algorithm)
    chosen = recipe
    first = None if begins_with is None else find_checkpoint(begins_with)
    if isinstance(chosen, str):
        chosen = recipe_for(algorithm, env_id, chosen, total_steps=total_steps, num_envs=num_envs)
    return RunSpec(
        algorithm=algorithm,
        env_id=env_id,
        env_kwargs={**chosen.env_kwargs, **(env_kwargs or {})},
        config=dataclasses.asdict(chosen.config),
        seed=seed,
        total_steps=chosen.total_steps if total_steps is None else total_steps,
        evaluation_epsilon=evaluation_epsilon(env_id),
        num_envs=chosen.num_envs if num_envs is None else num_envs,
        total_games=total_games,
        begins_with=None if first is None else str(first),
        begins_with_sha256=None if first is None else digest_of_file(first),
    )


def recipe_for(
    algorithm: str,
    env_id: str,
    name: str = "default",
    *,
    total_steps: int | None = None,
    num_envs: int | None = None,
) -> Recipe:
    """Return the recipe of that name; of an agent of one's own the defaults of its configuration.

    Args:
        algorithm: See `find_algorithm`.
        env_id: Any Gymnasium id.
        name: See `find_recipe`, which the other two are for.
        total_steps: Environment steps to be taken; None: the recipe's.
        num_envs: Sub-environments; None: the recipe's.

    Raises:
        ValueError: There is no such algorithm or recipe.
    """
    kind = find_algorithm(algorithm)
    if ":" not in algorithm:
        return find_recipe(algorithm, env_id, name, total_steps=total_steps, num_envs=num_envs)
    if name != "default":
        raise ValueError(
            f"there is no recipe {name!r} for {algorithm}: an agent of your own has the defaults "
            "of its configuration"
        )
    return Recipe(kind.config_class(), total_steps=OWN_STEPS)


def new_run(
    spec: RunSpec,
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    overwrite: bool = False,
    command: Sequence[str] = (),
    trust: bool = False,
) -> tuple[Run, Agent]:
    """Return a new run and its untrained agent; nothing is written before everything fits.

    An environment called MODULE:ID imports that module, and so does an algorithm MODULE:CLASS. It
    is noted that the user has named it: runs and checkpoints that name it are resumed and played
    without asking. So it is of a module that a file of demonstrations names, once it is trusted.

    Args:
        spec: What is to be trained.
        folder: Where; None takes a free one in `runs/`.
        device: A torch device or "auto".
        overwrite: Whether the files of a run that is already there are deleted.
        command: The command line, for the record.
        trust: Whether the module of an environment MODULE:ID that a file of demonstrations names
            may be imported, though the user has not named it in a training.

    Raises:
        ValueError: The algorithm, environment, configuration or device does not exist, they do
            not go together, or a file of demonstrations is damaged; or the agent cannot begin with
            the checkpoint, or that is not the file any more that the spec was made with.
        FileNotFoundError: A file of demonstrations, or the checkpoint that it begins with, is
            missing.
        RunError: The folder is not empty, and it is not a run or `overwrite` is False; or the run
            in it is being trained.
        UntrustedError: See `trust`.
    """
    kind = find_algorithm(spec.algorithm)
    where = f"{spec.algorithm} on {spec.env_id}"
    config = make_config(kind.config_class, spec.config, where)
    env = open_training_env(spec)
    try:
        agent = kind.create(env, config, seed=spec.seed, device=device)
        _begin_with(agent, spec)
        shown = check_trusted_files(agent.demonstration_files, trust=trust)
        # Before there is a run: the files may be copies in the folder of the one that it replaces.
        contents = [path.expanduser().read_bytes() for path in agent.demonstration_files]
        # Every field, defaults too.
        spec = dataclasses.replace(spec, config=dataclasses.asdict(config))
        folder = folder or _free_folder(f"{spec.algorithm}-{spec.env_id}-seed{spec.seed}")
        run = Run.create(folder, spec, command=command, overwrite=overwrite)
        agent.demonstration_files = run.keep_demonstrations(contents)
    except ValueError as error:
        env.close()
        raise ValueError(f"{where}: {error}") from error
    except BaseException:
        env.close()
        raise
    for name in (spec.env_id, spec.algorithm, *shown):
        remember(name)
    return run, agent


def _begin_with(agent: Agent, spec: RunSpec) -> None:
    """Give a new agent the weights that a run begins with, if it does.

    Raises:
        FileNotFoundError: Their file is missing.
        CheckpointError: It is another one than when the spec was made, or the agent cannot begin
            with it.
    """
    if spec.begins_with is None:
        return
    path = Path(spec.begins_with).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, with whose weights the run begins: put it back, or train anew"
        )
    if spec.begins_with_sha256 not in (None, digest_of_file(path)):
        raise CheckpointError(
            f"{path} holds other weights than the run begins with: put the file back that it was, "
            "or train anew"
        )
    agent.begin_with(path)


def resume_run(
    folder: str | Path, *, device: str = "auto", trust: bool = False
) -> tuple[Run, Agent]:
    """Return a run and its agent as the latest checkpoint has it; `train` goes on from there.

    Args:
        folder: The run's.
        device: A torch device or "auto".
        trust: Whether the module of an environment called MODULE:ID, which a file of demonstrations
            may name too, or of an algorithm MODULE:CLASS, may be imported, though the user has not
            named it in a training.

    Raises:
        ValueError: The device or the environment does not exist here, or what its configuration
            asks for is not there.
        RunError: The folder holds no run, one without a checkpoint, or one that is being trained.
        CheckpointError: The checkpoint or its replay memory is damaged.
        FileNotFoundError: The replay memory is missing.
        UntrustedError: See `trust`.
    """
    run = Run.open(folder)
    run.check_unlocked()
    if not run.checkpoint.is_file():
        anew = shlex.join(["--out", str(run.folder), "--overwrite"])
        raise RunError(f"{run.folder} has no checkpoint yet: train it anew ({anew})")
    check_trusted_run(run, trust=trust)
    env = open_training_env(run.spec)
    try:
        agent = find_algorithm(run.spec.algorithm).load(run.checkpoint, env, device=device)
        agent.check_envs()  # before its logs are cut back
        agent.demonstration_files = run.demonstrations(agent.demonstration_files)
        agent.load_replay()
    except BaseException:
        env.close()
        raise
    return run, agent


def check_trusted_run(run: Run, *, trust: bool = False) -> None:
    """Check that the training of a run runs no code that the user has not named.

    Args:
        run: As somebody else may have written it.
        trust: See `resume_run`.

    Raises:
        UntrustedError: It does.
    """
    for name in (run.spec.env_id, run.spec.algorithm):
        check_trusted(name, run.folder, trust=trust)
    check_trusted_demonstrations(run, trust=trust)


def check_trusted_demonstrations(run: Run, *, trust: bool = False) -> None:
    """Check that what a run begins by imitating runs no code that the user has not named.

    Its own copies are looked at, and the files themselves, which it reads if it begins again. One
    that is missing or damaged runs nothing: learning says what is wrong with it.

    Args:
        run: The run; its folder need not be there.
        trust: See `resume_run`.

    Raises:
        UntrustedError: It does.
    """
    named = run.spec.demonstrations
    for path in dict.fromkeys((*named, *run.demonstrations(named))):
        with contextlib.suppress(OSError, ValueError):
            check_trusted_files([path], trust=trust)


def untrained_agent(
    run: Run,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    render_mode: str | None = None,
    device: str = "auto",
    trust: bool = False,
) -> Agent:
    """Return a run's agent as it was before the first step, in an environment of its training.

    Args:
        run: The run.
        env_kwargs: See `load_agent`; the environment is to be closed as `agent.env`.
        render_mode: Of the environment.
        device: A torch device or "auto".
        trust: See `load_agent`.

    Raises:
        ValueError: The environment cannot be made, or the device does not exist here.
        FileNotFoundError: The checkpoint that the run begins with is missing.
        CheckpointError: It is not the file any more that it was.
        UntrustedError: See `trust`.
    """
    spec = run.spec
    for name in (spec.env_id, spec.algorithm):
        check_trusted(name, run.folder, trust=trust)
    kind = find_algorithm(spec.algorithm)
    config = make_config(kind.config_class, spec.config, f"{spec.algorithm} on {spec.env_id}")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        # Its sub-environments decide what it draws, and whether its configuration is accepted.
        envs = stack.enter_context(contextlib.closing(open_training_env(spec)))
        path = Path(folder, "untrained.safetensors")
        agent = kind.create(envs, config, seed=spec.seed, device=device)
        _begin_with(agent, spec)
        agent.save(path)
        env = open_env(spec.env_id, {**spec.env_kwargs, **(env_kwargs or {})}, render_mode)
        try:
            return kind.load(path, env, device=device)
        except BaseException:
            env.close()
            raise


def find_checkpoint(path: str | Path) -> Path:
    """Return the checkpoint at a path, or the best one of the run in that folder.

    Raises:
        FileNotFoundError: There is nothing at the path.
        RunError: The folder holds no run, or a run without a checkpoint.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return Run.open(path).best_or_latest()
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint at {path}: give a .safetensors file or a run's folder"
        )
    return path


def load_agent(
    path: str | Path,
    env: Env | VecEnv | None = None,
    *,
    make_env: bool = True,
    env_kwargs: Mapping[str, Any] | None = None,
    render_mode: str | None = None,
    device: str = "auto",
    trust: bool = False,
) -> Agent:
    """Return the agent of a checkpoint, or of the best checkpoint in a run's folder.

    It plays without its replay memory, which is read when it learns.

    Args:
        path: The checkpoint or the folder.
        env: Where the agent is to act; None makes the environment that it was trained in, to be
            closed by the caller as `agent.env`.
        make_env: Whether it is made. An agent without one acts, `act(obs)`, where neither the
            environment nor its package need be installed, and cannot learn. Where the file, which
            an older version wrote, does not say all that is needed of the spaces, it is made for a
            moment to learn them.
        env_kwargs: Keywords of gym.make that differ from those of the training, without `env`.
        render_mode: Of the environment, without `env`.
        device: A torch device or "auto".
        trust: Whether the module of an environment called MODULE:ID, or of an algorithm
            MODULE:CLASS, may be imported, though the user has not named it in a training.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: The environment cannot be made, the device does not exist here, or `env` is
            given, or none is to be made, together with keywords for another one.
        RunError: The folder holds no run, or a run without a checkpoint.
        CheckpointError: The checkpoint is damaged, does not fit `env`, names no environment, or
            is of an algorithm without a recipe.
        UntrustedError: See `trust`.
    """
    path = find_checkpoint(path)
    header = read_header(path)
    kind = _algorithm_of(path, header.algorithm, trust=trust)
    if env is not None:
        if env_kwargs or render_mode is not None:
            raise ValueError("env_kwargs and render_mode are of a new environment: leave out env")
        return kind.load(path, env, device=device)
    if not make_env and (env_kwargs or render_mode is not None):
        raise ValueError("env_kwargs and render_mode are of an environment: leave out make_env")
    if not make_env and (alone := stand_in(path)) is not None:
        return kind.load(path, alone, device=device)
    env_id, kwargs = environment_of(path)
    check_trusted(env_id, path, trust=trust)
    if not make_env:
        with contextlib.closing(open_env(env_id, kwargs)) as made:
            alone = NoEnv(made.observation_space, made.action_space, env_id, kwargs)
        return kind.load(path, alone, device=device)
    env = open_env(env_id, {**kwargs, **(env_kwargs or {})}, render_mode)
    try:
        return kind.load(path, env, device=device)
    except BaseException:
        env.close()
        raise


def _algorithm_of(path: Path, name: str, *, trust: bool) -> type[Agent]:
    """Return the class of an algorithm that a checkpoint names; its run knows one's own by module.

    One's own may have the name of one of the package's.

    Raises:
        CheckpointError: There is none of that name.
        UntrustedError: See `load_agent`.
    """
    with contextlib.suppress(RunError):
        algorithm = Run.open(path.parent).spec.algorithm
        if ":" in algorithm:
            check_trusted(algorithm, path, trust=trust)
            return find_algorithm(algorithm)
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    raise CheckpointError(
        f"{path} was trained by {name}; known are {', '.join(ALGORITHMS)}: load it with the class "
        "of its algorithm"
    )


def open_env(env_id: str, kwargs: Mapping[str, Any], render_mode: str | None = None) -> Env:
    """Return an environment.

    Args:
        env_id: A Gymnasium id.
        kwargs: Keywords of gym.make.
        render_mode: One of the environment's, or None.

    Raises:
        ValueError: There is none of that id, or it does not take these keywords.
    """
    with _readable_errors(env_id):
        return make_single_env(env_id, kwargs, render_mode=render_mode)


def open_training_env(spec: RunSpec) -> Env | VecEnv:
    """Return what a run is trained in: a vector environment, where it has several.

    Raises:
        ValueError: There is none of that id, or it does not take these keywords.
    """
    return open_envs(spec.env_id, spec.env_kwargs, spec.num_envs)


def open_envs(env_id: str, kwargs: Mapping[str, Any], num_envs: int) -> Env | VecEnv:
    """Return an environment, or a vector environment of several.

    Args:
        env_id: A Gymnasium id.
        kwargs: Keywords of gym.make.
        num_envs: How many; one is no vector environment.

    Raises:
        ValueError: There is none of that id, or it does not take these keywords.
    """
    if num_envs == 1:
        return open_env(env_id, kwargs)
    with _readable_errors(env_id):
        return make_vec_env(env_id, num_envs, kwargs)


@contextlib.contextmanager
def _readable_errors(env_id: str) -> Iterator[None]:
    """Turn what may go wrong in the making of an environment into one kind of error."""
    module, _, name = env_id.rpartition(":")
    try:
        yield
    except gym.error.UnregisteredEnv as error:
        close = did_you_mean(name, gym.registry)
        where = f" after {module} was imported" if module else ""
        raise ValueError(
            f"there is no environment {name!r}{where}{close or ':'} mario-rl envs lists those of "
            "Mario, and any Gymnasium id is taken, or MODULE:ID of your own"
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise ValueError(f"{env_id} cannot be made: {error}: install it") from error
        raise ValueError(
            f"there is no environment {env_id!r}: there is no module {error.name} in the working "
            "directory, nor is it installed"
        ) from error
    except (gym.error.Error, ValueError, TypeError, ImportError) as error:
        what_to_do = ""
        if isinstance(error, TypeError) and "render_mode" in str(error):
            what_to_do = (
                '; to be drawn it has to take render_mode="rgb_array" and return a picture from '
                "render()"
            )
        raise ValueError(f"{env_id} cannot be made: {error}{what_to_do}") from error


def environment_of(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the id and the keywords of gym.make that a checkpoint was trained with.

    Args:
        path: The checkpoint.

    Raises:
        FileNotFoundError: There is nothing at the path.
        CheckpointError: The checkpoint is damaged, or names no environment.
    """
    header = read_header(path)
    if header.env_id is None:
        raise CheckpointError(f"{path} does not name its environment: pass it as env")
    # A checkpoint knows the id and the keywords of the environment. Its run knows the id with the
    # module that registers it, and the keywords of gym.make itself too.
    with contextlib.suppress(RunError):
        spec = Run.open(path.parent).spec
        if spec.env_id.rpartition(":")[2] == header.env_id.rpartition(":")[2]:
            return spec.env_id, spec.env_kwargs
    kwargs = {name: value for name, value in header.env_kwargs.items() if name != "render_mode"}
    return header.env_id, kwargs


def _free_folder(name: str) -> Path:
    """Return runs/NAME, or runs/NAME-2 and so on if that is taken."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder
