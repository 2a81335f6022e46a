"""Colors, fonts and texts of all that is drawn beside and over a game."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]  # [H, W, 3]
Color = tuple[int, int, int]
Overlay = Callable[[Frame], Frame]  # draws over a picture; the caller's own does not change

BACKGROUND: Final = (22, 24, 29)
TEXT: Final = (235, 237, 240)
FAINT: Final = (139, 145, 156)
TRACK: Final = (40, 44, 52)
BAR: Final = (86, 119, 190)
CHOSEN: Final = (255, 196, 61)
RANDOM: Final = (238, 108, 77)

_SMALLEST: Final = 9  # pixels, of a font that can be read
_LONGEST: Final = 200  # characters on a line
_SHADE: Final = 0.22  # of the game's light, behind a text
_BANNER_HEIGHT: Final = 44  # pixels
_BANNER_TOP: Final = 0.16  # of the height: under Mario's score, over his head


class Area(NamedTuple):
    """Where something is drawn, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """The width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self.bottom - self.top


@functools.cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of a size in pixels."""
    # Matplotlib, which the plots need anyway, brings a font that has every sign used here.
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    size: int,
    width: float,
    color: Color = TEXT,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    """Write a text so that it fits: smaller if it must be, and cut where that is not enough.

    Args:
        draw: Where to.
        place: Of the text, in pixels; `anchor` says which point of it, as Pillow has it.
        text: One line.
        size: Of the font, in pixels.
        width: What there is room for, in pixels.
        color: Of the text.
        bold: Whether it is.
        anchor: Pillow's text anchor.
    """
    fitting, size = _fit(text, size, width, bold)
    if fitting.strip():
        mask, left, top = _mask(fitting, size, bold, anchor)
        draw.bitmap((round(place[0]) + left, round(place[1]) + top), mask, fill=color)


# An episode writes the same names again and again.
@functools.lru_cache(maxsize=1024)
def _fit(text: str, size: int, width: float, bold: bool) -> tuple[str, int]:
    """Return a text that fits into a width, cut if it must be, and the size of its font."""
    smallest = min(size, max(_SMALLEST, round(0.7 * size)))
    while size > smallest and font(size, bold=bold).getlength(text) > width:
        size -= 1
    length = font(size, bold=bold).getlength
    if length(text) > width:
        count = min(len(text), _LONGEST)
        while count > 0 and length(text[:count].rstrip() + "…") > width:
            count -= 1
        text = text[:count].rstrip() + "…"
    return text, size


@functools.lru_cache(maxsize=1024)
def _mask(text: str, size: int, bold: bool, anchor: str) -> tuple[Image.Image, int, int]:
    """Return a text's pixels, and where they begin from its anchor."""
    left, top, right, bottom = map(round, font(size, bold=bold).getbbox(text, anchor=anchor))
    mask = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    place = (-left, -top)
    ImageDraw.Draw(mask).text(place, text, font=font(size, bold=bold), fill=255, anchor=anchor)
    return mask, left, top


def banner(text: str) -> Overlay:
    """Return what writes a line over a picture."""

    def draw(frame: Frame) -> Frame:
        frame = frame.copy()
        height, width, _ = frame.shape
        top = round(_BANNER_TOP * height)
        strip = frame[top : top + _BANNER_HEIGHT]
        strip[:] = (strip * _SHADE).astype(np.uint8)
        image = Image.fromarray(frame)
        write(
            ImageDraw.Draw(image),
            (width / 2, top + strip.shape[0] / 2),
            text,
            size=22,
            width=width - 16,
            color=CHOSEN,
            bold=True,
            anchor="mm",
        )
        return np.asarray(image)

    return draw


def table(title: str, rows: Sequence[tuple[str, str]], footer: str) -> Overlay:
    """Return what darkens a picture, at least 300 x 200, and writes a table over it.

    Args:
        title: Over the table.
        rows: What stands on the left and on the right.
        footer: Under the table.
    """

    def draw(frame: Frame) -> Frame:
        image = Image.fromarray((frame * _SHADE).astype(np.uint8))
        on = ImageDraw.Draw(image)
        line = min(30, (image.height - 40) // (len(rows) + 4))
        width = min(image.width - 24, 460)
        left = (image.width - width) // 2
        split = left + round(0.40 * width)
        top = (image.height - line * (len(rows) + 4)) // 2
        write(on, (left, top), title, size=round(0.8 * line), width=width, color=CHOSEN, bold=True)
        size = round(0.55 * line)
        for row, (name, meaning) in enumerate(rows):
            y = top + line * (row + 2)
            write(on, (left, y), name, size=size, width=split - left - 12, color=CHOSEN, bold=True)
            write(on, (split, y), meaning, size=size, width=left + width - split)
        y = top + line * (len(rows) + 3)
        write(on, (left, y), footer, size=size, width=width, color=FAINT)
        return np.asarray(image)

    return draw
