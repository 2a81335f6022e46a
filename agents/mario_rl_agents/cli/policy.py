"""How an agent is watched: as it scored best."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mario_rl_agents.agent import Agent
from mario_rl_agents.errors import RunError
from mario_rl_agents.experiments.protocol import NO_OPS
from mario_rl_agents.recipes import evaluation_epsilon
from mario_rl_agents.runs.evaluation import Evaluation, best_evaluation
from mario_rl_agents.runs.run import Run
from mario_rl_agents.weights.record import PolicyRecord, read_record


class Policy(NamedTuple):
    """Which of an agent's policies is watched."""

    epsilon: float  # probability of a random action
    sample: bool  # whether the other actions are drawn as in training, or greedy
    reason: str


def best_policy(checkpoint: Path, agent: Agent) -> Policy:
    """Return the policy that scored best when an agent was evaluated.

    Where it was not, an agent that learns a distribution is sampled; any other is greedy, with the
    epsilon of the evaluation that its run would have.

    Args:
        checkpoint: Of the agent; the evaluation of a run's lies beside it, that of a policy in it.
        agent: The agent.

    Raises:
        RunError: The evaluation's file is damaged.
        CheckpointError: The checkpoint is.
    """
    record = read_record(checkpoint)
    if record is not None:
        return Policy(0.0, record.policy == "sampled", _reason_of_record(record))
    run = _run_of(checkpoint)
    evaluations = [] if run is None else run.evaluations(checkpoint)
    if evaluations:
        best = best_evaluation(evaluations)
        return Policy(best.epsilon, best.sampled, _reason(best, len(evaluations)))
    if agent.is_stochastic:
        return Policy(0.0, True, "not evaluated yet")
    spec = agent.single_env.spec
    usual = evaluation_epsilon("" if spec is None else spec.id)
    return Policy(usual if run is None else run.spec.evaluation_epsilon, False, "not evaluated yet")


def _run_of(checkpoint: Path) -> Run | None:
    try:
        return Run.open(checkpoint.parent)
    except RunError:
        return None


def _reason_of_record(record: PolicyRecord) -> str:
    rate = record.rate(NO_OPS.name)
    return "chosen when it was made" if rate is None else f"with no-op starts {rate.summary}"


def _reason(best: Evaluation, num_evaluations: int) -> str:
    score = f"return {best.return_mean:,.1f}"
    if best.clear_rate:
        score = f"clear rate {best.clear_rate:.0%}"
    where = "scored best in its evaluation" if num_evaluations > 1 else "as it was evaluated"
    return f"{where}: {score}"
