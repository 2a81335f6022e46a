"""`mario-rl compare`: several algorithms on one environment, over seeds, by one protocol."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mario_rl_agents.cli.completion import complete_algorithm, complete_env_id
from mario_rl_agents.cli.options import Trust, finite, read_pairs
from mario_rl_agents.cli.terminal import (
    INTERRUPTED,
    Failure,
    UsageError,
    ask_to_trust,
    make_console,
    one_line_errors,
    program,
    styled,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.experiments import Engine, JobReport
    from mario_rl_agents.experiments.plan import Plan
    from mario_rl_agents.experiments.tables import Comparison

_SEEDS: Final = 5
_ENGINES: Final = ("local", "ray")


def compare(
    algorithms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ALGO",
            autocompletion=complete_algorithm,
            help="The sides: dqn, ppo, sb3-ppo, ... (see mario-rl recipes); ALGO/RECIPE for "
            "another recipe than the default, as sb3-ppo/like.",
            show_default=False,
        ),
    ] = None,
    env_id: Annotated[
        str | None,
        typer.Option(
            "--env",
            metavar="ENV_ID",
            autocompletion=complete_env_id,
            help="The environment: MarioRL-1-1-v0, any Gymnasium id, MODULE:ID of your own.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Environment steps of each run.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Runs of each side, with the seeds 0, 1, ... [default: {_SEEDS}]",
            show_default=False,
        ),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:CLASS",
            help="An agent of your own as one more side. Repeatable.",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="[ALGO.]KEY=VALUE",
            help="Change a field of the configuration of a side, or of all that have it.",
        ),
    ] = None,
    num_envs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environments that every side is trained in. [default: the recipes']",
            show_default=False,
        ),
    ] = None,
    env_kwarg: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A keyword of gym.make, for all sides. Repeatable."),
    ] = None,
    period: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environment steps from one evaluation to the next. [default: a tenth of --steps]",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Episodes of an evaluation along a training. [default: 10]",
            show_default=False,
        ),
    ] = None,
    final_episodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Episodes of an evaluation after training. [default: 100]",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Mean return (where there is a goal: share of episodes that reach it) whose first "
            "steps and seconds are told. [default: the environment's; on Mario 0.9]",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trainings at once, of the engine local. [default: one a core]",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local (processes of this machine) or ray (a cluster).")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster, as auto; without it one is started here."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0, callback=finite, help="Stop after so many minutes; --resume goes on."
        ),
    ] = None,
    speed: Annotated[
        int,
        typer.Option(
            min=0, help="Rounds of a measurement of speed afterward, in which the sides alternate."
        ),
    ] = 0,
    video: Annotated[
        bool, typer.Option("--video/--no-video", help="Record a game of the best run of each side.")
    ] = False,
    trust: Trust = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where all of it goes. [default: runs/compare-ENV_ID]",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Go on with the comparison in this folder; so does the same command line again.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare algorithms over seeds: evaluations, statistics, costs, and a page with all of it.

    Every run has a process and a seed of its own; the same environments, steps and evaluations for
    all. Stopped or killed, it goes on without repeating what is finished.

    mario-rl compare ppo sb3-ppo --env CartPole-v1 --steps 50000 --seeds 5
    """
    with one_line_errors():
        from mario_rl_agents.experiments.plan import Plan
        from mario_rl_agents.processors import num_processors

        if engine not in _ENGINES:
            raise UsageError(f"--engine must be local or ray, received {engine}")
        if address is not None and engine != "ray":
            raise UsageError("--address is that of a Ray cluster: give --engine ray too")
        if jobs is not None and engine == "ray":
            raise UsageError(
                "--jobs is for the engine local: a Ray cluster runs as many trainings at once as "
                "it has cores for, leave --jobs out"
            )
        if resume is not None:
            fixed = {
                "ALGO": algorithms,
                "--env": env_id,
                "--steps": steps,
                "--seeds": seeds,
                "--agent": agent,
                "--set": set_,
                "--num-envs": num_envs,
                "--env-kwarg": env_kwarg,
                "--period": period,
                "--episodes": episodes,
                "--final-episodes": final_episodes,
                "--threshold": threshold,
                "--out": out,
            }
            refused = [option for option, value in fixed.items() if value not in (None, [])]
            if refused:
                raise UsageError(
                    f"{', '.join(refused)} cannot change a comparison: with --resume give only "
                    "--jobs, --engine, --address, --minutes, --speed, --video and --trust"
                )
            folder, plan = resume, Plan.read(resume)
        else:
            sides = [*(algorithms or []), *(agent or [])]
            if not sides or env_id is None or steps is None:
                raise UsageError(
                    "give algorithms, --env and --steps, as in mario-rl compare ppo sb3-ppo --env "
                    "CartPole-v1 --steps 50000, or --resume FOLDER"
                )
            folder = out or Path("runs") / f"compare-{env_id.rpartition(':')[2]}"
            with usage_errors():
                plan = Plan.make(
                    sides,
                    env_id,
                    total_steps=steps,
                    num_seeds=_SEEDS if seeds is None else seeds,
                    period=period,
                    num_envs=num_envs,
                    env_kwargs=read_pairs("--env-kwarg", env_kwarg),
                    changes=_changes(sides, read_pairs("--set", set_)),
                    num_episodes=episodes,
                    num_final_episodes=final_episodes,
                    threshold=threshold,
                    command=["mario-rl", *sys.argv[1:]],
                )
                plan.check_environment()
        ask_to_trust(lambda trust: plan.check_trusted(folder, trust=trust), trust=trust)
        if video:
            _check_videos(plan)
        plan.write(folder)
        console = make_console()
        num_jobs = None if engine == "ray" else jobs or num_processors()
        console.print(_announcement(plan, folder, num_jobs), soft_wrap=True)
        try:
            reports = _run(plan, folder, console, engine, address, num_jobs, minutes)
            comparison = _finish(plan, folder, reports, console, speed, video)
        except KeyboardInterrupt:
            console.print(styled(("interrupted", "bold yellow"), ": go on with"))
            console.print(f"  {_resume_command(folder)}", soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None
        failed = [run for run in comparison.runs if run.state == "failed"]
        if failed:
            raise Failure(
                f"{len(failed)} of {len(comparison.runs)} runs failed, the first is "
                f"{failed[0].algorithm} with seed {failed[0].seed}: {failed[0].error}"
            )
        if any(run.state == "unfinished" for run in comparison.runs):
            console.print(f"go on with  {_resume_command(folder)}", soft_wrap=True)


def _resume_command(folder: Path) -> str:
    """Return the command line that goes on with a comparison."""
    return shlex.join([program(), "compare", "--resume", str(folder)])


def _changes(sides: Sequence[str], pairs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings by side, those for all under ""."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in pairs.items():
        side, dot, name = key.rpartition(".")
        if dot and side not in sides:
            raise UsageError(f"--set {key}: {side} is none of the sides {', '.join(sides)}")
        changes.setdefault(side, {})[name] = value
    return changes


def _check_videos(plan: Plan) -> None:
    """Check that videos can be recorded, before anything is trained.

    Raises:
        UsageError: The environment draws nothing.
        ImportError: What writes videos is not installed.
    """
    from mario_rl_agents.cli.summary import check_draws
    from mario_rl_agents.reports.video import check_video_path
    from mario_rl_agents.reports.window import draw_unseen

    check_video_path(Path("video.mp4"))
    draw_unseen()
    with usage_errors():
        check_draws(plan.jobs()[0].spec, "--video")


def _announcement(plan: Plan, folder: Path, num_jobs: int | None) -> Any:
    labels = ", ".join(entry.label for entry in plan.entries)
    how_many = "as many as the cluster has cores for" if num_jobs is None else str(num_jobs)
    seeds = "1 seed" if plan.num_seeds == 1 else f"{plan.num_seeds} seeds"
    return styled(
        "comparing ",
        (labels, "bold"),
        " on ",
        (plan.env_id, "bold"),
        f": {seeds} of {plan.total_steps:,} steps, {how_many} at once, into ",
        (str(folder), "bold"),
    )


def _run(
    plan: Plan,
    folder: Path,
    console: Console,
    engine: str,
    address: str | None,
    num_jobs: int | None,
    minutes: float | None,
) -> list[JobReport]:
    """Run what is not finished, and show how far all runs are."""
    from mario_rl_agents.cli.comparison_display import ComparisonDisplay
    from mario_rl_agents.experiments.plan import jobs_folder

    display = ComparisonDisplay(console, plan, jobs_folder(folder))
    with display:
        runner = _engine(engine, address, num_jobs, display)
        return runner.run(plan.jobs(), jobs_folder(folder), minutes=minutes)


def _engine(engine: str, address: str | None, num_jobs: int | None, display: Any) -> Engine:
    if engine == "ray":
        from mario_rl_agents.experiments.ray_engine import RayEngine

        return RayEngine(address=address, tell=display.tell)
    from mario_rl_agents.experiments import LocalEngine

    return LocalEngine(num_jobs, tell=display.tell)


def _finish(
    plan: Plan,
    folder: Path,
    reports: Sequence[JobReport],
    console: Console,
    speed: int,
    video: bool,
) -> Comparison:
    """Write the raw data, speeds, videos, and the page; print the tables."""
    from mario_rl_agents.cli.comparison_tables import cost_table, score_table, speed_table
    from mario_rl_agents.experiments.comparison import gather
    from mario_rl_agents.experiments.comparison_page import write_page

    comparison = gather(plan, folder, reports)
    comparison.write(folder)
    results = make_console(stderr=False)
    results.print(score_table(comparison))
    results.print(cost_table(comparison))
    page = write_page(folder)  # at once: what is measured and recorded afterward may fail
    if speed:
        from mario_rl_agents.experiments.speed import measure_speeds

        with console.status("measuring speeds", spinner="line"):
            speeds = measure_speeds(plan, num_rounds=speed)
        comparison = dataclasses.replace(comparison, speeds=tuple(speeds))
        comparison.write(folder)
        results.print(speed_table(comparison))
        write_page(folder)
    if video:
        from mario_rl_agents.experiments.videos import record_videos

        try:
            with console.status("recording", spinner="line"):
                record_videos(plan, folder, comparison)
        except ValueError as error:
            raise Failure(
                f"a video could not be recorded ({error}): {page} is without it"
            ) from error
        write_page(folder)
    results.print(styled("page  ", (str(page), "bold")), soft_wrap=True)
    return comparison
