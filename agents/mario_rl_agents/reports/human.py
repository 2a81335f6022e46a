"""A person who plays Mario, by keyboard or gamepad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from mario_rl_agents.reports.show import Decision
from mario_rl_agents.reports.window import Command
from mario_rl_envs.game.actions import BUTTONS

KEYS: Final = {
    "left": "left",
    "right": "right",
    "up": "up",
    "down": "down",
    "a": "left",
    "d": "right",
    "w": "up",
    "s": "down",
    "x": "A",
    "k": "A",
    "space": "A",
    "z": "B",
    "j": "B",
    "left shift": "B",
    "right shift": "B",
}
KEYS_IN_WORDS: Final = (
    ("arrows or W A S D", "move"),
    ("X, K or space", "A: jump, longer when held"),
    ("Z, J or shift", "B: run, throw fireballs"),
)
GAMEPAD_IN_WORDS: Final = ("gamepad", "D-pad or stick; A jumps, X or B runs")

T = TypeVar("T")

_PAD_BUTTONS: Final = {
    "DPAD_LEFT": "left",
    "DPAD_RIGHT": "right",
    "DPAD_UP": "up",
    "DPAD_DOWN": "down",
    "A": "A",  # as an Xbox has them: the lower one
    "Y": "A",
    "X": "B",  # the left one
    "B": "B",
}
_PAD_COMMANDS: Final = {"START": Command.PAUSE, "BACK": Command.NEXT}
_PAD_AXES: Final = {"LEFTX": ("left", "right"), "LEFTY": ("up", "down")}
_DEAD_ZONE: Final = 0.4  # of a stick's way
_AXIS_END: Final = 32_767
_OPPOSITES: Final = (
    BUTTONS["left"] | BUTTONS["right"],
    BUTTONS["up"] | BUTTONS["down"],
)


class Person:
    """Plays what keyboard and gamepads hold: a joypad byte a frame."""

    def __init__(self) -> None:
        """Begin with nothing pressed; pygame's display is open."""
        import pygame
        from pygame._sdl2 import controller

        self._pygame: Any = pygame
        self._controller: Any = controller
        self._buttons = _by_number(pygame, "CONTROLLER_BUTTON_", _PAD_BUTTONS)
        self._commands = _by_number(pygame, "CONTROLLER_BUTTON_", _PAD_COMMANDS)
        self._axes = _by_number(pygame, "CONTROLLER_AXIS_", _PAD_AXES)
        self._held: dict[object, str] = {}  # by what holds it, a button
        self._tapped: set[str] = set()  # since the last decision: also what is let go again
        controller.init()
        known = filter(controller.is_controller, range(controller.get_count()))
        self._pads = [controller.Controller(index) for index in known]  # open while they are kept

    @property
    def has_gamepad(self) -> bool:
        """Whether there is a gamepad that pygame knows."""
        return bool(self._pads)

    def decide(self, obs: Any) -> Decision:
        """Return what is pressed now, or was since the last decision."""
        byte = 0
        for button in {*self._held.values(), *self._tapped}:
            byte |= BUTTONS[button]
        self._tapped.clear()
        for both in _OPPOSITES:
            if byte & both == both:  # which no joypad can
                byte &= ~both
        return Decision(byte)

    def listen(self, event: Any) -> Command | None:
        """Take an event of pygame; return what a gamepad's button asks for."""
        pygame = self._pygame
        if event.type in (pygame.KEYDOWN, pygame.KEYUP):
            button = KEYS.get(pygame.key.name(event.key))
            self._hold(("key", event.key), button, event.type == pygame.KEYDOWN)
        elif event.type in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP):
            is_down = event.type == pygame.CONTROLLERBUTTONDOWN
            holder = ("button", event.instance_id, event.button)
            self._hold(holder, self._buttons.get(event.button), is_down)
            return self._commands.get(event.button) if is_down else None
        elif event.type == pygame.CONTROLLERAXISMOTION:
            lower, upper = self._axes.get(event.axis, (None, None))
            way = event.value / _AXIS_END
            self._hold(("axis", event.instance_id, event.axis, -1), lower, way < -_DEAD_ZONE)
            self._hold(("axis", event.instance_id, event.axis, 1), upper, way > _DEAD_ZONE)
        elif event.type == pygame.CONTROLLERDEVICEADDED:
            self._pads.append(self._controller.Controller(event.device_index))
        elif event.type in (pygame.CONTROLLERDEVICEREMOVED, pygame.WINDOWFOCUSLOST):
            self._held.clear()  # who lets go of a button now is not heard
        return None

    def _hold(self, holder: object, button: str | None, is_down: bool) -> None:
        """Press a button of the joypad, if it is one, or let go of it."""
        if button is not None and is_down:
            self._held[holder] = button
            self._tapped.add(button)
        else:
            self._held.pop(holder, None)


def _by_number(pygame: Any, prefix: str, table: Mapping[str, T]) -> dict[int, T]:
    """Return a table by pygame's constants in place of their names."""
    return {getattr(pygame, prefix + name): value for name, value in table.items()}
