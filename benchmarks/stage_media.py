"""Pictures and a video of a stage, drawn from the game along the package's route through it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mario_rl_agents.reports.drawing import Frame
from mario_rl_agents.reports.stage_picture import draw_route
from mario_rl_agents.reports.video import write_mp4
from PIL import Image

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv

FRAMES_PER_SECOND: Final = 60  # of the console

_PERIOD: Final = 2  # frames of the console from one picture of a video to the next
_HOLD: Final = 30  # pictures: how often the last one is repeated
# Constant quality: a video of half a minute takes some 0.4 MB; slower presets make it a fifth
# smaller, and take twice as long. The index comes first, so that a browser can play before it has
# the whole file. One thread: the same bytes everywhere.
_CODEC: Final = (
    *("-preset", "veryfast"),
    *("-crf", "26"),
    *("-tune", "animation"),
    *("-threads", "1"),
    *("-movflags", "+faststart"),
)


class Picture(NamedTuple):
    """A file of a picture."""

    name: str
    width: int  # pixels
    height: int


class Video(NamedTuple):
    """A file of a video."""

    name: str
    width: int  # pixels
    height: int
    seconds: float


def check_videos() -> None:
    """Check that videos can be written.

    Raises:
        ImportError: imageio-ffmpeg is not installed.
    """
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'videos need imageio-ffmpeg: pip install "mario-rl-envs[video]"; --no-videos leaves '
            "them out"
        ) from error


def draw_stage(stage: str, folder: Path) -> Picture:
    """Write the picture of a whole stage, with the route on it."""
    image = draw_route(routes.load(stage))
    return _write_picture(image, folder / f"{stage}-route.png")


def draw_screen(stage: str, folder: Path) -> Picture:
    """Write the screen as it is half-way along the route."""
    with contextlib.closing(SuperMarioBrosEnv(stage)) as env:
        screen, _ = env.reset(options={"route_fraction": 0.5})
    return _write_picture(Image.fromarray(screen), folder / f"{stage}-screen.png")


def write_video(stage: str, folder: Path, *, num_frames: int | None = None) -> Video:
    """Write a video of the route.

    Args:
        stage: As "1-1".
        folder: Where to.
        num_frames: Of the console, after which it ends; None: the whole route.

    Raises:
        ImportError: imageio-ffmpeg is not installed.
    """
    path = folder / f"{stage}.mp4"
    frames = _frames(stage, num_frames)
    first = next(frames)
    height, width, _ = first.shape
    fps = FRAMES_PER_SECOND / _PERIOD
    count = write_mp4(path, itertools.chain([first], frames), fps, options=_CODEC)
    return Video(path.name, width, height, count / fps)


def _frames(stage: str, num_frames: int | None) -> Iterator[Frame]:
    """Yield the pictures of a video."""
    frame = None
    with contextlib.closing(SuperMarioBrosEnv(stage, render_mode="rgb_array_list")) as env:
        for index, frame in enumerate(_all_frames(env, stage)):
            if num_frames is not None and index >= num_frames:
                break
            if index % _PERIOD == 0:
                yield frame
    assert frame is not None, "a reset is a frame"
    for _ in range(_HOLD):
        yield frame


def _all_frames(env: SuperMarioBrosEnv, stage: str) -> Iterator[Frame]:
    """Yield every frame of the console."""
    env.reset()
    yield from env.render()
    for joypad in routes.load(stage).frames.tolist():
        _, _, terminated, _, _ = env.step(joypad)
        yield from env.render()
        if terminated:
            return


def _write_picture(image: Image.Image, path: Path) -> Picture:
    image.save(path, optimize=True)
    return Picture(path.name, image.width, image.height)
