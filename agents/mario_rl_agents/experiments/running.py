"""Runs one job in this process: trains, evaluates, writes the result."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.conditions import ConditionEvaluator, evaluate_conditions
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job, completed
from mario_rl_agents.experiments.protocol import MIN_EVALUATION_SEED
from mario_rl_agents.experiments.result import ConditionEvaluation, JobResult, TrainingReturns
from mario_rl_agents.experiments.stopping import (
    EpisodeLimit,
    Evaluator,
    MinuteLimit,
    StepLimit,
    StoppingCriterion,
)
from mario_rl_agents.experiments.stopwatch import Stopwatch
from mario_rl_agents.runs.evaluation import Evaluation, evaluate
from mario_rl_agents.runs.loading import (
    check_trusted_demonstrations,
    find_algorithm,
    new_run,
    open_env,
    resume_run,
)
from mario_rl_agents.runs.provenance import describe_machine
from mario_rl_agents.runs.run import Run, versions
from mario_rl_agents.runs.trainer import Outcome, train

_CHANGEABLE: Final = ("total_steps", "evaluation_epsilon")  # of a run that is resumed


def run_job(
    job: Job,
    out: str | Path,
    *,
    minutes: float | None = None,
    checkpoint_seconds: float = 60.0,
    device: str = "cpu",
    num_jobs: int | None = None,
    callbacks: Sequence[Callback] = (),
    trust: bool = False,
) -> JobResult | None:
    """Train and evaluate, from the last checkpoint on; return the result, None if unfinished.

    The caller holds the lock of the job's folder, where several processes may be at one job.

    Args:
        job: What is trained.
        out: Where the folders of an experiment's jobs are.
        minutes: Of training in this call; None is no limit. The job is unfinished afterwards.
        checkpoint_seconds: Time between checkpoints: what a kill can cost.
        device: A torch device, or "auto".
        num_jobs: Trainings at once of the engine that calls this, for the record; None: unknown.
        callbacks: More of them; one that ends training leaves the job unfinished.
        trust: Whether the module of an environment MODULE:ID that a file of demonstrations names
            may be imported, though the user has not named it in a training.

    Raises:
        JobError: The folder holds something else than the job left there.
        RunError: The folder holds a damaged run.
        CheckpointError: The checkpoint is damaged.
        ValueError: The algorithm does not take the environment.
        UntrustedError: See `trust`.
    """
    folder = JobFolder(out, job.name)
    run, agent, begins_again = _open(job, folder, device, trust=trust)
    stopwatch = Stopwatch(folder, begins_again=begins_again, num_jobs=num_jobs)
    criteria = _criteria(job, folder, stopwatch, agent)
    watchers: list[Callback] = [stopwatch, *criteria]
    if job.protocol is not None:
        evaluator = ConditionEvaluator(job, job.protocol, folder, stopwatch)
        evaluator.catch_up(agent)
        watchers.append(evaluator)
    if _ended_by(criteria, agent) is None:
        outcome = train(
            agent,
            run,
            minutes=minutes,
            checkpoint_seconds=checkpoint_seconds,
            callbacks=[*watchers, *callbacks],
        )
        if _ended_by(criteria, agent) is None and outcome is not Outcome.OUT_OF_TIME:
            return None
    ended_by = _ended_by(criteria, agent)
    with stopwatch.evaluating():
        result = _measure(job, run, agent, device, ended_by, stopwatch)
    stopwatch.write(agent)
    folder.write_result(result)
    return None if ended_by is None else result


def _criteria(
    job: Job, folder: JobFolder, stopwatch: Stopwatch, agent: Agent
) -> list[StoppingCriterion]:
    """Return what ends a job; where two do at once, the first is the reason."""
    criteria: list[StoppingCriterion] = []
    if job.evaluation is not None:
        evaluator = Evaluator(job, folder, stopwatch)
        evaluator.catch_up(agent)
        criteria.append(evaluator)
    criteria += [
        EpisodeLimit(limit)
        for limit in (job.max_episodes, job.spec.total_games)
        if limit is not None
    ]
    criteria.append(StepLimit(job.spec.total_steps))
    if job.max_minutes is not None:
        criteria.append(MinuteLimit(job.max_minutes, stopwatch))
    return criteria


def _ended_by(criteria: Sequence[StoppingCriterion], agent: Agent) -> str | None:
    return next((criterion.name for criterion in criteria if criterion.reached(agent)), None)


def _open(job: Job, folder: JobFolder, device: str, *, trust: bool) -> tuple[Run, Agent, bool]:
    """Return the job's run and its agent, from the last checkpoint or new.

    And whether training begins again, though there is a checkpoint: of an algorithm that does not
    go on from one as if nothing had been.
    """
    checkpoint = Run(folder.run, job.spec).checkpoint
    begins_again = (
        checkpoint.is_file()
        and not find_algorithm(job.spec.algorithm).resumes_exactly
        and read_header(checkpoint).num_steps < job.spec.total_steps
    )
    if begins_again or not checkpoint.is_file():
        # It may have begun, and been killed before the first checkpoint.
        run, agent = new_run(
            job.spec,
            folder.run,
            device=device,
            overwrite=True,
            command=sys.argv,
            trust=trust,
        )
        return run, agent, begins_again
    run = Run.open(folder.run)
    saved = completed(run.spec)
    names = [field.name for field in dataclasses.fields(saved) if field.name not in _CHANGEABLE]
    differing = [name for name in names if getattr(saved, name) != getattr(job.spec, name)]
    if differing:
        raise JobError(
            f"{folder.path} was begun with another {' and another '.join(differing)} than "
            f"{job.name} has now: begin the job anew (fresh), or choose another folder for all jobs"
        )
    check_trusted_demonstrations(run, trust=trust)
    # The caller has named the same environment and the same algorithm.
    run, agent = resume_run(folder.run, device=device, trust=True)
    if agent.num_steps > job.spec.total_steps < saved.total_steps:
        raise JobError(
            f"{folder.path} has taken {agent.num_steps:,} environment steps, more than the "
            f"{job.spec.total_steps:,} of {job.name}: begin the job anew (fresh)"
        )
    return run.extended_to(job.spec.total_steps), agent, False


def _evaluate_conditions(
    job: Job, agent: Agent, stopwatch: Stopwatch
) -> tuple[ConditionEvaluation, ...]:
    """Return the evaluations after training that the job's protocol asks for."""
    if job.protocol is None:
        return ()
    evaluations = evaluate_conditions(
        agent,
        job.spec,
        job.protocol,
        stopwatch,
        num_episodes=job.protocol.num_final_episodes,
        seed=MIN_EVALUATION_SEED,
    )
    return tuple(evaluations)


def _measure(
    job: Job, run: Run, agent: Agent, device: str, ended_by: str | None, stopwatch: Stopwatch
) -> JobResult:
    """Evaluate the agent, and the best weights of its training; return all that is known."""
    num_steps, num_episodes, num_updates = agent.num_steps, agent.num_episodes, agent.num_updates
    conditions = _evaluate_conditions(job, agent, stopwatch)
    final = conditions[0].evaluation if conditions else _evaluate(job, agent)
    reloaded_return = None
    if job.check_reload:
        # Saved and deleted, then loaded: the file alone must play as the agent did.
        reloaded = stopwatch.folder.reloaded
        agent.save(reloaded)
        del agent
        reloaded_return = _evaluate_checkpoint(job, reloaded, device).return_mean
        reloaded.unlink()
    has_other_weights = run.best.is_file() and not conditions
    kept = _evaluate_checkpoint(job, run.best, device) if has_other_weights else final
    returns = [episode.episodic_return for episode in run.episodes()]
    progress = stopwatch.folder.read_progress()
    return JobResult(
        job=job,
        ended_by=ended_by,
        final=final,
        kept=kept,
        reloaded_return=reloaded_return,
        training=TrainingReturns.of(returns[: job.max_episodes]),
        num_steps=num_steps,
        num_episodes=num_episodes,
        num_updates=num_updates,
        minutes=progress.seconds / 60,
        commits=progress.commits,
        versions=progress.versions or versions(),
        hardware=describe_machine(),
        num_threads=torch.get_num_threads(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        conditions=conditions,
    )


def _evaluate_checkpoint(job: Job, path: Path, device: str) -> Evaluation:
    """Evaluate the agent that a file holds."""
    with contextlib.closing(open_env(job.spec.env_id, job.spec.env_kwargs)) as env:
        algorithm = find_algorithm(job.spec.algorithm)  # a file outside of runs names no module
        return _evaluate(job, algorithm.load(path, env, device=device))


def _evaluate(job: Job, agent: Agent) -> Evaluation:
    with contextlib.closing(open_env(job.spec.env_id, job.spec.env_kwargs)) as env:
        return evaluate(
            agent,
            env,
            num_episodes=job.num_test_episodes,
            epsilon=job.spec.evaluation_epsilon,
            seed=MIN_EVALUATION_SEED,
        )
