r"""Train RL Zoo3's PPO with the settings of `rl_zoo3_ppo.yml`.

The same on the command line:

    python -m rl_zoo3.train --algo ppo --env MarioRL-1-1-v0 --gym-packages mario_rl_envs \
        --conf-file examples/rl_zoo3_ppo.yml

Needs `pip install ".[sb3]" rl_zoo3` in the project's folder.
"""

import argparse
import sys
from pathlib import Path

from rl_zoo3.train import train

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="logs", help="a folder that RL Zoo3 writes runs to")
arguments = parser.parse_args()

sys.argv = [
    "train",
    *("--algo", "ppo"),
    *("--env", arguments.env),
    *("--gym-packages", "mario_rl_envs"),  # imported there, which registers the ids
    *("--conf-file", str(Path(__file__).with_suffix(".yml"))),
    *("--n-timesteps", str(arguments.steps)),
    *("--log-folder", arguments.out),
    *("--seed", "0"),
]
train()
