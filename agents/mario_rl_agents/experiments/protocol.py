"""How the sides of a comparison are evaluated: conditions, policies, episodes, seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mario_rl_agents.config import Count, Finite, check, convert_fields
from mario_rl_agents.envs import reward_threshold_of
from mario_rl_agents.recipes import is_mario

Policy = Literal["greedy", "sampled"]

# Trainings have seeds below this one, evaluations from MIN_EVALUATION_SEED on. Whoever tunes takes
# seeds between the two.
MAX_TRAINING_SEED: Final = 999
MIN_EVALUATION_SEED: Final = 1_000_000  # of the evaluation after training
PERIODIC_SEED: Final = 2_000_000  # of evaluations along a training

_MARIO_CLEAR_RATE: Final = 0.9
_MARIO_STEPS: Final = 1_500  # decisions of 4 frames: 100 seconds of the console


@dataclass(frozen=True)
class Condition:
    """The environment of an evaluation: that of the training, with some keywords changed."""

    name: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)  # of gym.make, JSON values
    is_deterministic: bool = False  # whether greedy agents play one game in it, again and again

    def __post_init__(self) -> None:
        """Check the fields."""
        convert_fields(self)


PLAIN: Final = Condition("plain")
# Each sets all that one of them sets: a training may have any of it.
MARIO_CONDITIONS: Final = tuple(
    Condition(
        name,
        {"max_episode_steps": _MARIO_STEPS, "noop_max": noop_max, "sticky": sticky},
        is_deterministic=noop_max == 0,
    )
    for name, noop_max, sticky in (("plain", 0, 0.0), ("no-ops", 30, 0.0), ("sticky", 30, 0.25))
)
NO_OPS: Final = MARIO_CONDITIONS[1]


@dataclass(frozen=True)
class Protocol:
    """The evaluations of one training, the same for every side of a comparison.

    Raises:
        ValueError: A field is not accepted; the message names it.
    """

    period: Count  # environment steps from one evaluation to the next
    conditions: tuple[Condition, ...] = (PLAIN,)
    policies: tuple[Policy, ...] = ("greedy", "sampled")  # of agents that can be sampled both
    num_episodes: Count = 10  # of each evaluation along the training, condition and policy
    num_final_episodes: Count = 100  # of each evaluation after it
    threshold: Finite | None = None  # mean return, or with clear rates that rate, to be reached

    def count(self, condition: Condition, policy: Policy, num_episodes: int) -> int:
        """Return how many episodes are played: where they would all be one, two that show it."""
        is_one = condition.is_deterministic and policy == "greedy"
        return min(num_episodes, 2) if is_one else num_episodes

    def __post_init__(self) -> None:
        """Check the fields."""
        convert_fields(self)
        for name in ("conditions", "policies"):
            check(name, getattr(self, name), bool(getattr(self, name)), "at least one")
        names = [condition.name for condition in self.conditions]
        check("conditions", names, len(set(names)) == len(names), "of different names")


def usual_protocol(env_id: str, period: int, **fields: Any) -> Protocol:
    """Return the protocol of an environment, with its usual conditions and threshold.

    Args:
        env_id: A Gymnasium id.
        period: Environment steps from one evaluation to the next.
        **fields: Of the protocol; None stands for the usual.

    Raises:
        ValueError: A field is not accepted.
        ImportError: The module of the environment cannot be imported.
    """
    usual = {"conditions": conditions_for(env_id), "threshold": threshold_for(env_id)}
    given = {name: value for name, value in fields.items() if value is not None}
    return Protocol(period, **{**usual, **given})


def threshold_for(env_id: str) -> float | None:
    """Return a clear rate on Mario; elsewhere the mean return that the environment asks for."""
    return _MARIO_CLEAR_RATE if is_mario(env_id) else reward_threshold_of(env_id)


def conditions_for(env_id: str) -> tuple[Condition, ...]:
    """Return the conditions that an environment is evaluated under: three on Mario, else one.

    A greedy agent plays one single game in plain Mario; no-op starts make some thirty of it. With
    sticky actions (Machado et al. 2018) all differ.
    """
    return MARIO_CONDITIONS if is_mario(env_id) else (PLAIN,)
