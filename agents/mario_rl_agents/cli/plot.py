"""`mario-rl plot`: learning curves of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, cast, get_args

import typer

from mario_rl_agents.cli.terminal import Failure, UsageError, make_console, one_line_errors, styled

_NAME: Final = "learning_curve.png"


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The picture: .png, .svg, .pdf. "
            "[default: learning_curve.png, in the folder of a single run]",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        str, typer.Option(metavar="AXIS", help="Draw them over steps, or over games.")
    ] = "steps",
) -> None:
    """Draw learning curves: of one run, or of several with their mean and spread."""
    with one_line_errors():
        from mario_rl_agents.files import check_writable
        from mario_rl_agents.reports.plots import Axis, plot_learning_curves
        from mario_rl_agents.runs.run import Run

        opened = [Run.open(folder) for folder in runs]
        path = out or (opened[0].learning_curve if len(opened) == 1 else Path(_NAME))
        if over not in get_args(Axis):
            raise UsageError(f"--over must be {' or '.join(get_args(Axis))}, got {over}")
        if path.is_dir():
            raise UsageError(f"--out {path} is a folder: give a file in it, as {path / _NAME}")
        path = path if path.suffix else path.with_suffix(".png")
        check_writable(path)
        try:
            plot_learning_curves(opened, path, over=cast("Axis", over))
        except ValueError as error:
            raise Failure(str(error)) from error
        make_console(stderr=False).print(styled((str(path), "bold")), soft_wrap=True)
