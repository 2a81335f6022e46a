"""Recipes of DDPG."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    CONTINUOUS_MARIO,
    KERAS_EPSILON,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = DDPG
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The tutorial's noise of 0.1 is in the environment's unit, whose actions reach to 2. Its
        # 250 games are of 200 steps.
        ("Pendulum-v1", "tutorial"): Recipe(
            DDPGConfig(
                adam_epsilon=KERAS_EPSILON,
                replacement=False,
                exploration_noise=0.05,
                initialization="glorot",
            ),
            total_steps=50_000,
            tuning=TUTORIAL,
        ),
        ("Pendulum-v1", "default"): Recipe(
            DDPGConfig(
                critic_learning_rate=1e-3,
                replay_capacity=50_000,
                random_steps=1_000,
                learning_starts=1_000,
                hidden_sizes=(128, 128),
            ),
            total_steps=50_000,
            tuning=BY_HAND,
        ),
        # On Mario: discount, batch and the critic's rate of the Double DQN tutorial; not tuned.
        (MARIO, "default"): Recipe(
            DDPGConfig(
                actor_learning_rate=1e-4,
                critic_learning_rate=2.5e-4,
                gamma=0.9,
                batch_size=32,
                replay_capacity=100_000,
                random_steps=5_000,
                learning_starts=5_000,
                update_period=2,
                exploration_noise=0.3,
                hidden_sizes=(256,),
                overlap=True,
            ),
            total_steps=500_000,
            env_kwargs=CONTINUOUS_MARIO,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(
            DDPGConfig(
                critic_learning_rate=1e-3,
                replay_capacity=200_000,
                random_steps=1_000,
                learning_starts=1_000,
                hidden_sizes=(256, 256),
            ),
            total_steps=200_000,
            tuning=UNTUNED,
        ),
    }
)
