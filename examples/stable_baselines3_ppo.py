"""Train Stable-Baselines3's PPO on four games at once, stepped by the native core.

Needs `pip install ".[sb3]"` in the project's folder.
"""

import argparse
import contextlib

from stable_baselines3 import PPO

from mario_rl_envs.sb3 import make_vec_env

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="ppo_mario.zip", help="where to save the agent")
arguments = parser.parse_args()

envs = make_vec_env(arguments.env, n_envs=4, seed=0)
agent = PPO("CnnPolicy", envs, n_steps=128, batch_size=128, ent_coef=0.01, seed=0, verbose=1)
with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends the training, and saves
    agent.learn(arguments.steps)
agent.save(arguments.out)
envs.close()
