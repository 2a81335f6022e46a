"""A policy out of checkpoints: chosen on some seeds, measured on others, written with its record.

What is chosen and measured are the weights as the file has them, in half precision.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from mario_rl_agents.agent import Agent
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import RunError
from mario_rl_agents.experiments.conditions import play_conditions
from mario_rl_agents.experiments.protocol import (
    MIN_EVALUATION_SEED,
    Condition,
    Policy,
    Protocol,
    conditions_for,
)
from mario_rl_agents.files import replacing
from mario_rl_agents.runs.loading import environment_of, find_checkpoint, load_agent
from mario_rl_agents.runs.provenance import describe_commit, describe_machine
from mario_rl_agents.runs.run import Run, RunRecord
from mario_rl_agents.weights.record import PolicyRecord, Rate

CHOICE_SEED: Final = 3_000_000  # of the first episode that a policy is chosen by
MAX_BYTES: Final = 3_000_000  # of one file

_OUT: Final = "--out"  # of `mario-rl train`
# The folder of an absolute path, wherever it stands in a word: --imitate=/home/me/1-4.safetensors.
_FOLDER: Final = re.compile(r"""(?<![\w.])(?:~|[A-Za-z]:)?[/\\](?:[^"',\[\]]*[/\\])?""")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a policy is chosen and measured, and what is said of it."""

    num_choice_episodes: int = 100  # of each condition, policy and checkpoint
    num_episodes: int = 100  # of each condition and policy, with the checkpoint that was chosen
    commit: str = ""  # of the training, where its run does not say
    note: str = ""  # what else the training took
    device: str = "cpu"


class Candidate(NamedTuple):
    """One checkpoint with one of its policies, and what that came to."""

    checkpoint: Path
    policy: Policy
    rates: tuple[Rate, ...]  # by condition

    @property
    def score(self) -> tuple[float, float]:
        """What candidates are compared by: the mean clear rate, then how far they get."""
        return (
            fmean(rate.clear_rate or 0.0 for rate in self.rates),
            fmean(rate.x_pos_mean or 0.0 for rate in self.rates),
        )


def checkpoints_of(path: Path) -> list[Path]:
    """Return the checkpoints that a run's folder or a file offers to choose from.

    Args:
        path: A run's folder, of which the best and the latest one are taken; or a checkpoint.

    Raises:
        FileNotFoundError: There is nothing at the path.
        RunError: The folder holds no run, or a run without a checkpoint.
    """
    found = find_checkpoint(path)
    if not path.is_dir():
        return [found]
    return list(dict.fromkeys([found, *filter(Path.is_file, [Run.open(path).checkpoint])]))


def make_policy(
    checkpoints: Sequence[Path], path: Path, settings: Settings, say: Say = print
) -> PolicyRecord:
    """Choose the best checkpoint and whether it plays greedily or sampled; measure it, write it.

    The choice is by the mean clear rate under the conditions in which games differ.

    Args:
        checkpoints: What is chosen from, at least one, of one environment.
        path: The file to write or replace.
        settings: How many episodes, and what is said of the policy.
        say: Told what was found, line by line.

    Raises:
        ValueError: The checkpoints are of several environments, or the file would be larger than
            `MAX_BYTES`.
        CheckpointError: A checkpoint is damaged, or names no environment.
        OSError: The file cannot be written.
    """
    ids = sorted({environment_of(checkpoint)[0] for checkpoint in checkpoints})
    if len(ids) != 1:
        raise ValueError(f"checkpoints must be of one environment, received those of {ids}")
    conditions = conditions_for(ids[0])
    differing = tuple(each for each in conditions if not each.is_deterministic)
    candidates = [
        candidate
        for checkpoint in checkpoints
        for candidate in _candidates(checkpoint, differing, settings, say)
    ]
    best = max(candidates, key=lambda candidate: candidate.score)
    say(f"chosen: {best.checkpoint}, {best.policy}")
    rivals = [each for each in candidates if each.checkpoint == best.checkpoint]
    with halved_agent(best.checkpoint, settings.device) as agent:
        rates = _rates(agent, best.checkpoint, conditions, settings.num_episodes, say)
        trained = _record_of_run(best.checkpoint)
        record = PolicyRecord(
            policy=best.policy,
            choice=tuple(rate for candidate in rivals for rate in candidate.rates),
            choice_seed=CHOICE_SEED,
            num_candidates=len(checkpoints),
            rates=rates,
            rates_seed=MIN_EVALUATION_SEED,
            num_envs=read_header(best.checkpoint).num_envs,
            command=_without_folders(trained.command),
            commit=settings.commit or trained.commit or "unknown",
            versions=trained.versions,
            note=settings.note,
            measured_commit=describe_commit(),
            machine=describe_machine(),
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        _write(agent, path, record)
    return record


@contextlib.contextmanager
def halved_agent(checkpoint: Path, device: str) -> Iterator[Agent]:
    """Yield the agent of a checkpoint with its weights as the file of a policy has them.

    Args:
        checkpoint: Of a training.
        device: A torch device or "auto".
    """
    agent = load_agent(checkpoint, device=device)
    with contextlib.closing(agent.env), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        agent.save_weights(path, {})
        yield type(agent).load(path, agent.env, device=device)


def _candidates(
    checkpoint: Path, conditions: Sequence[Condition], settings: Settings, say: Say
) -> list[Candidate]:
    """Return a checkpoint with each of its policies."""
    say(f"{checkpoint}:")
    with halved_agent(checkpoint, settings.device) as agent:
        rates = _rates(
            agent, checkpoint, conditions, settings.num_choice_episodes, say, seed=CHOICE_SEED
        )
    by_policy: dict[Policy, list[Rate]] = {}
    for rate in rates:
        by_policy.setdefault(rate.policy, []).append(rate)
    return [Candidate(checkpoint, policy, tuple(each)) for policy, each in by_policy.items()]


def _rates(
    agent: Agent,
    checkpoint: Path,
    conditions: Sequence[Condition],
    num_episodes: int,
    say: Say,
    *,
    seed: int = MIN_EVALUATION_SEED,
) -> tuple[Rate, ...]:
    """Return what each policy of an agent comes to under each condition."""
    env_id, env_kwargs = environment_of(checkpoint)
    protocol = Protocol(period=1, conditions=tuple(conditions))
    rates = []
    for played in play_conditions(
        agent, env_id, env_kwargs, protocol, num_episodes=num_episodes, seed=seed
    ):
        rates.append(rate := Rate.of(played))
        say(f"  {rate.condition}, {rate.policy}: {rate.summary}")
    return tuple(rates)


def _record_of_run(checkpoint: Path) -> RunRecord:
    """Return what the run of a checkpoint was made with; empty where it lies in no run."""
    with contextlib.suppress(RunError):
        return Run.open(checkpoint.parent).record()
    return RunRecord()


def _without_folders(command: Sequence[str]) -> tuple[str, ...]:
    """Return a training's command line without folders of its machine, which say nothing elsewhere.

    The run's own is left out. Of another absolute path the name remains.
    """
    words = [word for word in command if not word.startswith(f"{_OUT}=")]
    while _OUT in words:
        index = words.index(_OUT)
        del words[index : index + 2]
    return tuple(_FOLDER.sub("", word) for word in words)


def _write(agent: Agent, path: Path, record: PolicyRecord) -> None:
    """Write the file of a policy.

    Raises:
        ValueError: It would be larger than `MAX_BYTES`.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, path.name)
        agent.save_weights(written, record.to_json())
        num_bytes = written.stat().st_size
        if num_bytes > MAX_BYTES:
            raise ValueError(
                f"{path} would have {num_bytes:,} bytes, more than {MAX_BYTES:,}: train a smaller "
                "network, as encoder=small on size=42"
            )
        with replacing(path) as new:
            shutil.copyfile(written, new)
