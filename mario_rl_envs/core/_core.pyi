"""The native core: the console, the game's rules and observations in C.

Every function checks what it is given: TypeError and ValueError say what was wrong, and nothing has
changed then. RuntimeError: another thread is running the same game.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.game.rewards import RewardState

_Bytes = bytes | bytearray | memoryview
_Array = NDArray[Any]  # uint8, C-contiguous, writable

MAX_SIZE: Final[int]  # of a Resizer, pixels
COMPILED_ABI: Final[int]  # the version of the interface to compiled code
LUMA: Final[bytes]  # the gray of each of the 64 colors
INFO_COLUMNS: Final[tuple[str, ...]]  # the info's numbers, C: the rows of `columns` in Vector.play
INFO_FLAGS: Final[tuple[str, ...]]  # the info's flags, F: the rows of `flags`
POWERS: Final[tuple[str, ...]]  # names by the number in the column "status"
# Orders of Vector.play.
NOTHING: Final[int]
STEP: Final[int]
BEGIN: Final[int]
BEGIN_ON_STACK: Final[int]

def look_up(table: _Array, indices: _Array, out: _Array, /) -> int:
    """Write the entry of a uint8 table for each of N int64 indices, uint8, [N].

    Returns:
        The place of the first index that is out of range, negative ones too; -1: none is.

    Raises:
        ValueError: The indices are of another size, or not as many as `out`.
    """

def rgb(colors: _Array, out: _Array, /) -> None:
    """Write the RGB, [240, 256, 3], of a picture of color numbers, [240, 256]."""

def rgb_plain(colors: _Array, out: _Array, /) -> None:
    """Do as `rgb`, but in plain C even where the processor has AVX2; for tests."""

def tiles(ram: _Bytes | _Array, out: _Array, /) -> None:
    """Write the visible level as a grid of blocks, [13, 16], from RAM, [2048]."""

@final
class Cartridge:
    """A ROM, decoded; never changes, shared by any number of games."""

    def __new__(cls, rom: _Bytes, library: str | PathLike[str] = ...) -> Cartridge:
        """Take a file in iNES format.

        Args:
            rom: The file's content.
            library: A shared library of the ROM's code, compiled, which games with this cartridge
                run; it stays loaded. Left out, the code is interpreted.

        Raises:
            ValueError: It is none, or not of the kind that is emulated.
            OSError: The library cannot be loaded, or is of another version or another ROM.
        """

    def instruction(self, address: int, /) -> tuple[str, str, int, int, int]:
        """Return the instruction at an address of PRG ROM, as decode.h defines it.

        Returns:
            The operation, which includes the place of the operand, as LDA_ZERO_PAGE, with ELSEWHERE
            for a place that is known at run time only; the addressing mode; bytes; cycles (of a
            branch not taken in the low four bits, taken in the high four); the operand: a value, an
            address, the target of a jump.
        """

@final
class Resizer:
    """Makes pictures of size x size pixels; never changes, shared by any number of games."""

    def __new__(cls, size: int, plain: bool = False) -> Resizer:
        """Prepare.

        Args:
            size: Pixels.
            plain: Whether to compute in plain C even where the processor has AVX2; for tests.

        Raises:
            ValueError: `size` is not from 1 to `MAX_SIZE`.
        """

    def gray(self, picture: _Array, out: _Array, /) -> None:
        """Resize grays, [240, 256] to [size, size], as OpenCV's INTER_AREA."""

    def rgb(self, colors: _Array, out: _Array, /) -> None:
        """Resize the RGB of color numbers, [240, 256] to [size, size, 3]."""

@final
class Game:
    """A console with a cartridge in it, and the game's rules."""

    def __new__(cls, cartridge: Cartridge) -> Game:
        """Insert the cartridge and switch on; there are no reward terms yet."""

    @property
    def ram(self) -> memoryview:
        """The 2,048 bytes of RAM, live; only to be read, and not while another thread runs it."""

    @property
    def num_recorded(self) -> int:
        """Frames recorded since `record_frames` or `take_frames`."""

    def power_on(self) -> None:
        """Start as if just bought: all memory zero."""

    def advance(self, buttons: int, draw: bool = False, /) -> None:
        """Run one frame, 1/60 s; no rules, no recording."""

    def poke(self, address: int, value: int, /) -> None:
        """Write one byte of RAM."""

    def set_rules(self, weights: dict[str, float], is_single_stage: bool, /) -> None:
        """Take weights by term (floats, summed in this order) and perhaps "clip"."""

    def begin(self) -> None:
        """Begin an episode from the RAM as it is."""

    def step(self, buttons: int, draw: bool, /) -> tuple[float, bool, dict[str, Any]]:
        """Hold the buttons for a frame, then run through those that no player controls.

        Args:
            buttons: A joypad byte.
            draw: Whether the picture will be looked at; it can be had in any case.

        Returns:
            Reward, terminated and the `Info` right after the first frame.

        Raises:
            RuntimeError: No episode has begun, or the game gave no control back for 20,000 frames.
        """

    def steps(
        self, buttons: int, num_frames: int, draw: bool, /
    ) -> tuple[float, bool, dict[str, Any]]:
        """Take up to `num_frames` steps (at most 1,000), until one terminates.

        Returns:
            The sum of the rewards, terminated, and the last `Info` with the sums of the terms.
        """

    def info(self) -> dict[str, Any]:
        """Return the `Info` of the RAM as it is; all reward terms are 0."""

    def rgb(self, out: _Array, resizer: Resizer | None = None, /) -> None:
        """Write the picture after the last frame, [240, 256, 3], or [size, size, 3]."""

    def gray(self, out: _Array, resizer: Resizer | None = None, /) -> None:
        """Write how light the picture after the last frame is, [240, 256], or [size, size]."""

    def tiles(self, out: _Array, /) -> None:
        """Write the visible level as a grid of blocks, [13, 16]."""

    def save(self) -> bytes:
        """Return the machine."""

    def load(self, machine: _Bytes, reward: object = ..., /) -> None:
        """Become the machine that `save` returned.

        Args:
            machine: What `save` returned.
            reward: Nothing, or what `reward_state` returned.

        Raises:
            ValueError: One of them is damaged; nothing has changed.
        """

    def snapshot(self) -> Snapshot:
        """Return the episode as it is.

        Raises:
            RuntimeError: No episode has begun.
        """

    def restore(self, snapshot: Snapshot, /) -> None:
        """Go on from a snapshot of this game or another; rules and recording stay.

        Raises:
            ValueError: It is of a game with another ROM.
        """

    def explore(
        self, buttons: _Bytes, skip: int, addresses: NDArray[np.uint16], masks: _Bytes, /
    ) -> tuple[bytes, list[Snapshot | None], bool, bool]:
        """Take many decisions, without Python's lock, until one ends the episode.

        A cell is bytes of the RAM, K, each with the bits that count: what a search takes for one
        place.

        Args:
            buttons: The joypad bytes of the decisions, 1,000 frames in all at most.
            skip: Frames that each is held for, 1 to 1,000.
            addresses: Of a cell's bytes, [K], K from 1 to 64.
            masks: Which of their bits count, [K].

        Returns:
            The cell at the start and after each of the T decisions that did not end the episode,
            [1 + T, K]; for each of these a snapshot, or None where the cell is the one before;
            whether a decision ended the episode; whether that cleared the stage.

        Raises:
            RuntimeError: No episode has begun, or the game gave no control back for 20,000 frames.
        """

    def reward_state(self) -> RewardState:
        """Return what the reward remembers."""

    def record_frames(self, is_on: bool, /) -> None:
        """Record every frame of `step` and `steps` from now on, or no longer; drop those so far."""

    def record_screen(self) -> None:
        """Add the picture after the last frame to the recorded ones."""

    def take_frames(self) -> list[bytearray]:
        """Return the recorded frames, each RGB, [240 * 256 * 3], and drop them."""

@final
class Snapshot:
    """A game at one moment, about 9 kB that never change; Game.snapshot() makes it.

    It cannot be pickled.
    """

@final
class Vector:
    """A vector environment: what the pipeline of wrappers does, for each of many games."""

    def __new__(
        cls,
        games: Sequence[Game],
        resizer: Resizer | None,
        view: Literal["gray", "rgb", "ram", "tiles"],
        skip: int,
        stack: int,
        layout: Literal["frames", "first", "last"],
        num_threads: int,
    ) -> Vector:
        """Take games whose rules are set, and that have as many reward terms each.

        Args:
            games: Those of the sub-environments, N.
            resizer: Makes pictures smaller; None keeps 240 x 256.
            view: What an observation shows.
            skip: Frames an action is repeated for.
            stack: Observations that are shown together, those of so many steps.
            layout: How `play` writes pictures that are shown together: "frames", [stack, H, W] or
                [stack, H, W, 3]; or as the channels of one image, the frames' colors one after the
                other, "first", [channels, H, W], or "last", [H, W, channels].
            num_threads: The thread that calls `play` included.
        """

    def play(
        self,
        orders: NDArray[np.uint8],
        buttons: NDArray[np.uint8],
        sticky: NDArray[np.bool_] | None,
        num_noops: NDArray[np.int32],
        observations: NDArray[np.uint8],
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        num_frames: NDArray[np.int32],
        columns: NDArray[np.int64],
        flags: NDArray[np.bool_],
        terms: NDArray[np.float64],
        /,
    ) -> None:
        """Do what is ordered in each sub-environment, without Python's lock, on several threads.

        Where the order is NOTHING only the observations are written, as they were. All arrays are
        C-contiguous.

        Args:
            orders: NOTHING; STEP; BEGIN an episode from what the game has loaded, the stack full of
                its first observation; BEGIN_ON_STACK: the same, but of the stack as `set_stack`
                left it only the newest observation is replaced by the first one. [N]
            buttons: The joypad byte of a step. [N]
            sticky: Frames of a step that hold the buttons of the frame before instead. [N, skip]
            num_noops: Frames of doing nothing when an episode begins. [N]
            observations: Written: the stack, the oldest first. [N, ...], see `layout`.
            rewards: Written. [N]
            terminated: Written: the last frame ended the episode. [N]
            num_frames: Written: how many frames the player controlled. [N]
            columns: Written: the numbers of the infos. [C, N]
            flags: Written: the flags of the infos. [F, N]
            terms: Written. [T, N]

        Raises:
            RuntimeError: A game gave no control back; its sub-environment has to begin anew.
        """

    def last_buttons(self, env: int, /) -> int:
        """Return the joypad byte that a game held last."""

    def set_stack(self, env: int, observations: _Array, /) -> None:
        """Replace the observations that are shown together, [stack, ...], the oldest first."""

    def get_stack(self, env: int, out: _Array, /) -> None:
        """Write the observations that are shown together, [stack, ...], the oldest first."""

    def restore(self, env: int, last_buttons: int, observations: _Array, /) -> None:
        """Replace the last buttons and, as `set_stack`, the observations."""
