"""A job is data: what is trained, with which seed, what ends it, how the agent is evaluated."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from mario_rl_agents.config import Count, Finite, Positive, convert_fields, read, replaced
from mario_rl_agents.experiments.protocol import Protocol
from mario_rl_agents.runs.loading import find_algorithm, spec_from_recipe
from mario_rl_agents.runs.run import RunSpec

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # a folder's name on every system


@dataclass(frozen=True)
class PeriodicEvaluation:
    """Episodes that are played along a training, and the mean return at which it ends.

    The agent acts greedily, but for the run's `evaluation_epsilon`, in an environment of its own.

    Raises:
        ValueError: A number is out of range; the message names it.
    """

    period: Count  # environment steps from one evaluation to the next
    num_episodes: Count = 20  # of each evaluation
    stop_at: Finite | None = None  # mean return that ends training, in points; None: none does

    def __post_init__(self) -> None:
        """Check the numbers."""
        convert_fields(self)


@dataclass(frozen=True)
class Job:
    """One training with one seed, and the evaluation at its end.

    Training ends at whichever comes first: the environment steps of `spec`, `max_episodes`,
    `max_minutes`, or an evaluation on the way that reaches its `stop_at`. A job is JSON (`to_json`,
    `from_json`): an engine may run it in another process or on another machine. Two jobs are equal
    when every field is, and an engine trains no job that is finished already.

    Attributes:
        spec: What is trained. Its configuration is completed with the algorithm's defaults. An
            environment that neither this package nor Gymnasium registers is named with its module,
            `module:Id-v0`, since a job runs in a process of its own.
        max_episodes: Finished training episodes; None is no limit.
        max_minutes: Minutes of training, of all processes that worked at the job; None is no limit.
        evaluation: Evaluations on the way; None is none.
        protocol: The evaluations of a comparison, on the way and after training, in place of the
            evaluation after training; None is none.
        num_test_episodes: Episodes of the evaluation after training.
        check_reload: Whether the trained agent is evaluated again after being saved and loaded.
        num_cores: Cores that the job keeps busy: what an engine reserves for it.
        name: Of the job's folder; by default made of algorithm, environment and seed.

    Raises:
        ValueError: A field is not accepted; the message names the value and what is accepted.
    """

    spec: RunSpec
    max_episodes: Count | None = None
    max_minutes: Positive | None = None
    evaluation: PeriodicEvaluation | None = None
    protocol: Protocol | None = None
    num_test_episodes: Count = 100
    check_reload: bool = False
    num_cores: Count = 1
    name: str = ""

    def __post_init__(self) -> None:
        """Check every field; complete the configuration and the name."""
        convert_fields(self)
        self._set("spec", completed(self.spec))
        if not self.name:
            default = f"{self.spec.algorithm}-{self.spec.env_id}-seed{self.spec.seed}"
            self._set("name", re.sub(r"[^A-Za-z0-9._-]", "-", default))
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(
                "name must be letters, digits and . _ - and begin with a letter or a digit, since "
                f"a folder is named so; received {self.name!r}"
            )

    @classmethod
    def from_recipe(
        cls,
        algorithm: str,
        env_id: str,
        recipe: str = "default",
        *,
        config: Mapping[str, Any] | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        num_envs: int | None = None,
        total_steps: int | None = None,
        seed: int = 0,
        **fields: Any,
    ) -> Self:
        """Return a job with the numbers of a recipe, written out.

        A recipe that changes later does not change the job: it is another job then.

        Args:
            algorithm: Its name in recipes.
            env_id: A Gymnasium id.
            recipe: Such as "default", "tutorial" or "demo".
            config: Fields of the configuration that differ from the recipe's, as JSON values.
            env_kwargs: Keywords of gym.make beside the recipe's, or in place of them.
            num_envs: Environments stepped side by side; None takes the recipe's.
            total_steps: Environment steps, of all environments together; None takes the recipe's.
            seed: Of the agent.
            **fields: Fields of the job.

        Raises:
            ValueError: There is no such algorithm or recipe, or a field is not accepted.
        """
        spec = spec_from_recipe(
            algorithm,
            env_id,
            recipe,
            env_kwargs=env_kwargs,
            num_envs=num_envs,
            total_steps=total_steps,
            seed=seed,
        )
        spec = dataclasses.replace(spec, config={**spec.config, **(config or {})})
        return cls(spec, **fields)

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the job that `to_json` wrote.

        Raises:
            ValueError: A field is missing, unknown or not accepted.
        """
        return read(cls, content)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def completed(spec: RunSpec) -> RunSpec:
    """Return the spec with every field of its configuration: one that it is older than is default.

    That of an agent of the user's own is left alone before its module is imported: a job that is
    read from a file runs no code.
    """
    module, colon, _ = spec.algorithm.rpartition(":")
    if colon and module not in sys.modules:
        return spec
    defaults = find_algorithm(spec.algorithm).config_class()
    return dataclasses.replace(spec, config=dataclasses.asdict(replaced(defaults, spec.config)))
