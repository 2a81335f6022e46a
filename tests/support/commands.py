"""The command line in this process: what a command prints, and that a mistake is one line."""

from __future__ import annotations

from pathlib import Path

from mario_rl_agents.cli.app import app
from typer.testing import CliRunner


def run_command(code: int, *arguments: str | Path) -> list[str]:
    """Run `mario-rl` and return the lines that it prints; it ends with this code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def succeed(*arguments: str | Path) -> list[str]:
    """Run `mario-rl` and return the lines that it prints."""
    return run_command(0, *arguments)


def fail(code: int, *arguments: str | Path) -> str:
    """Run `mario-rl` and return the one line that a mistake prints."""
    [line] = run_command(code, *arguments)
    assert line.startswith("error: ")
    return line.removeprefix("error: ")
