"""Record the animated picture that README opens with: a policy of the package clears its stage.

    python benchmarks/readme_video.py [--env-id MarioRL-1-1-v0] [--seed 10000] [--out FILE]

The picture is what `mario-rl watch ID --video FILE.gif` records, with ten frames a second at the
game's own speed, one palette for all of them, and a last picture that stays for two seconds.
"""

from __future__ import annotations

import argparse
import bisect
import tempfile
from pathlib import Path
from typing import Final

from mario_rl_agents import load_policy, policy_record
from mario_rl_agents.reports.video import record_episode
from PIL import Image, ImageSequence

VIDEO: Final = Path(__file__).parents[1] / "docs" / "images" / "policy.gif"
_PERIOD: Final = 100  # milliseconds from one frame to the next
_HOLD: Final = 2_000  # milliseconds, of the last frame
_COLORS: Final = 64


def record(env_id: str, path: Path, *, seed: int) -> str:
    """Record an episode; return how it went."""
    agent = load_policy(env_id, render_mode="rgb_array_list", device="cpu")
    sample = policy_record(env_id).policy == "sampled"
    try:
        recording = record_episode(agent, agent.single_env, path, sample=sample, seed=seed)
    finally:
        agent.env.close()
    return f"{recording.length} steps, {recording.result}"


def thin(video: Path, path: Path) -> int:
    """Write a video with ten frames a second and one palette; return its length in milliseconds.

    A GIF holds equal frames once, for as long as all of them: the time of each is its own.
    """
    with Image.open(video) as image:
        frames, begins = [], [0]
        for frame in ImageSequence.Iterator(image):
            frames.append(frame.convert("RGB"))
            begins.append(begins[-1] + int(frame.info["duration"]))
    last = begins[-2]  # when the last frame begins, which shows the result
    shown = [bisect.bisect_right(begins, time) - 1 for time in range(0, last, _PERIOD)]
    kept = [*(frames[index] for index in shown), frames[-1]]
    palette = kept[len(kept) // 2].quantize(_COLORS)
    pictures = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in kept]
    durations = [*[_PERIOD] * len(shown), _HOLD]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return sum(durations)


def main() -> None:
    """Record, thin, say how long and how large the file is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env-id", default="MarioRL-1-1-v0")
    parser.add_argument("--seed", type=int, default=10_000, help="of the episode")
    parser.add_argument("--out", type=Path, default=VIDEO)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "video.gif")
        how = record(options.env_id, video, seed=options.seed)
        length = thin(video, options.out)
    size = options.out.stat().st_size / 1e6
    print(f"{options.out}: {how}, {length / 1000:.1f} s, {size:.1f} MB")


if __name__ == "__main__":
    main()
