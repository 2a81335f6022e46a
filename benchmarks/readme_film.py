"""Record the animated picture that README opens with: a policy of the package clears its stage.

    python benchmarks/readme_film.py [--env-id MarioRL-1-1-v0] [--seed 10000] [--out FILE]

The picture is what `mario-rl watch ID --video FILE.gif` records, with half of its frames and one
palette for all of them, which halves the file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

from mario_rl_agents import load_policy, policy_record
from mario_rl_agents.reports.video import record_episode
from PIL import Image, ImageSequence

FILM: Final = Path(__file__).parents[1] / "docs" / "images" / "policy.gif"
_PERIOD: Final = 2  # frames of the recording from one that is kept to the next
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


def thin(film: Path, path: Path) -> int:
    """Write a film with half of its frames and one palette; return the number of frames."""
    with Image.open(film) as image:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
        milliseconds = _PERIOD * int(image.info["duration"])
    kept = frames[::_PERIOD]
    palette = kept[len(kept) // 2].quantize(_COLORS)
    pictures = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in kept]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return len(pictures)


def main() -> None:
    """Record, thin, say how large the file is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env-id", default="MarioRL-1-1-v0")
    parser.add_argument("--seed", type=int, default=10_000, help="of the episode")
    parser.add_argument("--out", type=Path, default=FILM)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.gif")
        how = record(options.env_id, film, seed=options.seed)
        count = thin(film, options.out)
    print(f"{options.out}: {how}, {count} frames, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
