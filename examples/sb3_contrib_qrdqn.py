"""Train QR-DQN of sb3-contrib on four games at once, stepped by the native core.

Needs `pip install ".[sb3]"` in the project's folder.
"""

import argparse
import contextlib

from sb3_contrib import QRDQN

from mario_rl_envs.sb3 import make_vec_env

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
    # The memory cannot do both; the ids have no limit of steps, so no episode is cut short.
    replay_buffer_kwargs={"handle_timeout_termination": False},
    learning_starts=min(10_000, arguments.steps // 2),
    train_freq=1,  # a gradient step after a step of each of the four games
    target_update_interval=2_500,
    seed=0,
    verbose=1,
)
with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends the training, and saves
    agent.learn(arguments.steps)
agent.save(arguments.out)
envs.close()
print(f"trained {agent.num_timesteps} steps, saved {arguments.out}")
