"""Recipes of the actor-critic."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    KERAS_EPSILON,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = ActorCritic

# Many environments for less noise, and a learning rate that ends at 0: otherwise a solved CartPole
# is lost again and again.
_VECTORS: Final = Recipe(
    ActorCriticConfig(
        learning_rate=linear(7e-4, 0, 800_000),
        gamma=0.98,
        hidden_sizes=(128, 128),
        value_coefficient=0.5,
        entropy_coefficient=0.01,
    ),
    num_envs=64,
    total_steps=800_000,
    tuning="by hand on CartPole-v1, in trials that were not counted",
)
_TUTORIAL: Final = ActorCriticConfig(
    adam_epsilon=KERAS_EPSILON, initialization="glorot", detach=False
)
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The author's 1,800 games, of 200 or 500 steps at most.
        ("CartPole-v0", "tutorial"): Recipe(_TUTORIAL, total_steps=360_000, tuning=TUTORIAL),
        ("CartPole-v1", "tutorial"): Recipe(_TUTORIAL, total_steps=900_000, tuning=TUTORIAL),
        ("CartPole-v1", "default"): replace(
            _VECTORS, measured=Measured("T5-CartPole-v1", 1.2, "498.9 ± 2.54")
        ),
        # Rewards of a hundred at a fiftieth, and steps of 128 environments: with 64 of them, a
        # larger rate and little entropy from the beginning it fell over after a million steps.
        ("LunarLander-v3", "default"): Recipe(
            ActorCriticConfig(
                learning_rate=linear(6e-4, 0, 4_000_000),
                reward_scale=0.02,
                hidden_sizes=(128, 128),
                value_coefficient=0.5,
                entropy_coefficient=linear(0.01, 0.001, 3_000_000),
                max_grad_norm=0.5,
            ),
            num_envs=128,
            total_steps=4_000_000,
            measured=Measured("LunarLander-ActorCritic", 6.7, "231.4 ± 11.3", steps=2_560_051),
            tuning=BY_HAND,
        ),
        (ANY, "default"): _VECTORS,
        # As on CartPole, with smaller steps and a shorter horizon. Not measured here.
        (MARIO, "default"): Recipe(
            ActorCriticConfig(
                learning_rate=linear(1e-4, 0, 2_000_000),
                gamma=0.9,
                entropy_coefficient=0.01,
                max_grad_norm=1.0,
            ),
            num_envs=16,
            total_steps=2_000_000,
            tuning=UNTUNED,
        ),
    }
)
