"""Check what is installed, wheel or sdist: the native core is in it, and plays as it should.

It takes the environments alone, without their extras.
"""

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np

import mario_rl_envs

SEED = 0
STEPS = 200


def play(emulator: str) -> tuple[list[float], int, bytes]:
    """Return the rewards, the last x position and the last picture of a game of random actions."""
    env = gym.make("MarioRL-1-1-v0", emulator=emulator)
    obs, _ = env.reset(seed=SEED)
    env.action_space.seed(SEED)
    rewards, x = [], 0
    for _ in range(STEPS):
        obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        rewards.append(float(reward))
        x = int(info["x_pos"])
        if terminated or truncated:
            break
    env.close()
    return rewards, x, np.asarray(obs).tobytes()


def main() -> None:
    """Exit with a message if something is amiss."""
    source = Path(__file__).resolve().parents[1]
    if source in Path(mario_rl_envs.__file__).resolve().parents:
        sys.exit(f"the package was imported from {source}, not from where it is installed")
    info = mario_rl_envs.native_info()
    print(f"mario-rl-envs {mario_rl_envs.__version__}, Python {sys.version}: {info}")
    if info.runs == "nes-py":
        sys.exit("the native core is missing")
    native, reference = play("native"), play("nes-py")
    if native != reference:
        sys.exit("a game on the native core is not the one on nes-py")
    print(f"{len(native[0])} steps are those of nes-py; x = {native[1]}")


if __name__ == "__main__":
    main()
