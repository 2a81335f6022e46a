"""The raw environment: an action is a joypad byte held for a frame, an observation the screen."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils import seeding
from numpy.typing import NDArray

from mario_rl_envs import save_state
from mario_rl_envs.checks import unknown_name
from mario_rl_envs.emulators import create_emulator, create_game
from mario_rl_envs.emulators.emulator import (
    FRAMES_PER_SECOND,
    NATIVE,
    SCREEN_HEIGHT,
    SCREEN_WIDTH,
    Viewer,
)
from mario_rl_envs.game import rom
from mario_rl_envs.game.actions import NUM_JOYPAD_BYTES, action_meaning, buttons_of, keys_of
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.game.rules import MAX_FRAMES_PER_CALL, Outcome
from mario_rl_envs.game.rules import Info as Info
from mario_rl_envs.history import Frames
from mario_rl_envs.image_space import image_space
from mario_rl_envs.rendering import RENDER_MODES, Window, warn_of_no_render_mode
from mario_rl_envs.save_state import SaveState
from mario_rl_envs.specs import PlainSpec
from mario_rl_envs.starts import Starts


class SuperMarioBrosEnv(PlainSpec, gym.Env[NDArray[np.uint8], Any]):
    """Super Mario Bros, frame by frame.

    The semantics are those of gym-super-mario-bros 7.4.0: an action is pressed for one frame;
    reward, termination and info are read; then the frames that no player controls are run through
    unseen.

    - Action: `Discrete(256)`, a joypad byte (see `mario_rl_envs.game.actions.BUTTONS`).
    - Observation: RGB screen, uint8, [240, 256, 3], a copy.
    - Terminated: a single stage at death or flag; the whole game at game over, or when 8-4 is
      cleared.
    - Truncated: never.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> env = SuperMarioBrosEnv("1-1")
        >>> screen, info = env.reset(seed=0)
        >>> screen.shape, info["x_pos"]
        ((240, 256, 3), 40)
        >>> env.close()
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium declares it so)
        "render_modes": list(RENDER_MODES),
        "render_fps": FRAMES_PER_SECOND,
    }

    def __init__(
        self,
        stage: str | None = None,
        *,
        stages: Iterable[str] | None = None,
        reward: str | Mapping[str, float] = "progress",
        render_mode: str | None = None,
        emulator: str = NATIVE,
        rom_path: str | os.PathLike[str] | None = None,
    ) -> None:
        """Make the environment; the first `reset` starts the console.

        Args:
            stage: As "1-1": play this stage with one life. None plays the whole game with three
                lives.
            stages: Instead of `stage`: one of these is drawn at every reset.
            reward: A name or weights by term, see `mario_rl_envs.game.rewards`.
            render_mode: None, "rgb_array" (the screen), "rgb_array_list" (every frame since the
                last `render`), or "human" (a window, 60 frames a second).
            emulator: The console: "native", or "nes-py", the reference. "compiled" and
                "interpreted" are the native one, forced to run the game's code in that way.
            rom_path: A ROM; None takes the one that gym-super-mario-bros installs.

        Raises:
            ValueError: An argument is not one of those accepted, or the ROM's hash is unknown.
            FileNotFoundError: There is no ROM.
            ImportError: What the emulator or the window needs is not installed or not compiled.
        """
        others = set(vars(self))  # a subclass has them
        self._starts = Starts(stage, stages)
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(unknown_name("render_mode", render_mode, RENDER_MODES, " and None"))
        self.stage, self.stages = self._starts.stage, self._starts.stages
        self.render_mode = render_mode
        self.observation_space = image_space((SCREEN_HEIGHT, SCREEN_WIDTH, 3))
        self.action_space = gym.spaces.Discrete(NUM_JOYPAD_BYTES)
        self._reward = Reward(reward)
        path = rom.find_rom(rom_path)
        self._rom_path = None if rom_path is None else path  # a pickle is read in other folders
        self._emulator = create_emulator(emulator, path)
        # Makes other observations than the plain screen, for wrappers.
        self.viewer = self._emulator if isinstance(self._emulator, Viewer) else None
        self._game = create_game(self._emulator, self._reward, is_single_stage=self.is_single_stage)
        self._window = Window() if render_mode == "human" else None
        self._is_recorded = render_mode in ("human", "rgb_array_list")
        self._has_started = False
        self._in_episode = False
        self._is_closed = False
        self._own = {*vars(self), "_own"} - others  # attributes, which a pickle makes anew

    @property
    def is_single_stage(self) -> bool:
        """Whether an episode is one stage with one life."""
        return self._starts.is_single_stage

    @property
    def ram(self) -> NDArray[np.uint8]:
        """A copy of the console's RAM, uint8, [2048]."""
        self._check_open()
        return np.frombuffer(bytes(self._emulator.ram), np.uint8).copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds the generator that every draw comes from, those of the wrappers too.
            options: None, or a dict with at most one way to start elsewhere than usual:
                "stage": a stage, as "4-2";
                "state": bytes that `save_state` returned;
                "route_fraction": 0 <= f < 1, start after this part of the stage's route; with
                "stage" too.

        Returns:
            The first observation, uint8, [240, 256, 3], and the `Info`.

        Raises:
            TypeError: A state is not bytes.
            ValueError: An option is unknown, or its value not accepted.
            gymnasium.error.Error: The seed is no integer from 0. The episode that ran goes on.
        """
        self._check_open()
        start = self._starts.check(options, self._emulator.name)
        if start.state is not None:
            if seed is not None:
                seeding.np_random(seed)  # refuses what is none before anything changes
            self._load(start.state)
            super().reset(seed=seed)
        else:
            super().reset(seed=seed)
            self._in_episode = False  # should it be interrupted
            self._game.record_frames(False)
            self._starts.begin(self._emulator, self._game, start, self.np_random)
            self._has_started = self._in_episode = True
        self._begin_recording()
        return self._emulator.screen(), self._game.info()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Hold a joypad byte for one frame, then run through the frames that no player controls.

        Args:
            action: A joypad byte, 0 to 255.

        Returns:
            Observation (uint8, [240, 256, 3]), reward, terminated, truncated (always False) and the
            `Info`. Reward, terminated and info are those of the frame itself; the observation is
            the next one that can be acted on.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after an episode ended.
            TypeError: The action is no integer.
            ValueError: The action is out of range.
            RuntimeError: The game gave no control back: its memory is not one that play leads to.
        """
        joypad = self._check_action(action)
        outcome = self._game.step(joypad, draw=True)
        return self._emulator.screen(), *self._finish(outcome)

    def advance(
        self, action: int, num_steps: int, *, draw: bool
    ) -> tuple[float, bool, bool, dict[str, Any]]:
        """Take steps with the same action, without their observation.

        See `mario_rl_envs.wrappers.advance`. An end of the episode cuts them short.

        Args:
            action: A joypad byte, 0 to 255.
            num_steps: 1 to 1,000.
            draw: Whether `observe` will be called; it may be in any case.

        Returns:
            Reward and info["reward_terms"], both summed; terminated, truncated (always False) and
            the rest of the `Info` of the last step.

        Raises:
            ValueError: `num_steps` is out of range; other errors as of `step`.
        """
        joypad = self._check_action(action)
        if not 1 <= num_steps <= MAX_FRAMES_PER_CALL:
            raise ValueError(
                f"num_steps is {num_steps!r}; accepted is an integer, 1 to {MAX_FRAMES_PER_CALL}"
            )
        return self._finish(self._game.steps(joypad, num_steps, draw=draw))

    def observe(self) -> NDArray[np.uint8]:
        """Return the observation as it is now: the screen, RGB, [240, 256, 3].

        Raises:
            ClosedEnvironmentError: After `close`.
        """
        self._check_open()
        return self._emulator.screen()

    def render(self) -> Any:
        """Return what the render mode asks for.

        Returns:
            "rgb_array": uint8, [240, 256, 3]. "rgb_array_list": every frame since the last call or
            reset, 60 a second, those that no player controls too. "human": None; the window shows
            every frame by itself. None: None, and a warning.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`.
        """
        self._check_open()
        if not self._has_started:
            raise ResetNeeded("there is nothing to render yet: call reset() first")
        if self.render_mode == "rgb_array":
            return self._emulator.screen()
        if self.render_mode == "rgb_array_list":
            return self._game.take_frames()
        if self.render_mode is None:
            warn_of_no_render_mode(self.spec, "make")
        return None

    def close(self) -> None:
        """Free the console and the window; doing so again is fine."""
        if self._is_closed:
            return
        self._is_closed = True
        self._emulator.close()
        del self._game  # which keeps the native console
        if self._window is not None:
            self._window.close()

    def get_action_meanings(self) -> list[str]:
        """Return a readable name of each joypad byte, as "right + A"; that of 0 is "NOOP"."""
        return [action_meaning(buttons_of(byte)) for byte in range(NUM_JOYPAD_BYTES)]

    def get_keys_to_action(self) -> dict[tuple[int, ...], int]:
        """Return which keys press which joypad byte, for `gymnasium.utils.play.play`.

        Those of nes-py: w, a, s, d are the directions, o is A, p is B, return is start, space is
        select.
        """
        return {keys_of(byte): byte for byte in range(1, NUM_JOYPAD_BYTES)}

    def save_state(self, frames: Frames | None = None) -> bytes:
        """Return the machine and the episode's progress, portable between processes and computers.

        The random generator is not part of it: `reset(seed=...)` sets that. Nor are the frames of a
        stack: `env.get_wrapper_attr("save_state")()` saves them, too, where `env` has a stack.

        Args:
            frames: The stack's, which the wrapper `FrameStackObservation` passes.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after an episode ended.
        """
        self._check_open()
        self._check_in_episode("save")
        return self._pack(frames)

    def load_state(self, state: bytes) -> None:
        """Go on from what `save_state` returned, in this or another environment.

        The wrappers around this environment do not notice; `reset(options={"state": ...})` tells
        them too.

        Raises:
            ClosedEnvironmentError: After `close`.
            TypeError: `state` is not bytes.
            ValueError: `state` is not a save state that fits; nothing has changed.
        """
        self._check_open()
        self._load(save_state.unpack(state, self._emulator.name))
        self._begin_recording()

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling keeps: how to make the environment, and where it is."""
        self._check_open()
        return {
            "arguments": {
                "stage": self.stage,
                "stages": self.stages,
                "reward": self._reward.spec,
                "render_mode": self.render_mode,
                "emulator": self._emulator.keyword,
                "rom_path": self._rom_path,
            },
            "state": self._pack() if self._has_started else None,
            "spaces": (self.observation_space, self.action_space),  # with their generators
            # Generator and spec, and what a subclass or the user has added.
            "others": {name: each for name, each in vars(self).items() if name not in self._own},
        }

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        """Make the environment anew and go on where it was."""
        SuperMarioBrosEnv.__init__(self, **pickled["arguments"])
        if pickled["state"] is not None:
            self._load(save_state.unpack(pickled["state"], self._emulator.name))
            self._record()
        self.observation_space, self.action_space = pickled["spaces"]
        vars(self).update(pickled["others"])

    def _finish(self, outcome: Outcome) -> tuple[float, bool, bool, dict[str, Any]]:
        """Return all of a step but the observation."""
        reward, terminated, info = outcome
        self._in_episode = not terminated
        if self._window is not None:
            self._show_frames(self._window)
        return reward, terminated, False, info

    def _load(self, state: SaveState) -> None:
        self._game.load(state.machine, state.reward)
        self._in_episode = state.in_episode
        self._has_started = True

    def _pack(self, frames: Frames | None = None) -> bytes:
        return save_state.pack(
            self._emulator.save_state(),
            self._game.reward_state(),
            in_episode=self._in_episode,
            emulator=self._emulator.name,
            frames=frames,
        )

    def _begin_recording(self) -> None:
        """Drop the frames so far; the first is the screen as it is."""
        self._record()
        if self._window is not None:
            self._show_frames(self._window)

    def _record(self) -> None:
        if self._is_recorded:
            self._game.record_frames(True)
            self._game.record_screen()

    def _show_frames(self, window: Window) -> None:
        for frame in self._game.take_frames():
            window.show(frame)

    def _check_action(self, action: Any) -> int:
        """Return the joypad byte of a step that can be taken."""
        self._check_open()
        self._check_in_episode("step")
        try:
            joypad = operator.index(action)
        except TypeError:
            raise TypeError(
                f"an action is an integer, a joypad byte from 0 to 255; got "
                f"{type(action).__name__} {action!r}"
            ) from None
        if not 0 <= joypad < NUM_JOYPAD_BYTES:
            raise ValueError(
                f"the action {joypad} is out of range; accepted is a joypad byte, 0 to 255"
            )
        return joypad

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedEnvironmentError("the environment is closed: make a new one")

    def _check_in_episode(self, verb: str) -> None:
        if not self._in_episode:
            raise ResetNeeded(
                f"there is no episode to {verb}: call reset() first, and again after every end of "
                "an episode"
            )
