"""The games of a vector environment, and what is drawn by lot for each.

A lane is one game with the wrappers of the pipeline around it, done natively: frame skip, sticky
actions, no-ops, pixels and their stack. The native core draws no random numbers. They are drawn
here, from a generator a lane, in the order in which a single environment draws them: its stage, its
number of no-ops, and for every frame whether the action sticks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from mario_rl_envs import states
from mario_rl_envs.emulators.emulator import NATIVE
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import rom
from mario_rl_envs.game.rewards import Reward

# The native core's columns of numbers, see emulators/native/vector.h.
COLUMNS: Final = (
    "coins",
    "life",
    "score",
    "stage",
    "time",
    "world",
    "x_pos",
    "y_pos",
    "area",
    "x_screen",
    "state",
    "status",
)
POWERS: Final = ("small", "tall", "fireball")  # by the number in the column "status"

# What a lane is to do.
_NOTHING: Final = 0
_STEP: Final = 1
_BEGIN: Final = 2

# How an episode begins: the options of `SuperMarioBrosEnv.reset`, the state already taken apart.
Start = Mapping[str, Any]
USUAL_START: Final[Start] = {}


class Results(NamedTuple):
    """What the native core writes. N lanes, T terms of the reward."""

    obs: NDArray[np.uint8]  # [N, ...]
    rewards: NDArray[np.float64]  # [N]
    terminated: NDArray[np.bool_]  # [N]
    num_frames: NDArray[np.int32]  # [N], of the step, or of no-ops
    columns: NDArray[np.int64]  # [len(COLUMNS), N]
    flags: NDArray[np.bool_]  # [N]
    terms: NDArray[np.float64]  # [T, N]


class Lanes:
    """Games side by side."""

    def __init__(
        self,
        num_lanes: int,
        settings: Mapping[str, Any],
        obs_shape: tuple[int, ...],
        num_threads: int | None,
    ) -> None:
        """Make the games.

        Args:
            num_lanes: N.
            settings: The arguments of `make_mario`, already checked.
            obs_shape: Of a lane's observation.
            num_threads: Threads that play. None: one for each processor that this process may use,
                but not more than lanes.

        Raises:
            ImportError: The native core is not built.
        """
        from mario_rl_envs.core import _core
        from mario_rl_envs.emulators.native import NativeEmulator, NativeGame

        self.num_lanes = num_lanes
        # A game that nobody sees: it plays to where episodes begin, and tries what is to be loaded.
        self._guide = SuperMarioBrosEnv(
            settings["stage"],
            stages=settings["stages"],
            reward=settings["reward"],
            rom_path=settings["rom_path"],
        )
        reward = Reward(settings["reward"])
        is_single_stage = self._guide.is_single_stage
        rom_path = rom.find_rom(settings["rom_path"])
        self._emulators = [NativeEmulator(rom_path) for _ in range(num_lanes)]
        self._plays = [
            NativeGame(emulator, reward, is_single_stage=is_single_stage)
            for emulator in self._emulators
        ]
        self.terms = tuple(reward.no_terms)
        self._obs_shape = obs_shape
        self._skip = int(settings["skip"])
        self._sticky = float(settings["sticky"])
        self._noop_max = int(settings["noop_max"])
        self._is_filmed = settings["render_mode"] == "rgb_array_list"
        view, size, stack = settings["observation"], None, None
        if view == "pixels":
            view = "gray" if settings["grayscale"] else "rgb"
            size, stack = settings["size"], settings["stack"]
        self._native = _core.Vector(
            [emulator.game for emulator in self._emulators],
            None if size is None else _core.Resizer(int(size)),
            view,
            self._skip,
            1 if stack is None else int(stack),
            num_threads or min(num_lanes, _num_processors()),
        )
        self._generators: list[np.random.Generator | None] = [None] * num_lanes
        self._seeds: list[int] = [-1] * num_lanes
        self.in_episode = np.zeros(num_lanes, np.bool_)
        self._is_first = np.zeros(num_lanes, np.bool_)  # the next action is the episode's first
        self._num_noops = np.zeros(num_lanes, np.int32)
        self._draws = np.zeros((num_lanes, self._skip))
        self._no_buttons = np.zeros(num_lanes, np.uint8)
        self._all_step = np.full(num_lanes, _STEP, np.uint8)

    def new_observations(self) -> NDArray[np.uint8]:
        """Return an array for the observations, uint8, [N, ...]."""
        return np.empty((self.num_lanes, *self._obs_shape), np.uint8)

    def new_results(self, obs: NDArray[np.uint8] | None = None) -> Results:
        """Return arrays for what will be played; they are zero, the observations anything."""
        return Results(
            obs=self.new_observations() if obs is None else obs,
            rewards=np.zeros(self.num_lanes),
            terminated=np.zeros(self.num_lanes, np.bool_),
            num_frames=np.zeros(self.num_lanes, np.int32),
            columns=np.zeros((len(COLUMNS), self.num_lanes), np.int64),
            flags=np.zeros(self.num_lanes, np.bool_),
            terms=np.zeros((len(self.terms), self.num_lanes)),
        )

    def step(self, buttons: NDArray[np.uint8], results: Results) -> None:
        """Take a step in every lane.

        Args:
            buttons: Joypad bytes, [N].
            results: Written.
        """
        self._step(self._all_step, buttons, results)
        self.in_episode = ~results.terminated

    def step_or_begin(
        self, buttons: NDArray[np.uint8], starts: Mapping[int, Start], results: Results
    ) -> None:
        """Begin an episode in some lanes, take a step in the others."""
        orders = self._all_step.copy()
        orders[list(starts)] = _BEGIN
        self._load_starts(starts)
        self._step(orders, buttons, results)
        self._finish_starts(starts, results)
        self.in_episode = ~results.terminated

    def begin(self, starts: Mapping[int, Start], results: Results) -> None:
        """Begin an episode in some lanes; only the observations of the others are written."""
        self._load_starts(starts)
        self._play_noops(list(starts), results)
        self._finish_starts(starts, results)
        self.in_episode[list(starts)] = True

    def observations(self) -> NDArray[np.uint8]:
        """Return the observations as they are, uint8, [N, ...]."""
        results = self.new_results()
        self._play_noops([], results)
        return results.obs

    def ram(self) -> NDArray[np.uint8]:
        """Return a copy of every RAM, uint8, [N, 2048]."""
        return np.stack([np.frombuffer(each.ram, np.uint8) for each in self._emulators])

    def screens(self) -> tuple[NDArray[np.uint8], ...]:
        """Return the screens, uint8, [240, 256, 3] each."""
        return tuple(emulator.screen() for emulator in self._emulators)

    def take_films(self) -> tuple[list[NDArray[np.uint8]], ...]:
        """Return every lane's frames since the last call or the episode's begin."""
        return tuple(play.take_film() for play in self._plays)

    def close(self) -> None:
        """End the threads and free the games."""
        self._guide.close()
        del self._native, self._plays, self._emulators

    # Starts

    def check_start(self, options: Mapping[str, Any]) -> Start:
        """Return how an episode with these reset options begins.

        Raises:
            TypeError: A state is not bytes.
            ValueError: An option is unknown, or its value not accepted. Nothing has changed.
        """
        start = self._guide.check_options(options)
        if "state" not in start:
            return start
        self._guide.load_state(start["state"])  # tries all of it
        return {"state": states.unpack(start["state"], NATIVE)}

    def _load_starts(self, starts: Mapping[int, Start]) -> None:
        for lane, start in starts.items():
            self._load_start(lane, start)
            self._num_noops[lane] = 0
            if self._noop_max > 0 and "state" not in start:
                self._num_noops[lane] = self.generator(lane).integers(self._noop_max + 1)

    def _load_start(self, lane: int, start: Start) -> None:
        if "state" in start:
            self._load(lane, start["state"])
            return
        self._guide.np_random = self.generator(lane)
        self._load(lane, _unpack(self._guide.start_state(start)))

    def _load(self, lane: int, saved: states.SaveState) -> None:
        play = self._plays[lane]
        play.load(saved.machine, saved.environment["reward"])
        if self._is_filmed:
            play.set_film(True)
            play.film_now()

    def _finish_starts(self, starts: Mapping[int, Start], results: Results) -> None:
        """Begin again where no-ops ended the episode, with those that are left of them."""
        again = [lane for lane in starts if results.terminated[lane]]
        while again:
            for lane in again:
                self._load_start(lane, starts[lane])
                self._num_noops[lane] -= results.num_frames[lane]
            self._play_noops(again, results)
            again = [lane for lane in again if results.terminated[lane]]
        self._is_first[list(starts)] = True

    def _play_noops(self, lanes: list[int], results: Results) -> None:
        orders = np.full(self.num_lanes, _NOTHING, np.uint8)
        orders[lanes] = _BEGIN
        self._native.play(orders, self._no_buttons, None, self._num_noops, *results)

    # Steps and the numbers drawn for them

    def _step(
        self, orders: NDArray[np.uint8], buttons: NDArray[np.uint8], results: Results
    ) -> None:
        sticky = self._draw_sticky(orders) if self._sticky > 0 else None
        self._native.play(orders, buttons, sticky, self._num_noops, *results)
        if sticky is not None:
            self._take_back_draws(orders, results)
            self._is_first[orders == _STEP] = False

    def _draw_sticky(self, orders: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return on which frames the action of the frame before is repeated, [N, skip].

        `StickyAction` draws a number for every frame but the first of an episode.
        """
        for lane in np.flatnonzero(orders == _STEP).tolist():
            draws = self._draws[lane]
            self.generator(lane).random(out=draws[1:] if self._is_first[lane] else draws)
        sticky = self._draws < self._sticky
        sticky[self._is_first, 0] = False
        return sticky

    def _take_back_draws(self, orders: NDArray[np.uint8], results: Results) -> None:
        """Give back what was drawn for frames that the end of an episode cut off."""
        is_cut = (orders == _STEP) & (results.num_frames < self._skip)
        for lane in np.flatnonzero(is_cut).tolist():
            _rewind(self.generator(lane), self._skip - int(results.num_frames[lane]))

    def generator(self, lane: int) -> np.random.Generator:
        """Return a lane's generator; unless one was seeded, an unforeseeable one."""
        generator = self._generators[lane]
        if generator is None:
            generator, self._seeds[lane] = seeding.np_random()
            self._generators[lane] = generator
        return generator

    def seed_of(self, lane: int) -> int:
        """Return what a lane's generator was seeded with."""
        self.generator(lane)
        return self._seeds[lane]

    def seed(self, seeds: Mapping[int, int]) -> None:
        """Seed the generators of some lanes.

        Raises:
            gymnasium.error.Error: A seed is no integer from 0; no generator has changed.
        """
        seeded = {lane: seeding.np_random(seed) for lane, seed in seeds.items()}
        for lane, (generator, seed) in seeded.items():
            self._generators[lane], self._seeds[lane] = generator, seed

    # States

    def save_state(self, lane: int) -> bytes:
        """Return a lane's machine and its episode's progress, as `SuperMarioBrosEnv.save_state`."""
        environment = {
            "reward": self._plays[lane].save(),
            "in_episode": bool(self.in_episode[lane]),
        }
        machine = self._emulators[lane].save_state()
        return states.pack(states.SaveState(environment, machine), NATIVE)

    def get_state(self) -> dict[str, Any]:
        """Return all that there is to pickle; every lane has begun."""
        lanes = range(self.num_lanes)
        return {
            "states": [self.save_state(lane) for lane in lanes],
            "last_buttons": [self._native.last_buttons(lane) for lane in lanes],
            "obs": self.observations(),
            "is_first": self._is_first,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        for lane in range(self.num_lanes):
            saved = states.unpack(state["states"][lane], NATIVE)
            self._load(lane, saved)
            self.in_episode[lane] = saved.environment["in_episode"]
            self._native.restore(lane, state["last_buttons"][lane], state["obs"][lane])
        self._is_first[:] = state["is_first"]

    def get_generators(self) -> tuple[list[np.random.Generator | None], list[int]]:
        """Return the generators and their seeds, to pickle them."""
        return self._generators, self._seeds

    def set_generators(
        self, generators: tuple[Sequence[np.random.Generator | None], Sequence[int]]
    ) -> None:
        """Take what `get_generators` returned."""
        self._generators, self._seeds = list(generators[0]), list(generators[1])


@lru_cache(maxsize=64)  # all stages and some starts along replays
def _unpack(state: bytes) -> states.SaveState:
    return states.unpack(state, NATIVE)


def _num_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rewind(generator: np.random.Generator, num_draws: int) -> None:
    """Take back the last numbers that `generator.random` drew: each was one of its steps."""
    bits = generator.bit_generator
    before = bits.state
    bits.advance(-num_draws)  # type: ignore[attr-defined]
    # That forgets the half of a number that `integers` may have left for its next call.
    kept = {name: before[name] for name in ("has_uint32", "uinteger")}
    bits.state = {**bits.state, **kept}
