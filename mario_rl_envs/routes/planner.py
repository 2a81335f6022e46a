"""A planner: what to press now, found by trying plans on the game itself.

Model predictive control with the native core as the model, which is exact. A plan is what to press
in the next three seconds; it is worth how far the player comes by it with ground under the feet. As
long as running on does, the planner runs. Else it tries single jumps, a grid of when and for how
long, and takes the one of which most neighbors succeed too: it still does where a decision comes
late. In the water it swims at a depth, and the grid is of when it seeks another one and of which:
when to take a stroke then follows from what one sees. If none succeeds, it changes plans at random.
A plan is tried again after six decisions, and where something else was pressed. It sees more than a
player does, and serves as a teacher.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs import save_state
from mario_rl_envs.checks import check_integer
from mario_rl_envs.emulators.emulator import NATIVE
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import joypad_byte
from mario_rl_envs.routes.playing import native_game
from mario_rl_envs.routes.route import FRAMES_PER_STEP

if TYPE_CHECKING:
    from mario_rl_envs.core import _core

PLAN_LENGTH: Final = 44  # decisions, of four frames each
_RUN_LENGTH: Final = 18  # for which running on must do
_JUMP_LENGTH: Final = 32  # of a plan with a single jump

_WAIT: Final = joypad_byte(())
_WALK: Final = joypad_byte(("right",))
_WALKING_JUMP: Final = joypad_byte(("right", "A"))
_RUN: Final = joypad_byte(("right", "B"))
_JUMP: Final = joypad_byte(("right", "A", "B"))

_SWIMMING: Final = 0x0704  # whether the area is under water
_FALLING: Final = 0x009F  # speed downward, pixels a frame, signed

_ADDRESSES: Final = np.array(
    (
        ram.PLAYER_X_PAGE,
        ram.PLAYER_X,
        ram.PLAYER_FLOAT_STATE,
        ram.AREA_DATA,
        ram.AREA_DATA + 1,
        ram.WORLD,
        ram.STAGE,
        _SWIMMING,
        ram.PLAYER_Y_LEVEL,
        _FALLING,
    ),
    np.uint16,
)
_MASKS: Final = bytes([0xFF] * len(_ADDRESSES))

_ENOUGH: Final = 6  # pixels that a plan gains a decision, if little is in the way: half of running
_ENOUGH_SWIMMING: Final = 1.5
_LEADS_ON: Final = 0.5  # share of it that a plan out of trouble gains
_KEPT: Final = 0.8  # share of it for which a plan that was begun is kept
_NEW_AREA: Final = 4_000  # pixels that the way into another area counts as
_DEATH: Final = -500  # pixels, and more the sooner it comes
_DEATH_DECISION: Final = -3
_NO_GROUND: Final = -50  # of a plan in which the player never stands

_STARTS: Final = (0, 1, 2, 3, 4, 6, 8, 10, 12)  # decisions before a jump
_DURATIONS: Final = (2, 5, 8, 11, 14)  # of a jump
_DIVES: Final = (0, 2, 4, 6, 9, 12, 16, 20)  # decisions before another depth is sought
_DEPTHS: Final = (40, 64, 88, 112, 136, 160, 184)  # pixels from the upper edge
_SWIM_LENGTH: Final = 48  # of a plan that seeks a depth
_AHEAD: Final = 3  # frames of falling for which a stroke comes early
_DELAY: Final = 0.02  # neighbors that a later start must gain
_REACH: Final = (2, 1)  # of the neighborhood of a jump, in starts and durations
_NUM_RANDOM: Final = 240  # plans that are tried at random, at most
_NUM_ENOUGH: Final = 10  # after which one that gains enough will do
_PERIOD: Final = 6  # decisions after which a plan is tried again


class _Outcome(NamedTuple):
    """What a plan leads to."""

    gain: float  # pixels
    length: int  # decisions, with that at the beginning
    is_alive: bool
    is_cleared: bool
    begins_in_water: bool = False


class Planner:
    """Plays on from any moment of a stage, to the right, with what RIGHT_ONLY can press.

    Attributes:
        BUTTONS: The joypad bytes that it presses.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.routes import Planner
        >>> env = SuperMarioBrosEnv("1-1")
        >>> obs, info = env.reset(seed=0)
        >>> planner = Planner(seed=0)
        >>> planner.begin(env.save_state())
        >>> planner.press() in Planner.BUTTONS
        True
        >>> env.close()
    """

    BUTTONS: ClassVar[tuple[int, ...]] = (_WAIT, _WALK, _WALKING_JUMP, _RUN, _JUMP)

    def __init__(self, *, seed: int = 0) -> None:
        """Make a game to try plans on.

        Args:
            seed: Of the plans that are tried at random.

        Raises:
            ImportError: The native core is not built.
            ValueError: The seed is no whole number from 0.
        """
        check_integer("seed", seed, 0)
        self._generator = np.random.default_rng(seed)
        self._game = native_game("1-1")
        self._snapshot = self._game.snapshot()
        self._plan: list[int] = []
        self._age = 0  # decisions since the plan was last tried
        self._is_swimming = False

    def begin(self, state: bytes) -> None:
        """Go on from a moment of a game.

        Args:
            state: What `save_state` of an environment returned, or of a vector environment.

        Raises:
            TypeError: The state is not bytes.
            ValueError: It is no save state of the native emulator.
        """
        saved = save_state.unpack(state, NATIVE)
        self._game.load(saved.machine, saved.reward)
        self._snapshot = self._game.snapshot()
        self._plan = []

    def rescue(self, state: bytes, num_decisions: int) -> list[int] | None:
        """Return a plan from a moment of a game on, joypad bytes; None if none is found that does.

        It has so many decisions at least, survives them and leads on; or it clears the stage.

        Args:
            state: As of `begin`.
            num_decisions: Of four frames each, 1 to 32.

        Raises:
            TypeError: The state is not bytes.
            ValueError: It is no save state of the native emulator, or the number is out of range.
        """
        check_integer("num_decisions", num_decisions, 1, _JUMP_LENGTH)
        self.begin(state)
        self._think(max(num_decisions, _RUN_LENGTH))
        plan = self._plan
        outcome = self._try(self._snapshot, plan)
        if outcome.is_cleared:
            return plan[: outcome.length - 1]
        needed = _LEADS_ON * self._enough * len(plan)
        return plan if outcome.is_alive and outcome.gain > needed else None

    def press(self) -> int:
        """Return the joypad byte to press for the next decision, of four frames."""
        if self._age >= _PERIOD or not self._plan:
            self._think()
        return self._plan[0]

    def advance(self, joypad: int) -> None:
        """Follow the game for a decision.

        Args:
            joypad: What was pressed in it, be it as planned or not.
        """
        is_planned = bool(self._plan) and self._plan.pop(0) == joypad
        self._age = self._age + 1 if is_planned else _PERIOD
        self._game.restore(self._snapshot)
        self._game.explore(bytes([joypad]), FRAMES_PER_STEP, _ADDRESSES, _MASKS)
        self._snapshot = self._game.snapshot()

    def _think(self, run_length: int = _RUN_LENGTH) -> None:
        """Run if that does for so long; else keep the plan if it leads on, or find another."""
        self._age = 0
        running = [_RUN] * run_length
        begun = self._plan + running[len(self._plan) :]
        outcome = self._try(self._snapshot, running)
        self._is_swimming = outcome.begins_in_water
        if self._is_swimming:
            self._plan = self._best_swim() or self._kept(begun) or self._search(begun)
        elif self._does(outcome, run_length):
            self._plan = running
        else:
            self._plan = self._kept(begun) or self._best_jump() or self._search(begun)

    def _kept(self, begun: list[int]) -> list[int] | None:
        """Return a plan that was begun, if it still leads on."""
        leads_on = self._does(self._try(self._snapshot, begun), _KEPT * len(begun))
        return begun if leads_on else None

    def _does(self, outcome: _Outcome, num_decisions: float) -> bool:
        """Return whether a plan gains enough for so many decisions."""
        enough = self._enough * num_decisions
        return outcome.is_cleared or (outcome.is_alive and outcome.gain > enough)

    @property
    def _enough(self) -> float:
        """What a plan gains a decision, in pixels, if little is in the way."""
        return _ENOUGH_SWIMMING if self._is_swimming else _ENOUGH

    def _try(self, snapshot: _core.Snapshot, plan: list[int]) -> _Outcome:
        """Return what a plan leads to from a moment of the game."""
        self._game.restore(snapshot)
        try:
            cells, is_over, is_cleared = self._press_all(plan)
        except RuntimeError:  # the game hangs
            return _Outcome(_DEATH + _DEATH_DECISION * len(plan), 1, False, False)
        return _judge(cells, is_over, is_cleared)

    def _press_all(self, plan: list[int]) -> tuple[NDArray[np.int64], bool, bool]:
        """Go on with the game.

        Returns:
            The bytes of `_ADDRESSES` before and after each decision, [1 + T, K]; whether a decision
            ended the episode; whether that cleared the stage.

        Raises:
            RuntimeError: The game hangs.
        """
        found = self._game.explore(bytes(plan), FRAMES_PER_STEP, _ADDRESSES, _MASKS)
        cells, _, is_over, is_cleared = found
        table = np.frombuffer(cells, np.uint8).reshape(-1, len(_ADDRESSES)).astype(np.int64)
        return table, is_over, is_cleared

    def _best_jump(self) -> list[int] | None:
        """Return the single jump with the most neighbors that succeed too; None: none does."""
        succeeds = np.zeros((len(_STARTS), len(_DURATIONS)))
        snapshot = self._snapshot
        for row, (before, start) in enumerate(pairwise((0, *_STARTS))):
            if start > before and not self._run_on(snapshot, start - before):
                break
            snapshot = self._game.snapshot() if start > before else snapshot
            rest = _JUMP_LENGTH - start
            for column, duration in enumerate(_DURATIONS):
                jump = [_JUMP] * duration + [_RUN] * (rest - duration)
                succeeds[row, column] = self._does(self._try(snapshot, jump), rest)
        if not succeeds.any():
            return None
        row, column = _safest(succeeds)
        start, duration = _STARTS[row], _DURATIONS[column]
        return [_RUN] * start + [_JUMP] * duration + [_RUN] * (_JUMP_LENGTH - start - duration)

    def _best_swim(self) -> list[int] | None:
        """Return the change of depth with the most neighbors that succeed too; None: none does."""
        succeeds = np.zeros((len(_DIVES), len(_DEPTHS)))
        plans: dict[tuple[int, int], list[int]] = {}
        snapshot = self._snapshot
        begun: list[int] = []
        for row, (before, start) in enumerate(pairwise((0, *_DIVES))):
            if start > before:
                inputs, outcome = self._swim(snapshot, None, start - before)
                if not outcome.is_alive or outcome.is_cleared:
                    break
                snapshot, begun = self._game.snapshot(), begun + inputs
            rest = _SWIM_LENGTH - start
            for column, depth in enumerate(_DEPTHS):
                inputs, outcome = self._swim(snapshot, depth, rest)
                succeeds[row, column] = self._does(outcome, rest)
                plans[row, column] = begun + inputs
        return plans[_safest(succeeds)] if succeeds.any() else None

    def _swim(
        self, snapshot: _core.Snapshot, depth: int | None, num_decisions: int
    ) -> tuple[list[int], _Outcome]:
        """Swim on at a depth, None for where the player is; return what was pressed, and its end.

        A stroke is taken below that depth, or soon before. For the next one A has to be let go.
        """
        self._game.restore(snapshot)
        inputs = [_RUN]
        tables: list[NDArray[np.int64]] = []
        try:
            while True:
                cells, is_over, is_cleared = self._press_all(inputs[-1:])
                tables.append(cells[bool(tables) :])
                if is_over or len(inputs) == num_decisions:
                    break
                *_, y_level, falling = cells[-1].tolist()
                depth = y_level if depth is None else depth
                is_low = y_level + _AHEAD * _signed(falling) > depth
                inputs.append(_JUMP if is_low and inputs[-1] == _RUN else _RUN)
        except RuntimeError:  # the game hangs
            return inputs, _Outcome(_DEATH, 1, False, False)
        return inputs, _judge(np.concatenate(tables), is_over, is_cleared)

    def _run_on(self, snapshot: _core.Snapshot, num_decisions: int) -> bool:
        """Run on from a moment of the game; return whether the player survives it."""
        self._game.restore(snapshot)
        _, is_over, _ = self._press_all([_RUN] * num_decisions)
        return not is_over

    def _search(self, begun: list[int]) -> list[int]:
        """Return the best of a plan and of others drawn at random, many of which begin like it."""
        plan = begun + [_RUN] * (PLAN_LENGTH - len(begun))
        outcome = self._try(self._snapshot, plan)
        for number in range(_NUM_RANDOM):
            num_kept = 0
            if number % 3:
                fault = outcome.length - 1
                if outcome.is_alive:
                    fault = int(self._generator.integers(4, PLAN_LENGTH))
                num_kept = max(0, fault - int(self._generator.integers(1, 36)))
            other = plan[:num_kept] + self._draw(PLAN_LENGTH - num_kept)
            found = self._try(self._snapshot, other)
            if (found.is_cleared, found.gain) > (outcome.is_cleared, outcome.gain):
                plan, outcome = other, found
            if outcome.is_cleared or (number > _NUM_ENOUGH and self._does(outcome, PLAN_LENGTH)):
                break
        return plan

    def _draw(self, length: int) -> list[int]:
        """Return random inputs: jumps, and what is between them; strokes in the water."""
        random = self._generator
        inputs: list[int] = []
        jumps = bool(random.random() < 0.5)
        while len(inputs) < length:
            if self._is_swimming:
                inputs += [_JUMP] * int(random.integers(1, 3)) if jumps else []
                inputs += [] if jumps else [_RUN] * int(random.integers(1, 7))
            elif jumps:
                button = _JUMP if random.random() < 0.85 else _WALKING_JUMP
                inputs += [button] * int(random.integers(1, 13))
            else:
                button = (_RUN, _WALK, _WAIT)[np.searchsorted((0.75, 0.88), random.random())]
                inputs += [button] * int(random.integers(1, 10))
            jumps = not jumps
        return inputs[:length]


def _judge(cells: NDArray[np.int64], is_over: bool, is_cleared: bool) -> _Outcome:
    """Return what a plan led to.

    Args:
        cells: The bytes of `_ADDRESSES` before and after each decision, [1 + T, K].
        is_over: Whether a decision ended the episode.
        is_cleared: Whether that cleared the stage.
    """
    page, left, float_state, area_low, area_high, world, stage, swimming, *_ = cells.T  # [1 + T]
    in_water = bool(swimming[0])
    if is_cleared:
        return _Outcome(-float(len(cells)), len(cells), True, True, in_water)
    area = area_high << 8 | area_low
    new_areas = np.cumsum(np.diff(area, prepend=area[0]) != 0)
    x = (page << 8 | left) + _NEW_AREA * new_areas
    standing = np.flatnonzero((float_state == 0) | (swimming != 0))
    gain = float(x[standing[-1]] - x[0]) if len(standing) else _NO_GROUND
    # A warp zone leads out of the stage.
    is_dead = is_over or bool((world != world[0]).any() or (stage != stage[0]).any())
    if is_dead:
        gain += _DEATH + _DEATH_DECISION * (PLAN_LENGTH - len(cells))
    return _Outcome(gain, len(cells), not is_dead, False, in_water)


def _safest(succeeds: NDArray[np.float64]) -> tuple[int, int]:
    """Return the cell that succeeds with the most neighbors that do; row by row a little less."""
    rows = np.arange(len(succeeds))[:, None]
    margin = np.where(succeeds > 0, _neighbors(succeeds) - _DELAY * rows, -1.0)
    row, column = divmod(int(np.argmax(margin)), succeeds.shape[1])
    return row, column


def _signed(byte: int) -> int:
    """Return a byte in two's complement as a number."""
    return byte - 256 if byte > 127 else byte


def _neighbors(succeeds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each cell how many around it succeed, the nearer ones counting more."""
    rows, columns = _REACH
    padded = np.pad(succeeds, ((rows, rows), (columns, columns)), mode="edge")
    total = np.zeros_like(succeeds)
    for row in range(2 * rows + 1):
        for column in range(2 * columns + 1):
            distance = abs(row - rows) + abs(column - columns)
            shifted = padded[row:, column:][: succeeds.shape[0], : succeeds.shape[1]]
            total += shifted / (1 + distance)
    return total
