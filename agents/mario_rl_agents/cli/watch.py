"""`mario-rl watch`: a trained agent's episodes in a window, or one of them as a video."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mario_rl_agents.cli.options import (
    EVALUATION_SEED,
    Checkpoint,
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
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_agents.agent import Agent


def watch(
    checkpoint: Checkpoint,
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
            help="How many episodes the window shows. [dim]\\[default: until Ctrl-C][/]",
            show_default=False,
        ),
    ] = None,
    epsilon: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability of a random action.")
    ] = 0.0,
    sample: Sample = False,
    seed: Seed = EVALUATION_SEED,
    env: EnvChanges = None,
    device: Device = "auto",
    trust: Trust = False,
) -> None:
    """Watch a trained agent play, in a window or as a video."""
    with one_line_errors():
        from mario_rl_agents.reports.video import check_video_path, record_episode
        from mario_rl_agents.runs.loading import find_checkpoint, load_agent

        changes = read_pairs("--env", env)
        with usage_errors(kind=FileNotFoundError):
            path = find_checkpoint(checkpoint)
        console = make_console(stderr=False)

        def load(render_mode: str) -> Agent:
            with usage_errors():
                return ask_to_trust(
                    lambda trust: load_agent(
                        path,
                        env_kwargs=changes,
                        render_mode=render_mode,
                        device=device,
                        trust=trust,
                    ),
                    trust=trust,
                )

        if video is None:
            agent = load("human")
            with contextlib.closing(agent.env):
                _show_window(
                    agent, console, episodes=episodes, epsilon=epsilon, sample=sample, seed=seed
                )
            return
        if episodes is not None:
            raise UsageError(
                "--video records one episode: leave --episodes out, choose it with --seed"
            )
        with usage_errors("--video"):
            check_video_path(video)
        agent = load("rgb_array_list")
        with contextlib.closing(agent.env):
            recording = record_episode(
                agent, agent.single_env, video, epsilon=epsilon, sample=sample, seed=seed
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

    env = agent.single_env
    for index in itertools.count() if episodes is None else range(episodes):
        [episode] = evaluate_agent(
            agent, env, num_episodes=1, epsilon=epsilon, sample=sample, seed=seed + index
        ).episodes
        cleared = ", cleared" if episode.cleared else ""
        console.print(
            f"seed {episode.seed}: return {episode.episodic_return:,.1f}, {episode.length:,} steps"
            f"{cleared}"
        )
