"""A person at a window, for tests: keys at chosen frames, on SDL's dummy screen, without delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pygame
import pytest
from mario_rl_agents.reports.drawing import Frame
from mario_rl_agents.reports.window import Window


def press(key: str) -> pygame.event.Event:
    """Return the event of a key that is pressed, by pygame's name of it."""
    return pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(key))


def let_go(key: str) -> pygame.event.Event:
    """Return the event of a key that is let go."""
    return pygame.event.Event(pygame.KEYUP, key=pygame.key.key_code(key))


class Viewer:
    """Acts at the frames of all windows, counted from 0; the window is closed after the last."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, script: Mapping[int, Sequence[Any]], last: int
    ) -> None:
        """Take what is done.

        Args:
            monkeypatch: Ends it.
            script: By frame, names of keys that are pressed, "-" and a name for one that is let
                go, or events.
            last: The frame at which the window is closed, so that a test ends.
        """
        self.frames: list[Frame] = []
        show = Window.show

        def watched(window: Window, frame: Frame, fps: float) -> None:
            show(window, frame, 1e6)
            for act in script.get(len(self.frames), ()):
                if not isinstance(act, str):
                    pygame.event.post(act)
                elif act.startswith("-"):
                    pygame.event.post(let_go(act[1:]))
                else:
                    pygame.event.post(press(act))
            if len(self.frames) == last:
                pygame.event.post(pygame.event.Event(pygame.QUIT))
            self.frames.append(frame)

        monkeypatch.setattr(Window, "show", watched)
