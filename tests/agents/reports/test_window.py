"""The window: frames as they are, keys, and what is said where there is no screen."""

import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import pytest
from mario_rl_agents.reports.panel import Panel
from mario_rl_agents.reports.show import Decision, Show
from mario_rl_agents.reports.window import (
    Command,
    NoScreenError,
    Screening,
    Window,
)
from support.windows import Viewer

KEYS = {"p": "pause", "n": "next", "v": "panel", "h": "help", "q": "quit"}


class Runner:
    """Takes the same action in FlagWalk-v0: five steps."""

    def decide(self, obs: Any) -> Decision:
        return Decision(2)


@pytest.fixture
def show() -> Iterator[Show]:
    env = gym.make("FlagWalk-v0", flag_probability=1.0, render_mode="rgb_array_list")
    yield Show(env, Runner(), Panel(env, title="title", subtitle="subtitle"))
    env.close()


def opened() -> pygame.Surface:
    """Return the window that is open."""
    surface = pygame.display.get_surface()
    assert surface is not None
    return surface


def run(show: Show, **keywords: Any) -> Command:
    window = Window("test")
    try:
        return Screening(window, KEYS, help_rows=[("N", "next")]).run(show, 0, **keywords)
    finally:
        window.close()


def test_a_frame_fills_the_window_in_its_proportions() -> None:
    window = Window("test")
    frame = np.zeros((480, 512, 3), np.uint8)
    frame[:, :256] = (10, 20, 30)
    window.show(frame, 1e6)
    surface = opened()
    width, height = surface.get_size()
    assert width / height == pytest.approx(512 / 480, abs=0.01)
    assert surface.get_at((5, 5))[:3] == (10, 20, 30)
    assert surface.get_at((width - 5, height - 5))[:3] == (0, 0, 0)
    window.show(np.full((480, 912, 3), 99, np.uint8), 1e6)  # another size opens it anew
    width, height = opened().get_size()
    assert width / height == pytest.approx(912 / 480, abs=0.01)
    window.close()
    assert not pygame.display.get_init()


def test_a_resized_window_keeps_the_proportions() -> None:
    window = Window("test")
    window.show(np.full((100, 100, 3), 200, np.uint8), 1e6)
    window._surface = pygame.display.set_mode((300, 150))
    window.show(np.full((100, 100, 3), 200, np.uint8), 1e6)
    shown = pygame.surfarray.array3d(window._surface).swapaxes(0, 1)
    assert (shown[:, 75:225] == 200).all()
    assert (shown[:, :70] == 0).all()
    window.close()


def test_an_episode_is_shown_to_its_end(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {}, last=100)
    assert run(show) is Command.NEXT
    assert show.result == "success"
    assert len(viewer.frames) == 1 + 5 + 10  # reset, steps, a second held


def test_closing_and_keys_end_it(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    Viewer(monkeypatch, {}, last=3)
    assert run(show) is Command.QUIT
    assert show.length == 3


@pytest.mark.parametrize(("key", "command"), [("q", Command.QUIT), ("n", Command.NEXT)])
def test_a_key_asks_for_what_follows(
    show: Show, monkeypatch: pytest.MonkeyPatch, key: str, command: Command
) -> None:
    viewer = Viewer(monkeypatch, {2: [key]}, last=100)
    assert run(show) is command
    assert len(viewer.frames) == 3


def test_a_pause_stands_still(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {2: ["p"], 8: ["p"]}, last=100)
    assert run(show) is Command.NEXT
    assert len(viewer.frames) == 1 + 5 + 10 + 6
    paused = viewer.frames[3:9]
    assert all(np.array_equal(frame, paused[0]) for frame in paused)
    assert not np.array_equal(paused[0], viewer.frames[2])  # it says so


def test_help_ends_with_any_key_and_pause_with_its_own(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = {3: ["x"], 5: ["p"], 7: ["x"], 9: ["h"], 11: ["x"]}
    viewer = Viewer(monkeypatch, script, last=100)
    assert run(show, begins_with_help=True) is Command.NEXT
    # Frame 0, help until 3, 4 and 5, a pause until 9, help until 11, then the rest.
    assert np.array_equal(viewer.frames[1], viewer.frames[3])
    assert np.array_equal(viewer.frames[6], viewer.frames[9])
    assert not np.array_equal(viewer.frames[9], viewer.frames[10])
    assert len(viewer.frames) == 1 + 5 + 10 + 3 + 6


def test_a_pause_can_be_left_for_good(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    Viewer(monkeypatch, {2: ["p"], 4: ["q", "p"]}, last=100)
    assert run(show) is Command.QUIT


def test_the_panel_is_turned_off_and_on(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {1: ["v"], 3: ["v"]}, last=100)
    run(show)
    widths = [frame.shape[1] for frame in viewer.frames]
    assert widths[:5] == [710, 710, 310, 310, 710]


def test_the_end_waits_for_a_key(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {18: ["x"], 20: ["n"]}, last=100)
    assert run(show, waits="N goes on") is Command.NEXT
    assert len(viewer.frames) == 21


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_no_screen_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoScreenError, match="neither DISPLAY nor WAYLAND_DISPLAY is set"):
        Window("test")


def test_a_screen_that_sdl_makes_up_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")  # where no variable tells
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(NoScreenError, match="there is no screen"):
        Window("test")

    def refuse() -> None:
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "init", refuse)
    with pytest.raises(NoScreenError, match=r"there is no screen .* \(No available video device"):
        Window("test")


def test_without_pygame_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)  # what a failed import leaves
    with pytest.raises(ImportError, match=r'pip install "mario-rl-envs\[human\]"'):
        Window("test")
