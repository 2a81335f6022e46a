"""The video of the README: small, and as fast as the game."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from benchmarks.readme_video import VIDEO, thin


def durations(path: Path) -> list[int]:
    """Return how long each picture is seen, in milliseconds."""
    with Image.open(path) as image:
        return [int(frame.info["duration"]) for frame in ImageSequence.Iterator(image)]


def test_thinning_keeps_the_time_of_pictures_that_stay(tmp_path: Path) -> None:
    path = tmp_path / "video.gif"
    stripes = np.repeat(np.arange(5, dtype=np.uint8) * 50, 8)[None, :, None]
    wide = np.broadcast_to(stripes, (8, 40, 3))
    pictures = [Image.fromarray(np.roll(wide, 8 * index, axis=1)) for index in range(5)]
    times = [50, 450, 50, 50, 1000]  # the second one stays, and so does the last
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0)
    assert thin(path, tmp_path / "thin.gif") == 600 + 2000
    assert durations(tmp_path / "thin.gif") == [100, 400, 100, 2000]


def test_video_is_small_and_as_fast_as_the_game() -> None:
    assert VIDEO.stat().st_size < 3_000_000
    *played, held = durations(VIDEO)
    assert max(played) <= 500
    assert held == 2000
    assert 10_000 < sum(played) < 30_000  # a game of 1-1
