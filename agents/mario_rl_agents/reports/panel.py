"""The panel beside the game, in videos and windows: the decision, and what it was taken on."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

from mario_rl_agents.reports.actions import ActionView, make_action_view
from mario_rl_agents.reports.drawing import (
    BACKGROUND,
    FAINT,
    TEXT,
    Area,
    Frame,
    Overlay,
    write,
)
from mario_rl_agents.reports.moment import Moment
from mario_rl_agents.reports.observations import make_observation_view

_HEIGHT: Final = 480  # pixels
_WIDTH: Final = 400  # pixels
_MARGIN: Final = 20  # pixels
_FACTS_TOP: Final = 68  # pixels
_FACT_WIDTH: Final = 120  # pixels
_ACTIONS_TOP: Final = 122  # pixels
_LOWER_MARGIN: Final = 14  # pixels


class Panel:
    """The panel beside the game, drawn anew for each moment."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        title: str,
        subtitle: str,
        has_probabilities: bool = False,
        action_view: ActionView | None = None,
    ) -> None:
        """Set what stays the same in an episode.

        Args:
            env: The environment.
            title: The first line.
            subtitle: The second line.
            has_probabilities: Whether ratings are probabilities, rather than values.
            action_view: What draws the actions; None chooses it by their space.
        """
        self._title = title
        self._subtitle = subtitle
        self._actions = action_view or make_action_view(env, has_probabilities=has_probabilities)
        self._observation = make_observation_view(env)

    def draw(self, moment: Moment) -> Frame:
        """Return the panel, [480, 400, 3]."""
        image = Image.new("RGB", (_WIDTH, _HEIGHT), BACKGROUND)
        draw = ImageDraw.Draw(image)
        left, right = _MARGIN, _WIDTH - _MARGIN
        width = right - left
        write(draw, (left, 16), self._title, size=18, width=width, bold=True)
        write(draw, (left, 40), self._subtitle, size=13, width=width, color=FAINT)
        facts = [("step", f"{moment.step:,}"), ("return", f"{moment.episodic_return:,.0f}")]
        if moment.x_pos is not None:
            facts.append(("x", f"{moment.x_pos:,}"))
        for index, (name, value) in enumerate(facts):
            x, room = left + index * _FACT_WIDTH, _FACT_WIDTH - 8
            write(draw, (x, _FACTS_TOP), name, size=12, width=room, color=FAINT)
            place = (x, _FACTS_TOP + 15)
            write(draw, place, value, size=20, width=room, color=TEXT, bold=True)
        bottom = _HEIGHT - _LOWER_MARGIN
        seen_top = bottom - self._observation.height
        self._actions.draw(draw, moment, Area(left, _ACTIONS_TOP, right, seen_top - 8))
        self._observation.draw(image, moment.obs, Area(left, seen_top, right, bottom))
        return np.asarray(image)


def beside(picture: Frame, panel: Frame | None, overlay: Overlay | None = None) -> Frame:
    """Return the game, enlarged by whole pixels, and the panel; H.264 wants even sizes.

    Args:
        picture: Of the game, [H, W, 3].
        panel: What `Panel.draw` returned; None leaves it out.
        overlay: What is drawn over the enlarged game.
    """
    times = max(1, _HEIGHT // picture.shape[0])
    game = picture.repeat(times, axis=1).repeat(times, axis=0)
    if overlay is not None:
        game = overlay(game)
    parts = [game] if panel is None else [game, panel]
    height = max(part.shape[0] for part in parts)
    return np.concatenate([_centered(part, height + height % 2) for part in parts], axis=1)


def _centered(part: Frame, height: int) -> Frame:
    """Return a picture with a background above and below, and an even width."""
    free = height - part.shape[0]
    odd = part.shape[1] % 2
    if free == odd == 0:
        return part
    frame = np.full((height, part.shape[1] + odd, 3), BACKGROUND, np.uint8)
    frame[free // 2 : free // 2 + part.shape[0], : part.shape[1]] = part
    return frame
