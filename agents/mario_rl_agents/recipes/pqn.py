"""Recipes of PQN."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.pqn import PQN, PQNConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    FROM_PIXELS,
    MARIO,
    UNTUNED,
    Recipe,
    Recipes,
)

ALGORITHM: Final = PQN
RECIPES: Final[Recipes] = MappingProxyType(
    {
        ("CartPole-v1", "default"): Recipe(
            PQNConfig(
                num_epochs=4,
                batch_size=64,
                learning_rate=linear(1e-3, 0, 100_000),
                return_lambda=0.95,
                reward_scale=0.1,
                epsilon=linear(1, 0.05, 50_000),
            ),
            num_envs=8,
            total_steps=100_000,
            tuning=BY_HAND,
        ),
        # Double DQN's, as far as the two are alike.
        (MARIO, "pixels"): Recipe(
            PQNConfig(
                rollout_steps=32,
                batch_size=256,
                learning_rate=linear(5e-4, 2.5e-5, 2_000_000),
                adam_epsilon=1e-5,
                loss="huber",
                gamma=0.9,
                reward_scale=1 / 60,
                epsilon=linear(1, 0.02, 400_000),
                encoder="tiny",
                precision="auto",
            ),
            num_envs=64,
            total_steps=2_000_000,
            env_kwargs=FROM_PIXELS,
            tuning=UNTUNED,
        ),
        # The paper's for Atari; exploration ends after a tenth of the steps.
        (MARIO, "default"): Recipe(
            PQNConfig(batch_size=128),
            num_envs=128,
            total_steps=10_000_000,
            tuning="the paper's settings for Atari, not tuned",
        ),
        (ANY, "default"): Recipe(
            PQNConfig(
                num_epochs=4,
                batch_size=64,
                learning_rate=5e-4,
                epsilon=linear(1, 0.05, 50_000),
            ),
            num_envs=8,
            total_steps=200_000,
            tuning=UNTUNED,
        ),
    }
)
