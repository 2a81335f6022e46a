"""Train RLlib's PPO, new API stack: two workers, each with four games that one native call steps.

Needs `pip install . "ray[rllib]" torch` in the project's folder.
"""

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env


def make_envs(config: dict[str, Any]) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Return games for RLlib's networks: floats, the channels last.

    Args:
        config: Keywords of `gym.make_vec`. RLlib adds `num_envs`.
    """
    envs = gym.make_vec(channels="last", info=[], **config)
    space = envs.single_observation_space
    return gym.wrappers.vector.TransformObservation(
        envs,
        lambda obs: obs.astype(np.float32) / 255,
        single_observation_space=gym.spaces.Box(0.0, 1.0, space.shape, np.float32),
    )


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="rllib_ppo_mario", help="a folder to save the agent in")
arguments = parser.parse_args()

register_env("mario", make_envs)
algorithm = (
    PPOConfig()
    # The workers are new processes: the id names the module that registers it.
    .environment("mario", env_config={"id": f"mario_rl_envs:{arguments.env}"})
    .env_runners(
        num_env_runners=2,
        num_envs_per_env_runner=4,
        gym_env_vectorize_mode="vector_entry_point",
        rollout_fragment_length=128,
    )
    .training(
        train_batch_size_per_learner=1024,
        minibatch_size=256,
        num_epochs=4,
        lr=2.5e-4,
        lambda_=0.95,
        clip_param=0.1,
        entropy_coeff=0.01,
    )
    .rl_module(  # the network of Mnih et al. 2015: filters, size, stride
        model_config=DefaultModelConfig(
            conv_filters=[(32, 8, 4), (64, 4, 2), (64, 3, 1)],
            conv_activation="relu",
            head_fcnet_hiddens=[512],
            vf_share_layers=True,
        )
    )
    .debugging(seed=0)
    .build_algo()
)
steps = 0
while steps < arguments.steps:
    result = algorithm.train()["env_runners"]
    steps = int(result["num_env_steps_sampled_lifetime"])
    print(f"{steps:9,d} steps  return {result.get('episode_return_mean', float('nan')):6.0f}")
algorithm.save_to_path(Path(arguments.out).resolve())
algorithm.stop()
print(f"trained {steps} steps, saved {arguments.out}")
