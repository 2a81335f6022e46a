"""`mario-rl compile`: the game's own code, compiled on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mario_rl_agents.cli.terminal import Failure, UsageError, make_console, one_line_errors, program

if TYPE_CHECKING:
    from mario_rl_agents.runs.run import RunSpec


def compile(
    force: Annotated[bool, typer.Option("--force", help="Compile even if that is done.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete all compiled libraries instead.")
    ] = False,
) -> None:
    """Compile the game's own code on this machine: Mario runs several times faster.

    The C compiler takes half a minute. The library is kept in your cache folder and used from then
    on, with the same results to the bit.
    """
    with one_line_errors():
        from mario_rl_envs.compile import command
        from mario_rl_envs.compile.errors import LibraryError

        if force and remove:
            raise UsageError("give --force or --remove, not both")
        console = make_console(stderr=False)
        try:
            command.run(
                force=force,
                remove=remove,
                report=lambda line: console.print(line, soft_wrap=True),
            )
        except LibraryError as error:
            raise Failure(str(error)) from error


def compile_hint(spec: RunSpec) -> str | None:
    """Return a line for a run whose game is interpreted and could be compiled, else None."""
    import mario_rl_envs
    from mario_rl_envs.compile.command import is_possible
    from mario_rl_envs.emulators.emulator import NATIVE

    is_native = spec.env_kwargs.get("emulator", NATIVE) == NATIVE
    if spec.env_id not in mario_rl_envs.ENV_IDS or not is_native:
        return None
    info = mario_rl_envs.native_info(spec.env_kwargs.get("rom_path"))
    if info.runs != "interpreted" or not is_possible():
        return None
    return f"the game is interpreted; {program()} compile, once, makes it several times faster"
