"""Recipes of Stable-Baselines3's DDPG."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3DDPGConfig
from mario_rl_agents.algorithms.sb3.off_policy import SB3DDPG
from mario_rl_agents.recipes.recipe import (
    ANY,
    CONTINUOUS_MARIO,
    MARIO,
    RL_ZOO,
    SB3_DEFAULTS,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = SB3DDPG
LIKE: Final = "ddpg"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The Zoo learns after each episode, which has 200 steps.
        ("Pendulum-v1", "default"): Recipe(
            SB3DDPGConfig(
                gamma=0.98,
                buffer_size=200_000,
                learning_starts=10_000,
                action_noise="normal",
                noise_std=0.1,
                train_freq=200,
                gradient_steps=-1,
                net_arch=(400, 300),
            ),
            total_steps=20_000,
            tuning=RL_ZOO,
        ),
        (MARIO, "default"): Recipe(
            SB3DDPGConfig(
                buffer_size=50_000,
                learning_starts=5_000,
                train_freq=4,
                action_noise="normal",
                noise_std=0.3,
            ),
            total_steps=500_000,
            env_kwargs=CONTINUOUS_MARIO,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3DDPGConfig(), total_steps=200_000, tuning=SB3_DEFAULTS),
    }
)
