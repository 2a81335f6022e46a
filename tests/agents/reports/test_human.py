"""A person's keys and gamepad become joypad bytes, on SDL's dummy screen."""

from collections.abc import Iterator
from typing import Any

import pygame
import pytest
from mario_rl_agents.reports.human import KEYS, Person
from mario_rl_agents.reports.window import Command, Window
from pygame._sdl2 import controller
from support.windows import let_go, press

from mario_rl_envs.game.actions import joypad_byte


@pytest.fixture
def person() -> Iterator[Person]:
    window = Window("test")
    yield Person()
    window.close()


def pressed(person: Person, *events: Any) -> int:
    for event in events:
        person.listen(event)
    return int(person.decide(None).action)


def button(name: str, *, is_down: bool = True, pad: int = 0) -> Any:
    kind = pygame.CONTROLLERBUTTONDOWN if is_down else pygame.CONTROLLERBUTTONUP
    number = getattr(pygame, f"CONTROLLER_BUTTON_{name}")
    return pygame.event.Event(kind, button=number, instance_id=pad)


def stick(axis: str, value: int) -> Any:
    number = getattr(pygame, f"CONTROLLER_AXIS_{axis}")
    return pygame.event.Event(pygame.CONTROLLERAXISMOTION, axis=number, value=value, instance_id=0)


@pytest.mark.parametrize(("key", "name"), KEYS.items())
def test_a_key_is_held_until_it_is_let_go(person: Person, key: str, name: str) -> None:
    byte = joypad_byte([name])
    assert pressed(person) == 0
    assert pressed(person, press(key)) == byte
    assert pressed(person) == byte
    assert pressed(person, let_go(key)) == 0


def test_keys_are_held_together(person: Person) -> None:
    assert pressed(person, press("right"), press("x")) == joypad_byte(["right", "A"])
    assert pressed(person, press("d"), let_go("right"), let_go("x")) == joypad_byte(["right"])


def test_a_tap_shorter_than_a_frame_counts_for_one(person: Person) -> None:
    assert pressed(person, press("x"), let_go("x")) == joypad_byte(["A"])
    assert pressed(person) == 0


def test_no_joypad_presses_left_and_right_at_once(person: Person) -> None:
    assert pressed(person, press("left"), press("right"), press("x")) == joypad_byte(["A"])
    assert pressed(person, let_go("left"), press("up"), press("s")) == joypad_byte(["right", "A"])


def test_gamepads_that_are_there_or_come_are_opened(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not person.has_gamepad
    opened: list[int] = []
    monkeypatch.setattr(controller, "get_count", lambda: 3)
    monkeypatch.setattr(controller, "is_controller", lambda index: index != 1)
    monkeypatch.setattr(controller, "Controller", opened.append)
    other = Person()
    assert other.has_gamepad
    assert opened == [0, 2]
    other.listen(pygame.event.Event(pygame.CONTROLLERDEVICEADDED, device_index=4))
    assert opened == [0, 2, 4]


def test_a_gamepad_plays(person: Person) -> None:
    assert pressed(person, button("DPAD_RIGHT"), button("A")) == joypad_byte(["right", "A"])
    up = button("A", is_down=False)
    assert pressed(person, up, button("X")) == joypad_byte(["right", "B"])
    assert pressed(person, button("DPAD_RIGHT", is_down=False)) == joypad_byte(["B"])
    # Another one does not let go of what this one holds.
    assert pressed(person, button("X", is_down=False, pad=1)) == joypad_byte(["B"])


def test_a_stick_moves_beyond_its_dead_zone(person: Person) -> None:
    assert pressed(person, stick("LEFTX", 9_000)) == 0
    assert pressed(person, stick("LEFTX", 30_000)) == joypad_byte(["right"])
    assert pressed(person, stick("LEFTX", -30_000)) == joypad_byte(["left"])
    assert pressed(person, stick("LEFTX", 0), stick("LEFTY", 32_767)) == joypad_byte(["down"])
    assert pressed(person, stick("LEFTY", -100), stick("TRIGGERLEFT", 32_767)) == 0


def test_a_gamepad_pauses_and_begins_again(person: Person) -> None:
    assert person.listen(button("START")) is Command.PAUSE
    assert person.listen(button("BACK")) is Command.NEXT
    assert person.listen(button("START", is_down=False)) is None
    assert person.listen(press("f5")) is None


def test_what_is_held_when_the_window_loses_the_keyboard_is_let_go(person: Person) -> None:
    pressed(person, press("right"))
    assert pressed(person, pygame.event.Event(pygame.WINDOWFOCUSLOST)) == 0
