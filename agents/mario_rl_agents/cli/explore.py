"""`mario-rl explore`: a route through a stage, found by a search."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mario_rl_agents.cli.completion import complete_route
from mario_rl_agents.cli.options import read_pairs
from mario_rl_agents.cli.terminal import (
    Failure,
    UsageError,
    duration,
    make_console,
    one_line_errors,
    styled,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mario_rl_envs.routes import Route, RouteSearch

_ACTIONS: Final = "actions"
_VIDEO: Final = ".mp4"
_MAP_PERIOD: Final = 0.25  # seconds between two pictures of the map
_LINE_PERIOD: Final = 10.0  # seconds between two lines where there is no terminal


def explore(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE",
            autocompletion=complete_route,
            help="Of the 32, as 1-1 or 8-4.",
            show_default=False,
        ),
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Go through all 32 stages.")] = False,
    actions: Annotated[
        str,
        typer.Option(
            help="What is pressed: right_only, simple, complex, or a JSON list of lists of "
            "buttons. 4-4 and 8-4 need more than right_only."
        ),
    ] = "complex",
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Give a stage up after so much time.")
    ] = 300.0,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=32,
            help="That play; the route is the same. [default: one for each processor]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where route and picture are written.")
    ] = Path("routes"),
    video: Annotated[bool, typer.Option("--video", help="Record the route, too.")] = False,
) -> None:
    """Find inputs that clear a stage, by a search with save states (Go-Explore).

    A map shows the places reached. The route is checked on nes-py and written as FOLDER/1-1.json,
    for mario-rl watch --route, and a picture of the stage with the route on it as FOLDER/1-1.png.

    mario-rl explore 1-1

    mario-rl explore 8-4 --video

    mario-rl explore --all --actions right_only
    """
    with one_line_errors():
        chosen = _chosen_stages(stages or [], is_all=is_all)
        pressed = read_pairs("--actions", [f"{_ACTIONS}={actions}"])[_ACTIONS]
        _check_files(chosen, out, video=video)
        started = time.monotonic()
        console = make_console(stderr=False)
        missing = []
        for stage in chosen:
            with _search(stage, pressed, seed, threads) as search:
                route = _explore(search, seconds)
            if route is None:
                missing.append(stage)
            else:
                _write(route, out, video=video)
            console.print(_report(search, route, out), soft_wrap=True)
        if len(chosen) > 1:
            _print_sum(console, len(chosen) - len(missing), len(chosen), started)
        if missing:
            raise Failure(
                f"no route through {', '.join(missing)} in {seconds:g} s: give more --seconds, "
                "other --actions (complex has left and down) or another --seed"
            )


def _chosen_stages(stages: list[str], *, is_all: bool) -> tuple[str, ...]:
    """Return the stages that are meant, each once.

    Raises:
        UsageError: There are none, or one is unknown.
    """
    from mario_rl_envs.game.stages import STAGES, check_stages

    if bool(stages) == is_all:
        raise UsageError("give stages, as 1-1, or --all: one of them")
    if is_all:
        return STAGES
    with usage_errors():
        return tuple(dict.fromkeys(check_stages(stages)))


def _check_files(stages: tuple[str, ...], out: Path, *, video: bool) -> None:
    """Check before the search that what it finds can be written, and replaces nothing.

    Raises:
        UsageError: A route of one of the stages is there.
        ImportError: A video cannot be written.
        OSError: Nothing can be written there.
    """
    from mario_rl_agents.files import check_writable

    if video:
        from mario_rl_agents.reports.video import check_video_path

        check_video_path(_file(out, stages[0], _VIDEO))
    for stage in stages:
        path = _file(out, stage, ".json")
        if path.exists():
            raise UsageError(f"{path} exists: give another --out, or delete it")
        check_writable(path)


def _file(out: Path, stage: str, suffix: str) -> Path:
    return out / f"{stage}{suffix}"


@contextlib.contextmanager
def _search(stage: str, actions: Any, seed: int, threads: int | None) -> Iterator[RouteSearch]:
    from mario_rl_envs.routes import RouteSearch

    with usage_errors("--actions"):
        search = RouteSearch(stage, actions=actions, seed=seed, num_threads=threads)
    with contextlib.closing(search):
        yield search


def _explore(search: RouteSearch, seconds: float) -> Route | None:
    """Search until there is a route, or the time is over."""
    from mario_rl_envs import routes

    end = time.monotonic() + seconds
    with SearchDisplay(search, make_console()) as display:
        while not search.explore():
            if time.monotonic() >= end:
                return None
            display.show()
    assert search.joypad is not None, "the search has ended"
    route = routes.play(search.stage, search.joypad)
    try:
        routes.verify(route)
    except ValueError as error:
        raise Failure(str(error)) from error
    return route


class SearchDisplay:
    """Shows how far a search is: a map on a terminal, and elsewhere a line now and then."""

    def __init__(self, search: RouteSearch, console: Console) -> None:
        """Take what is shown, and where."""
        from rich.live import Live

        self._search = search
        self._console = console
        self._period = _MAP_PERIOD if self._console.is_terminal else _LINE_PERIOD
        self._shown = time.monotonic()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> SearchDisplay:
        """Begin."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the map away."""
        self._live.stop()

    def show(self) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if now - self._shown < self._period:
            return
        self._shown = now
        line = f"{self._search.stage}: {_progress(self._search)}"
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)
            return
        self._live.update("\n".join([line, *self._map()]), refresh=True)

    def _map(self) -> list[str]:
        """Return as much of the map as there is room for: the areas entered last."""
        from mario_rl_agents.cli.cell_map import LINES_PER_AREA, draw_map

        lines = draw_map(self._search.places(), width=self._console.width)
        num_areas = max(1, (self._console.height - 2) // LINES_PER_AREA)
        return lines[-num_areas * LINES_PER_AREA :]


def _write(route: Route, out: Path, *, video: bool) -> None:
    """Write the route, its picture and perhaps its video."""
    from mario_rl_agents.files import replacing
    from mario_rl_agents.reports.stage_picture import draw_route
    from mario_rl_envs import routes

    assert route.stage is not None, "a search goes through one stage"
    out.mkdir(parents=True, exist_ok=True)
    with replacing(_file(out, route.stage, ".png")) as new:
        draw_route(route).save(new)
    if video:
        _record(route, _file(out, route.stage, _VIDEO))
    with replacing(_file(out, route.stage, ".json")) as new:
        routes.write(route, new)


def _record(route: Route, path: Path) -> None:
    from mario_rl_agents.cli.windows import video_progress
    from mario_rl_agents.reports.mario import Joypad, frame_by_frame
    from mario_rl_agents.reports.panel import Panel
    from mario_rl_agents.reports.show import HOLD_SECONDS, RoutePlayer, Show
    from mario_rl_agents.reports.video import record_show

    env_id = f"MarioRL-{route.stage}-v0"
    with contextlib.closing(frame_by_frame(env_id, {})) as env:
        panel = Panel(env, title=env_id, subtitle="found by mario-rl explore", action_view=Joypad())
        show = Show(env, RoutePlayer(route), panel, stall_seconds=0)
        seconds = len(route.frames) / show.fps + HOLD_SECONDS
        with video_progress(make_console(), seconds=seconds) as progress:
            record_show(show, path, progress=progress)


def _progress(search: RouteSearch) -> str:
    return f"{search.num_decisions:,} decisions tried, {search.num_cells:,} cells reached"


def _report(search: RouteSearch, route: Route | None, out: Path) -> object:
    """Return a line on what a search has found."""
    if route is None:
        return f"{search.stage}: no route; {_progress(search)}"
    path = str(_file(out, search.stage, ".json"))
    found = f": {route.num_steps:,} steps, {_progress(search)}, the same on nes-py"
    return styled((path, "bold"), found)


def _print_sum(console: Console, num_found: int, num_stages: int, started: float) -> None:
    took = duration(time.monotonic() - started)
    console.print(f"{num_found} of {num_stages} routes in {took}", soft_wrap=True)
