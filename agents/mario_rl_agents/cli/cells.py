"""Cells that tables of evaluations have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mario_rl_agents.runs.evaluation import Evaluation


def clear_cell(evaluation: Evaluation) -> str:
    """Return the clear rate with its interval; nothing where infos do not say."""
    if evaluation.clear_rate is None or evaluation.clear_rate_interval is None:
        return ""
    low, high = evaluation.clear_rate_interval
    return f"{evaluation.clear_rate:.0%} [{low:.0%}, {high:.0%}]"
