"""`mario-rl report`: a run or a comparison as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mario_rl_agents.cli.terminal import (
    Failure,
    UsageError,
    make_console,
    one_line_errors,
    styled,
)


def report(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Folder of a run or of a comparison.", show_default=False
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Make the page of a comparison from its raw data alone: one of its CSV files, "
            "beside comparison.json, or their folder.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page. [default: report.html in the folder]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a run or a comparison as one HTML file, with everything in it."""
    with one_line_errors():
        if (folder is None) == (again is None):
            raise UsageError("give the folder of a run or of a comparison, or --again CSV")
        out = out and out.expanduser()
        if again is not None:
            again = again.expanduser()
            path = _write_comparison(again.parent if again.suffix == ".csv" else again, out)
        else:
            assert folder is not None
            path = _write(folder.expanduser(), out)
        make_console(stderr=False).print(styled((str(path), "bold")), soft_wrap=True)


def _write(folder: Path, out: Path | None) -> Path:
    """Write the page of what lies in a folder, and return where it is."""
    from mario_rl_agents.errors import RunError
    from mario_rl_agents.experiments.tables import HEADER
    from mario_rl_agents.files import check_writable
    from mario_rl_agents.reports.run_page import run_page
    from mario_rl_agents.runs.run import Run

    if (folder / HEADER).is_file():
        return _write_comparison(folder, out)
    try:
        run = Run.open(folder)
    except RunError as error:
        raise Failure(f"{error}, nor a comparison: no {HEADER}") from error
    path = out or run.report
    check_writable(path)
    run_page(run).write(path)
    return path


def _write_comparison(folder: Path, out: Path | None) -> Path:
    """Write the page of a comparison; a table whose hash does not fit is told."""
    from mario_rl_agents.errors import JobError
    from mario_rl_agents.experiments.comparison_page import REPORT, comparison_page
    from mario_rl_agents.experiments.tables import HEADER, Comparison
    from mario_rl_agents.files import check_writable

    try:
        comparison, differing = Comparison.read(folder)
    except JobError as error:
        raise Failure(str(error)) from error
    for name in differing:
        words = f" {folder / name} does not fit its SHA-256 in {HEADER}: it is not what was written"
        make_console().print(styled(("warning:", "bold yellow"), words), soft_wrap=True)
    path = out or folder / REPORT
    check_writable(path)
    comparison_page(comparison, folder, differing).write(path)
    return path
