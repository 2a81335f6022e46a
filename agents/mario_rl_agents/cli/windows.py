"""Windows and videos as commands show them: a missing screen in one line, progress of a video."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mario_rl_agents.cli.terminal import Failure
from mario_rl_agents.reports.show import Showable

if TYPE_CHECKING:
    from mario_rl_agents.reports.window import Window


@contextlib.contextmanager
def open_window(title: str, *, otherwise: str) -> Iterator[Window]:
    """Open a window, which is closed at the end.

    Args:
        title: Of the window.
        otherwise: What to do where there is no screen.

    Raises:
        Failure: There is no screen.
        ImportError: pygame is not installed.
    """
    from mario_rl_agents.reports.window import Window

    with _no_screen(otherwise):
        window = Window(title)
    with contextlib.closing(window):
        yield window


def check_for_screen(*, otherwise: str) -> None:
    """Check that a window can be seen, as far as that is known before one opens.

    Args:
        otherwise: What to do where there is no screen.

    Raises:
        Failure: There is no screen.
    """
    from mario_rl_agents.reports import window

    with _no_screen(otherwise):
        window.check_for_screen()


@contextlib.contextmanager
def _no_screen(otherwise: str) -> Iterator[None]:
    """Raise Failure where there is no screen; it says what to do."""
    from mario_rl_agents.reports.window import NoScreenError

    try:
        yield
    except NoScreenError as error:
        raise Failure(f"{error}: {otherwise}") from error


@contextlib.contextmanager
def video_progress(
    console: Console, *, seconds: float | None = None
) -> Iterator[Callable[[float], None]]:
    """Show on a terminal how much of a video is written; yield what takes its seconds so far.

    Args:
        console: Where it is shown.
        seconds: The length of the video; None where it is not known.
    """
    progress = Progress(
        TextColumn("recording"),
        BarColumn(bar_width=30),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task("", total=seconds)
        yield lambda done: progress.update(
            task, completed=done, description=f"{done:.1f} s of video"
        )


def summary_of(show: Showable) -> str:
    """Return how a show went, in a line."""
    result = show.result or "stopped"
    return f"return {show.episodic_return:,.1f}, {show.length:,} steps, {result}"
