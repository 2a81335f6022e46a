"""Recipes of naive Q-learning."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.naive_q import NaiveQ, NaiveQConfig
from mario_rl_agents.recipes.recipe import (
    ANY,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = NaiveQ
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The note on the tutorial gives the network, the loss and Adam's rate; the steps are ours,
        # and enough for Double DQN.
        ("CartPole-v0", "tutorial"): Recipe(
            NaiveQConfig(),
            total_steps=20_000,
            tuning=TUTORIAL,
        ),
        ("CartPole-v1", "tutorial"): Recipe(
            NaiveQConfig(),
            total_steps=20_000,
            tuning=TUTORIAL,
        ),
        (MARIO, "default"): Recipe(
            NaiveQConfig(),
            total_steps=20_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(
            NaiveQConfig(),
            total_steps=20_000,
            tuning=UNTUNED,
        ),
    }
)
