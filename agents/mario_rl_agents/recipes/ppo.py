"""Recipes of PPO."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.config import linear, piecewise
from mario_rl_agents.recipes.recipe import (
    ANY,
    BY_HAND,
    FROM_PIXELS,
    MARIO,
    TUTORIAL,
    UNTUNED,
    Measured,
    Recipe,
    Recipes,
)

ALGORITHM: Final = PPO


# From pixels, with sticky actions and no-op starts: what is learned without them fails with them.
# The environment makes what the encoder reads. A discount of 0.9 looks a second ahead; with 0.95
# and 0.99 learning from nothing stalls at the first pipe. With normalized layers what was learned
# is not lost again.
_PIXELS: Final = PPOConfig(
    rollout_steps=32,
    num_epochs=3,
    batch_size=256,
    adam_epsilon=1e-5,
    gamma=0.9,
    reward_scale=1 / 60,
    value_loss="huber",
    encoder="tiny",
    layer_norm=True,
    initialization="orthogonal",
    precision="auto",
    max_grad_norm=0.5,
    normalize_advantages="rollout",
)

RECIPES: Final[Recipes] = MappingProxyType(
    {
        # 300 games of 200 or 500 steps at most. The networks have ReLU.
        ("CartPole-v0", "tutorial"): Recipe(
            PPOConfig(),
            total_steps=60_000,
            measured=Measured("T8", 2.3, "200.0 ± 0.00", steps=48_101),
            tuning=TUTORIAL,
        ),
        ("CartPole-v1", "tutorial"): Recipe(PPOConfig(), total_steps=150_000, tuning=TUTORIAL),
        # The tutorial's, with a learning rate that falls over about its 300 games.
        ("CartPole-v0", "default"): Recipe(
            PPOConfig(learning_rate=linear(3e-4, 0, 50_000)),
            total_steps=60_000,
            measured=Measured("T8-recipe", 2.5, "200.0 ± 0.00", steps=49_980),
            tuning=BY_HAND,
        ),
        ("CartPole-v1", "default"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=10,
                batch_size=256,
                learning_rate=linear(1e-3, 0, 100_000),
                max_grad_norm=0.5,
                normalize_advantages="batch",
                hidden_sizes=(64, 64),
            ),
            num_envs=8,
            total_steps=100_000,
            measured=Measured("T8-CartPole-v1", 0.3, "500.0 ± 0.00"),
            tuning=BY_HAND,
        ),
        # RL Baselines3 Zoo's settings (Raffin 2020) with gradients clipped and in fewer steps.
        ("LunarLander-v3", "default"): Recipe(
            PPOConfig(
                rollout_steps=1024,
                num_epochs=4,
                batch_size=64,
                gamma=0.999,
                gae_lambda=0.98,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages="batch",
                hidden_sizes=(64, 64),
            ),
            num_envs=16,
            total_steps=700_000,
            measured=Measured("LunarLander-PPO", 1.8, "237.5 ± 4.97", steps=328_000),
            tuning="RL Baselines3 Zoo's settings (Raffin 2020), gradients clipped besides",
        ),
        (ANY, "default"): Recipe(
            PPOConfig(
                rollout_steps=256,
                num_epochs=10,
                batch_size=256,
                max_grad_norm=0.5,
                normalize_advantages="batch",
                hidden_sizes=(64, 64),
            ),
            num_envs=8,
            total_steps=200_000,
            tuning=UNTUNED,
        ),
        # The paper's settings for Atari (Schulman et al. 2017, table 5): 40 million frames. Rewards
        # are scaled instead of clipped. Not measured here.
        (MARIO, "default"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=3,
                batch_size=256,
                learning_rate=linear(2.5e-4, 0, 10_000_000),
                clip_range=linear(0.1, 0, 10_000_000),
                value_coefficient=1.0,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages="batch",
                normalize_rewards=True,
            ),
            num_envs=8,
            total_steps=10_000_000,
            tuning="the paper's settings for Atari, not tuned",
        ),
        # At a small rate a policy wanders, and sampled it loses games that greedily it does not. So
        # the last seventh of the steps begins at a larger rate, which falls, with a penalty on
        # entropy, and what plays is the average of some 85,000 steps' weights.
        (MARIO, "pixels"): Recipe(
            replace(
                _PIXELS,
                learning_rate=piecewise(
                    1e-3, 5e-5, 1_250_000, 5e-5, 1_500_000, 2e-4, 1_510_000, 2e-5, 1_750_000
                ),
                entropy_coefficient=piecewise(
                    0.01, 3e-4, 1_250_000, 3e-4, 1_500_000, -0.01, 1_510_000, -0.05, 1_750_000
                ),
                ema_decay=0.999,
            ),
            num_envs=64,
            total_steps=1_750_000,
            env_kwargs=FROM_PIXELS,
            measured=Measured("PPO from pixels", 17.6, "1-1 cleared 98 %"),
            tuning=BY_HAND,
        ),
        # The same after demonstrations, `mario-rl train --imitate`. A policy that can play needs
        # little entropy. With a discount of 0.9 it does not wait for what has to pass first, as in
        # a castle. Most failures are tried again, and half of the other episodes begin where the
        # teacher was, so that no part of a stage has to be reached before it is learned.
        (MARIO, "imitation"): Recipe(
            replace(
                _PIXELS,
                learning_rate=linear(1e-3, 1e-5, 1_600_000),
                gamma=0.95,
                encoder="small",
                entropy_coefficient=linear(0.005, 0.0005, 1_600_000),
                demonstration_coefficient=linear(0.1, 0, 1_600_000),
                demonstration_starts=0.5,
                retries=0.75,
            ),
            num_envs=64,
            total_steps=1_600_000,
            env_kwargs={**FROM_PIXELS, "sticky": 0.1},
            tuning=BY_HAND,
        ),
        # The same in minutes on two cores. Fewer sticky actions are learned with sooner.
        (MARIO, "demo"): Recipe(
            replace(
                _PIXELS,
                learning_rate=linear(1e-3, 2e-5, 1_500_000),
                entropy_coefficient=linear(0.01, 0.002, 1_500_000),
            ),
            num_envs=64,
            total_steps=1_500_000,
            env_kwargs={**FROM_PIXELS, "sticky": 0.1},
            tuning=BY_HAND,
        ),
        # Of the screen's tiles alone, so that a network of 140
        # thousand weights can read it: an environment step costs less than a tenth of what it does
        # with a convolution of 84 x 84 pixels, and the game becomes the larger part of it.
        (MARIO, "tiles"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=4,
                batch_size=512,
                learning_rate=5e-4,
                gamma=0.95,
                hidden_sizes=(64, 64),
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages="batch",
                normalize_rewards=True,
            ),
            num_envs=16,
            total_steps=1_000_000,
            env_kwargs={"observation": "tiles"},
            measured=Measured("PPO from tiles, five minutes", 3.7, "1-1 cleared 77 %"),
            tuning=BY_HAND,
        ),
    }
)
