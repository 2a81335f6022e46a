"""What the agent sees, drawn: pictures, a grid of tiles, the console's memory, plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mario_rl_agents.reports import mario
from mario_rl_agents.reports.drawing import (
    BAR,
    CHOSEN,
    FAINT,
    TEXT,
    TRACK,
    Area,
    Color,
    Frame,
    write,
)

_CAPTION: Final = 18  # pixels
_PICTURES: Final = 4  # side by side
_PICTURE_GAP: Final = 8  # pixels
_SMALLEST_PICTURE: Final = 8  # pixels, of the side of what can be one
_TILE: Final = 12  # pixels
_MOST_KINDS: Final = 10  # of tiles
_LEGEND_ROW: Final = 24  # pixels
_SMALL_LEGEND_ROW: Final = 16  # pixels
_BYTE: Final = 5  # pixels
_MEMORY_SHAPE: Final = (32, 64)  # 2,048 bytes
_NUMBER_ROW: Final = 14  # pixels
_LARGE_NUMBER_ROW: Final = 20  # pixels, of a few
_NUMBER_ROWS: Final = 12
_FEW_NUMBERS: Final = 8
_NUMBER_COLUMNS: Final = 2
_KIND_COLORS: Final[Sequence[Color]] = (
    (47, 52, 62),
    (176, 124, 82),
    (255, 196, 61),
    (238, 108, 77),
    (110, 200, 120),
    (86, 119, 190),
    (170, 120, 200),
    (90, 190, 190),
    (200, 200, 200),
    (230, 150, 190),
)


class ObservationView(Protocol):
    """Draws the observations of one episode, in their order.

    Attributes:
        height: What it needs, in pixels.
    """

    height: int

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Draw an observation into an area of that height."""


def make_observation_view(env: gym.Env[Any, Any]) -> ObservationView:
    """Return what draws the observations of an environment, by their space."""
    space = env.observation_space
    if isinstance(space, gym.spaces.Box):
        if mario.is_memory(env):
            return MemoryView()
        if mario.is_tiles(env):
            return GridView(mario.TILE_NAMES, space.shape[0])
        layout = picture_layout(space, is_color=_is_color(env))
        if layout is not None:
            return PictureView(*layout)
        if _is_grid(space):
            kinds = range(int(space.high.max()) + 1)
            return GridView([str(kind) for kind in kinds], space.shape[0])
        if len(space.shape) == 1:
            return NumbersView(space)
    return WrittenView()


def picture_layout(
    space: gym.spaces.Box, *, is_color: bool | None = None
) -> tuple[int | None, bool, int] | None:
    """Return how pictures lie in an observation; None where it holds none.

    Args:
        space: Of the observations.
        is_color: Whether three planes in a row are one picture in colors; None: where there are
            exactly three.

    Returns:
        The axis of the planes (None: the observation is one gray picture; -1 with four axes: each
        picture has its colors last), whether they are in colors, and the number of pictures.
    """
    shape = space.shape
    if space.dtype != np.uint8:
        return None
    if len(shape) == 2 and min(shape) >= _SMALLEST_PICTURE and space.high.max() > _MOST_KINDS:
        return None, False, 1
    if len(shape) == 4 and shape[-1] == 3 and min(shape[1:3]) >= _SMALLEST_PICTURE:
        return -1, True, shape[0]
    if len(shape) != 3:
        return None
    axis = 0 if shape[0] < shape[-1] else -1
    sides = [size for index, size in enumerate(shape) if index != axis % 3]
    if min(sides) < _SMALLEST_PICTURE:
        return None
    planes = shape[axis]
    if is_color is None:
        is_color = planes == 3
    if is_color and planes % 3 == 0:
        return axis, True, planes // 3
    return axis, False, planes


class PictureView:
    """The last four pictures of an observation, the oldest first."""

    def __init__(self, axis: int | None, is_color: bool, count: int) -> None:
        """Take a layout, as `picture_layout` returns it."""
        self._axis = axis
        self._is_color = is_color
        shown = min(count, _PICTURES)
        self._caption = "what the agent sees"
        if count > 1:
            self._caption += ", oldest first"
        if count > shown:
            self._caption += f" (the last {shown} of {count})"
        self._shown = shown
        # One or two have more room each.
        self._side = 84 if shown > 2 else 126
        self.height = _CAPTION + self._side

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Draw them side by side."""
        _write_caption(image, self._caption, area)
        for index, picture in enumerate(self.pictures(np.asarray(obs))):
            scale = self._side / max(picture.shape[:2])
            size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
            smaller = scale < 1
            resampling = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
            shown = Image.fromarray(picture).resize(size, resampling).convert("RGB")
            left = area.left + index * (self._side + _PICTURE_GAP)
            image.paste(shown, (left, area.top + _CAPTION))

    def pictures(self, obs: NDArray[np.uint8]) -> list[Frame | NDArray[np.uint8]]:
        """Return the pictures that are shown, each [H, W] or [H, W, 3]."""
        if self._axis is None:
            return [obs]
        if obs.ndim == 4:
            return list(obs[-self._shown :])
        planes = np.moveaxis(obs, self._axis, 0)  # [planes, H, W]
        if not self._is_color:
            return [np.ascontiguousarray(plane) for plane in planes[-self._shown :]]
        colors = planes.reshape(-1, 3, *planes.shape[1:])[-self._shown :]  # [P, 3, H, W]
        return [np.ascontiguousarray(np.moveaxis(picture, 0, -1)) for picture in colors]


class GridView:
    """A grid of kinds of things, each in its color, with a legend."""

    def __init__(self, names: Sequence[str], rows: int) -> None:
        """Take the names of the kinds, from 0, and the number of rows."""
        self._names = names
        height = max(rows * _TILE, len(names) * _SMALL_LEGEND_ROW)
        self._legend_row = min(_LEGEND_ROW, height // len(names))
        self.height = _CAPTION + height

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Draw the grid, and beside it the legend."""
        _write_caption(image, "what the agent sees", area)
        colors = np.array([_KIND_COLORS[kind] for kind in range(len(self._names))], np.uint8)
        grid = colors[np.asarray(obs, np.int64)]  # [R, C, 3]
        tiles = grid.repeat(_TILE, axis=0).repeat(_TILE, axis=1)
        tiles[::_TILE] = tiles[:, ::_TILE] = TRACK  # lines between them
        top = area.top + _CAPTION
        image.paste(Image.fromarray(tiles), (area.left, top))
        draw = ImageDraw.Draw(image)
        left = area.left + tiles.shape[1] + 20
        for kind, name in enumerate(self._names):
            y = top + self._legend_row * kind
            color = _KIND_COLORS[kind]
            draw.rectangle((left, y, left + 14, y + 12), fill=color, outline=FAINT)
            width = area.right - left - 24
            write(draw, (left + 24, y + 6), name, size=13, width=width, anchor="lm")


class MemoryView:
    """The console's memory, a dot a byte; what has changed is yellow, and some of it is decoded."""

    height = _CAPTION + _MEMORY_SHAPE[0] * _BYTE + 40

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._last: NDArray[np.uint8] | None = None

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Draw it, and remember it for the next one."""
        memory = np.asarray(obs, np.uint8)  # [2048]
        _write_caption(image, "what the agent sees: 2,048 bytes (yellow: changed)", area)
        last = memory if self._last is None else self._last
        light = 30 + memory.astype(np.int64) * 225 // 255  # 0 is not black
        dots = np.stack([light * channel // 255 for channel in (150, 175, 235)], axis=-1)
        changed = memory != last
        dots[changed] = CHOSEN
        picture = dots.astype(np.uint8).reshape(*_MEMORY_SHAPE, 3)
        picture = picture.repeat(_BYTE, axis=0).repeat(_BYTE, axis=1)
        top = area.top + _CAPTION
        image.paste(Image.fromarray(picture), (area.left, top))
        draw = ImageDraw.Draw(image)
        # The addresses of the first, the middle and the last row.
        left = area.left + picture.shape[1] + 6
        for row in (0, _MEMORY_SHAPE[0] // 2, _MEMORY_SHAPE[0] - 1):
            address = f"0x{row * _MEMORY_SHAPE[1]:03X}"
            y = top + row * _BYTE + _BYTE / 2
            write(draw, (left, y), address, size=9, width=40, color=FAINT, anchor="lm")
        y = top + picture.shape[0] + 6
        for line in mario.decoded(memory):
            write(draw, (area.left, y), line, size=12, width=area.width)
            y += 17
        self._last = memory.copy()


class NumbersView:
    """A bar for each number of a vector."""

    def __init__(self, space: gym.spaces.Box) -> None:
        """Take the bounds; where there are none the axis grows with what is seen."""
        self._count = int(space.shape[0])
        self._shown = min(self._count, _NUMBER_ROWS * _NUMBER_COLUMNS)
        is_few = self._shown <= _FEW_NUMBERS
        self._columns = 1 if is_few else _NUMBER_COLUMNS
        self._row = _LARGE_NUMBER_ROW if is_few else _NUMBER_ROW
        self._rows = -(-self._shown // self._columns)
        bounds = np.maximum(np.abs(space.low), np.abs(space.high))[: self._shown]
        is_bounded = np.isfinite(bounds) & (bounds < 1e6)  # not one that stands for infinity
        self._limit = np.where(is_bounded, bounds, 1e-9).astype(np.float64)  # [shown]
        self.height = _CAPTION + self._rows * self._row

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Draw them in one column or two."""
        values = np.asarray(obs, np.float64)[: self._shown]
        self._limit = np.maximum(self._limit, np.abs(np.nan_to_num(values)))
        text = f"what the agent sees: {self._count} numbers"
        if self._shown < self._count:
            text += f" (the first {self._shown})"
        _write_caption(image, text, area)
        draw = ImageDraw.Draw(image)
        width = (area.width - 16 * (self._columns - 1)) // self._columns
        for index, value in enumerate(values):
            column, row = divmod(index, self._rows)
            left = area.left + column * (width + 16)
            y = area.top + _CAPTION + row * self._row
            right, middle = left + width, y + self._row / 2
            write(draw, (left, middle), str(index), size=11, width=22, color=FAINT, anchor="lm")
            write(draw, (right, middle), f"{value:,.2f}", size=11, width=48, anchor="rm")
            low, high = left + 26, right - 54
            draw.rectangle((low, y + 3, high, y + self._row - 3), fill=TRACK)
            zero = (low + high) / 2
            end = zero + (high - low) / 2 * float(np.nan_to_num(value)) / self._limit[index]
            bar = (min(zero, end), y + 3, max(zero, end), y + self._row - 3)
            draw.rectangle(bar, fill=BAR)


class WrittenView:
    """An observation of another kind, as text."""

    height = _CAPTION + _NUMBER_ROW + 4

    def draw(self, image: Image.Image, obs: Any, area: Area) -> None:
        """Write it on one line, or its shape where it is large."""
        _write_caption(image, "what the agent sees", area)
        is_large = isinstance(obs, np.ndarray) and obs.size > 16
        text = f"{obs.dtype}, {obs.shape}" if is_large else " ".join(str(obs).split())
        place = (area.left, area.top + _CAPTION)
        write(ImageDraw.Draw(image), place, text, size=13, width=area.width, color=TEXT)


def _is_color(env: gym.Env[Any, Any]) -> bool | None:
    """Return whether the planes of Mario's pictures are colors; None for other environments."""
    if not mario.is_mario(env) or env.spec is None:
        return None
    return env.spec.kwargs.get("grayscale", True) is False


def _is_grid(space: gym.spaces.Box) -> bool:
    """Return whether observations are a grid of a few kinds of things."""
    is_whole = space.dtype is not None and np.issubdtype(space.dtype, np.integer)
    return (
        len(space.shape) == 2
        and is_whole
        and space.low.min() >= 0
        and space.high.max() < _MOST_KINDS
        and space.shape[0] <= 16
        and space.shape[1] <= 24
    )


def _write_caption(image: Image.Image, text: str, area: Area) -> None:
    place = (area.left, area.top)
    write(ImageDraw.Draw(image), place, text, size=12, width=area.width, color=FAINT)
