"""Videos of an episode: the game, and beside it a panel with what the player makes of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from mario_rl_agents.agent import Agent
from mario_rl_agents.config import NonNegative, Positive, convert
from mario_rl_agents.envs import Env, opened
from mario_rl_agents.files import replacing
from mario_rl_agents.reports.decisions import decisions_path
from mario_rl_agents.reports.drawing import Frame
from mario_rl_agents.reports.show import (
    STALL_SECONDS,
    AgentPlayer,
    Show,
    Showable,
    agent_panel,
)

SUFFIXES: Final = (".mp4", ".gif")
MAX_SECONDS: Final = 120.0  # of an agent's video

_MODE: Final = "rgb_array_list"
_GIF_FRAMES_PER_SECOND: Final = 20  # at most; players of GIFs are slow above
_GIF_SCALE: Final = 0.6

Progress = Callable[[float], None]  # takes the seconds of video so far


@dataclass(frozen=True)
class Recording:
    """A recorded episode."""

    path: Path
    episodic_return: float
    length: int  # environment steps
    num_frames: int  # in the file
    info: dict[str, Any]  # of the last step
    result: str  # how it ended


def check_video_path(path: Path) -> None:
    """Check that a video can be written in the format that the name ends in.

    Raises:
        ValueError: The ending is not one of `SUFFIXES`.
        ImportError: The ending is .mp4 and imageio-ffmpeg is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()


def record_episode(
    agent: Agent,
    env: Env | str,
    path: Path,
    *,
    epsilon: float = 0.0,
    sample: bool = False,
    seed: int = 0,
    max_seconds: float = MAX_SECONDS,
    stall_seconds: float = STALL_SECONDS,
    progress: Progress | None = None,
) -> Recording:
    """Play one episode as `evaluate` plays it and record every frame.

    What the agent decided lies beside an .mp4, in the file of `decisions_path`, for reports.

    Args:
        agent: The agent; its action values or probabilities are drawn if it has any.
        env: An environment made with `render_mode="rgb_array_list"`; or the id of one, which is
            made and closed again.
        path: An .mp4 (every frame of the game) or a .gif (smaller, about 20 frames a second).
        epsilon: The probability of a random action.
        sample: Whether the other actions are drawn as in training, instead of greedy.
        seed: Of the episode.
        max_seconds: The video ends after so much game time, even if the episode does not.
        stall_seconds: It ends when the player stays within two blocks (where infos have x_pos) for
            so much game time; 0: it does not.
        progress: Called with the seconds of video, frame by frame.

    Raises:
        ValueError: The environment has another render mode or draws no pictures, or `path` has
            another ending.
        ImportError: The ending is .mp4 and imageio-ffmpeg is not installed.
    """
    check_video_path(path)
    stall_seconds = convert(NonNegative, stall_seconds, "stall_seconds")
    max_seconds = convert(Positive, max_seconds, "max_seconds")
    with opened(env, render_mode=_MODE) as made:
        if made.render_mode != _MODE:
            raise ValueError(
                f"env must have render_mode {_MODE!r}, received {made.render_mode!r}: give it to "
                "gym.make"
            )
        player = AgentPlayer(agent, made, epsilon=epsilon, sample=sample, seed=seed)
        panel = agent_panel(agent, made, epsilon=epsilon, sample=sample)
        show = Show(made, player, panel, stall_seconds=stall_seconds)
        return record_show(show, path, seed=seed, max_seconds=max_seconds, progress=progress)


def record_show(
    show: Showable,
    path: Path,
    *,
    seed: int | None = 0,
    max_seconds: float | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Record a show.

    What an agent decided in it lies beside an .mp4, in the file of `decisions_path`, for reports.

    Args:
        show: What is played, from its start.
        path: See `record_episode`; folders that are missing are made.
        seed: Of its reset.
        max_seconds: Of game time, after which it is cut; None: it is not.
        progress: Called with the seconds of video, frame by frame.

    Raises:
        ValueError: The show draws no pictures, or `path` has another ending.
        ImportError: The ending is .mp4 and imageio-ffmpeg is not installed.
    """
    check_video_path(path)
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = show.frames(seed, max_seconds=max_seconds)
    if progress is not None:
        frames = _watched(frames, show.fps, progress)
    is_mp4 = path.suffix.lower() == ".mp4"
    write = write_mp4 if is_mp4 else _write_gif
    beside = decisions_path(path)
    beside.unlink(missing_ok=True)  # a crash leaves no video with another's decisions
    with replacing(path) as new:
        num_frames = write(new, frames, show.fps)
    decisions = show.decisions()
    if decisions is not None and is_mp4:
        decisions.write(beside)
    return Recording(path, show.episodic_return, show.length, num_frames, show.info, show.result)


def _watched(frames: Iterator[Frame], fps: float, progress: Progress) -> Iterator[Frame]:
    for index, frame in enumerate(frames, start=1):
        yield frame
        progress(index / fps)


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(
            'an .mp4 needs imageio-ffmpeg: pip install "mario-rl-envs[video]"; a .gif needs nothing'
        ) from error
    return imageio_ffmpeg


def write_mp4(
    path: Path, frames: Iterator[Frame], fps: float, *, options: Sequence[str] | None = None
) -> int:
    """Write a video without sound, and return how many frames it has.

    Args:
        path: The file.
        frames: At least one.
        fps: Of them, a second.
        options: Of ffmpeg for the file; None: high quality.

    Raises:
        ImportError: imageio-ffmpeg is not installed.
    """
    first = next(frames)
    height, width, _ = first.shape
    writer = _ffmpeg().write_frames(
        str(path),
        (width, height),
        fps=fps,
        codec="libx264",
        quality=8 if options is None else None,
        macro_block_size=2,
        output_params=[] if options is None else list(options),
        ffmpeg_log_level="error",
    )
    writer.send(None)  # starts it
    count = 0
    try:
        for frame in itertools.chain([first], frames):
            writer.send(np.ascontiguousarray(frame))
            count += 1
    finally:
        writer.close()
    return count


def _write_gif(path: Path, frames: Iterator[Frame], fps: float) -> int:
    period = max(1, math.ceil(fps / _GIF_FRAMES_PER_SECOND))
    pictures = []
    for index, frame in enumerate(frames):
        if index % period == 0:
            image = Image.fromarray(frame)
            size = (round(image.width * _GIF_SCALE), round(image.height * _GIF_SCALE))
            small = image.resize(size, Image.Resampling.BOX)
            pictures.append(small.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
    milliseconds = 10 * round(100 * period / fps)  # GIFs count in hundredths of a second
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return len(pictures)
