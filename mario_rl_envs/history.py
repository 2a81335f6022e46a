"""The frames before the first observation of an episode that starts in the middle of a stage.

A stack that repeats the first frame shows a world at rest. So where play led up to a start, along a
route or to a save state, a frame stack is filled with what was seen on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FrameFormat(NamedTuple):
    """What the frames of a stack show; a stack takes frames of its own format alone."""

    view: tuple[str, ...]  # the wrappers that made them of the screen, the innermost first
    skip: int  # frames of the game from each to the next
    shape: tuple[int, ...]  # [num_frames, ...], without the stack's newest frame


class Frames(NamedTuple):
    """The frames of a stack, without the newest."""

    format: FrameFormat
    pixels: NDArray[np.uint8]  # the oldest first


class History:
    """Asks for the frames before a start, and takes them.

    A frame stack gives one to the raw environment's `reset`, as the option "history".
    """

    def __init__(self, frame_format: FrameFormat, observe: Callable[[], NDArray[np.uint8]]) -> None:
        """Ask for frames.

        Args:
            frame_format: What they have to show.
            observe: Returns the observation as it is now; called while a route is played.
        """
        self.format = frame_format
        self.observe = observe
        self.pixels: NDArray[np.uint8] | None = None  # the answer; None: play did not lead up to it
