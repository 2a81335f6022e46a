"""Recipes of Stable-Baselines3's TD3."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3TD3Config
from mario_rl_agents.algorithms.sb3.off_policy import SB3TD3
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

ALGORITHM: Final = SB3TD3
LIKE: Final = "td3"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        # The Zoo learns after each episode, which has 200 steps.
        ("Pendulum-v1", "default"): Recipe(
            SB3TD3Config(
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
            SB3TD3Config(
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
        (ANY, "default"): Recipe(SB3TD3Config(), total_steps=200_000, tuning=SB3_DEFAULTS),
    }
)
