"""The table of consoles, and what makes them and their games."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mario_rl_envs.checks import unknown_name
from mario_rl_envs.emulators.emulator import COMPILED, INTERPRETED, NATIVE, REFERENCE, Emulator
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.game.rules import Game, PythonGame

# Named by module and class, so that looking at the table loads none of them.
EMULATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NATIVE: "mario_rl_envs.emulators.native:NativeEmulator",
        COMPILED: "mario_rl_envs.emulators.native:CompiledEmulator",
        INTERPRETED: "mario_rl_envs.emulators.native:InterpretedEmulator",
        REFERENCE: "mario_rl_envs.emulators.nes_py:NesPyEmulator",
    }
)

_has_warned = False


def create_emulator(name: str, rom_path: Path) -> Emulator:
    """Return a new console.

    Args:
        name: A name out of `EMULATORS`. Where the native core has not been compiled, "native"
            returns nes-py, which does the same slowly, and says so, once a process.
        rom_path: The ROM, already checked.

    Raises:
        ValueError: The name is unknown.
        ImportError: The package behind the console is not installed, or what the name asks for has
            not been compiled.
    """
    if not isinstance(name, str) or name not in EMULATORS:
        raise ValueError(unknown_name("emulator", name, EMULATORS))
    module, class_name = EMULATORS[name].split(":")
    try:
        emulator_class = getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        if name == REFERENCE:
            raise
        if name != NATIVE:
            raise ImportError(f"emulator={name!r}: {_missing_core(error)}") from error
        _warn_of_missing_core(error)
        return create_emulator(REFERENCE, rom_path)
    emulator: Emulator = emulator_class(rom_path)
    return emulator


def create_game(emulator: Emulator, reward: Reward, *, is_single_stage: bool) -> Game:
    """Return the rules on a console: in C on the native one, in Python on any other."""
    if emulator.name == NATIVE:
        from mario_rl_envs.emulators.native import NativeEmulator, NativeGame

        assert isinstance(emulator, NativeEmulator), "only its subclasses have this name"
        return NativeGame(emulator, reward, is_single_stage=is_single_stage)
    return PythonGame(emulator, reward, is_single_stage=is_single_stage)


def _warn_of_missing_core(error: ImportError) -> None:
    global _has_warned
    if _has_warned:
        return
    _has_warned = True  # also where warnings are errors: it is said once
    warnings.warn(
        f"{_missing_core(error)}. Until then the game runs on nes-py, with the same results, many "
        "times slower",
        RuntimeWarning,
        stacklevel=2,
    )


def _missing_core(error: ImportError) -> str:
    return (
        f"the native core is not compiled ({error}). To get it, install a C compiler, then run "
        "`pip install --force-reinstall --no-cache-dir --no-deps mario-rl-envs` (in a clone: "
        "`pip install --force-reinstall --no-deps --editable .`)"
    )
