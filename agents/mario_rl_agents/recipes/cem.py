"""Recipes of the cross-entropy method."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.cem import CEM, CEMConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import ANY, BY_HAND, MARIO, UNTUNED, Recipe, Recipes

ALGORITHM: Final = CEM
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # Without the extra deviation one seed of five ends its search at 370 points.
        ("CartPole-v1", "default"): Recipe(
            CEMConfig(extra_std=linear(0.5, 0, 150_000)),
            num_envs=8,
            total_steps=200_000,
            tuning=BY_HAND,
        ),
        (ANY, "default"): Recipe(
            CEMConfig(hidden_sizes=(16,)),
            num_envs=8,
            total_steps=500_000,
            tuning=UNTUNED,
        ),
        # From tiles: a network that reads pixels has more weights than can be searched for.
        (MARIO, "default"): Recipe(
            CEMConfig(population_size=64, hidden_sizes=(16,)),
            num_envs=16,
            total_steps=2_000_000,
            env_kwargs={"observation": "tiles", "stall": 150},
            tuning=UNTUNED,
        ),
    }
)
