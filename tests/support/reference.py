"""The environment of gym-super-mario-bros itself, made to run beside ours on NumPy 2."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np


class IntegerRam:
    """RAM read as Python integers: 7.4.0 overflows when NumPy 2 keeps its bytes uint8."""

    def __init__(self, ram: Any) -> None:
        self._ram = ram

    def __getitem__(self, index: Any) -> Any:
        value = self._ram[index]
        return value.tolist()

    def __setitem__(self, index: Any, value: int) -> None:
        self._ram[index] = value


def make_reference(stage: str | None, *, whole_game: bool = False) -> Any:
    """Return gym-super-mario-bros' own environment (7.4.0 below Python 3.13), frame by frame.

    Args:
        stage: Where it begins.
        whole_game: Whether it goes on from there as the whole game does.
    """
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import nes_py._rom
        from gym_super_mario_bros.smb_env import SuperMarioBrosEnv

    class Reference(SuperMarioBrosEnv):  # type: ignore[misc]
        has_started = False

        @property
        def is_single_stage_env(self) -> bool:
            return stage is not None and not (whole_game and self.has_started)

        def _ram_buffer(self) -> IntegerRam:
            return IntegerRam(super()._ram_buffer())

    header = nes_py._rom.ROM.header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            nes_py._rom.ROM.header = property(lambda rom: header.fget(rom).astype(int))
            target = None if stage is None else tuple(int(part) for part in stage.split("-"))
            reference = Reference(target=target)
            reference.has_started = True
            return reference
        finally:
            nes_py._rom.ROM.header = header


def step_reference(env: Any, action: int) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
    """Return observation (a copy), reward, terminated and info of either version's step."""
    obs, reward, terminated, *_, info = env.step(action)
    return np.array(obs), reward, terminated, info
