"""Recipes of TD3."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    CONTINUOUS_MARIO,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = TD3
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("BipedalWalker-v3", "tutorial"): Recipe(
            TD3Config(random_actions="normal", learning_starts=100, shared_noise=True),
            total_steps=1_000_000,
            tuning=TUTORIAL,
        ),
        # The fall's -100 in a task whose steps pay 0.3 teaches TD3 to stand still for very long:
        # clipped, it walks first and learns not to fall. The rest saves time: small networks and
        # large batches cost less, and targets that follow faster over longer returns learn sooner,
        # which normalized critics bear.
        ("BipedalWalker-v3", "default"): Recipe(
            TD3Config(
                gamma=0.98,
                tau=0.02,
                batch_size=256,
                replay_capacity=300_000,
                random_steps=10_000,
                learning_starts=10_000,
                update_period=2,
                hidden_sizes=(128, 128),
                layer_norm=True,
                num_return_steps=3,
                reward_clip=2.0,
            ),
            total_steps=1_000_000,
            measured=Measured("T7-recipe", 16.7, "305.4 ± 19.6", steps=166_667),
            tuning=BY_HAND,
        ),
        # As on BipedalWalker, with smaller networks and rewards as they are. A long horizon and
        # returns of ten steps make it land: with 0.98 to hover costs little, and the pay of a
        # landing is far away.
        ("LunarLanderContinuous-v3", "default"): Recipe(
            TD3Config(
                gamma=0.995,
                tau=0.02,
                batch_size=256,
                replay_capacity=200_000,
                random_steps=10_000,
                learning_starts=10_000,
                update_period=2,
                hidden_sizes=(64, 64),
                layer_norm=True,
                num_return_steps=10,
            ),
            total_steps=400_000,
            measured=Measured("LunarLander-TD3", 9.0, "219.6 ± 35.3", steps=152_000),
            tuning=BY_HAND,
        ),
        (MARIO, "default"): Recipe(
            TD3Config(
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
            TD3Config(replay_capacity=200_000, batch_size=256, hidden_sizes=(256, 256)),
            total_steps=200_000,
            tuning=UNTUNED,
        ),
    }
)
