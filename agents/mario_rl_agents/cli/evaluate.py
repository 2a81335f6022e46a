"""`mario-rl evaluate`: return, length, x position and clear rate of a trained agent."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mario_rl_agents.cli.cells import clear_cell
from mario_rl_agents.cli.options import (
    EVALUATION_EPISODES,
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
    titled,
    usage_errors,
)

if TYPE_CHECKING:
    import gymnasium as gym
    from rich.console import Group

    from mario_rl_agents.agent import Agent
    from mario_rl_agents.runs.evaluation import Evaluation


def evaluate(
    checkpoint: Checkpoint,
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How many episodes. [default: {EVALUATION_EPISODES}; by the protocol 100 of each "
            "condition and policy]",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        bool,
        typer.Option(
            "--protocol",
            help="Evaluate by the protocol of comparisons: on Mario plain, with no-op starts, with "
            "sticky actions; greedy and sampled. So is a policy of the package, unless "
            "--epsilon, --greedy or --sample ask for one evaluation.",
        ),
    ] = False,
    epsilon: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Probability of a random action. [default: 0; on Mario 0 once, then 0.05]",
            show_default=False,
        ),
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the best actions alone, as --epsilon 0.")
    ] = False,
    sample: Sample = False,
    seed: Seed = EVALUATION_SEED,
    env: EnvChanges = None,
    device: Device = "auto",
    trust: Trust = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, every episode included, and nothing else.")
    ] = False,
) -> None:
    """Measure a trained agent: return, length, x position, clear rate.

    A greedy agent in a deterministic game plays the same episode every time. So on Mario this
    plays one greedy episode, and then the number asked for: drawn from the policy where the agent
    has learned one (ppo, actor_critic, a3c, sac), else with one random action in twenty.

    Of a run's folder the result is written into evaluation.json there, unless --env, --epsilon,
    --greedy, --sample or --protocol ask for another evaluation than this one.

    mario-rl evaluate runs/demo

    mario-rl evaluate MarioRL-1-1-v0
    """
    with one_line_errors():
        from mario_rl_agents.cli.checkpoints import find
        from mario_rl_agents.files import check_writable
        from mario_rl_agents.runs.evaluation import evaluations_json
        from mario_rl_agents.runs.loading import load_agent
        from mario_rl_agents.runs.run import Run

        changes = read_pairs("--env", env)
        if greedy:
            if sample or epsilon:
                raise UsageError("--greedy excludes --sample and --epsilon: give one")
            epsilon = 0.0
        is_one = epsilon is not None or sample
        if protocol and is_one:
            raise UsageError(
                "--protocol has policies of its own: leave --epsilon, --greedy and --sample out"
            )
        found = find(checkpoint)
        path = found.checkpoint
        with usage_errors():
            agent = ask_to_trust(
                lambda trust: load_agent(
                    path, env_kwargs={**found.env_kwargs, **changes}, device=device, trust=trust
                ),
                trust=trust,
            )
        title = f"{agent.algorithm}, {path.name}: {agent.num_steps:,} steps of training"
        with contextlib.closing(agent.env):
            if protocol or (found.is_policy and not is_one):
                from mario_rl_agents.cli.conditions import evaluate_by_protocol

                content, table = evaluate_by_protocol(
                    agent, path, changes, num_episodes=episodes, seed=seed, title=title
                )
            else:
                is_kept = checkpoint.is_dir() and not changes and not is_one
                run = Run.open(checkpoint) if is_kept else None
                if run is not None:
                    check_writable(run.evaluation_path)
                if sample:
                    _check_samples(agent)
                evaluations = measure(
                    agent,
                    agent.single_env,
                    episodes or EVALUATION_EPISODES,
                    epsilon=epsilon,
                    sample=sample,
                    seed=seed,
                )
                if run is not None:
                    run.write_evaluations(path, evaluations)
                content = evaluations_json(path, evaluations)
                table = evaluation_table(evaluations, title=title)
        if as_json:
            typer.echo(json.dumps(content, indent=2))
        else:
            make_console(stderr=False).print(table)


def _check_samples(agent: Agent) -> None:
    """Check that actions can be drawn from an agent.

    Raises:
        UsageError: It has no exploration to draw them from.
    """
    from mario_rl_agents.runs.playing import can_sample

    if not can_sample(agent):
        raise UsageError(
            f"--sample: {agent.algorithm} has no exploration to draw actions from, leave it out"
        )


def measure(
    agent: Agent,
    env: gym.Env[Any, Any],
    episodes: int,
    *,
    epsilon: float | None,
    seed: int,
    sample: bool = False,
) -> list[Evaluation]:
    """Return the evaluation asked for, or the usual ones: greedy, and on Mario a varied one too.

    The varied one samples where the agent learns a distribution, else it has an epsilon.

    Args:
        agent: The agent.
        env: Its environment.
        episodes: The number of episodes.
        epsilon: The probability of a random action, if the user gave one.
        seed: Of the first episode.
        sample: Whether the user asked for actions drawn as in training.
    """
    from mario_rl_agents.recipes.recipe import EVALUATION_EPSILON
    from mario_rl_agents.runs.evaluation import evaluate as evaluate_agent
    from mario_rl_envs.env import SuperMarioBrosEnv

    if epsilon is not None or sample:
        plan = [(epsilon or 0.0, sample, episodes)]
    elif isinstance(env.unwrapped, SuperMarioBrosEnv) and agent.networks:  # random play varies
        varied = (0.0, True) if agent.is_stochastic else (EVALUATION_EPSILON, False)
        plan = [(0.0, False, 1), (*varied, episodes)]
    else:
        plan = [(0.0, False, episodes)]
    return [
        evaluate_agent(agent, env, num_episodes=count, epsilon=value, sample=sampled, seed=seed)
        for value, sampled, count in plan
    ]


def evaluation_table(evaluations: list[Evaluation], *, title: str | None = None) -> Group:
    """Return a rich table with one row an evaluation."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from mario_rl_agents.runs.evaluation import EPISODE_LIMIT, best_evaluation, policy_name

    # Tight, so that all of it fits into 80 columns.
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("policy", overflow="fold")
    for column in ("episodes", "return", "steps"):
        table.add_column(column, justify="right", overflow="fold")
    has_x_pos = any(evaluation.x_pos_mean is not None for evaluation in evaluations)
    has_clears = any(evaluation.clear_rate is not None for evaluation in evaluations)
    if has_x_pos:
        table.add_column("x (pixels)", justify="right", overflow="fold")
    if has_clears:
        table.add_column("clear rate (95 %)", justify="right", overflow="fold")
    for evaluation in evaluations:
        cells = [
            policy_name(evaluation.epsilon, sampled=evaluation.sampled)
            + (" *" if evaluation.repeats_itself else ""),
            str(evaluation.num_episodes),
            _spread(evaluation.return_mean, evaluation.return_std, evaluation.num_episodes),
            f"{evaluation.length_mean:,.1f}",
        ]
        if has_x_pos:
            cells.append("" if evaluation.x_pos_mean is None else f"{evaluation.x_pos_mean:,.0f}")
        if has_clears:
            cells.append(clear_cell(evaluation))
        table.add_row(*cells)
    remarks = []
    if any(evaluation.repeats_itself for evaluation in evaluations):
        remarks.append(
            "* every episode had the same return and length: if they are one episode again and "
            "again, more of them tell no more; a larger --epsilon varies them"
        )
    if len(evaluations) > 1:
        best = best_evaluation(evaluations)
        name = policy_name(best.epsilon, sampled=best.sampled)
        remarks.append(f"{name} scored best: mario-rl watch plays so")
    num_cut = sum(evaluation.num_cut for evaluation in evaluations)
    if num_cut:
        remarks.append(
            f"{num_cut} of the episodes did not end within {EPISODE_LIMIT:,} steps and were cut "
            "there: --env max_episode_steps=N ends them earlier"
        )
    return titled(table, title, "\n".join(remarks) or None)


def _spread(mean: float, std: float, count: int) -> str:
    return f"{mean:,.1f}" if count == 1 else f"{mean:,.1f} ± {std:,.1f}"
