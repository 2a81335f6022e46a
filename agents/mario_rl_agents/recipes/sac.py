"""Recipes of SAC."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    CONTINUOUS_MARIO,
    KERAS_EPSILON,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = SAC
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The tutorial's 250 games are of 1,000 steps at most. It passes over re-parameterization,
        # but what TensorFlow Probability draws from a normal distribution is re-parameterized.
        ("InvertedPendulumBulletEnv-v0", "tutorial"): Recipe(
            SACConfig(adam_epsilon=KERAS_EPSILON, actor_std="clamped", initialization="glorot"),
            total_steps=250_000,
            tuning=TUTORIAL,
        ),
        # The tutorial's with networks of a sixteenth of the work, and a larger step for them. It
        # balances after some 20,000 steps; learning on at that rate, from a memory in which hardly
        # anything falls any more, it forgot how after 70,000.
        ("InvertedPendulumBulletEnv-v0", "default"): Recipe(
            SACConfig(
                learning_rate=linear(1e-3, 0, 60_000),
                replay_capacity=250_000,
                hidden_sizes=(64, 64),
            ),
            total_steps=250_000,
            measured=Measured("T9", 29.0, "1,000.0 ± 0.00", steps=112_315),
            tuning=BY_HAND,
        ),
        # The later form. Without normalized critics and returns of three steps it hovered over the
        # ground for 160,000 steps.
        ("LunarLanderContinuous-v3", "default"): Recipe(
            SACConfig(
                learning_rate=1e-3,
                gamma=0.98,
                tau=0.02,
                reward_scale=1.0,
                value_network=False,
                temperature=None,
                replay_capacity=200_000,
                random_steps=10_000,
                learning_starts=10_000,
                update_period=2,
                hidden_sizes=(64, 64),
                layer_norm=True,
                num_return_steps=3,
            ),
            total_steps=400_000,
            measured=Measured("LunarLander-SAC", 16.4, "211.1 ± 28.7", steps=212_000),
            tuning=BY_HAND,
        ),
        (MARIO, "default"): Recipe(
            SACConfig(
                reward_scale=0.05,
                value_network=False,
                temperature=None,
                batch_size=32,
                replay_capacity=100_000,
                random_steps=5_000,
                learning_starts=5_000,
                update_period=2,
                hidden_sizes=(256,),
                overlap=True,
            ),
            total_steps=500_000,
            env_kwargs=CONTINUOUS_MARIO,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(
            SACConfig(
                reward_scale=1.0,
                value_network=False,
                temperature=None,
                replay_capacity=200_000,
                random_steps=1_000,
                learning_starts=1_000,
            ),
            total_steps=100_000,
            tuning=UNTUNED,
        ),
    }
)
