"""Recipes of A3C: one worker a core."""

from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = A3C

# Returns of 2 instead of 100 are what a value network learns in time to judge the policy's steps.
_A3C_CONFIG: Final = A3CConfig(
    t_max=20, learning_rate=1e-3, reward_scale=0.02, entropy_coefficient=0.001
)

RECIPES: Final[Recipes] = MappingProxyType(
    {
        # 5,000 games of 200 or 500 steps at most.
        ("CartPole-v0", "tutorial"): Recipe(
            A3CConfig(detach=False),
            total_steps=1_000_000,
            tuning=TUTORIAL,
        ),
        ("CartPole-v1", "tutorial"): Recipe(
            A3CConfig(detach=False),
            total_steps=2_500_000,
            tuning=TUTORIAL,
        ),
        ("CartPole-v0", "default"): Recipe(
            _A3C_CONFIG,
            total_steps=150_000,
            measured=Measured("T10", 1.8, "200.0 ± 0.00", steps=271_803),
            tuning=BY_HAND,
        ),
        ("CartPole-v1", "default"): Recipe(
            _A3C_CONFIG,
            total_steps=300_000,
            tuning="that of CartPole-v0, not tuned",
        ),
        ("LunarLander-v3", "default"): Recipe(
            A3CConfig(
                t_max=20,
                learning_rate=linear(5e-4, 0.0, 3_000_000),
                reward_scale=0.02,
                entropy_coefficient=linear(0.01, 0.001, 2_000_000),
                value_coefficient=0.5,
                max_grad_norm=0.5,
                hidden_sizes=(128, 128),
            ),
            total_steps=3_000_000,
            measured=Measured("LunarLander-A3C", 10.6, "217.0 ± 13.9", steps=1_067_488),
            tuning=BY_HAND,
        ),
        (MARIO, "default"): Recipe(
            A3CConfig(
                t_max=20,
                learning_rate=1e-4,
                gamma=0.95,
                reward_scale=0.05,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                hidden_sizes=(),
            ),
            total_steps=2_000_000,
            tuning=UNTUNED,
        ),
        (ANY, "default"): Recipe(
            A3CConfig(t_max=20, learning_rate=1e-3, entropy_coefficient=0.01, max_grad_norm=0.5),
            total_steps=500_000,
            tuning=UNTUNED,
        ),
    }
)
