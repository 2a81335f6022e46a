"""The search for a route: Go-Explore, on the native core.

Ecoffet et al. 2021, "First return, then explore", Nature 590. A cell is roughly a place; the
search keeps a snapshot of the game for every cell that it has reached. Again and again it returns
to a cell and plays random inputs from there. Cells that are new, or reached sooner than before, are
kept. The search ends with the first inputs that clear the stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.checks import check_integer
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import check_actions, joypad_byte
from mario_rl_envs.game.stages import check_stage
from mario_rl_envs.processors import num_processors
from mario_rl_envs.routes.playing import native_game
from mario_rl_envs.routes.route import FRAMES_PER_STEP

if TYPE_CHECKING:
    from mario_rl_envs.core import _core
    from mario_rl_envs.emulators.native import NativeGame

PLACE_WIDTH: Final = 16  # pixels: a cell's share of the stage, a block wide and two high
PLACE_HEIGHT: Final = 32

# The mazes of 4-4, 7-4 and 8-4 lead back unless the right turns are taken: how many were, and how
# many were asked for.
_MAZE_RIGHT: Final = 0x06D9
_MAZE_PASSED: Final = 0x06DA
_PIPE_AREA: Final = 0x0750  # where the next pipe leads
_PIPE_PAGE: Final = 0x0751

# What makes two moments one cell: bytes of the RAM, and which of their bits count. The stage comes
# first, which a warp zone leaves, then the place.
_CELL: Final = (
    (ram.WORLD, 0xFF),
    (ram.STAGE, 0xFF),
    (ram.AREA_DATA, 0xFF),
    (ram.AREA_DATA + 1, 0xFF),
    (ram.PLAYER_X_PAGE, 0xFF),
    (ram.PLAYER_X, 0x100 - PLACE_WIDTH),
    (ram.PLAYER_VIEWPORT, 0xFF),  # 0: above the screen
    (ram.PLAYER_Y_LEVEL, 0x100 - PLACE_HEIGHT),
    (ram.SCREEN_LEFT_PAGE, 0xFF),
    (_MAZE_RIGHT, 0xFF),
    (_MAZE_PASSED, 0xFF),
    (_PIPE_AREA, 0xFF),
    (_PIPE_PAGE, 0xFF),
    (ram.POWER, 0x03),
)
_CELL_SIZE: Final = len(_CELL)
_STAGE: Final = slice(0, 2)  # of a cell
_ADDRESSES: Final = np.array([address for address, _ in _CELL], np.uint16)
_MASKS: Final = bytes(mask for _, mask in _CELL)

_ROUND: Final = 32  # explorations between two looks at what they found, whatever the threads
_LENGTHS: Final = (20, 40, 60)  # decisions of an exploration
_CHANGE: Final = 0.15  # the probability that a decision is not the one before
_RECENT: Final = 0.7  # the share of explorations that begin in a cell found lately


class Place(NamedTuple):
    """Where a cell lies."""

    area: int  # a number that tells the areas of a stage apart
    x: int  # of its left edge, pixels from the start of the area
    y: int  # of its upper edge, pixels from the upper edge of the screen; negative above it


@dataclass(frozen=True)
class _Inputs:
    """Decisions, behind those that lead to where they begin."""

    before: _Inputs | None
    joypad: bytes

    def joined(self) -> bytes:
        """Return all decisions from the start of the stage."""
        parts = []
        part: _Inputs | None = self
        while part is not None:
            parts.append(part.joypad)
            part = part.before
        return b"".join(reversed(parts))


class _Cell(NamedTuple):
    """How a cell is reached as soon as is known."""

    snapshot: _core.Snapshot
    inputs: _Inputs
    length: int  # decisions from the start of the stage


class _Found(NamedTuple):
    """What an exploration came upon."""

    cells: bytes  # [1 + T, K], T decisions that the player survived
    snapshots: Sequence[_core.Snapshot | None]  # [T], where the cell is another than before
    is_over: bool
    is_cleared: bool


_NOTHING: Final = _Found(b"", (), False, False)


class RouteSearch:
    """A search for inputs that clear a stage.

    For one seed it finds the same, whatever the number of threads.

    Attributes:
        stage: As "1-1".
        num_decisions: Played so far.
        joypad: The inputs that clear the stage, uint8, [T], each held for `FRAMES_PER_STEP` frames;
            None as long as none are known.

    Example:
        >>> from mario_rl_envs.routes import RouteSearch
        >>> search = RouteSearch("1-4", actions="right_only", seed=0)
        >>> search.explore()  # some hundred decisions; True as soon as the stage is cleared
        False
        >>> search.close()
    """

    def __init__(
        self,
        stage: str,
        *,
        actions: str | Iterable[Sequence[str]] = "complex",
        seed: int = 0,
        num_threads: int | None = None,
    ) -> None:
        """Begin at the start of a stage.

        Args:
            stage: As "1-1".
            actions: "right_only", "simple", "complex", or a list of lists of buttons.
            seed: Of all that is random.
            num_threads: Threads that play; None: one for each processor that this process may use.

        Raises:
            ImportError: The native core is not built.
            ValueError: An argument is not as above.
        """
        self.stage = check_stage(stage)
        combinations = check_actions(actions)
        check_integer("seed", seed, 0)
        if num_threads is None:
            num_threads = min(num_processors(), _ROUND)
        check_integer("num_threads", num_threads, 1, _ROUND)
        self._actions = np.array([joypad_byte(each) for each in combinations], np.uint8)
        self._generator = np.random.default_rng(seed)
        self._games: SimpleQueue[NativeGame] = SimpleQueue()  # those that no thread plays
        for _ in range(num_threads):
            self._games.put(native_game(stage))
        self._threads = ThreadPoolExecutor(num_threads) if num_threads > 1 else None
        self.num_decisions = 0
        self.joypad: NDArray[np.uint8] | None = None
        self._index: dict[bytes, int] = {}  # of each cell
        self._cells: list[_Cell] = []  # in the order in which they were found
        self._begin()

    @property
    def num_cells(self) -> int:
        """The number of cells reached so far."""
        return len(self._cells)

    def places(self) -> list[Place]:
        """Return where the cells lie, each place once, those reached first first."""
        keys = np.frombuffer(b"".join(self._index), np.uint8).reshape(-1, _CELL_SIZE).astype(int)
        _, _, area_low, area_high, page, left, viewport, top, *_ = keys.T
        areas = area_high << 8 | area_low
        x = page << 8 | left
        y = (viewport - 1 << 8) + top
        rows = zip(areas.tolist(), x.tolist(), y.tolist(), strict=True)
        return list(dict.fromkeys(Place(*row) for row in rows))

    def explore(self) -> bool:
        """Explore from some cells; return whether inputs that clear the stage are known."""
        starts = [self._cells[index] for index in self._draw_cells()]
        inputs = self._draw_inputs()
        apply = map if self._threads is None else self._threads.map
        for start, joypad, found in zip(
            starts, inputs, apply(self._play, starts, inputs), strict=True
        ):
            if self.joypad is None:
                self._learn(start, joypad, found)
        return self.joypad is not None

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown()

    def _begin(self) -> None:
        """Make the start of the stage the first cell."""
        game = self._games.get()
        snapshot = game.snapshot()
        key = game.explore(b"\0", 1, _ADDRESSES, _MASKS)[0][:_CELL_SIZE]
        self._games.put(game)
        self._stage_bytes = key[_STAGE]
        self._index[key] = 0
        self._cells.append(_Cell(snapshot, _Inputs(None, b""), 0))

    def _draw_cells(self) -> NDArray[np.int64]:
        """Return the cells to explore from, [_ROUND]: many of them were found lately."""
        place = self._generator.random(_ROUND)
        is_recent = self._generator.random(_ROUND) < _RECENT
        share = np.where(is_recent, 1.0 - place**3, place)
        indices = (share * self.num_cells).astype(np.int64)
        return np.minimum(indices, self.num_cells - 1)

    def _draw_inputs(self) -> list[bytes]:
        """Return the inputs of each exploration: actions, each held for some decisions."""
        lengths = self._generator.choice(_LENGTHS, _ROUND)
        shape = (_ROUND, max(_LENGTHS))
        drawn = self._actions[self._generator.integers(len(self._actions), size=shape)]
        is_new = self._generator.random(shape) < _CHANGE
        is_new[:, 0] = True
        since = np.maximum.accumulate(np.where(is_new, np.arange(shape[1]), 0), axis=1)
        joypad = np.take_along_axis(drawn, since, axis=1)
        return [row[:length].tobytes() for row, length in zip(joypad, lengths, strict=True)]

    def _play(self, start: _Cell, joypad: bytes) -> _Found:
        game = self._games.get()
        try:
            game.restore(start.snapshot)
            return _Found(*game.explore(joypad, FRAMES_PER_STEP, _ADDRESSES, _MASKS))
        except RuntimeError:  # the inputs have hung the game
            return _NOTHING
        finally:
            self._games.put(game)

    def _learn(self, start: _Cell, joypad: bytes, found: _Found) -> None:
        """Keep the cells that are new, or reached sooner than before."""
        self.num_decisions += len(found.snapshots) + found.is_over
        for step, snapshot in enumerate(found.snapshots, start=1):
            if snapshot is None:
                continue
            key = found.cells[step * _CELL_SIZE : (step + 1) * _CELL_SIZE]
            if key[_STAGE] != self._stage_bytes:
                return
            index = self._index.setdefault(key, self.num_cells)
            length = start.length + step
            if index == self.num_cells:
                self._cells.append(_Cell(snapshot, _Inputs(start.inputs, joypad[:step]), length))
            elif length < self._cells[index].length:
                self._cells[index] = _Cell(snapshot, _Inputs(start.inputs, joypad[:step]), length)
        if found.is_cleared:
            inputs = _Inputs(start.inputs, joypad[: len(found.snapshots) + 1])
            self.joypad = np.frombuffer(inputs.joined(), np.uint8)
