"""The evaluations of the protocol on a terminal: its conditions, greedy and sampled, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from mario_rl_agents.agent import Agent
from mario_rl_agents.cli.cells import clear_cell
from mario_rl_agents.cli.terminal import UsageError, make_console, titled
from mario_rl_agents.experiments.conditions import Played, play_conditions
from mario_rl_agents.experiments.protocol import Condition, Protocol, conditions_for
from mario_rl_agents.runs.evaluation import counted_once
from mario_rl_agents.runs.loading import environment_of

PROTOCOL_EPISODES: Final = 100  # of each condition and policy


def evaluate_by_protocol(
    agent: Agent,
    checkpoint: Path,
    changes: Mapping[str, Any],
    *,
    num_episodes: int | None,
    seed: int,
    title: str,
) -> tuple[dict[str, Any], Group]:
    """Evaluate an agent under every condition, with every policy that it has.

    Args:
        agent: The agent; it is not changed.
        checkpoint: Its file.
        changes: Keywords of gym.make that the user has changed.
        num_episodes: Of each condition and policy; None: as many as the protocol says.
        seed: Of the first episode of each.
        title: Of the table.

    Returns:
        The evaluations as JSON values, and as a table.

    Raises:
        UsageError: A condition sets what the user has changed.
    """
    env_id, env_kwargs = environment_of(checkpoint)
    conditions = conditions_for(env_id)
    _check(changes, conditions)
    played = []
    with make_console().status("playing") as status:
        for each in play_conditions(
            agent,
            env_id,
            {**env_kwargs, **changes},
            Protocol(period=1, conditions=conditions),
            num_episodes=num_episodes or PROTOCOL_EPISODES,
            seed=seed,
        ):
            played.append(each)
            status.update(f"played {each.condition.name}, {each.policy}")
    return protocol_json(checkpoint, played), protocol_table(played, title=title)


def _check(changes: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
    """Check that the user has changed nothing that a condition sets.

    Raises:
        UsageError: That is so.
    """
    fixed = {name for condition in conditions for name in condition.env_kwargs}
    refused = sorted(fixed & changes.keys())
    if refused:
        raise UsageError(
            f"--env {', '.join(refused)}: the conditions of the protocol set it; leave it out, or "
            "ask for one evaluation, with --epsilon 0 or --sample"
        )


def protocol_table(played: Sequence[Played], *, title: str) -> Group:
    """Return a rich table with one row a condition and policy; identical episodes count once."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("condition", "policy"):
        table.add_column(column, overflow="fold")
    has_x_pos = any(each.evaluation.x_pos_mean is not None for each in played)
    has_clears = any(each.evaluation.clear_rate is not None for each in played)
    columns = ["games", "return", "steps"]
    columns += ["x (pixels)"] if has_x_pos else []
    columns += ["clear rate (95 %)"] if has_clears else []
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    is_repeated = False
    for condition, policy, evaluation in played:
        counted = counted_once(evaluation)
        is_repeated = is_repeated or counted.num_episodes < evaluation.num_episodes
        x_pos = counted.x_pos_mean
        cells = [
            condition.name,
            policy,
            f"{counted.num_episodes}",
            f"{counted.return_mean:,.1f}",
            f"{counted.length_mean:,.1f}",
        ]
        if has_x_pos:
            cells.append("" if x_pos is None else f"{x_pos:,.0f}")
        if has_clears:
            cells.append(clear_cell(counted))
        table.add_row(*cells)
    remark = "games that repeat another one to the last action count once"
    return titled(table, title, remark if is_repeated else None)


def protocol_json(checkpoint: Path, played: Sequence[Played]) -> dict[str, Any]:
    """Return the evaluations of the protocol as plain JSON values, every episode included."""
    return {
        "checkpoint": str(checkpoint),
        "evaluations": [
            {"condition": each.condition.name, "policy": each.policy, **each.evaluation.to_json()}
            for each in played
        ],
    }
