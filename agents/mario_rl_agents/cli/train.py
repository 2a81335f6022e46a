"""`mario-rl train`: a new run, or one that is resumed, with its summary at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mario_rl_agents.cli.compile import compile_hint
from mario_rl_agents.cli.completion import (
    complete_algorithm,
    complete_env_id,
    complete_keyword,
    complete_recipe,
    complete_setting,
)
from mario_rl_agents.cli.options import (
    EVALUATION_EPISODES,
    EVALUATION_SEED,
    Device,
    Trust,
    finite,
    read_pairs,
)
from mario_rl_agents.cli.terminal import (
    INTERRUPTED,
    Failure,
    UsageError,
    ask_to_trust,
    make_console,
    one_line_errors,
    styled,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.agent import Agent, Callback
    from mario_rl_agents.runs.run import Run
    from mario_rl_agents.runs.trainer import Outcome

_WITHOUT_SCREEN: Final = "train without --render, and record a video with mario-rl watch --video"


def train(
    algorithm: Annotated[
        str | None,
        typer.Argument(
            metavar="ALGO",
            autocompletion=complete_algorithm,
            help="The algorithm: dqn, double_dqn, ppo, td3, ... (see mario-rl recipes).",
            show_default=False,
        ),
    ] = None,
    env_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ENV_ID",
            autocompletion=complete_env_id,
            help="The environment: MarioRL-1-1-v0 (see mario-rl envs), any Gymnasium id.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environment steps in all, resumed ones included. [default: the recipe's]",
            show_default=False,
        ),
    ] = None,
    games: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop after so many games in all, resumed ones included, if the steps are not "
            "taken before.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            callback=finite,
            help="Stop after so many minutes, if the steps are not taken before.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete_recipe,
            help="Configuration to start from: default, tutorial (the tutorial's own numbers), "
            "demo (learns visibly in minutes) or, for SB3's agents, like (ours). "
            "[default: default]",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            autocompletion=complete_setting,
            help="Change a field of the configuration, as --set learning_rate=1e-4. Repeatable.",
        ),
    ] = None,
    imitate: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Begin by imitating demonstrations, as mario-rl demonstrate writes them (ppo). "
            "Repeatable.",
        ),
    ] = None,
    begin_with: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Begin with the weights of an agent of the same algorithm and networks: a "
            "checkpoint, a run's folder or a policy of the package.",
            show_default=False,
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            autocompletion=complete_keyword,
            help="A keyword of gym.make, e.g. --env actions=simple --env sticky=0.25. Repeatable.",
        ),
    ] = None,
    num_envs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environments that are stepped side by side. [default: the recipe's]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="The same seed trains the same agent. [default: 0]", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The run's folder. [default: runs/ALGO-ENV_ID-seedSEED]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace the run that is already in --out; files that are not the run's stay.",
        ),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with this run exactly where it stopped; its settings come from it. If "
            "only its evaluation is missing, make that.",
            show_default=False,
        ),
    ] = None,
    trust: Trust = False,
    eval_episodes: Annotated[
        int, typer.Option(min=0, help="Episodes of the evaluation at the end; 0 for none.")
    ] = EVALUATION_EPISODES,
    video: Annotated[
        bool, typer.Option("--video/--no-video", help="Record the best episode of that evaluation.")
    ] = False,
    render: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="GAMES",
            help="After every so many games the agent plays one in a window.",
            show_default=False,
        ),
    ] = None,
    keep_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="STEPS",
            help="Keep the weights after every so many steps, to see how it learned.",
            show_default=False,
        ),
    ] = None,
    best_from: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="GAME",
            help="From which game on the best weights are kept, by the mean of the last 100. "
            "[default: 100]",
            show_default=False,
        ),
    ] = None,
    print_games: Annotated[
        bool,
        typer.Option("--print-games", help="A line for each game: return, mean, best so far."),
    ] = False,
) -> None:
    """Train an agent, or go on training one.

    Everything goes into one folder: checkpoints, metrics, learning curve, evaluation, video.
    Ctrl-C saves and says how to go on.

    mario-rl train dqn CartPole-v1

    mario-rl train double_dqn MarioRL-1-1-v0 --minutes 30 --video

    mario-rl train --resume runs/double_dqn-MarioRL-1-1-v0-seed0
    """
    with one_line_errors():
        from mario_rl_agents.cli.summary import finish, resume_command
        from mario_rl_agents.reports.video import check_video_path
        from mario_rl_agents.reports.window import draw_unseen
        from mario_rl_agents.runs.trainer import Outcome

        if video and not eval_episodes:
            raise UsageError(
                "--video records an episode of the evaluation: give --eval-episodes too"
            )
        if video:
            check_video_path(Path("video.mp4"))
        draws = video or render is not None
        if render is not None:  # before there is a folder of a run
            from mario_rl_agents.cli.windows import check_for_screen

            check_for_screen(otherwise=_WITHOUT_SCREEN)
        if video:
            draw_unseen()
        if resume is not None:
            fixed = {
                "--set": bool(set_),
                "--imitate": bool(imitate),
                "--begin-with": begin_with is not None,
                "--env": bool(env),
                "--out": out is not None,
                "--overwrite": overwrite,
                "--num-envs": num_envs is not None,
                "--seed": seed is not None,
                "--recipe": recipe is not None,
            }
            refused = [option for option, is_given in fixed.items() if is_given]
            if refused:
                raise UsageError(
                    f"{', '.join(refused)} cannot change a run: with --resume give only "
                    "--steps, --games, --minutes, --device, --trust, --eval-episodes, --video, "
                    "--render, --keep-every, --best-from and --print-games"
                )
            run, agent = _resume(
                resume,
                algorithm=algorithm,
                env_id=env_id,
                steps=steps,
                games=games,
                device=device,
                draws=draws,
                trust=trust,
                evaluates=eval_episodes > 0,
            )
            verb = f"resuming at step {agent.num_steps:,}"
        else:
            if algorithm is None or env_id is None:
                raise UsageError(
                    "give an algorithm and an environment, as in mario-rl train dqn CartPole-v1, "
                    "or --resume RUN"
                )
            run, agent = _new(
                algorithm,
                env_id,
                recipe=recipe or "default",
                changes=read_pairs("--set", set_),
                imitated=imitate or [],
                begins_with=begin_with,
                env_kwargs=read_pairs("--env", env),
                num_envs=num_envs,
                steps=steps,
                games=games,
                seed=seed or 0,
                device=device,
                folder=out,
                overwrite=overwrite,
                draws=draws,
                trust=trust,
            )
            verb = "training"
        console = make_console()
        with contextlib.closing(agent.env):
            console.print(
                styled(
                    f"{verb} ",
                    (agent.algorithm, "bold"),
                    " on ",
                    (run.spec.env_id, "bold"),
                    f", seed {run.spec.seed}, {_where(agent)}, into ",
                    (str(run.folder), "bold"),
                ),
                soft_wrap=True,
            )
            for line in _networks(agent):
                console.print(line, soft_wrap=True)
            if run.spec.begins_with is not None and agent.num_steps == 0:
                console.print(
                    f"it begins with the weights of {run.spec.begins_with}", soft_wrap=True
                )
            elif agent.num_steps == 0 and run.spec.config.get("demonstrations"):
                console.print("first it imitates demonstrations, which takes a minute or two")
            hint = compile_hint(run.spec)
            if hint is not None:
                console.print(hint, soft_wrap=True)
            outcome = Outcome.FINISHED
            if not run.spec.is_finished(agent):
                outcome = _train(
                    agent,
                    run,
                    console,
                    minutes=minutes,
                    keep_every=keep_every,
                    best_from=best_from,
                    print_games=print_games,
                    render=render,
                )
        again = _options_again(keep_every, best_from)
        command = resume_command(run, *again, *_evaluation_options(eval_episodes, video))
        if outcome is Outcome.INTERRUPTED:
            console.print(
                styled(
                    ("interrupted", "bold yellow"),
                    f" at step {agent.num_steps:,}: all is saved. Go on with",
                )
            )
            # Plain, on a line of its own: made to be copied.
            console.print(f"  {command}", soft_wrap=True)
            raise typer.Exit(INTERRUPTED)
        try:
            finish(
                agent,
                run,
                outcome,
                console,
                eval_episodes=eval_episodes,
                eval_seed=EVALUATION_SEED,
                video=video,
            )
        except KeyboardInterrupt:
            console.print(styled(("stopped", "bold yellow"), " in the evaluation. Finish it with"))
            console.print(f"  {command}", soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None


def _new(
    algorithm: str,
    env_id: str,
    *,
    recipe: str,
    changes: dict[str, Any],
    imitated: list[Path],
    begins_with: Path | None,
    env_kwargs: dict[str, Any],
    num_envs: int | None,
    steps: int | None,
    games: int | None,
    seed: int,
    device: str,
    folder: Path | None,
    overwrite: bool,
    draws: bool,
    trust: bool,
) -> tuple[Run, Agent]:
    """Return a new run and its agent."""
    from mario_rl_agents.cli.checkpoints import find
    from mario_rl_agents.cli.summary import check_draws
    from mario_rl_agents.config import replaced
    from mario_rl_agents.runs.loading import new_run, recipe_for, spec_from_recipe

    with usage_errors():
        chosen = recipe_for(algorithm, env_id, recipe, total_steps=steps, num_envs=num_envs)
    if imitated:
        if not hasattr(chosen.config, "demonstrations"):
            raise UsageError(
                f"--imitate is for algorithms that learn from demonstrations, as ppo; {algorithm} "
                "does not: leave it out"
            )
        if "demonstrations" in changes:
            raise UsageError("--imitate sets demonstrations: leave --set demonstrations=... out")
        changes = {**changes, "demonstrations": _demonstrations(imitated)}
    with usage_errors("--set"):
        chosen = dataclasses.replace(chosen, config=replaced(chosen.config, changes))
    first = None if begins_with is None else find(begins_with).checkpoint
    with usage_errors():
        spec = spec_from_recipe(
            algorithm,
            env_id,
            chosen,
            env_kwargs=env_kwargs,
            num_envs=num_envs,
            total_steps=steps,
            total_games=games,
            seed=seed,
            begins_with=first,
        )
        if draws:
            check_draws(spec)
        command = ["mario-rl", *sys.argv[1:]]
        return ask_to_trust(
            lambda trust: new_run(
                spec,
                folder,
                device=device,
                overwrite=overwrite,
                command=command,
                trust=trust,
            ),
            trust=trust,
        )


def _resume(
    folder: Path,
    *,
    algorithm: str | None,
    env_id: str | None,
    steps: int | None,
    games: int | None,
    device: str,
    draws: bool,
    trust: bool,
    evaluates: bool,
) -> tuple[Run, Agent]:
    """Return a run and its agent, with new numbers of steps and games if they are given.

    A finished run is taken if it `evaluates` and its evaluation is missing.
    """
    from mario_rl_agents.cli.summary import check_draws
    from mario_rl_agents.runs.loading import resume_run
    from mario_rl_agents.runs.run import Run

    spec = Run.open(folder).spec
    for name, given, own in (
        ("algorithm", algorithm, spec.algorithm),
        ("environment", env_id, spec.env_id),
    ):
        if given is not None and given != own:
            raise UsageError(
                f"{folder} has the {name} {own}, not {given}: leave it out with --resume"
            )
    with usage_errors():
        run, agent = ask_to_trust(
            lambda trust: resume_run(folder, device=device, trust=trust), trust=trust
        )
        if draws:  # not before: it makes the environment
            check_draws(spec)
    wanted = dataclasses.replace(
        spec, total_steps=steps or spec.total_steps, total_games=games or spec.total_games
    )
    if wanted.is_finished(agent):
        if wanted == spec and evaluates and not run.is_evaluated:
            return run, agent
        option = "--steps" if agent.num_steps >= wanted.total_steps else "--games"
        raise UsageError(
            f"{folder} is finished: {wanted.progress_of(agent)}; go on with {option} and a larger "
            "total"
        )
    return (run if wanted == spec else run.extended_to(steps, total_games=games)), agent


def _demonstrations(paths: list[Path]) -> tuple[str, ...]:
    """Return the files, as they were named, after a look into each.

    Raises:
        UsageError: One is none of demonstrations.
    """
    from mario_rl_agents.demonstrations.games import Demonstrations

    with usage_errors("--imitate"):
        for path in paths:
            Demonstrations.load(path)
    return tuple(map(str, paths))


def _networks(agent: Agent) -> list[str]:
    """Return a line for each network that learns: its layers, and how many weights they have."""
    from mario_rl_agents.networks.summary import num_weights, summary_of

    learning = {
        name: network
        for name, network in agent.networks.items()
        if name not in agent.copies and num_weights(network)
    }
    sizes = {name: num_weights(network) for name, network in learning.items()}
    return [
        f"  {name}: {summary_of(network)} ({sizes[name]:,} weight{'s' if sizes[name] > 1 else ''})"
        for name, network in learning.items()
    ]


def _where(agent: Agent) -> str:
    """Return the agent's device, and what its networks compute in where that is not float32."""
    from mario_rl_agents.networks.precision import precision_on

    precision = precision_on(getattr(agent.config, "precision", "float32"), agent.device.type)
    return f"{agent.device}, {precision}" if precision != "float32" else str(agent.device)


def _train(
    agent: Agent,
    run: Run,
    console: Console,
    *,
    minutes: float | None,
    keep_every: int | None,
    best_from: int | None,
    print_games: bool,
    render: int | None,
) -> Outcome:
    """Train; an error of the environment or of the numbers is one line."""
    from mario_rl_agents.cli.progress import GamesPrinter, ProgressDisplay
    from mario_rl_agents.cli.summary import resume_command
    from mario_rl_agents.errors import (
        DemonstrationsError,
        ObservationError,
        RewardError,
        SetupError,
    )
    from mario_rl_agents.runs.metrics import RUNNING_EPISODES
    from mario_rl_agents.runs.trainer import train as train_agent

    shown: list[Callback] = [ProgressDisplay(console, run, minutes)]
    if print_games:
        shown.append(GamesPrinter(console, run))
    try:
        with contextlib.ExitStack() as stack:
            if render is not None:
                from mario_rl_agents.cli.rendering import GamesRenderer
                from mario_rl_agents.cli.windows import open_window

                window = stack.enter_context(
                    open_window(run.spec.env_id, otherwise=_WITHOUT_SCREEN)
                )
                shown.append(GamesRenderer(window, run, render))
            return train_agent(
                agent,
                run,
                minutes=minutes,
                keep_every=keep_every,
                best_from=best_from or RUNNING_EPISODES,
                callbacks=shown,
            )
    except KeyboardInterrupt:
        if run.checkpoint.is_file():
            command = resume_command(run, *_options_again(keep_every, best_from))
            raise Failure(f"stopped at once; the latest checkpoint is kept: {command}") from None
        raise Failure(f"stopped at once, before the first checkpoint of {run.folder}") from None
    except (
        DemonstrationsError,
        FloatingPointError,
        ObservationError,
        RewardError,
        SetupError,
    ) as error:
        raise Failure(f"training stopped at step {agent.num_steps:,}: {error}") from error


def _options_again(keep_every: int | None, best_from: int | None) -> list[str]:
    """Return the options that decide which weights are kept, as a user would give them."""
    given = {"--keep-every": keep_every, "--best-from": best_from}
    return [word for name, value in given.items() if value for word in (name, str(value))]


def _evaluation_options(eval_episodes: int, video: bool) -> list[str]:
    """Return the options of the evaluation as a user would give them: none for the defaults."""
    options = ["--video"] if video else []
    if eval_episodes != EVALUATION_EPISODES:
        options = ["--eval-episodes", str(eval_episodes), *options]
    return options
