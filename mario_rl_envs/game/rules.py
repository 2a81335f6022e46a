"""The rules of the game on a console, step by step.

They are written twice: here in Python, for any console, readable beside 7.4.0's; and in C, for the
native console, where a step is one call. tests/envs/core/test_native_rules.py compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.game import ram
from mario_rl_envs.game.rewards import Reward, RewardState, check_reward_state
from mario_rl_envs.game.skipping import Machine, skip_uncontrolled

MAX_FRAMES_PER_CALL: Final = 1_000  # of `Game.steps`

_LAST_WORLD: Final = 8


class Info(TypedDict):
    """What `reset` and `step` say beside the observation, read right after the action's frame."""

    coins: int  # 0 to 99
    flag_get: bool  # the stage is cleared on this frame
    life: int  # lives left after this one; 255 when the game is over
    score: int  # points
    stage: int  # 1 to 4
    status: str  # "small", "tall" or "fireball"
    time: int  # game clock, ticks left
    world: int  # 1 to 8
    x_pos: int  # pixels from the start of the area
    y_pos: int  # pixels above the bottom of the screen
    area: int  # 1 to 5, the part of the world that the stage is in
    x_screen: int  # pixels from the left edge of the screen
    state: int  # the game's player state: 8 normal, 6 dead, 11 dying, ...
    reward_terms: dict[str, float]  # what the reward is made of; sums to it


INFO_KEYS: Final = tuple(Info.__annotations__)

Outcome = tuple[float, bool, dict[str, Any]]  # reward, terminated, Info


class Console(Machine, Protocol):
    """What of an `Emulator` the rules need."""

    def screen(self) -> NDArray[np.uint8]:
        """Return a copy of the screen after the last frame, RGB, [240, 256, 3]."""

    def save_state(self) -> bytes:
        """Return the whole machine."""

    def load_state(self, state: bytes) -> None:
        """Become the machine that `save_state` returned."""


class Game(Protocol):
    """The rules on one console."""

    def begin(self) -> None:
        """Begin an episode from the memory as it is."""

    def info(self) -> dict[str, Any]:
        """Return the `Info` of the memory as it is; all reward terms are 0."""

    def step(self, joypad: int, *, draw: bool) -> Outcome:
        """Hold the buttons for one frame, then run through those that no player controls.

        Args:
            joypad: A joypad byte.
            draw: Whether the screen will be looked at; it can be had in any case.

        Returns:
            Reward, terminated and `Info` of the frame itself.

        Raises:
            RuntimeError: The game gave no control back.
        """

    def steps(self, joypad: int, num_frames: int, *, draw: bool) -> Outcome:
        """Take up to `num_frames` steps, 1 to `MAX_FRAMES_PER_CALL`, until one terminates.

        Returns:
            The sum of the rewards, terminated, and the last `Info` with the sums of the terms.
        """

    def reward_state(self) -> RewardState:
        """Return what the reward remembers."""

    def load(self, machine: bytes, reward: object) -> None:
        """Go on from what the emulator's `save_state` and `reward_state` returned.

        Raises:
            ValueError: One of the two is damaged; nothing has changed.
        """

    def snapshot(self) -> Any:
        """Return the episode as it is, in the form that is restored fastest in this process.

        It never changes. Unlike a save state it cannot leave the process.

        Raises:
            RuntimeError: No episode has begun.
        """

    def restore(self, snapshot: Any) -> None:
        """Go on from a snapshot of this game or another on such a console.

        As after `load`, recording goes on.
        """

    def record_frames(self, is_on: bool) -> None:
        """Record every frame of `step` and `steps` from now on, or none; drop those so far."""

    def record_screen(self) -> None:
        """Add the screen as it is to the recorded frames."""

    def take_frames(self) -> list[NDArray[np.uint8]]:
        """Return the recorded frames, each RGB, [240, 256, 3], and drop them."""


class PythonGame:
    """The rules in Python, for any console."""

    def __init__(self, emulator: Console, reward: Reward, *, is_single_stage: bool) -> None:
        """Take a console; the episode begins later."""
        self._recorder = _Recorder(emulator)
        self._emulator = emulator
        self._reward = reward
        self._is_single_stage = is_single_stage

    def begin(self) -> None:
        """Begin an episode."""
        self._reward.reset(self._emulator.ram)

    def info(self) -> dict[str, Any]:
        """Return the `Info` of the memory as it is."""
        return self._info(self._reward.no_terms)

    def step(self, joypad: int, *, draw: bool) -> Outcome:
        """Run one frame, then those that no player controls; the emulator draws in any case."""
        self._recorder.advance(joypad)
        reward, terms = self._reward(self._emulator.ram)
        info = self._info(terms)
        terminated = self._is_over(self._emulator.ram)
        if not terminated and skip_uncontrolled(
            self._recorder, whole_game=not self._is_single_stage
        ):
            self._reward.skipped(self._emulator.ram)
        return reward, terminated, info

    def steps(self, joypad: int, num_frames: int, *, draw: bool) -> Outcome:
        """Sum the rewards and terms of several steps."""
        total_reward = 0.0
        total_terms = dict.fromkeys(self._reward.no_terms, 0.0)
        for _ in range(num_frames):
            reward, terminated, info = self.step(joypad, draw=draw)
            total_reward += reward
            for term, value in info["reward_terms"].items():
                total_terms[term] += value
            if terminated:
                break
        info["reward_terms"] = total_terms
        return total_reward, terminated, info

    def reward_state(self) -> RewardState:
        """Return what the reward remembers."""
        return self._reward.get_state()

    def load(self, machine: bytes, reward: object) -> None:
        """Load machine and reward, checked before either is touched."""
        reward_state = check_reward_state(reward)
        self._emulator.load_state(machine)
        self._reward.set_state(reward_state)

    def snapshot(self) -> tuple[bytes, RewardState]:
        """Return the emulator's save state and what the reward remembers."""
        return self._emulator.save_state(), self._reward.get_state()

    def restore(self, snapshot: tuple[bytes, RewardState]) -> None:
        """Go on from what `snapshot` returned."""
        machine, reward_state = snapshot
        self._emulator.load_state(machine)
        self._reward.set_state(reward_state)

    def record_frames(self, is_on: bool) -> None:
        """Record every frame from now on, or none."""
        self._recorder.frames = [] if is_on else None

    def record_screen(self) -> None:
        """Add the screen as it is to the recorded frames."""
        assert self._recorder.frames is not None, "nothing is recorded"
        self._recorder.frames.append(self._emulator.screen())

    def take_frames(self) -> list[NDArray[np.uint8]]:
        """Return the recorded frames and drop them."""
        assert self._recorder.frames is not None, "nothing is recorded"
        frames, self._recorder.frames = self._recorder.frames, []
        return frames

    def _is_over(self, memory: ram.Ram) -> bool:
        if self._is_single_stage:
            return ram.is_dying(memory) or ram.is_dead(memory) or ram.is_flag_reached(memory)
        # After 8-4 the game waits for a button for ever, so clearing it ends the episode too.
        is_won = ram.is_world_over(memory) and ram.world(memory) == _LAST_WORLD
        return ram.is_game_over(memory) or is_won

    def _info(self, terms: Mapping[str, float]) -> dict[str, Any]:
        memory = self._emulator.ram
        info = Info(
            coins=ram.coins(memory),
            flag_get=ram.is_flag_reached(memory),
            life=ram.life(memory),
            score=ram.score(memory),
            stage=ram.stage(memory),
            status=ram.power(memory),
            time=ram.clock(memory),
            world=ram.world(memory),
            x_pos=ram.x_position(memory),
            y_pos=ram.y_position(memory),
            area=ram.area(memory),
            x_screen=ram.x_screen(memory),
            state=memory[ram.PLAYER_STATE],
            reward_terms=dict(terms),
        )
        return cast("dict[str, Any]", info)


class _Recorder:
    """Advances a console, and keeps every frame while `frames` is a list."""

    def __init__(self, emulator: Console) -> None:
        self._emulator = emulator
        self.poke = emulator.poke
        self.frames: list[NDArray[np.uint8]] | None = None

    @property
    def ram(self) -> memoryview:
        return self._emulator.ram

    def advance(self, buttons: int) -> None:
        self._emulator.advance(buttons)
        if self.frames is not None:
            self.frames.append(self._emulator.screen())
