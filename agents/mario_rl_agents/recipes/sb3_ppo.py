"""Recipes of Stable-Baselines3's PPO."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3PPOConfig
from mario_rl_agents.algorithms.sb3.on_policy import SB3PPO
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

ALGORITHM: Final = SB3PPO
LIKE: Final = "ppo"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v1", "default"): Recipe(
            SB3PPOConfig(
                n_steps=32,
                batch_size=256,
                gae_lambda=0.8,
                gamma=0.98,
                n_epochs=20,
                learning_rate=linear(1e-3, 0, 100_000),
                clip_range=linear(0.2, 0, 100_000),
            ),
            num_envs=8,
            total_steps=100_000,
            tuning=RL_ZOO,
        ),
        ("LunarLander-v3", "default"): Recipe(
            SB3PPOConfig(
                n_steps=1024,
                batch_size=64,
                gae_lambda=0.98,
                gamma=0.999,
                n_epochs=4,
                ent_coef=0.01,
            ),
            num_envs=16,
            total_steps=1_000_000,
            tuning=RL_ZOO,
        ),
        # RL Baselines3 Zoo's settings for Atari, with rewards scaled instead of clipped.
        (MARIO, "default"): Recipe(
            SB3PPOConfig(
                n_steps=128,
                n_epochs=4,
                batch_size=256,
                learning_rate=linear(2.5e-4, 0, 10_000_000),
                clip_range=linear(0.1, 0, 10_000_000),
                ent_coef=0.01,
                reward_scale=0.05,
            ),
            num_envs=8,
            total_steps=10_000_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3PPOConfig(), total_steps=200_000, tuning=SB3_DEFAULTS),
    }
)
