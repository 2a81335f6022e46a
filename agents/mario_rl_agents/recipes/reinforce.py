"""Recipes of REINFORCE."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.reinforce import Reinforce, ReinforceConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import ANY, BY_HAND, MARIO, UNTUNED, Recipe, Recipes

ALGORITHM: Final = Reinforce
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # A discount of 0.99 sees no further than a fifth of a game: with it, and half the steps,
        # sampled games ended after 478 to 490 of 500 steps, with this after 489 to 499.
        ("CartPole-v1", "default"): Recipe(
            ReinforceConfig(
                learning_rate=linear(3e-3, 0, 1_000_000),
                gamma=0.997,
                episodes_per_update=16,
                max_grad_norm=0.5,
            ),
            num_envs=16,
            total_steps=1_000_000,
            tuning=BY_HAND,
        ),
        (ANY, "default"): Recipe(
            ReinforceConfig(episodes_per_update=8, max_grad_norm=0.5),
            num_envs=8,
            total_steps=500_000,
            tuning=UNTUNED,
        ),
        # What is small enough for whole episodes at once: it is there to be compared with.
        (MARIO, "default"): Recipe(
            ReinforceConfig(
                learning_rate=2.5e-4,
                gamma=0.9,
                reward_scale=1 / 60,
                episodes_per_update=8,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
            ),
            num_envs=8,
            total_steps=1_000_000,
            tuning=UNTUNED,
        ),
    }
)
