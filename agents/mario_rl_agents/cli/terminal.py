"""What `mario-rl` says in a terminal: a console, errors as one line, exit codes.

Nothing here takes time to import.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes


class UsageError(Exception):
    """The user asked for something that is not there; the message is all they need."""


class Failure(Exception):
    """What was asked for is right but cannot be done now; the message is all they need."""


def make_console(*, stderr: bool = True) -> Console:
    """Return a console: progress and errors go to stderr, results to stdout."""
    from rich.console import Console

    return Console(stderr=stderr)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Print errors that a user can mend as one red line; any other keeps its traceback.

    Raises:
        typer.Exit: instead of such an error, with 2 for usage and 1 for failures; and with 130
            instead of KeyboardInterrupt.
    """
    from mario_rl_agents.checkpoint import CheckpointError
    from mario_rl_agents.runs.training import RunError

    try:
        yield
    except UsageError as error:
        _print_error(error)
        raise typer.Exit(USAGE) from None
    except (Failure, RunError, CheckpointError, ImportError, OSError) as error:
        _print_error(error)
        raise typer.Exit(FAILURE) from None
    except KeyboardInterrupt:
        make_console().print("\n[bold yellow]stopped[/]")
        raise typer.Exit(INTERRUPTED) from None


def _print_error(error: Exception) -> None:
    from rich.markup import escape

    message = " ".join(str(error).split())
    make_console().print(
        f"[bold red]error:[/] [red]{escape(message)}[/]", highlight=False, soft_wrap=True
    )
