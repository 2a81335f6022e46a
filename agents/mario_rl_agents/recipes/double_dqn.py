"""Recipes of Double DQN."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.dqn import SHARED
from mario_rl_agents.recipes.recipe import (
    BY_HAND,
    MARIO,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = DoubleDQN
RECIPES: Final[Recipes] = MappingProxyType(
    {
        **SHARED,
        (MARIO, "demo"): replace(
            SHARED[MARIO, "demo"],
            measured=Measured(
                "The demo: Double DQN, five minutes", 5, "1-1 cleared 0 %", steps=13_218
            ),
        ),
        # A gradient step each second environment step. Returns of three steps make it learn fast;
        # targets that stand still for 1,000 steps, a memory that forgets nothing and a falling
        # learning rate let it keep that. At a tenth of the rewards errors of 10 points still
        # count as squares. docs/dqn.md tells what was seen without these.
        ("LunarLander-v3", "default"): Recipe(
            DQNConfig(
                learning_rate=linear(6e-4, 0, 400_000),
                gamma=0.995,
                reward_scale=0.1,
                batch_size=128,
                replay_capacity=400_000,
                learning_starts=2_000,
                update_period=2,
                target_update_period=500,
                epsilon=linear(1, 0.05, 30_000),
                max_grad_norm=10.0,
                hidden_sizes=(256, 128),
                num_return_steps=3,
                overlap=False,
            ),
            total_steps=400_000,
            measured=Measured("LunarLander-DoubleDQN", 6.8, "239.2 ± 12.2", steps=196_000),
            tuning=BY_HAND,
        ),
    }
)
