"""A stage as one wide picture, put together from what a route shows of it, with the route on it."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mario_rl_agents.reports.drawing import BACKGROUND, CHOSEN, RANDOM, Frame
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.routes import Route

_TOP: Final = 32  # pixels: score and clock stand above, and do not scroll
_GAP: Final = 8  # pixels between two areas, and between two parts of one
_CENTER: Final = (8, 24)  # of Mario, from the upper left corner of where the game has him
_LINE: Final = 3  # pixels
_DOT: Final = 5  # pixels, the radius
_OUTLINE: Final = 1  # pixels around both
_SHADOW: Final = (0, 0, 0)
_WALK: Final = CHOSEN
_JUMP: Final = RANDOM
_LEAP: Final = 16  # pixels in a frame: no movement, but a maze that leads back

_Point = tuple[int, int]


class _Area:
    """What has been seen of an area, and the ways through it."""

    def __init__(self) -> None:
        self._columns: dict[int, NDArray[np.uint8]] = {}  # [240 - _TOP, 3], by their x
        self.ways: list[list[tuple[_Point, bool]]] = []  # where Mario was, and whether A was held

    def see(self, screen: Frame, left: int) -> None:
        """Take the columns of a screen that are new."""
        for x in range(screen.shape[1]):
            if left + x not in self._columns:
                self._columns[left + x] = screen[_TOP:, x].copy()

    def go(self, point: _Point, *, is_jump: bool, is_new_way: bool) -> None:
        """Go on to a point."""
        last = self.ways[-1][-1][0] if self.ways else point
        if not self.ways or is_new_way or abs(point[0] - last[0]) > _LEAP:
            self.ways.append([])
        self.ways[-1].append((point, is_jump))

    def picture(self) -> tuple[Frame, dict[int, int]]:
        """Return what has been seen, side by side, and where in it each x of the area lies."""
        seen = sorted(self._columns)
        gaps = np.cumsum([0, *(_GAP * (after - x > 1) for x, after in pairwise(seen))])
        place = {x: index + int(gap) for index, (x, gap) in enumerate(zip(seen, gaps, strict=True))}
        height = len(self._columns[seen[0]])
        frame = np.full((height, place[seen[-1]] + 1, 3), BACKGROUND, np.uint8)
        for x, column in self._columns.items():
            frame[:, place[x]] = column
        return frame, place


def draw_route(route: Route) -> Image.Image:
    """Return a picture of a stage with the route through it.

    The areas of the stage stand below one another, in the order in which they are entered; what the
    route does not show of them is left out. The line is where Mario was, in red while A was held;
    it begins and ends with a dot.

    Args:
        route: Through one stage.

    Raises:
        ValueError: It is a route through the whole game.
    """
    if route.stage is None:
        raise ValueError("a route through the whole game has no picture; accepted is one stage's")
    with contextlib.closing(SuperMarioBrosEnv(route.stage, render_mode="rgb_array")) as env:
        areas = _walk(env, route)
    pictures = [area.picture() for area in areas]
    width = max(frame.shape[1] for frame, _ in pictures)
    height = sum(frame.shape[0] + _GAP for frame, _ in pictures) - _GAP
    image = Image.new("RGB", (width, height), BACKGROUND)
    top = 0
    for area, (frame, place) in zip(areas, pictures, strict=True):
        image.paste(Image.fromarray(frame), (0, top))
        ways = [[((place[x], y + top), is_jump) for (x, y), is_jump in way] for way in area.ways]
        _draw_ways(ImageDraw.Draw(image), ways)
        top += frame.shape[0] + _GAP
    return image


def _walk(env: SuperMarioBrosEnv, route: Route) -> list[_Area]:
    """Play a route and return the areas that it leads through."""
    env.reset()
    areas: dict[int, _Area] = {}
    area_before, left_before = -1, 0
    for joypad in route.frames.tolist():
        screen, _, terminated, _, _ = env.step(joypad)
        memory = env.ram.tobytes()
        area, left = ram.area_key(memory), ram.screen_left(memory)
        is_new_way = area != area_before
        here = areas.setdefault(area, _Area())
        # The picture of a frame is scrolled to where the frame before has left the screen.
        here.see(screen, left if is_new_way else left_before)
        x, y = ram.x_position(memory), ram.y_position(memory)
        here.go(
            (x + _CENTER[0], 255 - y + _CENTER[1] - _TOP),
            is_jump=bool(joypad & BUTTONS["A"]),
            is_new_way=is_new_way,
        )
        area_before, left_before = area, left
        if terminated:
            break
    return list(areas.values())


def _draw_ways(draw: ImageDraw.ImageDraw, ways: list[list[tuple[_Point, bool]]]) -> None:
    """Draw lines with dark edges, and dots at both ends of each."""
    edge, core = 2 * _OUTLINE, 0
    for wider in (edge, core):
        for way in ways:
            for (start, _), (end, is_jump) in pairwise(way):
                color = _SHADOW if wider else _JUMP if is_jump else _WALK
                draw.line((start, end), fill=color, width=_LINE + wider)
    for way in ways:
        for (x, y), _ in (way[0], way[-1]):
            for radius, color in ((_DOT + _OUTLINE, _SHADOW), (_DOT, _WALK)):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
