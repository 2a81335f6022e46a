"""What the file of a policy says of itself, beside what the header of every checkpoint holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mario_rl_agents.checkpoint import errors_of, read_header
from mario_rl_agents.config import Count, Fraction, Measured, Seed, read
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.experiments.conditions import Played
from mario_rl_agents.experiments.protocol import Policy
from mario_rl_agents.runs.evaluation import counted_once


@dataclass(frozen=True)
class Rate:
    """What one policy came to under one condition. Identical episodes count once."""

    condition: str
    policy: Policy
    num_episodes: Count
    num_distinct: Count  # episodes that differ
    return_mean: Measured  # of the training's reward
    x_pos_mean: float | None  # pixels; None where infos do not say
    clear_rate: Fraction | None  # None where infos do not say

    @classmethod
    def of(cls, played: Played) -> Self:
        """Return what an evaluation says."""
        counted = counted_once(played.evaluation)
        return cls(
            condition=played.condition.name,
            policy=played.policy,
            num_episodes=played.evaluation.num_episodes,
            num_distinct=counted.num_episodes,
            return_mean=counted.return_mean,
            x_pos_mean=counted.x_pos_mean,
            clear_rate=counted.clear_rate,
        )

    @property
    def summary(self) -> str:
        """The clear rate, where there is one, and the mean return; of how many episodes."""
        cleared = "" if self.clear_rate is None else f"{self.clear_rate:.1%} cleared, "
        count = f"{self.num_episodes} episodes"
        if self.num_distinct != self.num_episodes:
            count += f", {self.num_distinct} of them different"
        return f"{cleared}mean return {self.return_mean:,.1f} ({count})"


@dataclass(frozen=True)
class PolicyRecord:
    """How a policy was made, chosen and measured.

    Its algorithm, configuration, environment, seed and steps of training stand in the header.
    """

    policy: Policy  # how it plays best
    choice: tuple[Rate, ...]  # what that was decided by
    choice_seed: Seed  # of the first episode of each
    num_candidates: Count  # checkpoints that it was chosen from
    rates: tuple[Rate, ...]  # measured afterward, on other seeds
    rates_seed: Seed  # of the first episode of each
    num_envs: Count  # sub-environments that it was trained in
    command: tuple[str, ...]  # that trained it; empty where the run does not say
    commit: str  # of the code that trained it
    versions: dict[str, str]  # of Python and of packages, in training
    note: str  # what else its training took
    measured_commit: str
    machine: str  # that it was measured on
    date: str  # likewise, ISO 8601, UTC

    def rate(self, condition: str, policy: Policy | None = None) -> Rate | None:
        """Return what it came to under a condition; None where that was not measured.

        Args:
            condition: Its name.
            policy: None: the one that plays best.
        """
        wanted = condition, policy or self.policy
        found = [rate for rate in self.rates if (rate.condition, rate.policy) == wanted]
        return found[0] if found else None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return dataclasses.asdict(self)


def read_record(path: Path) -> PolicyRecord | None:
    """Return what a file of weights alone says of itself; None for any other checkpoint.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is damaged, or its weights come from somewhere else.
    """
    origin = read_header(path).origin
    if origin is None:
        return None
    with errors_of(path):
        return read(PolicyRecord, origin)


def known_record(path: Path) -> PolicyRecord:
    """Return what the file of a policy says of itself.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is damaged, or no policy.
    """
    record = read_record(path)
    if record is None:
        raise CheckpointError(f"{path} is a checkpoint of a training, and no policy: evaluate it")
    return record
