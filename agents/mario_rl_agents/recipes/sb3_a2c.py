"""Recipes of Stable-Baselines3's A2C."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3A2CConfig
from mario_rl_agents.algorithms.sb3.on_policy import SB3A2C
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    MARIO,
    RL_ZOO,
    SB3_DEFAULTS,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = SB3A2C
LIKE: Final = "actor_critic"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v1", "default"): Recipe(
            SB3A2CConfig(), num_envs=8, total_steps=500_000, tuning=RL_ZOO
        ),
        ("LunarLander-v3", "default"): Recipe(
            SB3A2CConfig(learning_rate=linear(8.3e-4, 0, 200_000), gamma=0.995, ent_coef=1e-5),
            num_envs=8,
            total_steps=200_000,
            tuning=RL_ZOO,
        ),
        # RL Baselines3 Zoo's settings for Atari, with rewards scaled instead of clipped.
        (MARIO, "default"): Recipe(
            SB3A2CConfig(ent_coef=0.01, vf_coef=0.25, reward_scale=0.05),
            num_envs=16,
            total_steps=2_000_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3A2CConfig(), total_steps=200_000, tuning=SB3_DEFAULTS),
    }
)
