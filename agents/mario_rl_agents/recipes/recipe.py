"""What a recipe is, and what several algorithms' recipes share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

MARIO: Final = "MarioRL"  # stands for every id that begins with it
ANY: Final = "*"  # stands for every other id

EVALUATION_EPSILON: Final = 0.05  # on Mario, which is deterministic; as Mnih et al. 2015
# How recipes were tuned, where many say the same.
TUTORIAL: Final = "the tutorial's own numbers, not tuned here"
KERAS_EPSILON: Final = 1e-7  # of Adam, in the tutorials that are written with Keras
BY_HAND: Final = "by hand, in trials that were not counted"
RL_ZOO: Final = "RL Baselines3 Zoo's published settings (Raffin 2020), most tuned by it with Optuna"
SB3_DEFAULTS: Final = "Stable-Baselines3's defaults, not tuned"
UNTUNED: Final = "not tuned"
# Mario for many games at once and a small network. Episodes end after 10 seconds without new
# ground; the flag counts as 15 pixels of way.
FROM_PIXELS: Final = MappingProxyType(
    {
        "size": 42,
        "channels": "last",
        "noop_max": 30,
        "sticky": 0.25,
        "stall": 150,
        "reward": {"velocity": 1.0, "clock": 1.0, "dying": -25.0, "flag": 15.0, "clip": 15.0},
    }
)
# Agents of continuous actions play Mario so.
CONTINUOUS_MARIO: Final = MappingProxyType({"actions": "continuous"})


@dataclass(frozen=True)
class Measured:
    """What a recipe came to, as benchmarks/results.md has it; a test compares them."""

    row: str  # of the table of tutorials there, or the heading of a section
    minutes: float  # mean of the seeds, of a core, or on cores that several trainings shared
    result: str  # the return of 100 test games, mean ± s.d. of the seeds; or so
    steps: int | None = None  # environment steps taken, mean; None: the recipe's


@dataclass(frozen=True)
class Recipe:
    """How to train on an environment."""

    config: Any  # of the algorithm
    total_steps: int  # environment steps
    num_envs: int = 1  # sub-environments that are stepped side by side
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)  # keywords of gym.make
    measured: Measured | None = None  # None: it was not
    tuning: str = ""  # how its numbers were found, with how many trials
    remarks: tuple[str, ...] = ()  # what could not be made like what it was made from


Recipes = Mapping[tuple[str, str], Recipe]  # by environment, or family of them, and name
