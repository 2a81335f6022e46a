"""`mario-rl play`: a person plays, and may record a route."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mario_rl_agents.cli.completion import complete_keyword, complete_mario_id
from mario_rl_agents.cli.options import Seed, read_pairs
from mario_rl_agents.cli.terminal import (
    UsageError,
    make_console,
    one_line_errors,
    program,
    usage_errors,
)

if TYPE_CHECKING:
    from mario_rl_agents.reports.window import Window
    from mario_rl_envs.routes import RouteRecorder

_KEYS: Final = {"p": "pause", "r": "next", "v": "panel", "h": "help", "escape": "quit"}
_HELP: Final = (
    ("P", "pause"),
    ("R", "begin again"),
    ("V", "what an agent sees"),
    ("H", "these keys"),
    ("Esc", "quit"),
)


def play(
    env_id: Annotated[
        str,
        typer.Argument(
            metavar="ENV_ID",
            autocompletion=complete_mario_id,
            help="What is played: MarioRL-1-1-v0, MarioRL-v0, ... (see mario-rl envs).",
        ),
    ] = "MarioRL-1-1-v0",
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record what you press into this file, for mario-rl watch --route: the "
            "latest game that cleared its stage, or else the latest.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="KEY=VALUE",
            autocompletion=complete_keyword,
            help="What the agent would see, e.g. --env observation=tiles.",
        ),
    ] = None,
) -> None:
    """Play Super Mario Bros yourself, by keyboard or gamepad.

    The keys are shown at the start. V shows beside the game what an agent sees of it.

    mario-rl play

    mario-rl play MarioRL-4-2-v0 --env observation=tiles --record mine.json

    mario-rl watch --route mine.json
    """
    with one_line_errors():
        from mario_rl_agents.cli.windows import open_window
        from mario_rl_agents.files import check_writable
        from mario_rl_agents.reports.mario import frame_by_frame
        from mario_rl_envs.routes import RouteRecorder

        changes = read_pairs("--env", env)
        if record is not None:
            if record.exists():
                raise UsageError(f"--record {record} exists: give another name, or delete it")
            check_writable(record)
        title, otherwise = f"{env_id} · mario-rl play", "play on a machine that has one"
        with open_window(title, otherwise=otherwise) as window:
            with usage_errors():
                game = RouteRecorder(frame_by_frame(env_id, changes), frames_per_step=1)
            with contextlib.closing(game):
                _play(game, window, _Keeper(game, record), title=env_id, seed=seed)
        if record is not None and record.exists():
            replay = shlex.join([program(), "watch", "--route", str(record)])
            make_console(stderr=False).print(f"recorded, watch with  {replay}", soft_wrap=True)


def _play(game: RouteRecorder, window: Window, keeper: _Keeper, *, title: str, seed: int) -> None:
    """Play game after game, until the player quits."""
    from mario_rl_agents.cli.windows import summary_of
    from mario_rl_agents.reports.human import GAMEPAD_IN_WORDS, KEYS_IN_WORDS, Person
    from mario_rl_agents.reports.mario import Joypad
    from mario_rl_agents.reports.panel import Panel
    from mario_rl_agents.reports.show import Show
    from mario_rl_agents.reports.window import Command, Screening

    person = Person()
    screening = Screening(
        window,
        _KEYS,
        help_rows=(*KEYS_IN_WORDS, *((GAMEPAD_IN_WORDS,) if person.has_gamepad else ()), *_HELP),
        shows_panel=False,
        listener=person.listen,
    )
    console = make_console(stderr=False)
    for index in itertools.count():
        panel = Panel(game, title=title, subtitle="played by you", action_view=Joypad())
        show = Show(game, person, panel, stall_seconds=0)
        try:
            command = screening.run(
                show, seed + index, begins_with_help=index == 0, waits="R begins again, Esc quits"
            )
        finally:  # Ctrl-C too
            keeper.keep()
        console.print(summary_of(show), soft_wrap=True)
        if command is Command.QUIT:
            return


class _Keeper:
    """Writes the route of the latest game that cleared its stage, or else of the latest."""

    def __init__(self, game: RouteRecorder, path: Path | None) -> None:
        """Take where to write; None: nowhere."""
        self._game = game
        self._path = path
        self._has_cleared = False

    def keep(self) -> None:
        """Write the game in progress or just ended, if it is one to be kept."""
        from mario_rl_agents.files import replacing
        from mario_rl_envs import routes

        route = self._game.route()
        has_cleared = bool(route.info.get("flag_get"))
        if self._path is None or route.num_steps == 0 or (self._has_cleared and not has_cleared):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as new:
            routes.write(route, new)
        self._has_cleared = has_cleared
