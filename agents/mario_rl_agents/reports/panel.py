"""Panel beside the game in a video: each action's value or probability, the choice, the frames."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_HEIGHT: Final = 480  # pixels
_WIDTH: Final = 400  # pixels
_MARGIN: Final = 20  # pixels
_MAX_BARS: Final = 12

_BACKGROUND: Final = (22, 24, 29)
_TEXT: Final = (235, 237, 240)
_FAINT: Final = (139, 145, 156)
_TRACK: Final = (40, 44, 52)
_BAR: Final = (86, 119, 190)
_CHOSEN: Final = (255, 196, 61)
_RANDOM: Final = (238, 108, 77)

Frame = NDArray[np.uint8]  # [H, W, 3]


@dataclass(frozen=True)
class Moment:
    """One environment step, as the panel shows it."""

    ratings: NDArray[Any] | None  # [A], values or probabilities; None where the agent has none
    scale: tuple[float, float]  # the ends of the bars' axis
    action: Any
    is_random: bool
    obs: NDArray[Any]
    step: int
    episodic_return: float
    x_pos: int | None  # pixels
    result: str = ""  # how the episode ended


class Panel:
    """The panel beside the game, drawn anew for each moment."""

    def __init__(
        self, env: gym.Env[Any, Any], *, title: str, subtitle: str, has_probabilities: bool
    ) -> None:
        """Set what stays the same in an episode.

        Args:
            env: The environment; its own names of the actions are used if it has any.
            title: The first line.
            subtitle: The second line.
            has_probabilities: Whether ratings are probabilities, rather than values.
        """
        self._space = env.action_space
        self._names = _action_names(env)
        self._title = title
        self._subtitle = subtitle
        self._has_probabilities = has_probabilities

    def draw(self, moment: Moment) -> Frame:
        """Return the panel, [480, 400, 3]."""
        image = Image.new("RGB", (_WIDTH, _HEIGHT), _BACKGROUND)
        draw = ImageDraw.Draw(image)
        right = _WIDTH - _MARGIN
        draw.text((_MARGIN, 16), self._title, font=_font(18, bold=True), fill=_TEXT)
        draw.text((_MARGIN, 40), self._subtitle, font=_font(13), fill=_FAINT)
        facts = [("step", f"{moment.step:,}"), ("return", f"{moment.episodic_return:,.0f}")]
        if moment.x_pos is not None:
            facts.append(("x", f"{moment.x_pos:,}"))
        for index, (name, value) in enumerate(facts):
            left = _MARGIN + index * 120
            draw.text((left, 68), name, font=_font(12), fill=_FAINT)
            draw.text((left, 83), value, font=_font(20, bold=True), fill=_TEXT)
        if moment.result:
            draw.text(
                (right, 18), moment.result, font=_font(15, bold=True), fill=_CHOSEN, anchor="ra"
            )
        stack = _stack(moment.obs)
        bottom = _HEIGHT - _MARGIN - (0 if stack is None else 120)
        self._draw_actions(draw, moment, top=122, bottom=bottom)
        if stack is not None:
            draw.text(
                (_MARGIN, _HEIGHT - 132),
                "what the agent sees, oldest first",
                font=_font(12),
                fill=_FAINT,
            )
            for index, plane in enumerate(stack):
                picture = Image.fromarray(plane).resize((84, 84), Image.Resampling.NEAREST)
                image.paste(picture.convert("RGB"), (_MARGIN + index * 92, _HEIGHT - 112))
        return np.asarray(image)

    def _draw_actions(
        self, draw: ImageDraw.ImageDraw, moment: Moment, *, top: int, bottom: int
    ) -> None:
        """Draw a bar for each action's value or probability, the chosen action highlighted."""
        if not isinstance(self._space, gym.spaces.Discrete):
            text = np.array2string(np.asarray(moment.action), precision=2)
            draw.text((_MARGIN, top), f"action {text}", font=_font(14), fill=_CHOSEN)
            return
        chosen = int(moment.action - self._space.start)
        color = _RANDOM if moment.is_random else _CHOSEN
        shown = _shown_actions(moment.ratings, chosen, len(self._names))
        heading = "action probabilities" if self._has_probabilities else "action values"
        heading = "action" if moment.ratings is None else heading
        if len(shown) < len(self._names):
            heading += f" ({len(shown)} of {len(self._names)})"
        draw.text((_MARGIN, top), heading, font=_font(12), fill=_FAINT)
        if moment.is_random:
            right = _WIDTH - _MARGIN
            draw.text((right, top), "random action", font=_font(12), fill=_RANDOM, anchor="ra")
        top += 20
        height = min(30.0, (bottom - top) / len(shown))
        left, right = _MARGIN + 128, _WIDTH - _MARGIN - 62
        low, high = moment.scale
        zero = left + (right - left) * -low / (high - low)
        for row, action in enumerate(shown):
            y = top + row * height
            middle = y + height / 2
            is_chosen = action == chosen
            fill = color if is_chosen else _TEXT
            name = self._names[action]
            draw.text(
                (_MARGIN, middle), name, font=_font(14, bold=is_chosen), fill=fill, anchor="lm"
            )
            if moment.ratings is None:
                continue
            draw.rectangle((left, y + 4, right, y + height - 4), fill=_TRACK)
            rating = float(moment.ratings[action])
            end = zero + (right - left) * rating / (high - low)
            bar = (min(zero, end), y + 4, max(zero, end), y + height - 4)
            draw.rectangle(bar, fill=color if is_chosen else _BAR)
            place = (_WIDTH - _MARGIN, middle)
            text = f"{rating:.1%}" if self._has_probabilities else f"{rating:,.2f}"
            draw.text(place, text, font=_font(13, bold=is_chosen), fill=fill, anchor="rm")


def beside(picture: Frame, panel: Frame) -> Frame:
    """Return the game, enlarged by whole pixels, and the panel; H.264 wants even sizes."""
    times = max(1, _HEIGHT // picture.shape[0])
    game = picture.repeat(times, axis=0).repeat(times, axis=1)
    height = max(game.shape[0], panel.shape[0])
    height, width = height + height % 2, game.shape[1] + game.shape[1] % 2
    frame = np.full((height, width + panel.shape[1], 3), _BACKGROUND, dtype=np.uint8)
    top = (height - game.shape[0]) // 2
    frame[top : top + game.shape[0], : game.shape[1]] = game
    top = (height - panel.shape[0]) // 2
    frame[top : top + panel.shape[0], width:] = panel
    return frame


def _action_names(env: gym.Env[Any, Any]) -> list[str]:
    """Return a name for each action: the environment's own where it has any."""
    if not isinstance(env.action_space, gym.spaces.Discrete):
        return []
    count = int(env.action_space.n)
    if env.has_wrapper_attr("get_action_meanings"):
        names = [str(name) for name in env.get_wrapper_attr("get_action_meanings")()]
        if len(names) == count:
            return names
    return [f"action {index}" for index in range(count)]


def _shown_actions(ratings: NDArray[Any] | None, chosen: int, count: int) -> list[int]:
    """Return the actions that have room: all, or the best rated and the chosen one, in order."""
    if count <= _MAX_BARS:
        return list(range(count))
    order = list(range(count)) if ratings is None else [int(a) for a in np.argsort(-ratings)]
    best = [action for action in order if action != chosen][: _MAX_BARS - 1]
    return sorted([chosen, *best])


def _stack(obs: NDArray[Any]) -> Sequence[NDArray[np.uint8]] | None:
    """Return up to four gray frames if the observation is a stack of them, [S, H, W] uint8."""
    if obs.dtype == np.uint8 and obs.ndim == 3 and obs.shape[0] <= 4 and min(obs.shape[1:]) >= 8:
        return list(obs)
    return None


@functools.cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Matplotlib, which the plots need anyway, brings a font that has every sign used here.
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)
