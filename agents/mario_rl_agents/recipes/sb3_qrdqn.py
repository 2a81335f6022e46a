"""Recipes of sb3-contrib's QR-DQN."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.sb3.configs import SB3QRDQNConfig
from mario_rl_agents.algorithms.sb3.off_policy import SB3QRDQN
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

ALGORITHM: Final = SB3QRDQN
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v1", "default"): Recipe(
            SB3QRDQNConfig(
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
                n_quantiles=10,
            ),
            total_steps=50_000,
            tuning=RL_ZOO,
        ),
        ("LunarLander-v3", "default"): Recipe(
            SB3QRDQNConfig(
                learning_rate=linear(1.5e-3, 0, 100_000),
                batch_size=128,
                buffer_size=100_000,
                learning_starts=10_000,
                gamma=0.995,
                target_update_interval=1,
                train_freq=256,
                gradient_steps=-1,
                exploration_fraction=0.24,
                exploration_final_eps=0.18,
                net_arch=(256, 256),
                n_quantiles=170,
            ),
            total_steps=100_000,
            tuning=RL_ZOO,
        ),
        (MARIO, "default"): Recipe(
            SB3QRDQNConfig(buffer_size=50_000, learning_starts=10_000, exploration_fraction=0.1),
            total_steps=1_000_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(SB3QRDQNConfig(), total_steps=100_000, tuning=SB3_DEFAULTS),
    }
)
