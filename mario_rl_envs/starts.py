"""Where episodes start: from the options of `reset` to a game that is there.

Getting to a start takes time: the start screen, then perhaps a part of a route. So it is played
once, and kept as a snapshot of the game.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs import routes, save_state
from mario_rl_envs.checks import check_fraction, unknown_name
from mario_rl_envs.emulators.emulator import Emulator
from mario_rl_envs.game.rules import Game
from mario_rl_envs.game.stages import STAGES, check_stage, check_stages
from mario_rl_envs.history import FrameFormat, History
from mario_rl_envs.routes.playing import begin_stage
from mario_rl_envs.save_state import SaveState

# Along routes. One is about 9 kB, and 21 kB more for a stack of four frames of 84 x 84.
_MAX_KEPT: Final = 1_000
_OPTIONS: Final = ("stage", "state", "route_fraction")
_HISTORY: Final = "history"  # for frame stacks, not for users


class Start(NamedTuple):
    """Where an episode starts."""

    stage: str | None  # None: where the game itself begins
    num_steps: int = 0  # of the stage's route


class StartOptions(NamedTuple):
    """The options of `reset`, checked. All None: the usual start."""

    stage: str | None = None
    route_fraction: float | None = None
    state: SaveState | None = None
    history: History | None = None


class _Kept(NamedTuple):
    """A start along a route."""

    snapshot: object  # of the game
    frames: dict[FrameFormat, NDArray[np.uint8]]  # before it, for each format asked for


class Starts:
    """The starts of an environment's episodes."""

    # By emulator and stage. They are the same in all environments, which share them.
    _stage_snapshots: ClassVar[dict[tuple[str, str | None], object]] = {}

    def __init__(self, stage: str | None, stages: Iterable[str] | None) -> None:
        """Take the stages that episodes usually start in.

        Args:
            stage: A stage. None: that of the whole game, or one of `stages`.
            stages: One of these is drawn for every episode.

        Raises:
            ValueError: Both are given, or something is no stage.
        """
        if stage is not None and stages is not None:
            raise ValueError(
                f"give stage or stages, not both; got stage={stage!r} and stages={stages!r}"
            )
        self.stage = None if stage is None else check_stage(stage)
        self.stages = None if stages is None else check_stages(stages)
        # What the game's rules make of a route depends on the environment. The start used longest
        # ago comes first.
        self._kept: OrderedDict[Start, _Kept] = OrderedDict()

    @property
    def is_single_stage(self) -> bool:
        """Whether an episode is one stage with one life."""
        return self.stage is not None or self.stages is not None

    def check(self, options: Mapping[str, Any] | None, emulator: str) -> StartOptions:
        """Return the options of `reset`, checked as far as is possible without a console.

        Args:
            options: None, or the dict.
            emulator: The name of the emulator whose states are accepted.

        Raises:
            TypeError: A state is not bytes.
            ValueError: An option is unknown, or its value not accepted.
        """
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options is {options!r}; accepted are None and a dict")
        given = dict(options or {})
        history = None
        if isinstance(given.get(_HISTORY), History):
            history = given.pop(_HISTORY)
        for name in given:
            if name not in _OPTIONS:
                raise ValueError(unknown_name("reset option", name, _OPTIONS))
        if "state" in given:
            if len(given) > 1:
                others = ", ".join(sorted(given.keys() - {"state"}))
                raise ValueError(
                    f"a state says all about where to start; got it together with {others}"
                )
            state = save_state.unpack(given["state"], emulator)
            if history is not None:
                history.pixels = state.frames_for(history.format)
            return StartOptions(state=state, history=history)
        checked = StartOptions(given.get("stage"), given.get("route_fraction"), history=history)
        if "stage" in given:
            check_stage(checked.stage)
        if "route_fraction" in given:
            check_fraction("route_fraction", checked.route_fraction)
        return checked

    def begin(
        self,
        emulator: Emulator,
        game: Game,
        options: StartOptions,
        generator: np.random.Generator,
    ) -> None:
        """Take a game to where an episode starts; the options hold no state.

        The first time it plays to there. Interrupted, it leaves the game somewhere on the way.

        Args:
            emulator: The console.
            game: The rules on this console.
            options: What `check` returned. Their history is answered.
            generator: Draws the stage, if there is a choice.
        """
        start = self._draw(options, generator)
        history = options.history
        if start.num_steps == 0:
            self._begin_stage(emulator, game, start.stage)
            return
        kept = self._kept.get(start)
        if kept is None or (history is not None and history.format not in kept.frames):
            kept = self._play_route(emulator, game, start, history)
        self._keep(start, kept)
        game.restore(kept.snapshot)
        if history is not None:
            history.pixels = kept.frames[history.format]

    def _possible_stages(self, options: StartOptions) -> tuple[str, ...]:
        """Return the stages that an episode may start in; the whole game starts in the first."""
        if options.stage is not None:
            return (options.stage,)
        return self.stages or (self.stage or STAGES[0],)

    def _draw(self, options: StartOptions, generator: np.random.Generator) -> Start:
        is_whole_game = not self.is_single_stage and options.stage is None
        if is_whole_game and options.route_fraction is None:
            return Start(None)
        choices = self._possible_stages(options)
        stage = choices[generator.integers(len(choices))]  # one choice draws no number
        if options.route_fraction is None:
            return Start(stage)
        return Start(stage, int(options.route_fraction * routes.load(stage).num_steps))

    def _begin_stage(self, emulator: Emulator, game: Game, stage: str | None) -> None:
        key = (emulator.name, stage)
        if key not in self._stage_snapshots:
            begin_stage(emulator, game, stage)
            self._stage_snapshots[key] = game.snapshot()
        game.restore(self._stage_snapshots[key])  # nes-py keeps at hand what was loaded once

    def _play_route(
        self, emulator: Emulator, game: Game, start: Start, history: History | None
    ) -> _Kept:
        """Play a route from its stage's beginning, and see on the way what the history asks for."""
        assert start.stage is not None, "a route belongs to a stage"
        joypad = routes.load(start.stage).joypad[: start.num_steps]
        joypad = np.repeat(joypad, routes.FRAMES_PER_STEP)
        decisions = [] if history is None else _decisions_before(len(joypad), history.format)
        seen = {}
        self._begin_stage(emulator, game, start.stage)
        for frame, buttons in enumerate(joypad.tolist()):
            if history is not None and frame in decisions:
                seen[frame] = history.observe()
            game.step(buttons, draw=False)
        frames = {} if start not in self._kept else self._kept[start].frames
        if history is not None:
            frames[history.format] = np.stack([seen[frame] for frame in decisions])
        return _Kept(game.snapshot(), frames)

    def _keep(self, start: Start, kept: _Kept) -> None:
        self._kept[start] = kept
        self._kept.move_to_end(start)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)


def _decisions_before(num_frames: int, frame_format: FrameFormat) -> list[int]:
    """Return before which frames of play a policy that decides at the start decided, too.

    The oldest first. Where there was none so early, the first frame is repeated, as after a usual
    reset.
    """
    ages = range(frame_format.shape[0], 0, -1)
    return [max(num_frames - age * frame_format.skip, 0) for age in ages]
