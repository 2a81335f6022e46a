"""Recipes of SARSA."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sarsa import Sarsa, SarsaConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import ANY, BY_HAND, MARIO, UNTUNED, Recipe, Recipes

ALGORITHM: Final = Sarsa
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v0", "default"): Recipe(
            SarsaConfig(
                learning_rate=linear(1e-3, 0, 400_000),
                epsilon=linear(1, 0.01, 200_000),
            ),
            num_envs=64,
            total_steps=400_000,
            tuning=BY_HAND,
        ),
        (ANY, "default"): Recipe(
            SarsaConfig(),
            num_envs=64,
            total_steps=1_000_000,
            tuning=UNTUNED,
        ),
        (MARIO, "default"): Recipe(
            SarsaConfig(
                learning_rate=2.5e-4,
                gamma=0.9,
                reward_scale=1 / 60,
                epsilon=linear(1, 0.05, 500_000),
                max_grad_norm=10.0,
                layer_norm=True,
            ),
            num_envs=16,
            total_steps=1_000_000,
            tuning=UNTUNED,
        ),
    }
)
