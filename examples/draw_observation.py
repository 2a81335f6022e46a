"""Draw the game as a person sees it, and beside it the four frames that the agent sees."""

import argparse

import cv2
import gymnasium as gym
import numpy as np

import mario_rl_envs  # noqa: F401 (registers the ids)

GAP = 12  # pixels
WHITE = 255

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="observation.png", help="the picture")
parser.add_argument("--fraction", type=float, default=0.12, help="how far into the stage")
arguments = parser.parse_args()

env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array")
env.reset(options={"route_fraction": arguments.fraction})
for _ in range(4):
    obs = env.step(4)[0]  # right + A + B
screen = np.asarray(env.render())  # [240, 256, 3]
env.close()

screen = cv2.resize(screen, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)  # [480, 512, 3]
side = (screen.shape[0] - GAP) // 2
frames = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_NEAREST) for frame in obs]
frames = [cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB) for frame in frames]
column = np.full((GAP, side, 3), WHITE, np.uint8)
columns = [np.vstack([frames[i], column, frames[i + 2]]) for i in range(2)]
gap = np.full((screen.shape[0], GAP, 3), WHITE, np.uint8)
picture = np.hstack([screen, gap, gap, columns[0], gap, columns[1]])
if not cv2.imwrite(arguments.out, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
    raise SystemExit(f"cannot write {arguments.out}")
print(f"wrote {arguments.out}: {picture.shape[1]} x {picture.shape[0]} pixels")
