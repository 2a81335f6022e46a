"""A map of where a search has been, in the characters of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.routes.search import PLACE_HEIGHT, PLACE_WIDTH, Place

_NUM_ROWS: Final = 10  # of places: one above the screen, then down to below it
_BLOCKS: Final = " ▀▄█"  # by what is reached: nothing, the upper row, the lower one, both
LINES_PER_AREA: Final = 1 + _NUM_ROWS // 2


def draw_map(places: Sequence[Place], *, width: int) -> list[str]:
    """Return the areas, those entered first first, each as a title and five lines.

    A character is two places of an area, one above the other; where an area is wider than the
    terminal, of several side by side.

    Args:
        places: Where the search has been, in the order in which it came there.
        width: Of the terminal, in characters.
    """
    lines: list[str] = []
    for number, area in enumerate(dict.fromkeys(place.area for place in places), start=1):
        inside = [place for place in places if place.area == area]
        first, last = (f"{pick(place.x for place in inside):,}" for pick in (min, max))
        count = f"{len(inside):,} place{'s' * (len(inside) > 1)}"
        lines.append(f"area {number} · x {first} to {last} · {count}"[:width])
        lines += _draw_area(_grid(inside, width))
    return lines


def _grid(places: Sequence[Place], width: int) -> NDArray[np.bool_]:
    """Return which places are reached, [_NUM_ROWS, C], in at most `width` columns."""
    columns = np.array([place.x // PLACE_WIDTH for place in places])
    rows = np.array([place.y // PLACE_HEIGHT + 1 for place in places])
    columns -= columns.min()
    columns //= 1 + columns.max() // width
    grid = np.zeros((_NUM_ROWS, columns.max() + 1), np.bool_)
    grid[rows.clip(0, _NUM_ROWS - 1), columns] = True
    return grid


def _draw_area(grid: NDArray[np.bool_]) -> list[str]:
    blocks = grid[::2] + 2 * grid[1::2]
    return ["".join(_BLOCKS[block] for block in row).rstrip() for row in blocks]
