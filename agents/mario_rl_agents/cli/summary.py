"""End of `mario-rl train`: evaluation, learning curve, video, and a summary of what there is."""

from __future__ import annotations

import contextlib
import shlex
import warnings
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mario_rl_agents.agent import Agent
from mario_rl_agents.cli.evaluate import evaluation_table, measure
from mario_rl_agents.cli.terminal import make_console, program
from mario_rl_agents.cli.windows import video_progress
from mario_rl_agents.reports.plots import plot_learning_curves
from mario_rl_agents.reports.video import Progress, record_episode
from mario_rl_agents.runs.evaluation import Evaluation
from mario_rl_agents.runs.loading import load_agent, open_env
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, mean_return
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.runs.trainer import Outcome


def finish(
    agent: Agent,
    run: Run,
    outcome: Outcome,
    console: Console,
    *,
    eval_episodes: int,
    eval_seed: int,
    video: bool,
) -> None:
    """Evaluate, plot, record a video and print a summary.

    Args:
        agent: As training left it.
        run: What was trained.
        outcome: Why training stopped.
        console: Shows what is being done.
        eval_episodes: Episodes of the evaluation; 0 for none, and then no video either.
        eval_seed: Of the first of them.
        video: Whether the best of them is recorded.
    """
    facts = {
        "training": f"{outcome.value}, {agent.num_steps:,} steps, {_updates(agent)}, "
        f"{agent.num_episodes:,} episodes",
    }
    episodes = run.episodes()
    if episodes:
        plot_learning_curves([run], run.learning_curve)
        recent = episodes[-RUNNING_EPISODES:]
        facts["return"] = f"{mean_return(recent):,.1f}, mean of the last {len(recent)} episodes"
        facts["learning curve"] = str(run.learning_curve)
    facts["checkpoint"] = str(run.checkpoint)
    evaluations: list[Evaluation] = []
    if eval_episodes:
        path = run.best_or_latest()
        facts["evaluated"] = str(path)
        with console.status("evaluating", spinner="line"):
            evaluations = _evaluate(path, agent, run, eval_episodes, eval_seed)
        if video:
            with video_progress(console) as progress:
                facts["video"] = _record(path, agent, run, evaluations, progress)
    results = make_console(stderr=False)
    results.print(_summary(facts, title=f"{agent.algorithm} on {run.spec.env_id}"))
    if evaluations:
        results.print(evaluation_table(evaluations, title="evaluation"))
    if outcome is Outcome.OUT_OF_TIME:
        results.print(f"go on with  {resume_command(run)}", soft_wrap=True)
    if agent.env.metadata.get("render_modes"):
        results.print(
            f"watch with  {shlex.join([program(), 'watch', str(run.folder)])}", soft_wrap=True
        )


def check_draws(spec: RunSpec, options: str = "--video and --render") -> None:
    """Check that the environment of a run draws pictures, which a video is made of.

    Args:
        spec: Of the run.
        options: Of the command that need the pictures, for the message.

    Raises:
        ValueError: It does not; the message says what to do.
    """
    what_to_do = (
        f"leave {options} out, or let the environment take "
        'render_mode="rgb_array" and return a picture from render()'
    )
    try:
        # Gymnasium warns of a mode that is not among the environment's; here it is an error.
        with warnings.catch_warnings(action="ignore"):
            env = open_env(spec.env_id, spec.env_kwargs, "rgb_array_list")
            with contextlib.closing(env):
                env.reset(seed=spec.seed)
                pictures = env.render() if env.render_mode == "rgb_array_list" else None
    except Exception as error:  # of the environment, whoever wrote it
        raise ValueError(
            f"{spec.env_id} cannot be recorded ({type(error).__name__}: {error}): {what_to_do}"
        ) from error
    if not pictures:
        raise ValueError(f"{spec.env_id} cannot be recorded, it draws nothing: {what_to_do}")


def resume_command(run: Run, *options: str) -> str:
    """Return the command line that goes on with a run."""
    return shlex.join([program(), "train", "--resume", str(run.folder), *options])


def _evaluate(path: Path, agent: Agent, run: Run, episodes: int, seed: int) -> list[Evaluation]:
    """Evaluate a checkpoint of the run and write the result into its folder."""
    with contextlib.closing(open_env(run.spec.env_id, run.spec.env_kwargs)) as env:
        player = load_agent(path, env, device=str(agent.device))
        evaluations = measure(player, env, episodes, epsilon=None, seed=seed)
    run.write_evaluations(path, evaluations)
    return evaluations


def _updates(agent: Agent) -> str:
    """Return the number of gradient steps; without any, what learning still waits for."""
    if agent.num_updates or not agent.networks:
        return f"{agent.num_updates:,} updates"
    reason = ""
    if hasattr(agent.config, "learning_starts"):
        reason = f" (learning_starts = {agent.config.learning_starts:,})"
    elif hasattr(agent.config, "rollout_steps"):
        steps = agent.config.rollout_steps
        games = f" in {agent.num_envs} environments" if agent.num_envs > 1 else ""
        reason = f" (rollout_steps = {steps:,}{games}: {agent.num_envs * steps:,} steps)"
    return f"0 updates: learning had not begun{reason}"


def _record(
    path: Path, agent: Agent, run: Run, evaluations: list[Evaluation], progress: Progress
) -> str:
    """Record the best evaluated episode and return what to say of it."""
    evaluation = max(evaluations, key=lambda candidate: candidate.best.episodic_return)
    best = evaluation.best
    env = open_env(run.spec.env_id, run.spec.env_kwargs, "rgb_array_list")
    with contextlib.closing(env):
        player = load_agent(path, env, device=str(agent.device))
        record_episode(
            player,
            env,
            run.video,
            epsilon=evaluation.epsilon,
            sample=evaluation.sampled,
            seed=best.seed,
            progress=progress,
        )
    return f"{run.video}, best evaluated episode: {best.episodic_return:,.1f}, seed {best.seed}"


def _summary(facts: dict[str, str], *, title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table
