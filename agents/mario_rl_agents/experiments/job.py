"""A job is data: what is trained, with which seed, what ends it, how the agent is evaluated."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from mario_rl_agents.config import replaced
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

    period: int  # environment steps from one evaluation to the next
    num_episodes: int = 20  # of each evaluation
    stop_at: float | None = None  # mean return that ends training, in points; None: none does

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_count("period", self.period)
        _check_count("num_episodes", self.num_episodes)
        if self.stop_at is not None:
            _check_number("stop_at", self.stop_at)


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
        num_test_episodes: Episodes of the evaluation after training.
        check_reload: Whether the trained agent is evaluated again after being saved and loaded.
        num_cores: Cores that the job keeps busy: what an engine reserves for it.
        name: Of the job's folder; by default made of algorithm, environment and seed.

    Raises:
        ValueError: A field is not accepted; the message names the value and what is accepted.
    """

    spec: RunSpec
    max_episodes: int | None = None
    max_minutes: float | None = None
    evaluation: PeriodicEvaluation | None = None
    num_test_episodes: int = 100
    check_reload: bool = False
    num_cores: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        """Check every field; complete the configuration and the name."""
        if self.max_episodes is not None:
            _check_count("max_episodes", self.max_episodes)
        if self.max_minutes is not None:
            _check_number("max_minutes", self.max_minutes)
            if self.max_minutes <= 0:
                raise ValueError(f"max_minutes must be above 0, received {self.max_minutes}")
        _check_count("num_test_episodes", self.num_test_episodes)
        _check_count("num_cores", self.num_cores)
        self._set("spec", _completed(self.spec))
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
            recipe: "default", "tutorial" or "demo".
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
        values = dict(content)
        try:
            values["spec"] = RunSpec(**values["spec"])
            if values["evaluation"] is not None:
                values["evaluation"] = PeriodicEvaluation(**values["evaluation"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are not the fields of a job: {error}") from error

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _completed(spec: RunSpec) -> RunSpec:
    """Return the spec with every field of its configuration, as it would be read from a file."""
    defaults = find_algorithm(spec.algorithm).config_class()
    config = replaced(defaults, _as_json("config", spec.config))
    return dataclasses.replace(
        spec,
        config=_as_json("config", dataclasses.asdict(config)),
        env_kwargs=_as_json("env_kwargs", spec.env_kwargs),
    )


def _as_json(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold JSON values, received {values!r}: {error}") from error
    return read


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, received {value!r}")


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, received {value!r}")
