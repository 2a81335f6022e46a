"""Draw the game as a person sees it, and below it the four frames that the agent sees of it."""

import argparse

import gymnasium as gym
import numpy as np
from mario_rl_agents.reports.drawing import font
from PIL import Image, ImageDraw

import mario_rl_envs  # noqa: F401 (registers the ids)

MARGIN = 24  # pixels
CAPTION = 46  # pixels
SIZE, HEAD = 27, 23  # pixels, of texts and of captions
TIMES = 4  # a pixel of the agent's is so many here
SKIP = 4  # frames of the game in a decision, of the id
PAPER, INK = "white", "#1b1f24"

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

side = TIMES * obs.shape[1]
width = len(obs) * (side + MARGIN) + MARGIN
enlarged = (3 * screen.shape[1], 3 * screen.shape[0])
left_of_text = enlarged[0] + 2 * MARGIN
picture = Image.new("RGB", (width, 2 * CAPTION + enlarged[1] + side + 3 * MARGIN), PAPER)
draw = ImageDraw.Draw(picture)


def write(place: tuple[float, float], text: str, bold: bool = False) -> None:
    """Write lines of text."""
    draw.multiline_text(
        place, text, fill=INK, font=font(HEAD if bold else SIZE, bold=bold), spacing=10
    )


write((MARGIN, MARGIN / 2), f"The screen: {screen.shape[1]} x {screen.shape[0]}, in color", True)
picture.paste(
    Image.fromarray(screen).resize(enlarged, Image.Resampling.NEAREST), (MARGIN, CAPTION + 6)
)
height, breadth = obs.shape[1:]
lines = [
    "What the agent sees, below:",
    f"{len(obs)} frames of {breadth} x {height}, gray,",
    "in one array, obs,",
    f"{obs.shape}, {obs.dtype}.",
    "",
    f"A decision lasts {SKIP} frames",
    "of the game. Each adds one",
    "frame at the end, and the",
    "oldest goes. How far Mario",
    "moves between two of them",
    "tells his speed.",
]
write((left_of_text, CAPTION + 6), "\n".join(lines))
top = CAPTION + 6 + enlarged[1] + MARGIN
for index, frame in enumerate(obs):
    left = MARGIN + index * (side + MARGIN)
    age = len(obs) - 1 - index
    when = f"{age} decision{'s' * (age > 1)} ago" if age else "now"
    write((left, top), f"obs[{index}]: {when}", True)
    big = Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST)
    picture.paste(big.convert("RGB"), (left, top + CAPTION - 6))
picture.save(arguments.out, optimize=True)
print(f"wrote {arguments.out}: {picture.width} x {picture.height} pixels")
