"""Recipes of random play."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.random import RandomAgent, RandomConfig
from mario_rl_agents.recipes.recipe import (
    ANY,
    MARIO,
    Recipe,
    Recipes,
)

ALGORITHM: Final = RandomAgent
RECIPES: Final[Recipes] = MappingProxyType(
    {
        (MARIO, "default"): Recipe(
            RandomConfig(),
            total_steps=10_000,
            tuning="nothing to tune",
        ),
        (ANY, "default"): Recipe(
            RandomConfig(),
            total_steps=10_000,
            tuning="nothing to tune",
        ),
    }
)
