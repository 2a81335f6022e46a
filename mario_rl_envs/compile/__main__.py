"""`python -m mario_rl_envs.compile`: compile the game's code on this machine."""

from __future__ import annotations

import argparse
import sys

from mario_rl_envs.compile import command
from mario_rl_envs.compile.errors import LibraryError

_FAILURE = 1  # exit codes
_INTERRUPTED = 130


def main() -> int:
    """Read the arguments, do as they say, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mario_rl_envs.compile",
        description="Compile the game's own code with the C compiler of this machine. From then on "
        'emulator="native" runs it, several times faster than the interpreter, with the same '
        "results. The library is kept in your cache folder.",
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--force", action="store_true", help="compile even if that is done")
    choice.add_argument("--remove", action="store_true", help="delete all compiled libraries")
    given = parser.parse_args()
    try:
        command.run(force=given.force, remove=given.remove, report=_report)
    except (LibraryError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _FAILURE
    except KeyboardInterrupt:
        print("stopped; nothing has changed", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
