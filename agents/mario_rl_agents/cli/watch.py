"""`mario-rl watch`: an agent's episodes or a recorded route, in a window or as a video."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from mario_rl_agents.cli.completion import complete_route
from mario_rl_agents.cli.options import (
    EVALUATION_SEED,
    Device,
    EnvChanges,
    Sample,
    Seed,
    Trust,
    read_pairs,
)
from mario_rl_agents.cli.terminal import (
    UsageError,
    ask_to_trust,
    make_console,
    one_line_errors,
    styled,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.agent import Agent
    from mario_rl_agents.envs import Env
    from mario_rl_agents.reports.show import Showable
    from mario_rl_agents.reports.window import Window

_STALL: Final = 10.0  # seconds
_KEYS: Final = {
    "space": "pause",
    "p": "pause",
    "n": "next",
    "v": "panel",
    "h": "help",
    "q": "quit",
    "escape": "quit",
}
_HELP: Final = (
    ("space", "pause"),
    ("N", "next episode"),
    ("V", "panel on or off"),
    ("H", "these keys"),
    ("Q or Esc", "quit"),
)


def watch(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A .safetensors checkpoint, a run's folder (its best is taken), or the id of a "
            "policy that comes with the package, as MarioRL-1-1-v0.",
            show_default=False,
        ),
    ] = None,
    route: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE|FILE",
            autocompletion=complete_route,
            help="Instead of an agent a recorded route: the package's through a stage, as 1-1, or "
            "a file of mario-rl play --record.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record one episode into this .mp4 or .gif, with the agent's action values or "
            "probabilities beside the game. Without it a window opens.",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many episodes the window shows. [default: until it is closed]",
            show_default=False,
        ),
    ] = None,
    greedy: Annotated[
        bool,
        typer.Option(
            "--greedy",
            help="Take the best actions. [default: the policy that scored best when it was "
            "evaluated]",
        ),
    ] = False,
    sample: Sample = False,
    epsilon: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Probability of a random action.", show_default=False),
    ] = None,
    before_after: Annotated[
        bool,
        typer.Option(
            "--before-after",
            help="Beside it the same agent before its training. Needs a run's folder.",
        ),
    ] = False,
    stall: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="End an episode in which Mario stays within two blocks for so many seconds; 0: "
            "never.",
        ),
    ] = _STALL,
    seed: Seed = EVALUATION_SEED,
    env: EnvChanges = None,
    device: Device = "auto",
    trust: Trust = False,
) -> None:
    """Watch a trained agent or a recorded route, in a window or as a video.

    An agent is watched as it scored best: greedy, sampled, or with an epsilon.

    mario-rl watch MarioRL-1-1-v0

    mario-rl watch runs/demo

    mario-rl watch runs/demo --video demo.mp4

    mario-rl watch runs/demo --before-after --video learned.mp4

    mario-rl watch --route 1-1
    """
    with one_line_errors():
        if (checkpoint is None) == (route is None):
            raise UsageError(
                "give a checkpoint, a run's folder or the id of a policy, or --route: one of them"
            )
        if greedy and sample:
            raise UsageError("--greedy and --sample exclude each other: give one")
        if video is not None and episodes is not None:
            raise UsageError(
                "--video records one episode: leave --episodes out, choose it with --seed"
            )
        if route is not None:
            of_agents = {
                "--greedy": greedy,
                "--sample": sample,
                "--epsilon": epsilon is not None,
                "--before-after": before_after,
                "--stall": stall != _STALL,
                "--seed": seed != EVALUATION_SEED,
                "--device": device != "auto",
                "--trust": trust,
            }
            refused = [option for option, is_given in of_agents.items() if is_given]
            if refused:
                raise UsageError(f"{', '.join(refused)} cannot change a route: leave it out")
        changes = read_pairs("--env", env)
        if video is not None:
            from mario_rl_agents.files import check_writable
            from mario_rl_agents.reports.video import check_video_path
            from mario_rl_agents.reports.window import draw_unseen

            with usage_errors("--video"):
                check_video_path(video)
            check_writable(video)
            draw_unseen()
        with contextlib.ExitStack() as stack:
            window = None
            if video is None:  # at once: to load an agent takes seconds
                from mario_rl_agents.cli.windows import open_window

                title = f"{route or checkpoint} · mario-rl watch"
                instead = "record a video instead, with --video FILE.mp4 or FILE.gif"
                window = stack.enter_context(open_window(title, otherwise=instead))
            if checkpoint is None:
                program = _route_program(str(route), changes)
            else:
                is_asked = greedy or sample or epsilon is not None
                asked = (epsilon or 0.0, sample, "as you ask") if is_asked else None
                program = _agent_program(
                    checkpoint,
                    changes,
                    asked,
                    before_after=before_after,
                    stall=stall,
                    device=device,
                    trust=trust,
                )
            for env_shown in program.envs:
                stack.enter_context(contextlib.closing(env_shown))
            console = make_console(stderr=False)
            console.print(program.what, soft_wrap=True)
            if window is not None:
                _show(program, window, console, episodes=episodes, seed=seed)
            elif video is not None:
                _record(program, video, console, seed=seed)


class _Program(NamedTuple):
    """What is watched."""

    what: str
    envs: tuple[Env, ...]
    make_show: Callable[[int], Showable]  # takes the seed of an episode
    max_seconds: float | None  # of a video of it
    seconds: float | None = None  # how long it is, where that is known
    is_seeded: bool = True  # whether its episodes differ by their seed


def _agent_program(
    path: Path,
    changes: dict[str, Any],
    asked: tuple[float, bool, str] | None,
    *,
    before_after: bool,
    stall: float,
    device: str,
    trust: bool,
) -> _Program:
    """Return an agent's episodes, beside them those of the same agent untrained if wanted."""
    from mario_rl_agents.cli.checkpoints import find
    from mario_rl_agents.cli.policy import best_policy
    from mario_rl_agents.reports.show import AgentPlayer, Show, agent_panel
    from mario_rl_agents.reports.side_by_side import SideBySide
    from mario_rl_agents.reports.video import MAX_SECONDS
    from mario_rl_agents.runs.evaluation import policy_name
    from mario_rl_agents.runs.loading import load_agent, untrained_agent
    from mario_rl_agents.runs.run import Run

    if before_after and not path.is_dir():
        raise UsageError(f"--before-after needs a run's folder, got {path}")
    found = find(path)
    checkpoint = found.checkpoint
    with usage_errors():
        agent = ask_to_trust(
            lambda trust: load_agent(
                checkpoint,
                env_kwargs={**found.env_kwargs, **changes},
                render_mode="rgb_array_list",
                device=device,
                trust=trust,
            ),
            trust=trust,
        )
    epsilon, sample, reason = asked or best_policy(checkpoint, agent)
    agents = {f"after {agent.num_steps:,} steps": agent}
    if before_after:
        run = Run.open(path)
        with usage_errors():  # the run may name other code than its checkpoint
            untrained = ask_to_trust(
                lambda trust: untrained_agent(
                    run,
                    env_kwargs=changes,
                    render_mode="rgb_array_list",
                    device=device,
                    trust=trust,
                ),
                trust=trust,
            )
        agents = {"before training": untrained, **agents}

    def show_of(agent: Agent, seed: int) -> Show:
        env = agent.single_env
        with usage_errors():
            player = AgentPlayer(agent, env, epsilon=epsilon, sample=sample, seed=seed)
        panel = agent_panel(agent, env, epsilon=epsilon, sample=sample)
        return Show(env, player, panel, stall_seconds=stall)

    def make_show(seed: int) -> Showable:
        if not before_after:
            return show_of(agent, seed)
        return SideBySide({caption: show_of(each, seed) for caption, each in agents.items()})

    what = (
        f"{agent.algorithm}, {agent.num_steps:,} steps of training: "
        f"{policy_name(epsilon, sampled=sample)} ({reason})"
    )
    envs = tuple(each.single_env for each in agents.values())
    return _Program(what, envs, make_show, MAX_SECONDS)


def _route_program(name: str, changes: dict[str, Any]) -> _Program:
    """Return a route through a stage, or that of a file."""
    from mario_rl_agents.reports.mario import Joypad, frame_by_frame
    from mario_rl_agents.reports.panel import Panel
    from mario_rl_agents.reports.show import HOLD_SECONDS, RoutePlayer, Show
    from mario_rl_envs import routes
    from mario_rl_envs.game.stages import STAGES

    with usage_errors("--route"):
        is_stage = name in STAGES
        if not is_stage and not Path(name).exists():
            raise ValueError(
                f"there is no file {name}, nor a stage of that name: give a stage, 1-1 to 8-4, or "
                "a file of mario-rl play --record"
            )
        route = routes.load(name) if is_stage else routes.read(name)
    env_id = "MarioRL-v0" if route.stage is None else f"MarioRL-{route.stage}-v0"
    with usage_errors("--env"):
        env = frame_by_frame(env_id, changes)

    def make_show(seed: int) -> Show:
        panel = Panel(env, title=env_id, subtitle=f"route {name}", action_view=Joypad())
        return Show(env, RoutePlayer(route), panel, stall_seconds=0)

    what = f"route {name}: {env_id}, {route.num_steps:,} steps of {route.frames_per_step} frames"
    seconds = len(route.frames) / env.metadata["render_fps"] + HOLD_SECONDS
    return _Program(what, (env,), make_show, None, seconds, is_seeded=False)


def _show(
    program: _Program, window: Window, console: Console, *, episodes: int | None, seed: int
) -> None:
    """Show in a window until the episodes are over, or the user has seen enough."""
    from mario_rl_agents.cli.windows import summary_of
    from mario_rl_agents.reports.show import NoPicturesError
    from mario_rl_agents.reports.window import Command, Screening

    screening = Screening(window, _KEYS, help_rows=_HELP)
    for index in itertools.count() if episodes is None else range(episodes):
        show = program.make_show(seed + index)
        with usage_errors(kind=NoPicturesError):
            command = screening.run(show, seed + index)
        prefix = f"seed {seed + index}: " if program.is_seeded else ""
        console.print(f"{prefix}{summary_of(show)}", soft_wrap=True)
        if command is Command.QUIT:
            return


def _record(program: _Program, path: Path, console: Console, *, seed: int) -> None:
    """Record an episode, with its progress."""
    from mario_rl_agents.cli.windows import summary_of, video_progress
    from mario_rl_agents.reports.show import NoPicturesError
    from mario_rl_agents.reports.video import record_show

    show = program.make_show(seed)
    with (
        usage_errors(kind=NoPicturesError),
        video_progress(make_console(), seconds=program.seconds) as progress,
    ):
        recording = record_show(
            show, path, seed=seed, max_seconds=program.max_seconds, progress=progress
        )
    console.print(
        styled((str(path), "bold"), f": {summary_of(show)}, {recording.num_frames:,} frames"),
        soft_wrap=True,
    )
