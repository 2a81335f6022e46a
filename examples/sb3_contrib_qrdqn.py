"""Train QR-DQN of sb3-contrib on four games at once, without a wrapper of ours.

Needs `pip install "mario-rl-envs[sb3]"`.
"""

import argparse
import contextlib

from sb3_contrib import QRDQN
from stable_baselines3.common.env_util import make_vec_env

import mario_rl_envs  # noqa: F401 (registers the ids)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="qrdqn_mario.zip", help="where to save the agent")
arguments = parser.parse_args()

envs = make_vec_env(arguments.env, n_envs=4, seed=0)
agent = QRDQN(
    "CnnPolicy",
    envs,
    buffer_size=50_000,  # 1.4 GB: every frame stands in it four times
    optimize_memory_usage=True,
    # Without a limit of steps no episode is cut short, and this needs no second look at its end.
    replay_buffer_kwargs={"handle_timeout_termination": False},
    learning_starts=min(10_000, arguments.steps // 2),
    train_freq=4,
    target_update_interval=2_500,
    seed=0,
    verbose=1,
)
with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends the training, and saves
    agent.learn(arguments.steps)
agent.save(arguments.out)
envs.close()
print(f"trained {agent.num_timesteps} steps, saved {arguments.out}")
