"""Consoles, errors in one line, exit codes.

Nothing here takes time to import.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from mario_rl_agents.errors import CheckpointError, RunError, UntrustedError

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

USAGE: Final = 2  # exit codes
FAILURE: Final = 1
INTERRUPTED: Final = 130


class UsageError(Exception):
    """An argument that is not accepted; the message is all that is printed."""


class Failure(Exception):
    """A command that cannot be carried out now; the message is all that is printed."""


def make_console(*, stderr: bool = True) -> Console:
    """Return a console: progress and errors go to stderr, results to stdout."""
    from rich.console import Console

    return Console(stderr=stderr)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Print errors that a user can mend as one red line; any other keeps its traceback.

    Raises:
        typer.Exit: In place of such an error, with code 2 for usage and 1 for failures; in place
            of KeyboardInterrupt with code 130.
    """
    try:
        yield
    except UsageError as error:
        _print_error(error)
        raise typer.Exit(USAGE) from None
    except (Failure, RunError, CheckpointError, UntrustedError, ImportError, OSError) as error:
        _print_error(error)
        raise typer.Exit(FAILURE) from None
    except KeyboardInterrupt:
        make_console().print("\n[bold yellow]stopped[/]")
        raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def usage_errors(option: str | None = None, kind: type[Exception] = ValueError) -> Iterator[None]:
    """Raise UsageError where the library refuses an argument.

    Args:
        option: The option that holds the argument, to begin the message.
        kind: The error that says so.

    Raises:
        UsageError: In place of an error of that kind.
        CheckpointError: As it is, since a damaged file is a failure and no wrong usage.
    """
    try:
        yield
    except CheckpointError:
        raise
    except kind as error:
        raise UsageError(str(error) if option is None else f"{option} {error}") from error


def ask_to_trust(make: Callable[[bool], T], *, trust: bool) -> T:
    """Return what `make` makes; where it would run code that a file names, the user is asked.

    Args:
        make: Called with whether such code may run.
        trust: Whether the user has said so beforehand.

    Raises:
        UntrustedError: It may not, or there is no terminal to ask at.
    """
    try:
        return make(trust)
    except UntrustedError as error:
        if not sys.stdin.isatty():
            raise
        typer.echo(str(error), err=True)
        if not typer.confirm("Run that code?", err=True):
            raise
    return make(True)


def _print_error(error: Exception) -> None:
    from rich.markup import escape

    message = " ".join(str(error).split())
    make_console().print(
        f"[bold red]error:[/] [red]{escape(message)}[/]", highlight=False, soft_wrap=True
    )
