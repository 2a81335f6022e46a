"""The raw environment: an action is a joypad byte held for a frame, an observation the screen."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from numpy.typing import NDArray

from mario_rl_envs import replays, states
from mario_rl_envs.emulators import create_emulator
from mario_rl_envs.emulators.emulator import (
    FRAMES_PER_SECOND,
    NATIVE,
    SCREEN_HEIGHT,
    SCREEN_WIDTH,
    Viewer,
)
from mario_rl_envs.game import rom
from mario_rl_envs.game.play import MAX_FRAMES_PER_CALL, Outcome, create_play
from mario_rl_envs.game.play import Info as Info
from mario_rl_envs.game.rewards import Reward
from mario_rl_envs.game.skipping import skip_start_screen
from mario_rl_envs.game.stages import STAGES, check_stage, check_stages
from mario_rl_envs.image_space import image_space
from mario_rl_envs.rendering import RENDER_MODES, Window
from mario_rl_envs.validation import check_fraction, check_integer

_NUM_JOYPAD_BYTES: Final = 256
_RESET_OPTIONS: Final = ("stage", "state", "replay_fraction")
# Stands for an observation that nobody looks at.
_UNSEEN: Final = np.zeros((SCREEN_HEIGHT, SCREEN_WIDTH, 3), np.uint8)
_UNSEEN.flags.writeable = False


class Look(Enum):
    """What becomes of the observation of a step: wrappers say so to save what nobody sees."""

    RETURN = "return"  # it is returned
    ASK = "ask"  # a wrapper asks for the picture afterwards
    NONE = "none"  # nobody looks


class _Start(NamedTuple):
    """Where an episode begins."""

    stage: str | None  # None: where the game itself begins
    num_steps: int = 0  # of the stage's replay


class SuperMarioBrosEnv(gym.Env[NDArray[np.uint8], Any]):
    """Super Mario Bros, frame by frame.

    The semantics are those of gym-super-mario-bros 7.4.0: an action is pressed for one frame;
    reward, termination and info are read; then the frames that no player controls are run through
    unseen.

    - Action: `Discrete(256)`, a joypad byte (see `mario_rl_envs.game.actions.BUTTONS`).
    - Observation: RGB screen, uint8, [240, 256, 3], a copy.
    - Terminated: a single stage at death or flag; the whole game at game over, or when 8-4 is
      cleared.
    - Truncated: never.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium declares it so)
        "render_modes": list(RENDER_MODES),
        "render_fps": FRAMES_PER_SECOND,
    }

    # Save states by emulator and start, so that no reset but the first takes time. Those where
    # stages begin are the same in all environments, which share them.
    _stage_starts: ClassVar[dict[tuple[str, _Start], bytes]] = {}

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
            emulator: The console: "native", or "nes-py", the reference.
            rom_path: A ROM; None takes the one that gym-super-mario-bros installs.

        Raises:
            ValueError: An argument is not one of those accepted, or the ROM's hash is unknown.
            FileNotFoundError: There is no ROM.
            ImportError: The package behind the emulator or the window is not installed.
        """
        if stage is not None and stages is not None:
            raise ValueError(
                f"give stage or stages, not both; got stage={stage!r} and stages={stages!r}"
            )
        if render_mode is not None and render_mode not in RENDER_MODES:
            accepted = ", ".join(map(repr, RENDER_MODES))
            raise ValueError(f"unknown render_mode {render_mode!r}; accepted are None, {accepted}")
        self.stage = None if stage is None else check_stage(stage)
        self.stages = None if stages is None else check_stages(stages)
        self.render_mode = render_mode
        self.observation_space = image_space((SCREEN_HEIGHT, SCREEN_WIDTH, 3))
        self.action_space = gym.spaces.Discrete(_NUM_JOYPAD_BYTES)
        self._reward = Reward(reward)
        self._rom_path = rom_path
        self._emulator = create_emulator(emulator, rom.find_rom(rom_path))
        # For wrappers: what becomes of observations, and who makes others than the plain screen.
        self.look = Look.RETURN
        self.viewer = self._emulator if isinstance(self._emulator, Viewer) else None
        self._starts: dict[_Start, bytes] = {}
        self._play = create_play(self._emulator, self._reward, is_single_stage=self.is_single_stage)
        self._window = Window() if render_mode == "human" else None
        self._is_filmed = render_mode in ("human", "rgb_array_list")
        self._has_started = False
        self._in_episode = False
        self._is_closed = False

    @property
    def is_single_stage(self) -> bool:
        """Whether an episode is one stage with one life."""
        return self.stage is not None or self.stages is not None

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
            options: None, or a dict with at most one way to begin elsewhere than usual:
                "stage": a stage, as "4-2";
                "state": bytes that `save_state` returned;
                "replay_fraction": 0 <= f < 1, begin after this part of the stage's replay; with
                "stage" too.

        Returns:
            The first observation, uint8, [240, 256, 3], and the `Info`.

        Raises:
            ValueError: An option is unknown, or its value not accepted; the episode that ran goes
                on.
        """
        self._check_open()
        start = self.check_options(options)
        if "state" in start:
            self.load_state(start["state"])
            super().reset(seed=seed)
        else:
            super().reset(seed=seed)
            self._load(self.start_state(start))  # the emulator too has it at hand from now on
            self._begin_film()
        return self._observation(), self._play.info()

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
        self._check_open()
        self._check_in_episode("step")
        joypad = _check_joypad_byte(action)
        outcome = self._play.step(joypad, draw=self.look is not Look.NONE)
        return self._finish_step(outcome)

    def steps(
        self, action: int, num_frames: int
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take up to `num_frames` steps with the same action, until one ends the episode.

        What `SkipFrame` does, in one go: rewards and `reward_terms` are summed, the rest is the
        last step's.

        Args:
            action: A joypad byte, 0 to 255.
            num_frames: 1 to 1,000.

        Returns:
            As of `step`.

        Raises:
            ValueError: `num_frames` is out of range; other errors as of `step`.
        """
        self._check_open()
        self._check_in_episode("step")
        joypad = _check_joypad_byte(action)
        check_integer("num_frames", num_frames, 1)
        if num_frames > MAX_FRAMES_PER_CALL:
            raise ValueError(
                f"num_frames is {num_frames!r}; accepted is an integer, 1 to {MAX_FRAMES_PER_CALL}"
            )
        outcome = self._play.steps(joypad, num_frames, draw=self.look is not Look.NONE)
        return self._finish_step(outcome)

    def screen(self) -> NDArray[np.uint8]:
        """Return the screen as it is now, RGB, [240, 256, 3].

        Raises:
            ClosedEnvironmentError: After `close`.
        """
        self._check_open()
        return self._emulator.screen()

    def render(self) -> Any:
        """Return what the render mode asks for.

        Returns:
            "rgb_array": uint8, [240, 256, 3]. "rgb_array_list": every frame since the last call or
            reset, 60 a second, those that no player controls too. "human" and None: None; the
            window shows every frame by itself.

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
            return self._play.take_film()
        return None

    def close(self) -> None:
        """Free the console and the window; doing so again is fine."""
        if self._is_closed:
            return
        self._is_closed = True
        self._emulator.close()
        del self._play  # which keeps the native console
        if self._window is not None:
            self._window.close()

    def save_state(self) -> bytes:
        """Return the machine and the episode's progress, portable between processes and computers.

        The random generator is not part of it: `reset(seed=...)` sets that.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after an episode ended.
        """
        self._check_open()
        self._check_in_episode("save")
        return self._pack()

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
        self._load(state)
        self._begin_film()

    def check_options(self, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return what `reset` accepts as its options.

        Raises:
            ValueError: An option is unknown, or its value not accepted.
        """
        start = _check_options(options)
        if "replay_fraction" in start and not self._stages_with_replay(start):
            replays.load(self._possible_stages(start)[0])  # which says that there is none
        return start

    def start_state(self, options: Mapping[str, Any]) -> bytes:
        """Return the save state that an episode begins from, drawing the stage by lot if it is.

        The first time this plays to there, and the episode that ran is lost.

        Args:
            options: What `check_options` returned, without a "state".
        """
        start = self._choose_start(options)
        if start.num_steps == 0:
            state = self._stage_starts.get((self._emulator.name, start))
        else:
            state = self._starts.get(start)
        return self._play_to(start) if state is None else state

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling keeps: how to make the environment, and where it is."""
        self._check_open()
        return {
            "arguments": {
                "stage": self.stage,
                "stages": self.stages,
                "reward": self._reward.spec,
                "render_mode": self.render_mode,
                "emulator": self._emulator.name,
                "rom_path": self._rom_path,
            },
            "state": self._pack() if self._has_started else None,
            "spaces": (self.observation_space, self.action_space),  # with their generators
            "spec": self.spec,
            "np_random": self._np_random,
            "np_random_seed": self._np_random_seed,
        }

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        """Make the environment anew and go on where it was."""
        self.__init__(**pickled["arguments"])  # type: ignore[misc]
        if pickled["state"] is not None:
            self._load(pickled["state"])
        self.observation_space, self.action_space = pickled["spaces"]
        self.spec = pickled["spec"]
        self._np_random = pickled["np_random"]
        self._np_random_seed = pickled["np_random_seed"]

    def _observation(self) -> NDArray[np.uint8]:
        return self._emulator.screen() if self.look is Look.RETURN else _UNSEEN

    def _finish_step(
        self, outcome: Outcome
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        reward, terminated, info = outcome
        self._in_episode = not terminated
        if self._window is not None:
            self._show_film(self._window)
        return self._observation(), reward, terminated, False, info

    def _possible_stages(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the stages that an episode may begin in; the whole game begins in the first."""
        if "stage" in options:
            return (options["stage"],)
        return self.stages or (self.stage or STAGES[0],)

    def _stages_with_replay(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(each for each in self._possible_stages(options) if each in replays.stages())

    def _choose_start(self, options: Mapping[str, Any]) -> _Start:
        if "replay_fraction" in options:
            choices = self._stages_with_replay(options)
        elif self.is_single_stage or "stage" in options:
            choices = self._possible_stages(options)
        else:
            return _Start(None)
        stage = choices[0] if len(choices) == 1 else choices[self.np_random.integers(len(choices))]
        if "replay_fraction" not in options:
            return _Start(stage)
        num_steps = replays.load(stage).num_steps
        return _Start(stage, int(options["replay_fraction"] * num_steps))

    def _play_to(self, start: _Start) -> bytes:
        """Play to where an episode begins; return the save state, and keep it for the next time."""
        self._in_episode = False
        self._play.set_film(False)
        self._emulator.power_on()
        skip_start_screen(self._emulator, start.stage)
        self._play.begin()
        self._has_started = True
        if start.num_steps:
            assert start.stage is not None, "a replay belongs to a stage"
            for joypad in replays.load(start.stage).joypad[: start.num_steps].tolist():
                for _ in range(replays.FRAMES_PER_STEP):
                    self._play.step(joypad, draw=False)
        self._in_episode = True
        state = self._pack()
        if start.num_steps:
            self._starts[start] = state
        else:
            self._stage_starts[self._emulator.name, start] = state
        return state

    def _load(self, state: bytes) -> None:
        saved = states.unpack(state, self._emulator.name)
        in_episode = saved.environment.get("in_episode")
        if not isinstance(in_episode, bool):
            raise ValueError(f"the save state is damaged: in_episode is {in_episode!r}")
        self._play.load(saved.machine, saved.environment.get("reward"))
        self._in_episode = in_episode
        self._has_started = True

    def _pack(self) -> bytes:
        environment = {"reward": self._play.save(), "in_episode": self._in_episode}
        saved = states.SaveState(environment, self._emulator.save_state())
        return states.pack(saved, self._emulator.name)

    def _begin_film(self) -> None:
        """Forget the frames so far; the first is the screen as it is."""
        if self._is_filmed:
            self._play.set_film(True)
            self._play.film_now()
        if self._window is not None:
            self._show_film(self._window)

    def _show_film(self, window: Window) -> None:
        for frame in self._play.take_film():
            window.show(frame)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedEnvironmentError("the environment is closed: make a new one")

    def _check_in_episode(self, verb: str) -> None:
        if not self._in_episode:
            raise ResetNeeded(
                f"there is no episode to {verb}: call reset() first, and again after every end of "
                "an episode"
            )


def _check_joypad_byte(action: object) -> int:
    try:
        joypad = operator.index(action)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"an action is an integer, a joypad byte from 0 to 255; got {type(action).__name__} "
            f"{action!r}"
        ) from None
    if not 0 <= joypad < _NUM_JOYPAD_BYTES:
        raise ValueError(
            f"the action {joypad} is out of range; accepted is a joypad byte, 0 to 255"
        )
    return joypad


def _check_options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise ValueError(f"options is {options!r}; accepted are None and a dict")
    for name in options:
        if name not in _RESET_OPTIONS:
            accepted = ", ".join(map(repr, _RESET_OPTIONS))
            raise ValueError(f"unknown reset option {name!r}; accepted are {accepted}")
    if "state" in options and len(options) > 1:
        raise ValueError(
            f"a state says all about where to begin; got it together with {sorted(options)}"
        )
    if "stage" in options:
        check_stage(options["stage"])
    if "replay_fraction" in options:
        check_fraction("replay_fraction", options["replay_fraction"])
    return options
