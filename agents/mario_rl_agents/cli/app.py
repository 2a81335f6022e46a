"""The command line, `mario-rl`, assembled: each command is the module of its name.

Torch takes seconds to import: what needs it is imported inside the commands, so help is instant.
"""

from __future__ import annotations

import inspect
import os
import sys
from typing import Annotated

import typer

from mario_rl_agents.cli.compare import compare
from mario_rl_agents.cli.compile import compile
from mario_rl_agents.cli.demonstrate import demonstrate
from mario_rl_agents.cli.envs import envs
from mario_rl_agents.cli.evaluate import evaluate
from mario_rl_agents.cli.explore import explore
from mario_rl_agents.cli.export import export
from mario_rl_agents.cli.play import play
from mario_rl_agents.cli.plot import plot
from mario_rl_agents.cli.recipes import recipes
from mario_rl_agents.cli.report import report
from mario_rl_agents.cli.terminal import make_printable
from mario_rl_agents.cli.train import train
from mario_rl_agents.cli.watch import watch

app = typer.Typer(
    name="mario-rl",
    help="Train agents on Super Mario Bros (or any Gymnasium environment), measure and watch them.",
    epilog="Start with: mario-rl train ppo MarioRL-1-1-v0 --recipe demo --minutes 10 --video",
    no_args_is_help=True,
    rich_markup_mode=None,  # its tables cut words on narrow terminals, and are not ASCII
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train,
    evaluate,
    compare,
    watch,
    play,
    explore,
    demonstrate,
    plot,
    report,
    export,
    envs,
    recipes,
    compile,
):  # in the order of the help
    summary, *_ = (inspect.getdoc(command) or "").split("\n\n")
    app.command(short_help=summary)(command)  # or it would be cut to one line


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        python = ".".join(map(str, sys.version_info[:3]))
        typer.echo(
            f"mario-rl {version('mario-rl-envs')} (Python {python}, torch {version('torch')})"
        )
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""
    for stream in (sys.stdout, sys.stderr):
        make_printable(stream)
    # MODULE:ID finds a module of the user's own, as it does under `python -m`; last, so that no
    # file there takes the place of a package.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
