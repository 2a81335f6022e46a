"""The table of consoles, and what makes them and their games."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mario_rl_envs.checks import unknown_name
from mario_rl_envs.emulators.emulator import NATIVE, REFERENCE, Emulator
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.game.rules import Game, PythonGame

# Named by module and class, so that looking at the table loads none of them.
EMULATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NATIVE: "mario_rl_envs.emulators.native:NativeEmulator",
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
        ImportError: The package behind the console is not installed.
    """
    if not isinstance(name, str) or name not in EMULATORS:
        raise ValueError(unknown_name("emulator", name, EMULATORS))
    module, class_name = EMULATORS[name].split(":")
    try:
        emulator_class = getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        if name != NATIVE:
            raise
        _warn_of_missing_core(error)
        return create_emulator(REFERENCE, rom_path)
    emulator: Emulator = emulator_class(rom_path)
    return emulator


def create_game(emulator: Emulator, reward: Reward, *, is_single_stage: bool) -> Game:
    """Return the rules on a console: in C on the native one, in Python on any other."""
    if emulator.name == NATIVE:
        from mario_rl_envs.emulators.native import NativeEmulator, NativeGame

        assert isinstance(emulator, NativeEmulator), "only one emulator has this name"
        return NativeGame(emulator, reward, is_single_stage=is_single_stage)
    return PythonGame(emulator, reward, is_single_stage=is_single_stage)


def _warn_of_missing_core(error: ImportError) -> None:
    global _has_warned
    if _has_warned:
        return
    _has_warned = True  # also where warnings are errors: it is said once
    warnings.warn(
        f"the native core is not compiled ({error}): the game runs on nes-py, with the same "
        "results, many times slower. To get it, install a C compiler, then run "
        "`pip install --force-reinstall --no-cache-dir --no-deps mario-rl-envs` (in a clone: "
        "`pip install --force-reinstall --no-deps --editable .`)",
        RuntimeWarning,
        stacklevel=2,
    )
