"""Inputs played on a console: what they bring, and whether another console agrees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.checks import check_integer
from mario_rl_envs.emulators import Emulator, create_emulator, create_game
from mario_rl_envs.emulators.emulator import NATIVE, REFERENCE
from mario_rl_envs.game.actions import NUM_JOYPAD_BYTES
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.game.rules import Game
from mario_rl_envs.game.skipping import skip_start_screen
from mario_rl_envs.routes.route import FRAMES_PER_STEP, MAX_FRAMES_PER_STEP, Route

if TYPE_CHECKING:
    from mario_rl_envs.emulators.native import NativeGame


def begin_stage(emulator: Emulator, game: Game, stage: str | None) -> None:
    """Take a game to the start of a stage.

    Args:
        emulator: The console.
        game: The rules on this console.
        stage: As "1-1"; None: the start of the whole game.
    """
    emulator.power_on()
    skip_start_screen(emulator, stage)
    game.begin()


def play(
    stage: str | None,
    joypad: NDArray[np.uint8] | Sequence[int],
    *,
    frames_per_step: int = FRAMES_PER_STEP,
    emulator: str = NATIVE,
    rom_path: str | os.PathLike[str] | None = None,
) -> Route:
    """Play inputs from the start of a stage, and return them as a route.

    Args:
        stage: As "1-1"; None: the whole game.
        joypad: One joypad byte a step, [T]; those behind the end of the episode are dropped.
        frames_per_step: For how many frames each is held.
        emulator: The console: "native", "nes-py", ...
        rom_path: A ROM; None takes the one that gym-super-mario-bros installs.

    Raises:
        ImportError: What the console needs is not installed.
        ValueError: An argument is not as above, or the file is not the known ROM.
    """
    inputs = _check_joypad(joypad)
    check_integer("frames_per_step", frames_per_step, 1, MAX_FRAMES_PER_STEP)
    console = create_emulator(emulator, find_rom(rom_path))
    try:
        return _play(console, stage, inputs, frames_per_step)
    finally:
        console.close()


def verify(
    route: Route, *, emulator: str = REFERENCE, rom_path: str | os.PathLike[str] | None = None
) -> None:
    """Check that a console, by default nes-py, plays a route as it says, reward by reward.

    Raises:
        ImportError: What the console needs is not installed.
        ValueError: The console plays it otherwise, or the emulator is unknown.
    """
    again = play(
        route.stage,
        route.joypad,
        frames_per_step=route.frames_per_step,
        emulator=emulator,
        rom_path=rom_path,
    )
    if (
        not np.array_equal(again.rewards, route.rewards)
        or not route.info.items() <= again.info.items()
    ):
        raise ValueError(
            f"{emulator} does not play the route through {route.stage or 'the whole game'} as it "
            f"says: {_result(route)}; got {_result(again)}"
        )


def _check_joypad(joypad: object) -> NDArray[np.uint8]:
    accepted = "a joypad byte a step, 0 to 255, as [128, 130]"
    try:
        inputs = np.asarray(joypad)
    except ValueError:  # lists of several lengths
        raise ValueError(f"joypad is {joypad!r}; accepted is {accepted}") from None
    if inputs.ndim != 1 or (inputs.size > 0 and inputs.dtype.kind not in "iu"):
        raise ValueError(
            f"joypad is an array of {inputs.dtype}, {list(inputs.shape)}; accepted is {accepted}"
        )
    if ((inputs < 0) | (inputs >= NUM_JOYPAD_BYTES)).any():
        raise ValueError(f"joypad has {inputs.min()} to {inputs.max()}; accepted is {accepted}")
    return inputs.astype(np.uint8)


def _play(
    emulator: Emulator, stage: str | None, joypad: NDArray[np.uint8], frames_per_step: int
) -> Route:
    game = create_game(emulator, Reward(), is_single_stage=stage is not None)
    begin_stage(emulator, game, stage)
    rewards = []
    info = game.info()
    for buttons in joypad.tolist():
        reward, terminated, info = game.steps(buttons, frames_per_step, draw=False)
        rewards.append(int(reward))
        if terminated:
            break
    del info["reward_terms"]
    return Route(
        stage=stage,
        joypad=np.array(joypad[: len(rewards)], np.uint8),
        rewards=np.array(rewards, np.int64),
        info=info,
        frames_per_step=frames_per_step,
    )


def _result(route: Route) -> str:
    return f"{route.num_steps} steps, total reward {route.total_reward}, {route.info}"


def native_game(stage: str) -> NativeGame:
    """Return a game at the start of a stage.

    Raises:
        ImportError: The native core is not built.
    """
    emulator = create_emulator(NATIVE, find_rom())
    if emulator.name != NATIVE:
        raise ImportError(
            "a search or a plan needs the native core, which is not compiled; install a C "
            "compiler, then the package again"
        )
    from mario_rl_envs.emulators.native import NativeGame

    game = create_game(emulator, Reward(), is_single_stage=True)
    assert isinstance(game, NativeGame), "it goes with the native emulator"
    begin_stage(emulator, game, stage)
    return game
