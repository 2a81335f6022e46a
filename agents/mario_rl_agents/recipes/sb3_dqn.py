"""Recipes of Stable-Baselines3's DQN."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3DQNConfig
from mario_rl_agents.algorithms.sb3.off_policy import SB3DQN
from mario_rl_agents.recipes.recipe import (
    ANY,
    MARIO,
    RL_ZOO,
    SB3_DEFAULTS,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = SB3DQN
LIKE: Final = "dqn"  # whose recipes "like" maps to SB3's arguments
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v1", "default"): Recipe(
            SB3DQNConfig(
                learning_rate=2.3e-3,
                batch_size=64,
                buffer_size=100_000,
                learning_starts=1_000,
                target_update_interval=10,
                train_freq=256,
                gradient_steps=128,
                exploration_fraction=0.16,
                exploration_final_eps=0.04,
                net_arch=(256, 256),
            ),
            total_steps=50_000,
            tuning=RL_ZOO,
        ),
        ("LunarLander-v3", "default"): Recipe(
            SB3DQNConfig(
                learning_rate=6.3e-4,
                batch_size=128,
                buffer_size=50_000,
                learning_starts=0,
                target_update_interval=250,
                train_freq=4,
                gradient_steps=-1,
                exploration_fraction=0.12,
                exploration_final_eps=0.1,
                net_arch=(256, 256),
            ),
            total_steps=100_000,
            tuning=RL_ZOO,
        ),
        # RL Baselines3 Zoo's settings for Atari; each frame is stored eight times, so the memory
        # of 50,000 transitions takes 2.8 GB.
        (MARIO, "default"): Recipe(
            SB3DQNConfig(
                buffer_size=50_000,
                learning_starts=10_000,
                target_update_interval=1_000,
                exploration_final_eps=0.01,
            ),
            total_steps=1_000_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3DQNConfig(), total_steps=100_000, tuning=SB3_DEFAULTS),
    }
)
