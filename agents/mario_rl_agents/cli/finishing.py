"""Ends a run of `mario-rl train`: evaluation, learning curve, film, summary, and how to go on.

`mario-rl evaluate` measures with the same functions.
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich.console import Console
from rich.table import Table

from mario_rl_agents.agent import Agent
from mario_rl_agents.cli.opening import load_agent, open_env
from mario_rl_agents.cli.terminal import make_console
from mario_rl_agents.recipes import evaluation_epsilon
from mario_rl_agents.reports.plots import plot_learning_curves
from mario_rl_agents.reports.video import record_episode
from mario_rl_agents.runs.evaluation import Evaluation, evaluate, evaluation_table
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, read_episodes
from mario_rl_agents.runs.training import Outcome, Run, write_json


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
    """Evaluate, plot, film and sum up.

    Args:
        agent: as training left it.
        run: what was trained.
        outcome: why training stopped.
        console: shows what is being done.
        eval_episodes: episodes of the evaluation; 0 for none, and then no film either.
        eval_seed: of the first of them.
        video: film the best of them.
    """
    facts = {
        "training": f"{outcome.value}, {agent.num_steps:,} steps, {agent.num_updates:,} updates, "
        f"{agent.num_episodes:,} episodes",
    }
    episodes = read_episodes(run.folder)
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
            evaluations = _evaluate(path, agent, run, eval_episodes, eval_seed)
        if video:
            with console.status("filming"):
                facts["video"] = _film(path, agent, run, evaluations)
    results = make_console(stderr=False)
    results.print(_summary(facts, title=f"{agent.algorithm} on {run.spec.env_id}"))
    if evaluations:
        results.print(evaluation_table(evaluations, title="evaluation"))
    if outcome is Outcome.OUT_OF_TIME:
        results.print(f"go on with  {resume_command(run)}", highlight=False, soft_wrap=True)
    results.print(
        f"watch with  mario-rl watch {shlex.quote(str(run.folder))}",
        highlight=False,
        soft_wrap=True,
    )


def resume_command(run: Run, *options: str) -> str:
    """Return the command line that goes on with a run."""
    return shlex.join(["mario-rl", "train", "--resume", str(run.folder), *options])


def measure(
    agent: Agent,
    env: gym.Env[Any, Any],
    episodes: int,
    *,
    epsilon: float | None,
    seed: int,
    sample: bool = False,
    usual_epsilon: float | None = None,
) -> list[Evaluation]:
    """Return the evaluation asked for, or the usual ones: greedy, and on Mario a varied one too.

    What varies it is the policy's own chance where it learns one, else epsilon.

    Args:
        agent: who plays.
        env: where.
        episodes: how many.
        epsilon: what the user asked for, if anything.
        seed: of the first episode.
        sample: whether the user asked for actions drawn as in training.
        usual_epsilon: the recipe's evaluation epsilon; None looks it up.
    """
    if epsilon is not None or sample:
        plan = [(epsilon or 0.0, sample, episodes)]
    else:
        if usual_epsilon is None:
            usual_epsilon = evaluation_epsilon(env.spec.id if env.spec is not None else "")
        varied = (0.0, True) if agent.is_stochastic else (usual_epsilon, False)
        plan = [(0.0, False, 1), (*varied, episodes)]
        if usual_epsilon == 0:
            plan = [(0.0, False, episodes)]
    return [
        evaluate(agent, env, num_episodes=count, epsilon=value, sample=sampled, seed=seed)
        for value, sampled, count in plan
    ]


def evaluations_json(path: Path, evaluations: list[Evaluation]) -> dict[str, Any]:
    """Return the evaluations of a checkpoint as plain JSON values."""
    return {
        "checkpoint": str(path),
        "evaluations": [evaluation.to_json() for evaluation in evaluations],
    }


def _evaluate(path: Path, agent: Agent, run: Run, episodes: int, seed: int) -> list[Evaluation]:
    """Evaluate a checkpoint of the run and write what came out into its folder."""
    with contextlib.closing(open_env(run.spec.env_id, run.spec.env_kwargs)) as env:
        player = load_agent(path, agent.algorithm, env, str(agent.device))
        usual = run.spec.evaluation_epsilon
        evaluations = measure(player, env, episodes, epsilon=None, seed=seed, usual_epsilon=usual)
    write_json(run.evaluation, evaluations_json(path, evaluations))
    return evaluations


def _film(path: Path, agent: Agent, run: Run, evaluations: list[Evaluation]) -> str:
    """Film the best evaluated episode and say which it was."""
    evaluation = max(evaluations, key=lambda candidate: candidate.best.episodic_return)
    best = evaluation.best
    env = open_env(run.spec.env_id, run.spec.env_kwargs, "rgb_array_list")
    with contextlib.closing(env):
        player = load_agent(path, agent.algorithm, env, str(agent.device))
        record_episode(
            player,
            env,
            run.video,
            epsilon=evaluation.epsilon,
            sample=evaluation.sampled,
            seed=best.seed,
        )
    return f"{run.video}, best evaluated episode: {best.episodic_return:,.1f}, seed {best.seed}"


def _summary(facts: dict[str, str], *, title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table
