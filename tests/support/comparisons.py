"""The raw data of comparisons that were never made, for the tests of their reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mario_rl_agents.experiments.protocol import Protocol, conditions_for
from mario_rl_agents.experiments.tables import (
    Comparison,
    ComparisonHeader,
    CurveRow,
    Entry,
    EvaluationRow,
    GameRow,
    RunRow,
)

FIVE = ("dqn", "double_dqn", "ppo", "sb3-dqn", "sb3-ppo")


def make_comparison(
    labels: Sequence[str] = FIVE,
    seeds: Sequence[int] = range(5),
    *,
    mario: bool = False,
    total_steps: int = 50_000,
    num_evaluations: int = 20,
    num_games: int = 100,
    num_points: int = 200,
    failed: Sequence[tuple[str, int]] = (),
    unfinished: Sequence[tuple[str, int]] = (),
    threshold: float | None = 400.0,
    **header: Any,
) -> Comparison:
    """Return a comparison whose runs learn along a logistic curve, each label a little later.

    Args:
        labels: Of its algorithms.
        seeds: Of its runs.
        mario: Whether there are three conditions, clear rates and positions.
        total_steps: Environment steps of a run.
        num_evaluations: Of each run, along its training.
        num_games: Episodes of the evaluation after it, of each condition and policy.
        num_points: Of a training curve.
        failed: Label and seed of runs that failed in the middle.
        unfinished: Likewise, of those that go on.
        threshold: What is to be reached.
        **header: Fields of the header that differ.
    """
    env_id = "MarioRL-1-1-v0" if mario else "CartPole-v1"
    period = max(1, total_steps // num_evaluations)
    protocol = Protocol(
        period, conditions_for(env_id), num_final_episodes=num_games, threshold=threshold
    )
    random = np.random.default_rng(0)
    runs: list[RunRow] = []
    evaluations: list[EvaluationRow] = []
    games: list[GameRow] = []
    training: list[CurveRow] = []
    for place, label in enumerate(labels):
        for seed in seeds:
            state = "finished"
            if (label, seed) in failed:
                state = "failed"
            elif (label, seed) in unfinished:
                state = "unfinished"
            is_whole = state == "finished"
            fails = state == "failed"  # then its files may be damaged, and are not read
            taken = total_steps if is_whole else total_steps // 2
            speed = 900.0 + 100 * place + random.normal(0, 20)  # steps a second
            late = total_steps * (0.3 + 0.05 * place) + random.normal(0, total_steps / 40)

            def skill(step: float, late: float = late, place: int = place) -> float:
                return float((1 - 0.08 * place) / (1 + np.exp((late - step) / (total_steps / 12))))

            runs.append(
                RunRow(
                    label, seed, state, taken, taken // 80, taken // 4, taken / speed,
                    1.4 * taken / speed, 12.5, 400.0 + 30 * place + random.normal(0, 5), 1,
                    1 if label.startswith("sb3") and seed == seeds[-1] else 0,
                    "RuntimeError: out of <b>memory</b>" if state == "failed" else "",
                )
            )  # fmt: skip
            steps = np.linspace(total_steps / num_points, total_steps, num_points).astype(int)
            training += [
                CurveRow(label, seed, int(s), 500 * skill(s) + random.normal(0, 6))
                for s in steps
                if s <= taken and not fails
            ]
            marks = [] if fails else list(range(period, taken + 1, period))
            for step in [*marks, *([total_steps] * is_whole)]:
                is_final = is_whole and step == total_steps and evaluations[-1].step == step
                for condition in protocol.conditions:
                    for policy in protocol.policies:
                        if policy == "sampled" and "dqn" in label:
                            continue
                        level = skill(step) * (0.9 if policy == "sampled" else 1.0)
                        mean = 500 * level + random.normal(0, 5)
                        count = num_games if is_final else protocol.num_episodes
                        one = mario and condition.name == "plain" and policy == "greedy"
                        distinct = 1 if one else count - count // 9
                        evaluations.append(
                            EvaluationRow(
                                label, seed, step, step / speed, 1.4 * step / speed,
                                condition.name, policy, is_final, count, distinct, mean,
                                0.0 if distinct == 1 else 30.0, 300.0,
                                1600 * level if mario else None,
                                round(level * distinct) / distinct if mario else None,
                            )
                        )  # fmt: skip
                        if is_final:
                            games += [
                                GameRow(
                                    label, seed, condition.name, policy, 1_000_000 + game,
                                    mean + random.normal(0, 30), 300, True, False,
                                    int(1600 * level) if mario else None,
                                    bool(game % 2) if mario else None,
                                    f"{min(game, distinct - 1):064x}",
                                )
                                for game in range(count)
                            ]  # fmt: skip
    entries = tuple(
        Entry(
            label,
            label.partition("/")[0],
            "default",
            {"learning_rate": 3e-4, "hidden_sizes": [64, 64], "gamma": 0.99},
            1,
            "settings of the paper, no trials of our own",
            ("max_grad_norm has no counterpart",) if label.startswith("sb3") else (),
        )
        for label in labels
    )
    fields: dict[str, Any] = {
        "env_id": env_id,
        "env_kwargs": {},
        "total_steps": total_steps,
        "seeds": tuple(seeds),
        "protocol": protocol,
        "algorithms": entries,
        "command": ("mario-rl", "compare", *labels, "--env", env_id),
        "versions": {"python": "3.11.7", "torch": "2.13.0", "stable-baselines3": "2.9.2"},
        "hardware": "a processor, 2 cores",
        "load": 1.5,
        "num_jobs": 2,
        "commits": ("0123abc",),
        "date": "2026-11-26T05:00:00Z",
        **header,
    }
    return Comparison(
        ComparisonHeader(**fields), tuple(runs), tuple(evaluations), tuple(games), tuple(training)
    )
