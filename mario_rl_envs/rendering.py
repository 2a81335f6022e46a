"""The window of render_mode "human"."""

from __future__ import annotations

import os
import warnings
from typing import Any, ClassVar, Final

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from mario_rl_envs.emulators.emulator import FRAMES_PER_SECOND, SCREEN_HEIGHT, SCREEN_WIDTH

RENDER_MODES: Final = ("human", "rgb_array", "rgb_array_list")

_DRIVER: Final = "SDL_VIDEODRIVER"  # a user who sets it chooses where windows open
_UNSEEN_DRIVERS: Final = ("dummy", "offscreen")  # SDL takes them where there is no screen
_SCALE: Final = 3  # window pixels a screen pixel


def warn_of_no_render_mode(spec: EnvSpec | None, maker: str) -> None:
    """Warn, as Gymnasium's own environments do, that `render` shows nothing without a mode.

    Args:
        spec: Of the environment.
        maker: The function of Gymnasium that makes it: "make" or "make_vec".
    """
    env_id = "MarioRL-1-1-v0" if spec is None else spec.id
    gym.logger.warn(
        "You are calling render method without specifying any render mode. You can specify the "
        f'render_mode at initialization, e.g. gym.{maker}("{env_id}", render_mode="rgb_array")'
    )


class Window:
    """A window that shows the screen at the console's own speed; it opens with the first frame.

    pygame has one window a process: several share it, and the last one closes it.
    """

    _num_open: ClassVar[int] = 0

    def __init__(self) -> None:
        """Look for pygame.

        Raises:
            ImportError: pygame is not installed.
        """
        try:
            import pygame
        except ImportError as error:
            raise ImportError(
                "render_mode='human' needs pygame: run `pip install \"mario-rl-envs[human]\"`"
            ) from error
        self._pygame: Any = pygame
        self._surface: Any = None

    def show(self, screen: NDArray[np.uint8]) -> None:
        """Show a frame, RGB, [240, 256, 3], when its time has come.

        Raises:
            KeyboardInterrupt: The user closed the window.
        """
        pygame = self._pygame
        if self._surface is None:
            pygame.display.init()
            if _DRIVER not in os.environ and pygame.display.get_driver() in _UNSEEN_DRIVERS:
                warnings.warn(
                    "there is no screen: render_mode='human' plays unseen, at the console's speed; "
                    "'rgb_array' and 'rgb_array_list' need none",
                    RuntimeWarning,
                    stacklevel=2,
                )
            pygame.display.set_caption("Super Mario Bros")
            self._surface = pygame.display.set_mode((SCREEN_WIDTH * _SCALE, SCREEN_HEIGHT * _SCALE))
            self._clock = pygame.time.Clock()
            Window._num_open += 1
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                raise KeyboardInterrupt("the window was closed")
        frame = pygame.surfarray.make_surface(screen.swapaxes(0, 1))
        pygame.transform.scale(frame, self._surface.get_size(), self._surface)
        pygame.display.flip()
        self._clock.tick(FRAMES_PER_SECOND)

    def close(self) -> None:
        """Close the window."""
        if self._surface is not None:
            self._surface = None
            Window._num_open -= 1
            if Window._num_open == 0:
                self._pygame.display.quit()
