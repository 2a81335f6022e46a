"""The command line, `mario-rl`: train, evaluate, watch, plot, envs.

Here stand the options and what a command does in a few lines. How names become agents and runs is
in `opening.py`, the end of a training in `finishing.py`, errors and exit codes in `terminal.py`.
Torch takes seconds to import: what needs it is imported inside the commands, so help is instant.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mario_rl_agents.cli.terminal import (
    INTERRUPTED,
    Failure,
    UsageError,
    make_console,
    one_line_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.agent import Agent
    from mario_rl_agents.runs.training import Run

# Torch's threads wait for each other asleep instead of spinning. Where anything else wants a core,
# as the environment's own thread does, spinning made training ten times slower (2 against 22 steps
# per second on Mario, two busy cores). OpenMP reads it once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_EVALUATION_EPISODES = 10
_EVALUATION_SEED = 10_000  # far from the seeds that training starts from

app = typer.Typer(
    name="mario-rl",
    help="Train agents on Super Mario Bros (or any Gymnasium environment), measure and watch them.",
    epilog="Start with: mario-rl train ppo MarioRL-1-1-v0 --recipe demo --minutes 5 --video",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Options that several commands have.
Checkpoint = Annotated[
    Path,
    typer.Argument(help="A .safetensors checkpoint, or a run's folder (its best is taken)."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the first episode; the next has the next seed.")]
EnvChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="KEY=VALUE",
        help="Change a keyword of gym.make, e.g. --env sticky=0.25.",
    ),
]
Sample = Annotated[
    bool, typer.Option("--sample", help="Draw actions as in training instead of the best ones.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


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
        typer.Argument(
            metavar="ALGO",
            help="What learns: dqn, double_dqn, ppo, td3, ... (see [bold]mario-rl recipes[/]).",
            show_default=False,
        ),
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
    device: Device = "auto",
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
    with one_line_errors():
        from mario_rl_agents.cli import finishing, opening
        from mario_rl_agents.errors import ObservationError
        from mario_rl_agents.reports.video import check_video_path
        from mario_rl_agents.runs.training import Outcome
        from mario_rl_agents.runs.training import train as run_training

        if video and not eval_episodes:
            raise UsageError("--video films an episode of the evaluation: give --eval-episodes too")
        if video:
            check_video_path(Path("video.mp4"))
        if resume is not None:
            fixed = {
                "--set": bool(set_),
                "--env": bool(env),
                "--out": out is not None,
                "--overwrite": overwrite,
                "--seed": seed != 0,
                "--recipe": recipe != "default",
            }
            refused = [option for option, is_given in fixed.items() if is_given]
            if refused:
                raise UsageError(
                    f"{', '.join(refused)} cannot change a run: with --resume give only "
                    "--steps, --minutes, --device, --eval-episodes and --video"
                )
            run, agent = opening.resumed_run(
                resume, algorithm=algorithm, env_id=env_id, steps=steps, device=device
            )
            verb = f"resuming at step {agent.num_steps:,}"
        else:
            if algorithm is None or env_id is None:
                raise UsageError(
                    "give an algorithm and an environment, as in mario-rl train dqn CartPole-v1, "
                    "or --resume RUN"
                )
            run, agent = opening.new_run(
                algorithm,
                env_id,
                recipe=recipe,
                changes=opening.read_pairs("--set", set_),
                env_kwargs=opening.read_pairs("--env", env),
                steps=steps,
                seed=seed,
                device=device,
                folder=out,
                overwrite=overwrite,
                command=["mario-rl", *sys.argv[1:]],
            )
            verb = "training"
        console = make_console()
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
                raise Failure(_unsaved_message(run)) from None
            except (FloatingPointError, ObservationError) as error:
                raise Failure(f"training stopped at step {agent.num_steps:,}: {error}") from error
        if outcome is Outcome.INTERRUPTED:
            console.print(
                f"[bold yellow]interrupted[/] at step {agent.num_steps:,}: all is saved. Go on with"
            )
            command = finishing.resume_command(run, *_evaluation_options(eval_episodes, video))
            # Plain, on a line of its own: made to be copied.
            console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)
            raise typer.Exit(INTERRUPTED)
        finishing.finish(
            agent,
            run,
            outcome,
            console,
            eval_episodes=eval_episodes,
            eval_seed=_EVALUATION_SEED,
            video=video,
        )


def _unsaved_message(run: Run) -> str:
    from mario_rl_agents.cli.finishing import resume_command

    if run.checkpoint.is_file():
        return f"stopped at once; the latest checkpoint is kept: {resume_command(run)}"
    return f"stopped at once, before the first checkpoint of {run.folder}"


def _evaluation_options(eval_episodes: int, video: bool) -> list[str]:
    """Return the options of the evaluation as a user would give them: none for the defaults."""
    options = ["--video"] if video else []
    if eval_episodes != _EVALUATION_EPISODES:
        options = ["--eval-episodes", str(eval_episodes), *options]
    return options


@app.command()
def evaluate(
    checkpoint: Checkpoint,
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
    sample: Sample = False,
    seed: Seed = _EVALUATION_SEED,
    env: EnvChanges = None,
    device: Device = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, every episode included, and nothing else.")
    ] = False,
) -> None:
    """Measure a trained agent: return, length, x position, clear rate.

    A greedy agent in a deterministic game plays the same episode every time. So on Mario this
    plays one greedy episode, and then the number asked for: drawn from the policy where the agent
    has learned one (ppo, actor_critic, a3c, sac), else with one random action in twenty.
    """
    with one_line_errors():
        from mario_rl_agents.cli.finishing import evaluations_json, measure
        from mario_rl_agents.cli.opening import find_checkpoint, open_agent, read_pairs
        from mario_rl_agents.runs.evaluation import evaluation_table

        path = find_checkpoint(checkpoint)
        agent = open_agent(path, read_pairs("--env", env), device=device)
        with contextlib.closing(agent.env):
            evaluations = measure(
                agent, agent.env, episodes, epsilon=epsilon, sample=sample, seed=seed
            )
        if as_json:
            typer.echo(json.dumps(evaluations_json(path, evaluations), indent=2))
        else:
            title = f"{agent.algorithm}, {agent.num_steps:,} steps of training"
            make_console(stderr=False).print(evaluation_table(evaluations, title=title))


@app.command()
def watch(
    checkpoint: Checkpoint,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Film one episode into this .mp4 or .gif, what the agent thinks of its actions "
            "drawn beside the game. Without it a window opens.",
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
    sample: Sample = False,
    seed: Seed = _EVALUATION_SEED,
    env: EnvChanges = None,
    device: Device = "auto",
) -> None:
    """Watch a trained agent play, in a window or in a film."""
    with one_line_errors():
        from mario_rl_agents.cli.opening import find_checkpoint, open_agent, read_pairs

        path = find_checkpoint(checkpoint)
        changes = read_pairs("--env", env)
        console = make_console(stderr=False)
        if video is None:
            agent = open_agent(path, changes, device=device, render_mode="human")
            with contextlib.closing(agent.env):
                _show_window(
                    agent, console, episodes=episodes, epsilon=epsilon, sample=sample, seed=seed
                )
            return
        if episodes is not None:
            raise UsageError(
                "--video films one episode: leave --episodes out, choose it with --seed"
            )
        from mario_rl_agents.reports.video import check_video_path, record_episode

        try:
            check_video_path(video)
        except ValueError as error:
            raise UsageError(f"--video: {error}") from error
        agent = open_agent(path, changes, device=device, render_mode="rgb_array_list")
        with contextlib.closing(agent.env):
            recording = record_episode(
                agent, agent.env, video, epsilon=epsilon, sample=sample, seed=seed
            )
        console.print(
            f"[bold]{recording.path}[/]: return {recording.episodic_return:,.1f} in "
            f"{recording.length:,} steps, {recording.num_frames:,} frames",
            highlight=False,
            soft_wrap=True,
        )


def _show_window(
    agent: Agent,
    console: Console,
    *,
    episodes: int | None,
    epsilon: float,
    sample: bool,
    seed: int,
) -> None:
    """Play in a window until the episodes are over or Ctrl-C."""
    from mario_rl_agents.runs.evaluation import evaluate as evaluate_agent

    for index in itertools.count() if episodes is None else range(episodes):
        [episode] = evaluate_agent(
            agent, agent.env, num_episodes=1, epsilon=epsilon, sample=sample, seed=seed + index
        ).episodes
        cleared = ", cleared" if episode.cleared else ""
        console.print(
            f"seed {episode.seed}: return {episode.episodic_return:,.1f}, {episode.length:,} steps"
            f"{cleared}"
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
    with one_line_errors():
        from mario_rl_agents.reports.plots import plot_learning_curves
        from mario_rl_agents.runs.training import Run

        opened = [Run.open(folder) for folder in runs]
        path = out or (opened[0].learning_curve if len(opened) == 1 else Path("learning_curve.png"))
        try:
            plot_learning_curves([run.folder for run in opened], path)
        except ValueError as error:
            raise Failure(str(error)) from error
        make_console(stderr=False).print(f"[bold]{path}[/]", highlight=False, soft_wrap=True)


@app.command()
def envs() -> None:
    """List the environments of Super Mario Bros, ready for gym.make."""
    from mario_rl_agents.cli.listing import environments_table

    make_console(stderr=False).print(environments_table())


@app.command()
def recipes(
    algorithm: Annotated[
        str | None,
        typer.Argument(metavar="ALGO", help="Only those of this one.", show_default=False),
    ] = None,
) -> None:
    """List the algorithms, and the configurations that training starts from."""
    with one_line_errors():
        from mario_rl_agents.cli.listing import recipes_table

        make_console(stderr=False).print(recipes_table(algorithm))


if __name__ == "__main__":
    app()
