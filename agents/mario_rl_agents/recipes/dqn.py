"""Recipes of DQN."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.config import linear
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    FROM_PIXELS,
    KERAS_EPSILON,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = DQN

# The memory stores each frame once where the first axis is the stack. Epsilon explores already:
# actions do not stick, unless `--env sticky=0.25` is given.
_PIXELS: Final = MappingProxyType({**FROM_PIXELS, "channels": "first", "sticky": 0.0})

# Double DQN has these too, so that only the target differs.
SHARED: Final[Recipes] = MappingProxyType(
    {
        # The tutorial's numbers; its 50,000 episodes are about 10 million steps, its exploration
        # takes 9 million to end. It learns as soon as a batch is there. `replay_dir` maps the
        # memory to a file as it does.
        (MARIO, "tutorial"): Recipe(
            DQNConfig(loss="mse", learning_starts=32),
            total_steps=10_000_000,
            tuning=TUTORIAL,
        ),
        # Huber loss and "burnin" of PyTorch's own tutorial, exploration as in Mnih et al. 2015,
        # which ends within a day's run; else the tutorial's.
        (MARIO, "default"): Recipe(
            DQNConfig(epsilon=linear(1, 0.1, 1_000_000)),
            total_steps=2_000_000,
            tuning="those of two tutorials, exploration as Mnih et al. 2015, not tuned",
        ),
        # All shortened for five minutes on two cores. Pictures of 52 x 52 make a gradient step
        # three times cheaper than 84 x 84; decisions for 8 frames instead of 4 differ more in what
        # comes of them; targets are copied often, since a copy moves rewards one step on.
        # Measured by benchmarks/demo.py.
        (MARIO, "demo"): Recipe(
            DQNConfig(
                reward_scale=0.05,
                replay_capacity=50_000,
                learning_starts=500,
                target_update_period=200,
                epsilon=linear(1, 0.1, 4_000),
            ),
            total_steps=100_000,
            env_kwargs={"size": 52, "skip": 8},
            tuning="by hand, ten short trials of one seed: benchmarks/results.md",
        ),
        # From pixels to the flag: 64 games at once, and a gradient step of 256 transitions for each
        # step of them. The discount of 0.9 weighs what comes within a second, as a jump does.
        (MARIO, "pixels"): Recipe(
            DQNConfig(
                learning_rate=linear(5e-4, 2.5e-5, 2_000_000),
                adam_epsilon=1.5e-4,
                gamma=0.9,
                reward_scale=1 / 60,
                batch_size=256,
                replay_capacity=262_144,
                learning_starts=20_000,
                update_period=64,
                target_update_period=250,
                epsilon=linear(1, 0.02, 400_000),
                max_grad_norm=10.0,
                encoder="tiny",
                layer_norm=True,
                precision="auto",
                num_return_steps=5,
            ),
            num_envs=64,
            total_steps=2_000_000,
            env_kwargs=_PIXELS,
            tuning=BY_HAND,
        ),
        (ANY, "default"): Recipe(
            DQNConfig(
                learning_rate=1e-3,
                gamma=0.99,
                batch_size=64,
                replay_capacity=50_000,
                learning_starts=1_000,
                target_update_period=500,
                epsilon=linear(1, 0.05, 10_000),
            ),
            total_steps=50_000,
            tuning=UNTUNED,
        ),
    }
)

# gamma and batch are the defaults of Keras-RL, which the tutorial is written with, as is that a
# batch is drawn without replacement once the memory has enough.
_TUTORIAL: Final = Recipe(
    DQNConfig(
        learning_rate=1e-3,
        loss="mse",
        gamma=0.99,
        batch_size=32,
        replay_capacity=50_000,
        replacement=False,
        learning_starts=10,
        target_update_period=1,
        tau=1e-2,
        exploration="boltzmann",
        hidden_sizes=(24, 24),
        overlap=False,
        initialization="glorot",
        adam_epsilon=KERAS_EPSILON,
    ),
    total_steps=50_000,
    tuning=TUTORIAL,
)

RECIPES: Final[Recipes] = MappingProxyType(
    {
        **SHARED,
        # The tutorial's, with a larger network and batch, and smaller steps towards the end: what
        # the last thousands of steps do to the network then decides less.
        ("CartPole-v1", "default"): Recipe(
            DQNConfig(
                learning_rate=linear(1e-3, 0, 50_000),
                loss="mse",
                gamma=0.99,
                batch_size=64,
                replay_capacity=50_000,
                learning_starts=1_000,
                target_update_period=1,
                tau=1e-2,
                exploration="boltzmann",
                overlap=False,
            ),
            total_steps=50_000,
            measured=Measured("T2-CartPole-v1", 1.3, "500.0 ± 0.00"),
            tuning=BY_HAND,
        ),
        ("CartPole-v0", "tutorial"): replace(
            _TUTORIAL, measured=Measured("T2", 1.1, "196.0 ± 7.67")
        ),
        ("CartPole-v1", "tutorial"): _TUTORIAL,
    }
)
