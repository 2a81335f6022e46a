"""Run through the frames that no player controls, as gym-super-mario-bros 7.4.0 does.

The order of the steps and every write to memory are 7.4.0's, because they decide on which frame the
player can act again, and so everything after.
"""

from __future__ import annotations

from typing import Final, Protocol

from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.game.stages import stage_address

_START: Final = BUTTONS["start"]
_NO_BUTTON: Final = 0
# Far beyond the longest scene (about 700 frames): only a corrupted memory reaches it.
_MAX_SKIPPED_FRAMES: Final = 20_000


class Machine(Protocol):
    """What of an `Emulator` is needed here."""

    @property
    def ram(self) -> memoryview:
        """The RAM, live."""

    def advance(self, buttons: int) -> None:
        """Run one frame."""

    def poke(self, address: int, value: int) -> None:
        """Write one byte of RAM."""


class _Fuse:
    """Counts the skipped frames and refuses to skip for ever."""

    def __init__(self, emulator: Machine) -> None:
        self._emulator = emulator
        self.num_frames = 0

    def advance(self, buttons: int = _NO_BUTTON) -> None:
        self.num_frames += 1
        if self.num_frames > _MAX_SKIPPED_FRAMES:
            raise RuntimeError(
                f"the game gave no control back for {_MAX_SKIPPED_FRAMES} frames: its memory is "
                "not one that play "
                "leads to; reset the environment"
            )
        self._emulator.advance(buttons)


def skip_start_screen(emulator: Machine, stage: str | None) -> int:
    """Go from power-on to the first frame of play.

    Args:
        emulator: A console just powered on.
        stage: The stage to load; None leaves the game's own first one.

    Returns:
        The number of frames that it took.
    """
    frames = _Fuse(emulator)
    address = None if stage is None else stage_address(stage)
    frames.advance(_START)
    frames.advance()
    while ram.clock(emulator.ram) == 0:
        frames.advance(_START)
        if address is not None:
            emulator.poke(ram.WORLD, address.world)
            emulator.poke(ram.STAGE, address.stage)
            emulator.poke(ram.AREA, address.area)
        frames.advance()
        emulator.poke(ram.PRE_LEVEL_TIMER, 0)
    # The clock stands still until the player can move: wait for its first tick.
    clock = ram.clock(emulator.ram)
    while ram.clock(emulator.ram) >= clock:
        clock = ram.clock(emulator.ram)
        frames.advance(_START)
        frames.advance()
    return frames.num_frames


def skip_uncontrolled(emulator: Machine, *, whole_game: bool) -> int:
    """Run to the next frame that the player controls.

    Args:
        emulator: The console after a frame that did not end the episode.
        whole_game: Whether the end of a world leads on to the next.

    Returns:
        The number of frames skipped.
    """
    frames = _Fuse(emulator)
    if ram.is_dying(emulator.ram):
        emulator.poke(ram.PLAYER_STATE, ram.STATE_DEAD)
        frames.advance()
    if whole_game and ram.is_world_over(emulator.ram):
        clock = ram.clock(emulator.ram)
        while ram.clock(emulator.ram) == clock:
            frames.advance()
    if 1 < emulator.ram[ram.AREA_CHANGE_TIMER] < 255:
        emulator.poke(ram.AREA_CHANGE_TIMER, 1)
    while ram.is_busy(emulator.ram) or ram.is_world_over(emulator.ram):
        emulator.poke(ram.PRE_LEVEL_TIMER, 0)
        frames.advance()
    return frames.num_frames
