"""The games of a vector environment, and their random numbers.

Each sub-environment is a game with the wrappers of the pipeline around it, done natively: frame
skip, sticky actions, no-ops, pixels and their stack. The native core draws no random numbers. They
are drawn here, from a generator for each sub-environment, in the order in which a single
environment draws them: its stage, its number of no-ops, and for every frame whether the action
sticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from mario_rl_envs import save_state
from mario_rl_envs.core import _core
from mario_rl_envs.emulators.emulator import NATIVE, SCREEN_HEIGHT, SCREEN_WIDTH
from mario_rl_envs.emulators.native import NATIVE_EMULATORS, NativeEmulator, NativeGame
from mario_rl_envs.game import rom
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.history import FrameFormat, Frames, History
from mario_rl_envs.processors import num_processors
from mario_rl_envs.save_state import SaveState
from mario_rl_envs.starts import StartOptions, Starts


class EpisodeStart(NamedTuple):
    """How an episode of a sub-environment starts."""

    options: StartOptions = StartOptions()
    snapshot: _core.Snapshot | None = None  # of the state in the options
    pixels: NDArray[np.uint8] | None = None  # the state's frames before it, if they fit


class Results(NamedTuple):
    """What the native core writes. N sub-environments, T terms of the reward."""

    obs: NDArray[np.uint8]  # [N, ...]
    rewards: NDArray[np.float64]  # [N]
    terminated: NDArray[np.bool_]  # [N]
    num_frames: NDArray[np.int32]  # [N], of the step, or of no-ops
    columns: NDArray[np.int64]  # [len(GameBatch.columns), N]
    flags: NDArray[np.bool_]  # [len(GameBatch.flags), N]
    terms: NDArray[np.float64]  # [T, N]


class GameBatch:
    """Games side by side."""

    usual_start: ClassVar = EpisodeStart()
    columns: ClassVar = _core.INFO_COLUMNS  # the keys of an info's numbers
    flags: ClassVar = _core.INFO_FLAGS  # those of its flags
    powers: ClassVar = np.array(_core.POWERS, object)  # by the number in the column "status"

    def __init__(
        self,
        num_envs: int,
        settings: Mapping[str, Any],
        obs_shape: tuple[int, ...],
        num_threads: int | None,
    ) -> None:
        """Make the games.

        Args:
            num_envs: N.
            settings: The arguments of `make_mario`, already checked.
            obs_shape: Of one game's observation.
            num_threads: Threads that play. None: one for each processor that this process may use,
                but not more than games.
        """
        self.num_envs = num_envs
        self._starts = Starts(settings["stage"], settings["stages"])
        reward = Reward(settings["reward"])
        rom_path = rom.find_rom(settings["rom_path"])
        emulator_class = NATIVE_EMULATORS[settings["emulator"]]
        self._emulators = [emulator_class(rom_path) for _ in range(num_envs)]
        self._games = [
            NativeGame(emulator, reward, is_single_stage=self._starts.is_single_stage)
            for emulator in self._emulators
        ]
        self.terms = tuple(reward.no_terms)
        self._obs_shape = obs_shape
        self._skip = int(settings["skip"])
        self._sticky = float(settings["sticky"])
        self._noop_max = int(settings["noop_max"])
        self._is_recorded = settings["render_mode"] == "rgb_array_list"
        view, size, stack, channels = settings["observation"], None, 1, None
        if view == "pixels":
            view = "gray" if settings["grayscale"] else "rgb"
            size, stack, channels = settings["size"], settings["stack"], settings["channels"]
        self._is_gray, self._size = view == "gray", None if size is None else int(size)
        # Of the frames that are shown together, [S, ...].
        self._stack_shape = (int(stack or 1), *_frame_shape(view, self._size, obs_shape))
        self._format = None  # of the frames before a start; None: there is no stack
        if self._stack_shape[0] > 1:
            before = (self._stack_shape[0] - 1, *self._stack_shape[1:])
            self._format = _frame_format(settings, before)
        self._native = _core.Vector(
            [emulator.game for emulator in self._emulators],
            None if self._size is None else _core.Resizer(self._size),
            view,
            self._skip,
            self._stack_shape[0],
            channels or "frames",
            num_threads or min(num_envs, num_processors()),
        )
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._seeds: list[int] = [-1] * num_envs
        # Every game has begun an episode, and no call was interrupted; the caller keeps it so.
        self.is_ready = False
        self.in_episode = np.zeros(num_envs, np.bool_)
        self._is_first = np.zeros(num_envs, np.bool_)  # the next action is the episode's first
        self._num_noops = np.zeros(num_envs, np.int32)
        self._draws = np.zeros((num_envs, self._skip))
        self._no_buttons = np.zeros(num_envs, np.uint8)
        self._all_step = np.full(num_envs, _core.STEP, np.uint8)

    def new_observations(self) -> NDArray[np.uint8]:
        """Return an array for the observations, uint8, [N, ...]."""
        return np.empty((self.num_envs, *self._obs_shape), np.uint8)

    def new_results(self, obs: NDArray[np.uint8] | None = None) -> Results:
        """Return arrays for what will be played; they are zero, the observations anything."""
        # Rows of few arrays: making one costs as much as playing a frame does.
        flags = np.zeros((1 + len(self.flags), self.num_envs), np.bool_)
        terms = np.zeros((1 + len(self.terms), self.num_envs))
        return Results(
            obs=self.new_observations() if obs is None else obs,
            rewards=terms[0],
            terminated=flags[0],
            num_frames=np.zeros(self.num_envs, np.int32),
            columns=np.zeros((len(self.columns), self.num_envs), np.int64),
            flags=flags[1:],
            terms=terms[1:],
        )

    def look_up(
        self, joypad_bytes: NDArray[np.uint8], actions: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], int | None]:
        """Return the joypad bytes of actions, [N], and the first game whose action is none."""
        buttons = np.empty(self.num_envs, np.uint8)
        # Numbers too large for 64 bits with a sign become negative.
        env = _core.look_up(joypad_bytes, np.ascontiguousarray(actions, np.int64), buttons)
        return buttons, None if env < 0 else env

    def step(self, buttons: NDArray[np.uint8], results: Results) -> None:
        """Take a step in every game.

        Args:
            buttons: Joypad bytes, [N].
            results: Written.
        """
        self._step(self._all_step, buttons, results)
        self.in_episode = ~results.terminated

    def step_or_begin(
        self, buttons: NDArray[np.uint8], starts: Mapping[int, EpisodeStart], results: Results
    ) -> None:
        """Begin an episode in some games, take a step in the others."""
        orders = self._all_step.copy()
        self._load_starts(starts, orders)
        self._step(orders, buttons, results)
        self._finish_starts(starts, results)
        self.in_episode = ~results.terminated

    def begin(self, starts: Mapping[int, EpisodeStart], results: Results) -> None:
        """Begin an episode in some games; only the observations of the others are written."""
        orders = np.full(self.num_envs, _core.NOTHING, np.uint8)
        self._load_starts(starts, orders)
        self._play(orders, results)
        self._finish_starts(starts, results)
        self.in_episode[list(starts)] = True

    def ram(self) -> NDArray[np.uint8]:
        """Return a copy of every RAM, uint8, [N, 2048]."""
        return np.stack([np.frombuffer(each.ram, np.uint8) for each in self._emulators])

    def screen(self, env: int) -> NDArray[np.uint8]:
        """Return a game's screen, uint8, [240, 256, 3]."""
        return self._emulators[env].screen()

    def take_frames(self, env: int) -> list[NDArray[np.uint8]]:
        """Return a game's frames since the last call or the episode's begin."""
        return self._games[env].take_frames()

    def close(self) -> None:
        """End the threads and free the games."""
        del self._native, self._games, self._emulators

    # Starts

    def check_start(self, options: Mapping[str, Any]) -> EpisodeStart:
        """Return how an episode with these reset options starts.

        Raises:
            TypeError: A state is not bytes.
            ValueError: An option is unknown, or its value not accepted. Nothing has changed.
        """
        checked = self._starts.check(options, NATIVE)
        state = checked.state
        if state is None:
            return EpisodeStart(checked)
        pixels = None if self._format is None else state.frames_for(self._format)
        return EpisodeStart(checked, self._snapshot_of(state), pixels)

    def _snapshot_of(self, state: SaveState) -> _core.Snapshot:
        """Return a save state as a snapshot, for which a game loads it for a moment."""
        game = self._games[0]
        before = game.snapshot() if self.is_ready else None
        game.load(state.machine, state.reward)
        snapshot = game.snapshot()
        if before is not None:
            game.restore(before)
        return snapshot

    def _load_starts(self, starts: Mapping[int, EpisodeStart], orders: NDArray[np.uint8]) -> None:
        """Take games to where episodes start; write the orders that begin them."""
        for env, start in starts.items():
            orders[env] = self._load_start(env, start)
            self._num_noops[env] = 0
            if self._noop_max > 0 and start.snapshot is None:
                self._num_noops[env] = self.generator(env).integers(self._noop_max + 1)

    def _load_start(self, env: int, start: EpisodeStart) -> int:
        """Take a game to where an episode starts; return the order that begins it."""
        game, pixels = self._games[env], start.pixels
        game.record_frames(False)
        if start.snapshot is not None:
            game.restore(start.snapshot)
        else:
            emulator, options = self._emulators[env], start.options
            history = None
            if self._format is not None:
                history = History(self._format, lambda: self._observe(emulator))
            self._starts.begin(
                emulator, game, options._replace(history=history), self.generator(env)
            )
            pixels = None if history is None else history.pixels
        if self._is_recorded:
            game.record_frames(True)
            game.record_screen()
        if pixels is None:
            return _core.BEGIN
        # The first observation will take the place of the last of these frames.
        self._native.set_stack(env, np.concatenate([pixels, pixels[-1:]]))
        return _core.BEGIN_ON_STACK

    def _observe(self, emulator: NativeEmulator) -> NDArray[np.uint8]:
        """Return one frame of a stack."""
        return emulator.gray(self._size) if self._is_gray else emulator.rgb(self._size)

    def _finish_starts(self, starts: Mapping[int, EpisodeStart], results: Results) -> None:
        """Begin again where no-ops ended the episode, with those that are left of them."""
        again = [env for env in starts if results.terminated[env]]
        while again:
            orders = np.full(self.num_envs, _core.NOTHING, np.uint8)
            for env in again:
                orders[env] = self._load_start(env, starts[env])
                self._num_noops[env] -= results.num_frames[env]
            self._play(orders, results)
            again = [env for env in again if results.terminated[env]]
        self._is_first[list(starts)] = True

    def _play(self, orders: NDArray[np.uint8], results: Results) -> None:
        """Do what is ordered, no steps among it."""
        self._native.play(orders, self._no_buttons, None, self._num_noops, *results)

    # Steps and the numbers drawn for them

    def _step(
        self, orders: NDArray[np.uint8], buttons: NDArray[np.uint8], results: Results
    ) -> None:
        sticky = self._draw_sticky(orders) if self._sticky > 0 else None
        self._native.play(orders, buttons, sticky, self._num_noops, *results)
        if sticky is not None:
            self._take_back_draws(orders, results)
            self._is_first[orders == _core.STEP] = False

    def _draw_sticky(self, orders: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return on which frames the action of the frame before is repeated, [N, skip].

        `StickyAction` draws a number for every frame but the first of an episode.
        """
        for env in np.flatnonzero(orders == _core.STEP).tolist():
            draws = self._draws[env]
            self.generator(env).random(out=draws[1:] if self._is_first[env] else draws)
        sticky = self._draws < self._sticky
        sticky[self._is_first, 0] = False
        return sticky

    def _take_back_draws(self, orders: NDArray[np.uint8], results: Results) -> None:
        """Give back what was drawn for frames that the end of an episode cut off."""
        is_cut = (orders == _core.STEP) & (results.num_frames < self._skip)
        for env in np.flatnonzero(is_cut).tolist():
            _rewind(self.generator(env), self._skip - int(results.num_frames[env]))

    def generator(self, env: int) -> np.random.Generator:
        """Return a game's generator; unless one was seeded, an unforeseeable one."""
        generator = self._generators[env]
        if generator is None:
            generator, self._seeds[env] = seeding.np_random()
            self._generators[env] = generator
        return generator

    def seed_of(self, env: int) -> int:
        """Return what a game's generator was seeded with."""
        self.generator(env)
        return self._seeds[env]

    def seed(self, seeds: Mapping[int, int]) -> None:
        """Seed the generators of some games.

        Raises:
            gymnasium.error.Error: A seed is no integer from 0; no generator has changed.
        """
        seeded = {env: seeding.np_random(seed) for env, seed in seeds.items()}
        for env, (generator, seed) in seeded.items():
            self._generators[env], self._seeds[env] = generator, seed

    # States

    def save_state(self, env: int) -> bytes:
        """Return a game's machine, its episode's progress and its stack."""
        frames = None
        if self._format is not None:
            frames = Frames(self._format, self._stack(env)[:-1])
        return self._pack(env, frames)

    def _stack(self, env: int) -> NDArray[np.uint8]:
        """Return a game's frames that are shown together, the oldest first, [S, ...]."""
        frames = np.empty(self._stack_shape, np.uint8)
        self._native.get_stack(env, frames)
        return frames

    def _pack(self, env: int, frames: Frames | None = None) -> bytes:
        return save_state.pack(
            self._emulators[env].save_state(),
            self._games[env].reward_state(),
            in_episode=bool(self.in_episode[env]),
            emulator=NATIVE,
            frames=frames,
        )

    def get_state(self) -> dict[str, Any]:
        """Return all that there is to pickle; every game has begun an episode."""
        return {
            "states": [self._pack(env) for env in range(self.num_envs)],
            "last_buttons": [self._native.last_buttons(env) for env in range(self.num_envs)],
            "stacks": [self._stack(env) for env in range(self.num_envs)],
            "is_first": self._is_first,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        for env, game in enumerate(self._games):
            saved = save_state.unpack(state["states"][env], NATIVE)
            game.load(saved.machine, saved.reward)
            if self._is_recorded:
                game.record_frames(True)
                game.record_screen()
            self.in_episode[env] = saved.in_episode
            self._native.restore(env, state["last_buttons"][env], state["stacks"][env])
        self._is_first[:] = state["is_first"]

    def get_generators(self) -> tuple[list[np.random.Generator | None], list[int]]:
        """Return the generators and their seeds, to pickle them."""
        return self._generators, self._seeds

    def set_generators(
        self, generators: tuple[Sequence[np.random.Generator | None], Sequence[int]]
    ) -> None:
        """Take what `get_generators` returned."""
        self._generators, self._seeds = list(generators[0]), list(generators[1])


def _frame_shape(view: str, size: int | None, obs_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one frame; of other views a frame is an observation."""
    if view not in ("gray", "rgb"):
        return obs_shape
    height, width = (SCREEN_HEIGHT, SCREEN_WIDTH) if size is None else (size, size)
    return (height, width) if view == "gray" else (height, width, 3)


def _frame_format(settings: Mapping[str, Any], shape: tuple[int, ...]) -> FrameFormat:
    """Return what the frames of a stack show, as the single environment's stack says it."""
    view = ["GrayscaleObservation"] if settings["grayscale"] else []
    if settings["size"] is not None:
        view.append("ResizeObservation")
    return FrameFormat(tuple(view), int(settings["skip"]), tuple(map(int, shape)))


def _rewind(generator: np.random.Generator, num_draws: int) -> None:
    """Take back the last numbers that `generator.random` drew: each was one of its steps."""
    bits = generator.bit_generator
    assert isinstance(bits, np.random.PCG64), "Gymnasium's generators are of this kind"
    before = bits.state
    bits.advance(-num_draws)
    # That drops the half of a number that `integers` may have left for its next call.
    after = bits.state
    after["has_uint32"], after["uinteger"] = before["has_uint32"], before["uinteger"]
    bits.state = after
