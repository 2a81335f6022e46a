"""Whose code a file may name.

Gymnasium imports MODULE to make an environment called MODULE:ID, and an agent of one's own is found
as MODULE:CLASS: both run the module's code. In a file that somebody else has written that may be
any code. So a module that a file names is imported only where the user has named it before: in a
training of their own (`remember`), by importing it, or by saying that it is to be trusted.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.config import convert
from mario_rl_agents.errors import UntrustedError
from mario_rl_agents.files import read_json, replacing
from mario_rl_agents.lock import lock

_MODULES: Final = "modules"  # the key in the file of those that the user has named


def check_trusted(name: str, where: Any, *, trust: bool = False) -> None:
    """Check that what a file names runs no code that the user has not named.

    Args:
        name: Of an environment or an algorithm, as the file has it.
        where: The file, for the message.
        trust: Whether the user says that its code may run.

    Raises:
        UntrustedError: If it does.
    """
    module, colon, _ = name.rpartition(":")
    if trust or not colon or module in sys.modules:
        return
    origin = _origin(module)
    if origin is not None and [module, origin] not in _remembered():
        raise UntrustedError(
            f"{where} names {name!r}: to make it, Python would run the module "
            f"{module} in {origin}, which you have not named in a training of your own. If you "
            "trust that code, say so: --trust (in Python trust=True, or import the module first)"
        )


def import_module_of(name: str) -> None:
    """Import the module of an environment or algorithm, if it has one: `check_trusted` passes then.

    Args:
        name: As the user has named it, or a file that they trust.

    Raises:
        ImportError: It cannot be imported.
    """
    module, colon, _ = name.rpartition(":")
    if colon:
        importlib.import_module(module)


def remember(name: str) -> None:
    """Note that the user has named the module of an environment or algorithm, if it has one.

    Where nothing can be written it is not noted, and they are asked.
    """
    module, colon, _ = name.rpartition(":")
    origin = _origin(module) if colon else None
    if origin is None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock(path.with_suffix(".lock"), wait=True):
            known = _remembered()
            if [module, origin] not in known:
                with replacing(path) as new:
                    new.chmod(0o600)
                    new.write_text(json.dumps({_MODULES: [*known, [module, origin]]}), "utf-8")


def _origin(module: str) -> str | None:
    """Return where a module, or the package that it is in, would be imported from.

    Nothing is imported; None if there is none.
    """
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):  # no name of a module
        return None
    if spec is None:
        return None
    places = spec.submodule_search_locations or [spec.origin or module]
    return os.pathsep.join(os.path.realpath(place) for place in places)


def _remembered() -> list[list[str]]:
    """Return the modules that the user has named, each with where it was imported from."""
    try:
        pairs = convert(tuple[tuple[str, str], ...], read_json(_path()).get(_MODULES), _MODULES)
    except (OSError, RuntimeError, ValueError):
        return []
    return [list(pair) for pair in pairs]


def _path() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    folder = Path(state) if state else Path.home() / ".local" / "state"
    return folder / "mario-rl" / "modules.json"
