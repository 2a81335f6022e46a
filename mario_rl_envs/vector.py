"""Many games at once: a vector environment whose games run inside the native core.

Lane i of it does what `gym.make` with the same keywords does, reset with seed + i: the same
observations, rewards, ends and infos. How they come together is `gymnasium.vector.SyncVectorEnv`'s.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from numbers import Integral
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from mario_rl_envs.emulators.emulator import NATIVE
from mario_rl_envs.game.actions import ACTION_SETS, BUTTONS, joypad_byte
from mario_rl_envs.lanes import COLUMNS, POWERS, USUAL_START, Lanes, Results, Start
from mario_rl_envs.make import make_mario
from mario_rl_envs.validation import check_integer

_RENDER_MODES: Final = ("rgb_array", "rgb_array_list")
_RESET_MASK: Final = "reset_mask"
_POWERS: Final = np.array(POWERS, object)
# By which the infos say which lanes they are of.
_MASKS: Final = tuple(f"_{name}" for name in (*COLUMNS, "flag_get", "reward_terms"))
# Each has a generator.
_SPACES: Final = (
    "observation_space",
    "action_space",
    "single_observation_space",
    "single_action_space",
)


def make_mario_vector(
    num_envs: int = 1,
    *,
    num_threads: int | None = None,
    autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    max_episode_steps: int | None = None,
    **keywords: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make the vector environment that the registered ids stand for.

    Arguments and errors are those of `MarioVectorEnv`. Where the native core is not built, or does
    not do it (`emulator="nes-py"`, pictures larger than the screen, `render_mode="human"`), the
    result is a `gymnasium.vector.SyncVectorEnv` of single environments: the same, but slower.
    """
    if _is_native(keywords):
        return MarioVectorEnv(
            num_envs,
            num_threads=num_threads,
            autoreset_mode=autoreset_mode,
            copy=copy,
            max_episode_steps=max_episode_steps,
            **keywords,
        )
    mode = _check_numbers(num_envs, num_threads, max_episode_steps, autoreset_mode)

    def make() -> gym.Env[Any, Any]:
        env = make_mario(**keywords)
        return env if max_episode_steps is None else TimeLimit(env, max_episode_steps)

    return SyncVectorEnv([make] * num_envs, copy=copy, autoreset_mode=mode)


class MarioVectorEnv(VectorEnv[NDArray[np.uint8], Any, NDArray[Any]]):
    """Games side by side, stepped by one native call on several threads.

    - Action: one a lane, `MultiDiscrete`, or `Box(-1, 1, (N, 3))` for continuous ones.
    - Observation: uint8, [N, ...].
    - Infos: arrays of one value a lane.

    What comes out does not depend on the number of threads.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        num_threads: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        max_episode_steps: int | None = None,
        **keywords: Any,
    ) -> None:
        """Make the games; the first `reset` starts them.

        Args:
            num_envs: Games, N; each is a lane.
            num_threads: Threads that step them. None: one for each processor that this process may
                use, but not more than games.
            autoreset_mode: "NextStep": the step after the end of an episode begins the next one.
                "SameStep": the step that ends an episode begins the next one too; what it ended
                with is in the infos. "Disabled": `reset` with a mask has to.
            copy: Whether each observation is an array of its own, or always the same one.
            max_episode_steps: Steps after which an episode is truncated; None: never.
            keywords: Those of `mario_rl_envs.make.make_mario`; `emulator` is "native",
                `render_mode` not "human".

        Raises:
            ValueError: An argument is not one of those accepted; the message names them.
            TypeError: A keyword is unknown.
            FileNotFoundError: There is no ROM.
            ImportError: The native core is not built.
        """
        mode = _check_numbers(num_envs, num_threads, max_episode_steps, autoreset_mode)
        keywords = {
            name: list(value) if isinstance(value, Iterator) else value  # it can be read but once
            for name, value in keywords.items()
        }
        _check_keywords(keywords)
        single = make_mario(**keywords)
        settings = inspect.signature(make_mario).bind(**keywords)
        settings.apply_defaults()

        self.num_envs = int(num_envs)
        self.copy = copy
        self.autoreset_mode = mode
        self.render_mode = keywords.get("render_mode")
        self.metadata = {**single.metadata, "autoreset_mode": mode}
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        single.close()

        assert self.single_observation_space.shape is not None, "observations are boxes"
        self._lanes = Lanes(
            self.num_envs, settings.arguments, self.single_observation_space.shape, num_threads
        )
        self._arguments = {
            "num_envs": num_envs,
            "num_threads": num_threads,
            "autoreset_mode": mode,
            "copy": copy,
            "max_episode_steps": max_episode_steps,
            **keywords,
        }
        self._joypad_bytes = _joypad_bytes(settings.arguments["actions"])
        self._max_episode_steps = max_episode_steps
        self._term_masks = tuple(f"_{term}" for term in self._lanes.terms)
        self._all_lanes = np.ones(self.num_envs, np.bool_)
        self._shared_obs = None if copy else self._lanes.new_observations()
        self._is_ready = False  # every lane has begun an episode, and no call was interrupted
        self._has_ended = np.zeros(self.num_envs, np.bool_)  # terminated or truncated
        self._num_steps = np.zeros(self.num_envs, np.int64)  # of the episode

    @property
    def ram(self) -> NDArray[np.uint8]:
        """A copy of every console's RAM, uint8, [N, 2048]."""
        self._check_open()
        return self._lanes.ram()

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators of the lanes."""
        return tuple(self._lanes.generator(lane) for lane in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """What the generators of the lanes were seeded with."""
        return tuple(self._lanes.seed_of(lane) for lane in range(self.num_envs))

    def reset(  # type: ignore[override, unused-ignore]
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode in every lane, or in those of a mask.

        Args:
            seed: An integer seeds lane i with seed + i; a list has a seed, or None, for each lane.
            options: None, or a dict of what `SuperMarioBrosEnv.reset` accepts, each a value for all
                lanes or a list of one for each (None: as usual); and "reset_mask": bool, [N], the
                lanes to reset. The others go on.

        Returns:
            The observations of all lanes, and the infos of those that were reset.

        Raises:
            ValueError: An option is not accepted, or seeds are not one a lane. Nothing has changed.
            gymnasium.error.Error: A seed is no integer from 0. Nothing has changed.
            TypeError: The mask is no array of bool, or a state is not bytes.
            ResetNeeded: The first reset has a mask that leaves lanes out.
        """
        self._check_open()
        lanes = self._lanes_to_reset(options)
        starts = self._check_starts(options, lanes)
        self._seed(seed, lanes)
        self._is_ready = False  # should it be interrupted
        results = self._lanes.new_results(self._shared_obs)
        self._begin(starts, results)
        self._is_ready = True
        return results.obs, self._infos(results, lanes)

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.uint8],
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Take a step in every lane.

        Args:
            actions: One a lane: integers, [N], or numbers in [-1, 1], [N, 3].

        Returns:
            Observations (uint8, [N, ...]), rewards (float64, [N]), terminations and truncations
            (bool, [N]), and infos. In the mode "NextStep" a lane whose episode has ended makes no
            use of its action: it begins the next episode.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`; in the mode "Disabled" after the end of a lane's
                episode.
            TypeError: The actions are of another type.
            ValueError: They are not one a lane, or one is out of range. No lane was stepped.
            RuntimeError: Another thread steps these games; or a game gave no control back (its
                memory is not one that play leads to), and all lanes have to be reset.
        """
        self._check_open()
        self._check_ready()
        buttons = self._buttons(actions)
        ended = np.flatnonzero(self._has_ended).tolist()
        if ended and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                f"the episodes of lanes {ended} have ended: call reset() with "
                "options={'reset_mask': terminations | truncations} first"
            )
        self._is_ready = False  # should it be interrupted
        results = self._lanes.new_results(self._shared_obs)
        if ended and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            starts = {lane: USUAL_START for lane in ended}
            self._lanes.step_or_begin(buttons, starts, results)
            self._num_steps += 1
            self._num_steps[ended] = 0
        else:
            self._lanes.step(buttons, results)
            self._num_steps += 1
        truncated = self._truncated()
        self._has_ended = results.terminated | truncated
        infos: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._has_ended.any():
            infos = self._final_infos(results, self._has_ended)
            self._begin_at_once(results)
        infos.update(self._infos(results, self._all_lanes))
        self._is_ready = True
        return results.obs, results.rewards, results.terminated, truncated, infos

    def render(self) -> tuple[Any, ...]:
        """Return what the render mode asks for, lane by lane.

        Returns:
            "rgb_array": the screen, uint8, [240, 256, 3]. "rgb_array_list": a list of every frame
            since the last call or the episode's begin, 60 a second. None: None.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`.
        """
        self._check_open()
        self._check_ready()
        if self.render_mode == "rgb_array":
            return self._lanes.screens()
        if self.render_mode == "rgb_array_list":
            return self._lanes.take_films()
        return (None,) * self.num_envs

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and free the games."""
        self._lanes.close()

    def save_state(self, lane: int) -> bytes:
        """Return a lane's machine and its episode's progress, as `SuperMarioBrosEnv.save_state`.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after the end of the lane's episode.
            ValueError: There is no such lane.
        """
        self._check_open()
        self._check_ready()
        self._check_lane(lane)
        if not self._lanes.in_episode[lane]:
            raise ResetNeeded(
                f"there is no episode to save in lane {lane}: it has ended, and the next one has "
                "not begun"
            )
        return self._lanes.save_state(lane)

    def load_state(self, lane: int, state: bytes) -> None:
        """Begin a lane's episode where a state was saved, by this or another environment.

        It is `reset` of this lane with the option "state", without the observation.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`.
            TypeError: `state` is not bytes.
            ValueError: There is no such lane, or `state` is not a save state that fits. Nothing has
                changed.
        """
        self._check_open()
        self._check_ready()
        self._check_lane(lane)
        starts = {lane: self._lanes.check_start({"state": state})}
        self._is_ready = False  # should it be interrupted
        self._begin(starts, self._lanes.new_results())
        self._is_ready = True

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling keeps: how to make the games, and where they are."""
        self._check_open()
        return {
            "arguments": self._arguments,
            "lanes": self._lanes.get_state() if self._is_ready else None,
            "generators": deepcopy(self._lanes.get_generators()),
            "has_ended": self._has_ended.copy(),
            "num_steps": self._num_steps.copy(),
            # With their generators; a copy's are its own.
            "spaces": deepcopy({name: getattr(self, name) for name in _SPACES}),
            "spec": self.spec,
        }

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        """Make the games anew and go on where they were."""
        self.__init__(**pickled["arguments"])  # type: ignore[misc]
        self._lanes.set_generators(pickled["generators"])
        if pickled["lanes"] is not None:
            self._lanes.set_state(pickled["lanes"])
            self._is_ready = True
        self._has_ended, self._num_steps = pickled["has_ended"], pickled["num_steps"]
        for name, space in pickled["spaces"].items():
            setattr(self, name, space)
        self.spec = pickled["spec"]

    def _begin(self, starts: Mapping[int, Start], results: Results) -> None:
        self._lanes.begin(starts, results)
        self._has_ended[list(starts)] = False
        self._num_steps[list(starts)] = 0

    def _begin_at_once(self, results: Results) -> None:
        """Begin an episode where one has ended; rewards and ends stay those of the step."""
        starts = {lane: USUAL_START for lane in np.flatnonzero(self._has_ended).tolist()}
        unused = self._lanes.new_results(results.obs)
        self._begin(starts, results._replace(rewards=unused.rewards, terminated=unused.terminated))

    def _truncated(self) -> NDArray[np.bool_]:
        if self._max_episode_steps is None:
            return np.zeros(self.num_envs, np.bool_)
        return self._num_steps >= self._max_episode_steps

    def _seed(self, seed: int | Sequence[int | None] | None, lanes: NDArray[np.bool_]) -> None:
        if seed is None:
            return
        accepted = f"None, an integer, and a list of one for each of the {self.num_envs} lanes"
        if isinstance(seed, Integral) and not isinstance(seed, bool):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        elif isinstance(seed, (list, tuple, np.ndarray)) and np.ndim(seed) == 1:
            seeds = [int(each) if isinstance(each, Integral) else each for each in seed]
        else:
            raise ValueError(f"seed is {seed!r}; accepted are {accepted}")
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed is a list of {len(seeds)}; accepted are {accepted}")
        chosen = np.flatnonzero(lanes).tolist()
        self._lanes.seed({i: number for i in chosen if (number := seeds[i]) is not None})

    def _buttons(self, actions: Any) -> NDArray[np.uint8]:
        """Return the joypad bytes of the lanes, uint8, [N]."""
        if self._joypad_bytes is None:
            return _continuous_buttons(actions, self.num_envs)
        highest = len(self._joypad_bytes) - 1
        accepted = f"{self.num_envs} integers from 0 to {highest}, one a lane"
        array = _as_array(actions, (self.num_envs,), "iu", accepted)
        if array.min() < 0 or array.max() > highest:
            lane = int(np.flatnonzero((array < 0) | (array > highest))[0])
            raise ValueError(
                f"the action {array[lane]} of lane {lane} is out of range; accepted are 0 to "
                f"{highest}"
            )
        buttons: NDArray[np.uint8] = self._joypad_bytes[array]
        return buttons

    def _infos(self, results: Results, lanes: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the infos of some lanes, as `VectorEnv` adds them up from single ones."""
        masks = np.empty((len(_MASKS) + len(self._term_masks), self.num_envs), np.bool_)
        masks[:] = lanes
        status = _POWERS[results.columns[-1]]
        if lanes is not self._all_lanes:
            status[~lanes] = None
        terms: dict[str, Any] = dict(zip(self._lanes.terms, results.terms, strict=True))
        terms.update(zip(self._term_masks, masks[len(_MASKS) :], strict=True))
        infos: dict[str, Any] = dict(zip(COLUMNS, results.columns, strict=True))
        infos.update(status=status, flag_get=results.flags, reward_terms=terms)
        infos.update(zip(_MASKS, masks[: len(_MASKS)], strict=True))
        return infos

    def _final_infos(self, results: Results, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Return what episodes ended with."""
        final_obs = np.full(self.num_envs, None, object)
        for lane in np.flatnonzero(ended):
            final_obs[lane] = results.obs[lane].copy()
        only = results._replace(
            columns=np.where(ended, results.columns, 0),
            flags=results.flags & ended,
            terms=np.where(ended, results.terms, 0.0),
        )
        return {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": self._infos(only, ended),
            "_final_info": ended.copy(),
        }

    def _lanes_to_reset(self, options: Mapping[str, Any] | None) -> NDArray[np.bool_]:
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options is {options!r}; accepted are None and a dict")
        if options is None or _RESET_MASK not in options:
            return self._all_lanes
        mask = options[_RESET_MASK]
        accepted = f"an array of bool, one for each of the {self.num_envs} lanes"
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"reset_mask is {mask!r}; accepted is {accepted}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"reset_mask is {mask!r}; accepted is {accepted}, one of them True")
        if mask.all():
            return self._all_lanes
        if not self._is_ready:
            raise ResetNeeded("the first reset is one of all lanes: leave reset_mask out")
        return mask

    def _check_starts(
        self, options: Mapping[str, Any] | None, lanes: NDArray[np.bool_]
    ) -> dict[int, Start]:
        """Return how each lane that is to be reset begins."""
        chosen = np.flatnonzero(lanes).tolist()
        given = {name: value for name, value in (options or {}).items() if name != _RESET_MASK}
        if not any(_is_per_lane(value) for value in given.values()):
            start = self._lanes.check_start(given)
            return {lane: start for lane in chosen}
        values = {name: self._per_lane(name, value) for name, value in given.items()}
        options_of = ({name: values[name][lane] for name in values} for lane in chosen)
        return {
            lane: self._lanes.check_start(
                {name: value for name, value in each.items() if value is not None}
            )
            for lane, each in zip(chosen, options_of, strict=True)
        }

    def _per_lane(self, name: str, value: Any) -> list[Any]:
        """Return an option's value for each lane."""
        if not _is_per_lane(value):
            return [value] * self.num_envs
        if len(value) != self.num_envs:
            raise ValueError(
                f"the reset option {name!r} is a list of {len(value)}; accepted are one value, and "
                f"a list of one for each of the {self.num_envs} lanes"
            )
        return list(value)

    def _check_lane(self, lane: int) -> None:
        check_integer("lane", lane, 0)
        if lane >= self.num_envs:
            raise ValueError(f"lane is {lane}; accepted are 0 to {self.num_envs - 1}")

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("the environment is closed: make a new one")

    def _check_ready(self) -> None:
        if not self._is_ready:
            raise ResetNeeded(
                "no lane has an episode: call reset() first, and again after a call that failed or "
                "was interrupted"
            )


def _is_native(keywords: Mapping[str, Any]) -> bool:
    """Return whether `MarioVectorEnv` does it."""
    if keywords.get("emulator", NATIVE) != NATIVE or keywords.get("render_mode") == "human":
        return False
    try:
        from mario_rl_envs.emulators.native import NativeEmulator
    except ImportError:
        return False
    size = keywords.get("size")
    is_picture = keywords.get("observation", "pixels") == "pixels"
    return not (is_picture and isinstance(size, Integral) and int(size) > NativeEmulator.max_size)


def _check_numbers(
    num_envs: int,
    num_threads: int | None,
    max_episode_steps: int | None,
    autoreset_mode: str | AutoresetMode,
) -> AutoresetMode:
    """Check the arguments that are not of single environments; return the mode."""
    check_integer("num_envs", num_envs, 1)
    if num_threads is not None:
        check_integer("num_threads", num_threads, 1)
    if max_episode_steps is not None:
        check_integer("max_episode_steps", max_episode_steps, 1)
    try:
        return AutoresetMode(autoreset_mode)
    except ValueError:
        accepted = ", ".join(repr(mode.value) for mode in AutoresetMode)
        raise ValueError(
            f"unknown autoreset_mode {autoreset_mode!r}; accepted are {accepted}"
        ) from None


def _check_keywords(keywords: Mapping[str, Any]) -> None:
    emulator = keywords.get("emulator", NATIVE)
    if emulator != NATIVE:
        raise ValueError(
            f"emulator is {emulator!r}; many games at once accept {NATIVE!r} alone. "
            "gym.make_vec steps others one by one"
        )
    render_mode = keywords.get("render_mode")
    if render_mode is not None and render_mode not in _RENDER_MODES:
        accepted = ", ".join(map(repr, _RENDER_MODES))
        raise ValueError(
            f"render_mode is {render_mode!r}; many games at once accept None, {accepted}"
        )


def _joypad_bytes(actions: Any) -> NDArray[np.uint8] | None:
    """Return the joypad byte of each action; None if actions are continuous."""
    if isinstance(actions, str):
        if actions == "continuous":
            return None
        if actions == "joypad":
            return np.arange(256, dtype=np.uint8)
        actions = ACTION_SETS[actions]
    return np.array([joypad_byte(buttons) for buttons in actions], np.uint8)


def _as_array(actions: Any, shape: tuple[int, ...], kinds: str, accepted: str) -> NDArray[Any]:
    """Return actions as an array of this shape, whose type is of one of these kinds."""
    try:
        array = np.asarray(actions)
    except ValueError:
        raise ValueError(f"the actions are {accepted}; got {actions!r}") from None
    if array.shape != shape:
        raise ValueError(f"the actions are {accepted}; got an array of shape {array.shape}")
    if array.dtype.kind not in kinds:
        raise TypeError(f"the actions are {accepted}; got an array of {array.dtype}")
    return array


def _continuous_buttons(actions: Any, num_envs: int) -> NDArray[np.uint8]:
    """Return the joypad bytes of continuous actions, as `ContinuousJoypad` reads them, [N]."""
    accepted = f"numbers from -1 to 1, three for each of the {num_envs} lanes"
    array = _as_array(actions, (num_envs, 3), "iuf", accepted)
    is_good = (np.abs(array) <= 1).all(axis=1)
    if not is_good.all():
        lane = int(np.flatnonzero(~is_good)[0])
        raise ValueError(
            f"the action {array[lane]} of lane {lane} is out of range; accepted are three numbers "
            "from -1 to 1"
        )
    direction, a, b = array.T
    buttons = BUTTONS["right"] * (direction > 0) + BUTTONS["left"] * (direction < 0)
    buttons += BUTTONS["A"] * (a > 0) + BUTTONS["B"] * (b > 0)
    joypad: NDArray[np.uint8] = buttons.astype(np.uint8)
    return joypad


def _is_per_lane(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0
