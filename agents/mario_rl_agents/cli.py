"""The command line, `mario-rl`: train, evaluate, watch, plot, envs.

Torch takes seconds to import: what needs it is imported inside the commands, so help is instant.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import gymnasium as gym
    from rich.console import Console

    from mario_rl_agents.common.agent import Agent
    from mario_rl_agents.common.checkpoint import CheckpointHeader
    from mario_rl_agents.common.evaluate import Evaluation
    from mario_rl_agents.training import Outcome, Run

# Torch's threads wait for each other asleep instead of spinning. Where anything else wants a core,
# as the environment's own thread does, spinning made training ten times slower (2 against 22 steps
# per second on Mario, two busy cores). OpenMP reads it once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130  # exit codes
_EVALUATION_EPISODES = 10
_EVALUATION_SEED = 10_000  # far from the seeds that training starts from

app = typer.Typer(
    name="mario-rl",
    help="Train agents on Super Mario Bros (or any Gymnasium environment), measure and watch them.",
    epilog="Start with: mario-rl train double_dqn MarioRL-1-1-v0 --recipe demo --minutes 5 --video",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _UsageError(Exception):
    """The user asked for something that is not there; the message is all they need."""


class _Failure(Exception):
    """What was asked for is right but cannot be done now; the message is all they need."""


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        python = ".".join(map(str, sys.version_info[:3]))
        typer.echo(
            f"mario-rl {version('mario-rl-envs')} (Python {python}, torch {version('torch')})"
        )
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def train(
    algorithm: Annotated[
        str | None,
        typer.Argument(metavar="ALGO", help="What learns: dqn or double_dqn.", show_default=False),
    ] = None,
    env_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ENV_ID",
            help="Where: MarioRL-1-1-v0 (see [bold]mario-rl envs[/]) or any Gymnasium id.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environment steps in all, resumed ones included. "
            "[dim]\\[default: the recipe's][/]",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Stop after so many minutes, if the steps are not taken before."
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="Configuration to start from: [bold]default[/], [bold]tutorial[/] (the tutorial's "
            "own numbers) or [bold]demo[/] (learns visibly in minutes)."
        ),
    ] = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a field of the configuration, as --set learning_rate=1e-4. Repeatable.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            help="A keyword of gym.make, e.g. --env actions=simple --env sticky=0.25. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed trains the same agent.")] = 0,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, cuda:1, mps. [dim]\\[default: auto][/]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The run's folder. [dim]\\[default: runs/ALGO-ENV_ID-seedSEED][/]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is already in --out.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with this run exactly where it stopped; its settings come from it.",
            show_default=False,
        ),
    ] = None,
    eval_episodes: Annotated[
        int, typer.Option(min=0, help="Episodes of the evaluation at the end; 0 for none.")
    ] = _EVALUATION_EPISODES,
    video: Annotated[
        bool, typer.Option("--video/--no-video", help="Film the best episode of that evaluation.")
    ] = False,
) -> None:
    """Train an agent, or go on training one.

    Everything goes into one folder: checkpoints, metrics, learning curve, evaluation, video.
    Ctrl-C saves and says how to go on.

    [bold]mario-rl train dqn CartPole-v1[/]
    [bold]mario-rl train double_dqn MarioRL-1-1-v0 --minutes 30 --video[/]
    [bold]mario-rl train --resume runs/double_dqn-MarioRL-1-1-v0-seed0[/]
    """
    with _one_line_errors():
        from mario_rl_agents.training import Outcome
        from mario_rl_agents.training import train as run_training

        if video and not eval_episodes:
            raise _UsageError(
                "--video films an episode of the evaluation: give --eval-episodes too"
            )
        if video:
            from mario_rl_agents.video import check_video_path

            check_video_path(Path("video.mp4"))
        console = _console()
        if resume is not None:
            given: dict[str, Any] = {
                "--set": set_,
                "--env": env,
                "--out": out,
                "--overwrite": overwrite,
            }
            given |= {"--seed": seed, "--recipe": recipe != "default"}
            refused = [name for name, value in given.items() if value]
            if refused:
                raise _UsageError(
                    f"{', '.join(refused)} cannot change a run: with --resume give only "
                    "--steps, --minutes, --device, --eval-episodes and --video"
                )
            run, agent = _resumed(resume, algorithm, env_id, steps, device or "auto")
            verb = f"resuming at step {agent.num_steps:,}"
        else:
            if algorithm is None or env_id is None:
                raise _UsageError(
                    "give an algorithm and an environment, as in mario-rl train dqn CartPole-v1, "
                    "or --resume RUN"
                )
            run, agent = _created(
                algorithm,
                env_id,
                recipe=recipe,
                steps=steps,
                seed=seed,
                out=out,
                overwrite=overwrite,
                changes=_pairs("--set", set_),
                env_kwargs=_pairs("--env", env),
                device=device or "auto",
            )
            verb = "training"
        with contextlib.closing(agent.env):
            console.print(
                f"{verb} [bold]{agent.algorithm}[/] on [bold]{run.spec.env_id}[/], "
                f"seed {run.spec.seed}, {agent.device}, into [bold]{run.folder}[/]",
                highlight=False,
                soft_wrap=True,
            )
            try:
                outcome = run_training(agent, run, console=console, minutes=minutes)
            except KeyboardInterrupt:
                raise _Failure(_unsaved_message(run)) from None
            except (FloatingPointError, ValueError) as error:
                raise _Failure(f"training stopped at step {agent.num_steps:,}: {error}") from error
        if outcome is Outcome.INTERRUPTED:
            options = _evaluation_options(eval_episodes, video)
            console.print(
                f"[bold yellow]interrupted[/] at step {agent.num_steps:,}: all is saved. Go on with"
            )
            # Plain, on a line of its own: made to be copied.
            console.print(
                f"  {_resume_command(run, options)}", highlight=False, soft_wrap=True, markup=False
            )
            raise typer.Exit(_INTERRUPTED)
        _finish(agent, run, outcome, console, eval_episodes=eval_episodes, video=video)


@app.command()
def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A .safetensors checkpoint, or a run's folder (its best is taken)."),
    ],
    episodes: Annotated[int, typer.Option(min=1, help="How many episodes.")] = _EVALUATION_EPISODES,
    epsilon: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Probability of a random action. "
            "[dim]\\[default: 0; on Mario 0 once, then 0.05][/]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the first episode; the next has the next seed.")
    ] = _EVALUATION_SEED,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            help="Change a keyword of gym.make, e.g. --env sticky=0.25.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, every episode included, and nothing else.")
    ] = False,
) -> None:
    """Measure a trained agent: return, length, x position, clear rate.

    A greedy agent in a deterministic game plays the same episode every time. So on Mario this
    plays one greedy episode, and then the number asked for with one random action in twenty.
    """
    with _one_line_errors():
        from mario_rl_agents.common.evaluate import evaluation_table

        path = _checkpoint(checkpoint)
        agent = _loaded(path, _pairs("--env", env), device=device)
        with contextlib.closing(agent.env):
            evaluations = _evaluations(agent, agent.env, episodes, epsilon=epsilon, seed=seed)
        if as_json:
            typer.echo(json.dumps(_evaluations_json(path, evaluations), indent=2))
        else:
            title = f"{agent.algorithm}, {agent.num_steps:,} steps of training"
            _console(stderr=False).print(evaluation_table(evaluations, title=title))


@app.command()
def watch(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A .safetensors checkpoint, or a run's folder (its best is taken)."),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Film one episode into this .mp4 or .gif, action values drawn beside the game. "
            "Without it a window opens.",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many episodes the window shows. [dim]\\[default: until Ctrl-C][/]",
            show_default=False,
        ),
    ] = None,
    epsilon: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability of a random action.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the first episode.")] = _EVALUATION_SEED,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            help="Change a keyword of gym.make, e.g. --env sticky=0.25.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Watch a trained agent play, in a window or in a film."""
    with _one_line_errors():
        path = _checkpoint(checkpoint)
        changes = _pairs("--env", env)
        console = _console(stderr=False)
        if video is None:
            agent = _loaded(path, changes, device=device, render_mode="human")
            with contextlib.closing(agent.env):
                _show_window(agent, console, episodes=episodes, epsilon=epsilon, seed=seed)
            return
        if episodes is not None:
            raise _UsageError(
                "--video films one episode: leave --episodes out, choose it with --seed"
            )
        from mario_rl_agents.video import check_video_path, record_episode

        try:
            check_video_path(video)
        except ValueError as error:
            raise _UsageError(f"--video: {error}") from error
        agent = _loaded(path, changes, device=device, render_mode="rgb_array_list")
        with contextlib.closing(agent.env):
            recording = record_episode(agent, agent.env, video, epsilon=epsilon, seed=seed)
        console.print(
            f"[bold]{recording.path}[/]: return {recording.episodic_return:,.1f} in "
            f"{recording.length:,} steps, {recording.num_frames:,} frames",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The picture: .png, .svg, .pdf. "
            "[dim]\\[default: learning_curve.png, in the folder of a single run][/]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw learning curves: of one run, or of several with their mean and spread."""
    with _one_line_errors():
        from mario_rl_agents.report import plot_learning_curves
        from mario_rl_agents.training import Run

        opened = [Run.open(folder) for folder in runs]
        path = out or (opened[0].learning_curve if len(opened) == 1 else Path("learning_curve.png"))
        try:
            plot_learning_curves([run.folder for run in opened], path)
        except ValueError as error:
            raise _Failure(str(error)) from error
        _console(stderr=False).print(f"[bold]{path}[/]", highlight=False, soft_wrap=True)


@app.command()
def envs() -> None:
    """List the environments of Super Mario Bros, ready for gym.make."""
    import gymnasium as gym
    from rich.box import SIMPLE
    from rich.table import Table

    import mario_rl_envs

    table = Table(
        box=SIMPLE,
        caption='Any of them takes keywords, e.g. gym.make("MarioRL-1-1-v0", actions="simple") or '
        "--env actions=simple. There are right_only (5), simple (7), complex (12), joypad (256) "
        "and continuous.",
        caption_justify="left",
    )
    for column in ("id", "what it plays"):
        table.add_column(column, no_wrap=True)
    for column in ("lives", "actions", "observation"):
        table.add_column(column, justify="right", no_wrap=True)
    for env_id in mario_rl_envs.ENV_IDS:
        with contextlib.closing(gym.make(env_id)) as env:
            what, lives = _what_it_plays(env_id)
            assert isinstance(env.action_space, gym.spaces.Discrete)
            shape = str(env.observation_space.shape)
            table.add_row(env_id, what, str(lives), str(env.action_space.n), shape)
    _console(stderr=False).print(table)


def _what_it_plays(env_id: str) -> tuple[str, int]:
    """Return a description and the number of lives."""
    name = env_id.removeprefix("MarioRL-").removesuffix("-v0")
    if name == "Random":
        return "a random stage", 1
    if name == "v0":
        return "the whole game", 3
    world, stage = name.split("-")
    return f"world {world}, stage {stage}", 1


# Errors and console


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    """Print errors that a user can mend as one red line; exit 2 for usage, 1 for failures."""
    from mario_rl_agents.common.checkpoint import CheckpointError
    from mario_rl_agents.training import RunError

    try:
        yield
    except _UsageError as error:
        _print_error(error)
        raise typer.Exit(_USAGE) from None
    except (_Failure, RunError, CheckpointError, ImportError, OSError) as error:
        _print_error(error)
        raise typer.Exit(_FAILURE) from None
    except KeyboardInterrupt:
        _console().print("\n[bold yellow]stopped[/]")
        raise typer.Exit(_INTERRUPTED) from None


def _print_error(error: Exception) -> None:
    from rich.markup import escape

    message = " ".join(str(error).split())
    _console().print(
        f"[bold red]error:[/] [red]{escape(message)}[/]", highlight=False, soft_wrap=True
    )


def _console(*, stderr: bool = True) -> Console:
    """Return a console: progress and errors go to stderr, results to stdout."""
    from rich.console import Console

    return Console(stderr=stderr)


# Parsing


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return KEY=VALUE options as a dict; a value is JSON where it can be, else text."""
    pairs: dict[str, Any] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise _UsageError(f"{option} takes KEY=VALUE, received {text!r}")
        pairs[key] = _value(value)
    return pairs


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for read in (int, float, json.loads):  # int and float take 50_000 and 1e-4 too
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    """Return the configuration with fields replaced, each of the type that it has now."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    converted = {}
    for name, value in changes.items():
        if name not in fields:
            raise _UsageError(
                f"--set {name}: {type(config).__name__} has no such field"
                f"{_did_you_mean(name, fields)}; its fields are {', '.join(fields)}"
            )
        converted[name] = _as_type_of(fields[name], value)
    try:
        return dataclasses.replace(config, **converted)
    except (ValueError, TypeError) as error:
        raise _UsageError(f"--set: {error}") from error


def _as_type_of(old: Any, value: Any) -> Any:
    """Return a value as the type of the one it replaces where nothing is lost, else as it is."""
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return tuple(value)
    return value


def _did_you_mean(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f", did you mean {' or '.join(close)}?" if close else ""


# Environments and agents


def _environment(
    env_id: str, kwargs: dict[str, Any], render_mode: str | None = None
) -> gym.Env[Any, Any]:
    import gymnasium as gym

    from mario_rl_agents.recipes import make_env

    try:
        return make_env(env_id, kwargs, render_mode=render_mode)
    except (gym.error.UnregisteredEnv, ModuleNotFoundError) as error:
        close = _did_you_mean(env_id, list(gym.registry))
        raise _UsageError(
            f"there is no environment {env_id!r}{close or ':'} mario-rl envs lists those of Mario, "
            "and any Gymnasium id is taken"
        ) from error
    except (gym.error.Error, ValueError, TypeError) as error:
        raise _UsageError(f"{env_id} cannot be made: {error}") from error


def _created(
    algorithm: str,
    env_id: str,
    *,
    recipe: str,
    steps: int | None,
    seed: int,
    out: Path | None,
    overwrite: bool,
    changes: dict[str, Any],
    env_kwargs: dict[str, Any],
    device: str,
) -> tuple[Run, Agent]:
    """Return a new run and its agent; nothing is written before everything is known to fit."""
    from mario_rl_agents.recipes import ALGORITHMS, find_recipe
    from mario_rl_agents.training import Run, RunSpec

    if algorithm not in ALGORITHMS:
        raise _UsageError(
            f"there is no algorithm {algorithm!r}"
            f"{_did_you_mean(algorithm, list(ALGORITHMS)) or ':'} known are {', '.join(ALGORITHMS)}"
        )
    try:
        chosen = find_recipe(algorithm, env_id, recipe)
    except ValueError as error:
        raise _UsageError(str(error)) from error
    config = _changed(chosen.config, changes)
    kwargs = {**chosen.env_kwargs, **env_kwargs}
    env = _environment(env_id, kwargs)
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
        raise _UsageError(f"{algorithm} on {env_id}: {error}") from error
    folder = out or _free_folder(f"{algorithm}-{env_id}-seed{seed}")
    return Run.create(folder, spec, command=["mario-rl", *sys.argv[1:]], overwrite=overwrite), agent


def _free_folder(name: str) -> Path:
    """Return runs/NAME, or runs/NAME-2 and so on if that is taken."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder


def _resumed(
    folder: Path, algorithm: str | None, env_id: str | None, steps: int | None, device: str
) -> tuple[Run, Agent]:
    """Return a run that exists and its agent as it was when saved."""
    from mario_rl_agents.recipes import ALGORITHMS
    from mario_rl_agents.training import Run

    run = Run.open(folder)
    for name, given, own in (
        ("algorithm", algorithm, run.spec.algorithm),
        ("environment", env_id, run.spec.env_id),
    ):
        if given is not None and given != own:
            raise _UsageError(
                f"{folder} has the {name} {own}, not {given}: leave it out with --resume"
            )
    if run.spec.algorithm not in ALGORITHMS:
        raise _Failure(
            f"{folder} was trained by {run.spec.algorithm}; known are {', '.join(ALGORITHMS)}"
        )
    if not run.checkpoint.is_file():
        raise _Failure(
            f"{folder} has no checkpoint yet: start it again with --out {folder} --overwrite"
        )
    env = _environment(run.spec.env_id, run.spec.env_kwargs)
    agent = _load(run.checkpoint, run.spec.algorithm, env, device)
    total_steps = steps or run.spec.total_steps
    if agent.num_steps >= total_steps:
        raise _UsageError(
            f"{folder} is finished: it has taken {agent.num_steps:,} of {total_steps:,} steps; "
            f"go on with --steps and a larger total"
        )
    return (run if total_steps == run.spec.total_steps else run.extended_to(total_steps)), agent


def _checkpoint(path: Path) -> Path:
    """Return the checkpoint file that a user means by a file or a run's folder."""
    from mario_rl_agents.training import Run

    if path.is_dir():
        run = Run.open(path)
        for candidate in (run.best, run.checkpoint):
            if candidate.is_file():
                return candidate
        raise _Failure(f"{path} has no checkpoint yet")
    if not path.is_file():
        raise _UsageError(
            f"there is no checkpoint at {path}: give a .safetensors file or a run's folder"
        )
    return path


def _loaded(
    path: Path, env_changes: dict[str, Any], *, device: str, render_mode: str | None = None
) -> Agent:
    """Return the agent of a checkpoint, in its own environment."""
    from mario_rl_agents.common.checkpoint import read_header
    from mario_rl_agents.recipes import ALGORITHMS

    header = read_header(path)
    if header.env_id is None:
        raise _Failure(f"{path} does not name its environment: load it from Python")
    if ":" in header.env_id:  # Gymnasium would import what stands before it
        raise _Failure(f"{path} names the environment {header.env_id!r}, which is no plain id")
    if header.algorithm not in ALGORITHMS:
        raise _Failure(
            f"{path} was trained by {header.algorithm}; known are {', '.join(ALGORITHMS)}"
        )
    kwargs = {**_env_kwargs(path, header), **env_changes}
    env = _environment(header.env_id, kwargs, render_mode)
    return _load(path, header.algorithm, env, device)


def _load(path: Path, algorithm: str, env: gym.Env[Any, Any], device: str) -> Agent:
    from mario_rl_agents.recipes import ALGORITHMS

    try:
        return ALGORITHMS[algorithm].load(path, env, device=device)
    except ValueError as error:
        raise _Failure(str(error)) from error


def _env_kwargs(path: Path, header: CheckpointHeader) -> dict[str, Any]:
    """Return the keywords of gym.make that a checkpoint was trained with."""
    from mario_rl_agents.training import Run, RunError

    # A checkpoint knows the keywords of the environment; its run those of gym.make itself too.
    with contextlib.suppress(RunError):
        spec = Run.open(path.parent).spec
        if spec.env_id == header.env_id:
            return spec.env_kwargs
    return {name: value for name, value in header.env_kwargs.items() if name != "render_mode"}


# After training


def _finish(
    agent: Agent, run: Run, outcome: Outcome, console: Console, *, eval_episodes: int, video: bool
) -> None:
    """Evaluate, plot, film and sum up."""
    from mario_rl_agents.common.evaluate import evaluation_table
    from mario_rl_agents.common.logger import RUNNING_EPISODES, read_episodes
    from mario_rl_agents.report import plot_learning_curves
    from mario_rl_agents.training import Outcome, write_json

    episodes = read_episodes(run.folder)
    facts = {
        "training": f"{outcome.value}, {agent.num_steps:,} steps, {agent.num_updates:,} updates, "
        f"{agent.num_episodes:,} episodes",
    }
    if episodes:
        plot_learning_curves([run.folder], run.learning_curve)
        recent = [row.episodic_return for row in episodes[-RUNNING_EPISODES:]]
        facts["return"] = (
            f"{sum(recent) / len(recent):,.1f}, mean of the last {len(recent)} episodes"
        )
        facts["learning curve"] = str(run.learning_curve)
    facts["checkpoint"] = str(run.checkpoint)
    evaluations: list[Evaluation] = []
    if eval_episodes:
        path = run.best if run.best.is_file() else run.checkpoint
        facts["evaluated"] = str(path)
        with console.status("evaluating"):
            env = _environment(run.spec.env_id, run.spec.env_kwargs)
            player = _load(path, agent.algorithm, env, str(agent.device))
            with contextlib.closing(env):
                epsilon = run.spec.evaluation_epsilon
                evaluations = _evaluations(
                    player, env, eval_episodes, epsilon=None, seed=_EVALUATION_SEED, usual=epsilon
                )
        write_json(run.evaluation, _evaluations_json(path, evaluations))
        if video:
            with console.status("filming"):
                facts["video"] = _film(path, agent, run, evaluations)
    results = _console(stderr=False)
    results.print(_summary(facts, title=f"{agent.algorithm} on {run.spec.env_id}"))
    if evaluations:
        results.print(evaluation_table(evaluations, title="evaluation"))
    if outcome is Outcome.OUT_OF_TIME:
        results.print(f"go on with  {_resume_command(run, [])}", highlight=False, soft_wrap=True)
    results.print(
        f"watch with  mario-rl watch {shlex.quote(str(run.folder))}",
        highlight=False,
        soft_wrap=True,
    )


def _film(path: Path, agent: Agent, run: Run, evaluations: list[Evaluation]) -> str:
    """Film the best evaluated episode and say which it was."""
    from mario_rl_agents.video import record_episode

    evaluation = max(evaluations, key=lambda candidate: candidate.best.episodic_return)
    best = evaluation.best
    env = _environment(run.spec.env_id, run.spec.env_kwargs, "rgb_array_list")
    with contextlib.closing(env):
        player = _load(path, agent.algorithm, env, str(agent.device))
        record_episode(player, env, run.video, epsilon=evaluation.epsilon, seed=best.seed)
    return f"{run.video}, best evaluated episode: {best.episodic_return:,.1f}, seed {best.seed}"


def _evaluations(
    agent: Agent,
    env: gym.Env[Any, Any],
    episodes: int,
    *,
    epsilon: float | None,
    seed: int,
    usual: float | None = None,
) -> list[Evaluation]:
    """Return the evaluation at epsilon, or the usual ones: greedy, and on Mario noisy too.

    Args:
        agent: who plays.
        env: where.
        episodes: how many.
        epsilon: what the user asked for, if anything.
        seed: of the first episode.
        usual: the recipe's evaluation epsilon; None looks it up.
    """
    from mario_rl_agents.common.evaluate import evaluate as evaluate_agent
    from mario_rl_agents.recipes import evaluation_epsilon

    if epsilon is not None:
        plan = [(epsilon, episodes)]
    else:
        if usual is None:
            usual = evaluation_epsilon(env.spec.id if env.spec is not None else "")
        plan = [(0.0, 1), (usual, episodes)] if usual > 0 else [(0.0, episodes)]
    return [
        evaluate_agent(agent, env, num_episodes=count, epsilon=value, seed=seed)
        for value, count in plan
    ]


def _evaluations_json(path: Path, evaluations: list[Evaluation]) -> dict[str, Any]:
    return {
        "checkpoint": str(path),
        "evaluations": [evaluation.to_json() for evaluation in evaluations],
    }


def _summary(facts: dict[str, str], *, title: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _show_window(
    agent: Agent, console: Console, *, episodes: int | None, epsilon: float, seed: int
) -> None:
    """Play in a window until the episodes are over or Ctrl-C."""
    import itertools

    from mario_rl_agents.common.evaluate import evaluate as evaluate_agent

    for index in itertools.count() if episodes is None else range(episodes):
        [episode] = evaluate_agent(
            agent, agent.env, num_episodes=1, epsilon=epsilon, seed=seed + index
        ).episodes
        cleared = ", cleared" if episode.cleared else ""
        console.print(
            f"seed {episode.seed}: return {episode.episodic_return:,.1f}, {episode.length:,} steps"
            f"{cleared}"
        )


def _evaluation_options(eval_episodes: int, video: bool) -> list[str]:
    options = (
        [] if eval_episodes == _EVALUATION_EPISODES else ["--eval-episodes", str(eval_episodes)]
    )
    return [*options, "--video"] if video else options


def _resume_command(run: Run, options: list[str]) -> str:
    return shlex.join(["mario-rl", "train", "--resume", str(run.folder), *options])


def _unsaved_message(run: Run) -> str:
    if run.checkpoint.is_file():
        return f"stopped at once; the latest checkpoint is kept: {_resume_command(run, [])}"
    return f"stopped at once, before the first checkpoint of {run.folder}"


if __name__ == "__main__":
    app()
