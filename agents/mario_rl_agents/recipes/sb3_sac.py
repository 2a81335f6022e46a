"""Recipes of Stable-Baselines3's SAC."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3SACConfig
from mario_rl_agents.algorithms.sb3.off_policy import SB3SAC
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

ALGORITHM: Final = SB3SAC
LIKE: Final = "sac"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("Pendulum-v1", "default"): Recipe(
            SB3SACConfig(learning_rate=1e-3), total_steps=20_000, tuning=RL_ZOO
        ),
        (MARIO, "default"): Recipe(
            SB3SACConfig(
                buffer_size=50_000, learning_starts=5_000, train_freq=4, reward_scale=0.05
            ),
            total_steps=500_000,
            env_kwargs=CONTINUOUS_MARIO,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3SACConfig(), total_steps=100_000, tuning=SB3_DEFAULTS),
    }
)
