"""Two shows in one picture: an agent before its training and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from mario_rl_agents.reports.decisions import Decisions
from mario_rl_agents.reports.drawing import BACKGROUND, Frame, Overlay, write
from mario_rl_agents.reports.show import Show

_CAPTION: Final = 36  # pixels
_GAP: Final = 8  # pixels between two shows


class SideBySide:
    """Shows that begin together, with a caption over each; what has ended stands still.

    Attributes:
        fps: Pictures a second.
        episodic_return: Of the last one, as are `length` and `info`.
    """

    def __init__(self, shows: Mapping[str, Show]) -> None:
        """Take the shows by their captions, from left to right; the games' pictures alone."""
        self._shows = dict(shows)
        self._last = list(self._shows.values())[-1]
        self.fps = self._last.fps
        self.shows_panel = False

    @property
    def episodic_return(self) -> float:
        """The return so far of the last show."""
        return self._last.episodic_return

    @property
    def length(self) -> int:
        """Environment steps so far of the last show."""
        return self._last.length

    @property
    def info(self) -> dict[str, Any]:
        """The info of the last step of the last show."""
        return self._last.info

    @property
    def shows_panel(self) -> bool:
        """Whether each has its panel beside it."""
        return self._last.shows_panel

    @shows_panel.setter
    def shows_panel(self, shows: bool) -> None:
        for show in self._shows.values():
            show.shows_panel = shows

    @property
    def result(self) -> str:
        """How each ended; "" before all have."""
        results = [show.result for show in self._shows.values()]
        if not all(results):
            return ""
        return "; ".join(f"{caption}: {show.result}" for caption, show in self._shows.items())

    def frames(self, seed: int | None, *, max_seconds: float | None = None) -> Iterator[Frame]:
        """Yield the pictures, from the same seed, until the longest show ends."""
        playing = [show.frames(seed, max_seconds=max_seconds) for show in self._shows.values()]
        is_first = True
        while playing:
            playing = [frames for frames in playing if next(frames, None) is not None]
            if playing or is_first:
                yield self.frame()
            is_first = False

    def frame(self, overlay: Overlay | None = None) -> Frame:
        """Return the picture as it is now, with something drawn over all of it."""
        pictures = [_captioned(show.frame(), name) for name, show in self._shows.items()]
        height = max(picture.shape[0] for picture in pictures)
        width = sum(picture.shape[1] + _GAP for picture in pictures) - _GAP
        joined = np.full((height, width, 3), BACKGROUND, np.uint8)
        left = 0
        for picture in pictures:
            joined[: picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1] + _GAP
        return joined if overlay is None else overlay(joined)

    def decisions(self) -> Decisions | None:
        """Return None: one video shows those of several players."""
        return None


def _captioned(picture: Frame, caption: str) -> Frame:
    """Return a picture with a line over it."""
    width = picture.shape[1]
    bar = Image.new("RGB", (width, _CAPTION), BACKGROUND)
    place = (width / 2, _CAPTION / 2)
    write(ImageDraw.Draw(bar), place, caption, size=18, width=width - 16, bold=True, anchor="mm")
    return np.concatenate([np.asarray(bar), picture])
