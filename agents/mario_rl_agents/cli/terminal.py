"""Consoles, times as text, errors in one line, exit codes.

Nothing here takes time to import.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

import typer

from mario_rl_agents.errors import (
    AgentError,
    CheckpointError,
    JobError,
    RunError,
    UntrustedError,
)

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

T = TypeVar("T")

_PROGRAM: Final = "mario-rl"
USAGE: Final = 2  # exit codes
FAILURE: Final = 1
INTERRUPTED: Final = 130


class UsageError(Exception):
    """An argument that is not accepted; the message is all that is printed."""


class Failure(Exception):
    """A command that cannot be carried out now; the message is all that is printed."""


def make_console(*, stderr: bool = True) -> Console:
    """Return a console: progress and errors go to stderr, results to stdout.

    Text is printed as it is: names of folders and environments are the user's, and may look like
    markup. What is to stand out is given as `styled`.
    """
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def program() -> str:
    """Return what a command line begins with that runs this program again.

    Its name where the shell finds it, else the path that it was started by.
    """
    started_by, found = Path(sys.argv[0]), shutil.which(_PROGRAM)
    if started_by.stem != _PROGRAM:  # python -m mario_rl_agents, or a test
        return _PROGRAM
    is_found = found is not None and Path(found).resolve() == started_by.resolve()
    return _PROGRAM if is_found else str(started_by)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Return a text of parts, each plain or with a style, such as ("runs/demo", "bold")."""
    from rich.text import Text

    return Text.assemble(*parts)


def titled(
    table: Table, title: str | None, caption: str | None = None, *, style: str = "table.title"
) -> Group:
    """Return a table between a title and a caption, which have the width of the terminal.

    A table's own are broken to its width, however little that is.
    """
    from rich.console import Group
    from rich.text import Text

    above = [] if title is None else [Text(title, style)]
    below = [] if caption is None else [Text(caption, "table.caption")]
    return Group(*above, table, *below)


def duration(seconds: float) -> str:
    """Return a time as "0:42", "12:07" or "3:00:00"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def make_printable(stream: TextIO) -> None:
    """Have a stream print what its encoding lacks by what comes closest, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ERRORS)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return what is printed for what cannot be, as an error handler of codecs does."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(_ASCII.get(char) or char.encode("ascii", _ESCAPE).decode() for char in text)
    return plain, error.end


_ESCAPE: Final = "backslashreplace"
_ERRORS: Final = "mario_rl_agents.closest"
_ASCII: Final = MappingProxyType({"·": "-", "±": "+-", "…": "...", "▀": "'", "▄": ".", "█": ":"})
codecs.register_error(_ERRORS, _replace)


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
    except (
        Failure,
        AgentError,
        CheckpointError,
        JobError,
        RunError,
        UntrustedError,
        ImportError,
        OSError,
    ) as error:
        _print_error(error)
        raise typer.Exit(FAILURE) from None
    except EOFError as error:  # click would print "Aborted!", as if the user had
        _print_error(Failure(f"EOFError {_place(error)}: {error or 'no more input'}"))
        raise typer.Exit(FAILURE) from None
    except KeyboardInterrupt:
        make_console().print(styled("\n", ("stopped", "bold yellow")))
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
    message = " ".join(str(error).split())
    make_console().print(styled(("error:", "bold red"), (f" {message}", "red")), soft_wrap=True)


def _place(error: BaseException) -> str:
    """Return where an error was raised: "in step, line 12 of /home/me/game.py"."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"in {frame.name}, line {frame.lineno} of {frame.filename}"
