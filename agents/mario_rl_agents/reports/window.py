"""A window that shows episodes live, with the overlay that videos have, and its keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from mario_rl_agents.reports.drawing import Frame, banner, table
from mario_rl_agents.reports.show import Showable

_DRIVER: Final = "SDL_VIDEODRIVER"  # a user who sets it chooses where windows open
_UNSEEN_DRIVERS: Final = ("dummy", "offscreen")  # SDL takes them where there is no screen
_SCREENS: Final = ("DISPLAY", "WAYLAND_DISPLAY")  # on Linux
_SHARE_OF_SCREEN: Final = 0.9
_SCALES: Final = (2.0, 1.5, 1.0)  # window pixels a pixel, the largest that fits


class NoScreenError(Exception):
    """There is no screen to open a window on."""


class Command(Enum):
    """What a key asks of the window."""

    QUIT = "quit"
    PAUSE = "pause"
    NEXT = "next"  # episode
    PANEL = "panel"  # on or off
    HELP = "help"


_HALTS: Final = (Command.PAUSE, Command.HELP)
_ENDS: Final = (Command.NEXT, Command.QUIT)


class Window:
    """A window that shows frames at their own speed.

    The user may resize it: frames keep their proportions.
    """

    def __init__(self, title: str) -> None:
        """Open the display; the window itself opens with the first frame.

        Args:
            title: Of the window.

        Raises:
            NoScreenError: There is no screen.
            ImportError: pygame is not installed.
        """
        check_for_screen()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it would print its version
        try:
            import pygame
        except ImportError as error:
            raise ImportError(
                'a window needs pygame: pip install "mario-rl-envs[human]"'
            ) from error
        self._pygame: Any = pygame
        self._title = title
        self._size = (0, 0)  # of the frames
        self._surface: Any = None
        self._clock = pygame.time.Clock()
        try:
            pygame.display.init()
        except pygame.error as error:
            raise NoScreenError(f"there is no screen to open a window on ({error})") from error
        if _DRIVER not in os.environ and pygame.display.get_driver() in _UNSEEN_DRIVERS:
            self.close()
            raise NoScreenError("there is no screen to open a window on")

    def show(self, frame: Frame, fps: float) -> None:
        """Show a frame, [H, W, 3], when its time has come after the one before."""
        pygame = self._pygame
        height, width, _ = frame.shape
        if self._size != (width, height):
            self._size = (width, height)
            self._open(width, height)
        picture = pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
        room_x, room_y = self._surface.get_size()
        scale = min(room_x / width, room_y / height)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        if size != (width, height):
            change = pygame.transform.scale if scale == int(scale) else pygame.transform.smoothscale
            picture = change(picture, size)
        self._surface.fill((0, 0, 0))
        self._surface.blit(picture, ((room_x - size[0]) // 2, (room_y - size[1]) // 2))
        pygame.display.flip()
        self._clock.tick(fps)

    def events(self) -> list[Any]:
        """Return pygame's events since the last call."""
        return list(self._pygame.event.get())

    def is_closing(self, event: Any) -> bool:
        """Return whether an event closes the window."""
        return bool(event.type == self._pygame.QUIT)

    def is_press(self, event: Any) -> bool:
        """Return whether an event is a press of a key or of a gamepad's button."""
        return event.type in (self._pygame.KEYDOWN, self._pygame.CONTROLLERBUTTONDOWN)

    def key_of(self, event: Any) -> str:
        """Return pygame's name of the key that an event presses; "" if it presses none."""
        if event.type != self._pygame.KEYDOWN:
            return ""
        return str(self._pygame.key.name(event.key))

    def close(self) -> None:
        """Close the window."""
        self._surface = None
        self._pygame.display.quit()

    def _open(self, width: int, height: int) -> None:
        """Open the window, or give it another size, as large as fits well on the screen."""
        pygame = self._pygame
        pygame.display.set_caption(self._title)
        screen_x, screen_y = pygame.display.get_desktop_sizes()[0]
        fitting = [
            scale
            for scale in _SCALES
            if width * scale <= screen_x * _SHARE_OF_SCREEN
            and height * scale <= screen_y * _SHARE_OF_SCREEN
        ]
        scale = max(fitting, default=min(screen_x / width, screen_y / height) * _SHARE_OF_SCREEN)
        size = (round(width * scale), round(height * scale))
        self._surface = pygame.display.set_mode(size, pygame.RESIZABLE)


class Screening:
    """Shows in a window: with a pause, help, the panel on and off.

    Attributes:
        shows_panel: Whether the panel stands beside the game, in the next show too.
    """

    def __init__(
        self,
        window: Window,
        keys: Mapping[str, str],
        *,
        help_rows: Sequence[tuple[str, str]],
        shows_panel: bool = True,
        listener: Callable[[Any], Command | None] | None = None,
    ) -> None:
        """Set what stays the same from show to show.

        Args:
            window: Where.
            keys: By pygame's name of a key, such as "space", the command that it gives.
            help_rows: What the help says: keys and what they do.
            shows_panel: Whether the panel stands beside the game at first.
            listener: Gets every other event, and may return what it asks for.
        """
        self._window = window
        self._keys = {key: Command(command) for key, command in keys.items()}
        self._help = table("Keys", help_rows, "press a key to go on")
        self._listener = listener
        self.shows_panel = shows_panel

    def run(
        self, show: Showable, seed: int | None, *, begins_with_help: bool = False, waits: str = ""
    ) -> Command:
        """Show an episode.

        Args:
            show: The episode.
            seed: Of its reset.
            begins_with_help: Whether the keys are shown first, until one is pressed.
            waits: What to say at the end, until a key asks for more; "": go on at once.

        Returns:
            `Command.NEXT` at its end, or when the user wants the next one; or `Command.QUIT`.
        """
        show.shows_panel = self.shows_panel
        halt = Command.HELP if begins_with_help else None
        for frame in show.frames(seed):
            self._window.show(frame, show.fps)
            command = self._asked(show) if halt is None else halt
            halt = None
            if command in _HALTS:
                command = self._halt(show, command)
            if command in _ENDS:
                return command
        command = None
        while waits and command not in _ENDS:
            self._window.show(show.frame(banner(f"{show.result}: {waits}")), show.fps)
            command = self._asked(show)
        return command or Command.NEXT

    def _halt(self, show: Showable, reason: Command) -> Command | None:
        """Stand still until a key ends it; return what else that key asks for."""
        while True:
            overlay = self._help if reason is Command.HELP else banner("paused")
            self._window.show(show.frame(overlay), show.fps)
            is_over, following = False, None
            for event in self._window.events():  # all of them: a key may be let go among them
                command = self._command(event)
                if command is Command.PANEL:
                    self._turn_panel(show)
                elif command is Command.HELP and reason is Command.PAUSE:
                    reason = Command.HELP
                elif command is not None:
                    is_over, following = True, command if command in _ENDS else following
                elif reason is Command.HELP and self._window.is_press(event):
                    is_over = True
            if is_over:
                return following

    def _asked(self, show: Showable) -> Command | None:
        """Return what the latest keys ask for; a change of the panel is done at once."""
        asked = None
        for event in self._window.events():
            command = self._command(event)
            if command is Command.PANEL:
                self._turn_panel(show)
            elif asked is not Command.QUIT:
                asked = command or asked
        return asked

    def _command(self, event: Any) -> Command | None:
        if self._window.is_closing(event):
            return Command.QUIT
        command = self._keys.get(self._window.key_of(event))
        if command is not None or self._listener is None:
            return command
        return self._listener(event)

    def _turn_panel(self, show: Showable) -> None:
        self.shows_panel = show.shows_panel = not self.shows_panel


def check_for_screen() -> None:
    """Check that a window can be seen, as far as that is known before SDL starts.

    Raises:
        NoScreenError: It cannot.
    """
    if _DRIVER in os.environ or not sys.platform.startswith("linux"):
        return
    if not any(os.environ.get(name) for name in _SCREENS):
        raise NoScreenError(
            f"there is no screen to open a window on (neither {' nor '.join(_SCREENS)} is set)"
        )


def draw_unseen() -> None:
    """Have SDL draw without a screen in this process, where there is none and nothing else is said.

    It would look for one whenever an environment starts pygame to draw its pictures, and the
    library that it asks prints an error.
    """
    try:
        check_for_screen()
    except NoScreenError:
        os.environ[_DRIVER] = _UNSEEN_DRIVERS[0]
