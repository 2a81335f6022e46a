"""The examples of libraries, and how it is seen that they have trained."""

from __future__ import annotations

from typing import NamedTuple


class Library(NamedTuple):
    """What is run for a library."""

    example: str
    out: str  # what `--out` is given
    file: str  # what must be there afterward
    report: str = r"trained (\d+) steps"  # how the example says how far it came


SB3_TABLE = r"total_timesteps +\| +(\d+)"
LIBRARIES = {
    "cleanrl-style": Library("cleanrl_style_ppo.py", "agent.pt", "agent.pt"),
    "minari": Library(
        "minari_record.py",
        "mario/random-v0",
        ".minari/datasets/mario/random-v0/data/main_data.hdf5",
        r"recorded (\d+) steps",
    ),
    "rl-zoo3": Library(
        "rl_zoo3_ppo.py",
        "logs",
        "logs/ppo/MarioRL-1-1-v0_1/MarioRL-1-1-v0.zip",
        SB3_TABLE,
    ),
    "rllib": Library("rllib_ppo.py", "agent", "agent/rllib_checkpoint.json"),
    "sb3-contrib": Library("sb3_contrib_qrdqn.py", "agent.zip", "agent.zip"),
    "skrl": Library("skrl_ppo.py", "agent.pt", "agent.pt"),
    "stable-baselines3": Library("stable_baselines3_ppo.py", "agent.zip", "agent.zip", SB3_TABLE),
    "tianshou": Library("tianshou_dqn.py", "agent.pt", "agent.pt"),
    "torchrl": Library("torchrl_ppo.py", "agent.pt", "agent.pt"),
}
