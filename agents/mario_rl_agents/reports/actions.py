"""How a decision is drawn: ratings of actions as bars, the numbers of a continuous action."""

from __future__ import annotations

from typing import Any, Final, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from mario_rl_agents.reports.drawing import (
    BAR,
    CHOSEN,
    FAINT,
    RANDOM,
    TEXT,
    TRACK,
    Area,
    write,
)
from mario_rl_agents.reports.moment import Moment

_MAX_BARS: Final = 12
_HEADING: Final = 20  # pixels
_LARGEST_ROW: Final = 30  # pixels
_SMALLEST_ROW: Final = 13  # pixels
_NAME: Final = 128  # pixels, for the name of an action
_VALUE: Final = 62  # pixels, for its value


class ActionView(Protocol):
    """Draws the action of a moment."""

    def draw(self, draw: ImageDraw.ImageDraw, moment: Moment, area: Area) -> None:
        """Draw it into an area."""


def make_action_view(env: gym.Env[Any, Any], *, has_probabilities: bool) -> ActionView:
    """Return what draws the actions of an environment.

    Args:
        env: Its own names of the actions (`get_action_meanings`) are used if it has any.
        has_probabilities: Whether ratings are probabilities, rather than values.
    """
    space = env.action_space
    if isinstance(space, gym.spaces.Discrete):
        return RatedActions(space, action_names(env, int(space.n)), has_probabilities)
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        return ContinuousAction(space, action_names(env, space.shape[0]))
    return WrittenAction()


class RatedActions:
    """A bar for each action's value or probability, the chosen one highlighted."""

    def __init__(
        self, space: gym.spaces.Discrete, names: list[str], has_probabilities: bool
    ) -> None:
        """Take the names of all actions."""
        self._start = int(space.start)
        self._names = names
        self._has_probabilities = has_probabilities

    def draw(self, draw: ImageDraw.ImageDraw, moment: Moment, area: Area) -> None:
        """Draw as many actions as there is room for: the best rated ones and the chosen one."""
        chosen = int(moment.action) - self._start
        ratings = moment.ratings
        room = min(_MAX_BARS, (area.height - _HEADING) // _SMALLEST_ROW)
        shown = shown_actions(ratings, chosen, len(self._names), room)
        heading = "action probabilities" if self._has_probabilities else "action values"
        heading = "action" if ratings is None else heading
        if len(shown) < len(self._names):
            heading += f" ({len(shown)} of {len(self._names)})"
        _draw_heading(draw, heading, moment, area)
        low, high = moment.scale
        color = RANDOM if moment.is_random else CHOSEN
        for row, action in zip(_rows(area, len(shown)), shown, strict=True):
            is_chosen = action == chosen
            text_color = color if is_chosen else TEXT
            width = row.width if ratings is None else _NAME - 6
            _draw_name(draw, row, self._names[action], width, text_color, bold=is_chosen)
            if ratings is None:
                continue
            rating = float(ratings[action])
            value = f"{rating:.1%}" if self._has_probabilities else f"{rating:,.2f}"
            _draw_bar(draw, row, rating, (low, high), color if is_chosen else BAR)
            _draw_value(draw, row, value, text_color, bold=is_chosen)


class ContinuousAction:
    """A bar for each number of an action, between its bounds."""

    def __init__(self, space: gym.spaces.Box, names: list[str]) -> None:
        """Take the names of the numbers; unbounded ones grow their axis with what is seen."""
        self._names = names
        self._low = np.where(np.isfinite(space.low), space.low, -1e-9).astype(np.float64)
        self._high = np.where(np.isfinite(space.high), space.high, 1e-9).astype(np.float64)

    def draw(self, draw: ImageDraw.ImageDraw, moment: Moment, area: Area) -> None:
        """Draw as many numbers as there is room for."""
        action = np.asarray(moment.action, np.float64)  # [A]
        self._low = np.minimum(self._low, action)
        self._high = np.maximum(self._high, action)
        count = min(len(self._names), _MAX_BARS, (area.height - _HEADING) // _SMALLEST_ROW)
        heading = "action" if count == len(action) else f"action ({count} of {len(action)} numbers)"
        _draw_heading(draw, heading, moment, area)
        color = RANDOM if moment.is_random else CHOSEN
        for index, row in enumerate(_rows(area, count)):
            value = float(action[index])
            _draw_name(draw, row, self._names[index], _NAME - 6, TEXT)
            _draw_bar(draw, row, value, (self._low[index], self._high[index]), color)
            _draw_value(draw, row, f"{value:,.2f}", color)


class WrittenAction:
    """An action of another kind, as text."""

    def draw(self, draw: ImageDraw.ImageDraw, moment: Moment, area: Area) -> None:
        """Write it on one line."""
        _draw_heading(draw, "action", moment, area)
        text = " ".join(str(moment.action).split())
        place = (area.left, area.top + _HEADING)
        write(draw, place, text, size=14, width=area.width, color=CHOSEN)


def shown_actions(ratings: NDArray[Any] | None, chosen: int, count: int, room: int) -> list[int]:
    """Return the actions that have room: all, or the best rated and the chosen one, in order."""
    if count <= room:
        return list(range(count))
    order = list(range(count)) if ratings is None else [int(a) for a in np.argsort(-ratings)]
    best = [action for action in order if action != chosen][: room - 1]
    return sorted([chosen, *best])


def action_names(env: gym.Env[Any, Any], count: int) -> list[str]:
    """Return a name for each action or number of it: the environment's own where it has any."""
    if env.has_wrapper_attr("get_action_meanings"):
        names = [str(name) for name in env.get_wrapper_attr("get_action_meanings")()]
        if len(names) == count:
            return names
    return [f"action {index}" for index in range(count)]


def _draw_heading(draw: ImageDraw.ImageDraw, text: str, moment: Moment, area: Area) -> None:
    write(draw, (area.left, area.top), text, size=12, width=area.width, color=FAINT)
    if moment.is_random:
        place = (area.right, area.top)
        write(draw, place, "random action", size=12, width=area.width, color=RANDOM, anchor="ra")


def _rows(area: Area, count: int) -> list[Area]:
    """Return so many rows of equal height under the heading."""
    top = area.top + _HEADING
    height = min(_LARGEST_ROW, (area.bottom - top) // max(count, 1))
    tops = range(top, top + count * height, height)
    return [Area(area.left, y, area.right, y + height) for y in tops]


def _size(row: Area) -> int:
    return max(9, min(14, round(0.72 * row.height)))


def _draw_name(
    draw: ImageDraw.ImageDraw,
    row: Area,
    name: str,
    width: int,
    color: tuple[int, int, int],
    *,
    bold: bool = False,
) -> None:
    place = (row.left, (row.top + row.bottom) / 2)
    write(draw, place, name, size=_size(row), width=width, color=color, bold=bold, anchor="lm")


def _draw_value(
    draw: ImageDraw.ImageDraw,
    row: Area,
    text: str,
    color: tuple[int, int, int],
    *,
    bold: bool = False,
) -> None:
    place = (row.right, (row.top + row.bottom) / 2)
    size = min(13, _size(row))
    write(draw, place, text, size=size, width=_VALUE - 6, color=color, bold=bold, anchor="rm")


def _draw_bar(
    draw: ImageDraw.ImageDraw,
    row: Area,
    value: float,
    scale: tuple[float, float],
    color: tuple[int, int, int],
) -> None:
    """Draw a bar from zero, or from the end of the scale that is nearest to it."""
    low, high = scale
    gap = 4 if row.height >= 20 else 2
    left, right = row.left + _NAME, row.right - _VALUE
    draw.rectangle((left, row.top + gap, right, row.bottom - gap), fill=TRACK)

    def place(number: float) -> float:
        share = (number - low) / max(high - low, 1e-12)
        return left + (right - left) * min(max(share, 0.0), 1.0)

    ends = sorted((place(0.0), place(value)))
    draw.rectangle((ends[0], row.top + gap, ends[1], row.bottom - gap), fill=color)
