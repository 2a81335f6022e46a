"""Many games at once: a vector environment whose games run inside the native core.

Sub-environment i does what `gym.make` with the same keywords does, reset with seed + i: the same
observations, rewards, ends and infos. They are batched as by `gymnasium.vector.SyncVectorEnv`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from mario_rl_envs.checks import (
    MAX_COUNT,
    check_integer,
    check_keywords,
    did_you_mean,
    unknown_name,
)
from mario_rl_envs.emulators.emulator import NATIVE, NATIVE_NAMES
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.limits import Limits
from mario_rl_envs.make import make_mario
from mario_rl_envs.one_thread import OneThread, in_one_thread
from mario_rl_envs.rendering import warn_of_no_render_mode
from mario_rl_envs.specs import PlainSpec, readable_once
from mario_rl_envs.sub_environment import SubEnvironment, given_attributes
from mario_rl_envs.vector_actions import ActionBatch
from mario_rl_envs.vector_infos import InfoBatch

if TYPE_CHECKING:  # it needs the native core
    from mario_rl_envs.batch import EpisodeStart, Results

_RENDER_MODES: Final = ("rgb_array", "rgb_array_list")
_RESET_MASK: Final = "reset_mask"
_NO_LIMIT: Final = -1  # as gym.make's max_episode_steps
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
    _check_names(keywords)
    if is_native(keywords):
        return MarioVectorEnv(
            num_envs,
            num_threads=num_threads,
            autoreset_mode=autoreset_mode,
            copy=copy,
            max_episode_steps=max_episode_steps,
            **keywords,
        )
    mode = _check_mode(autoreset_mode)
    _check_counts(num_envs, num_threads)
    limit = _step_limit(max_episode_steps)
    read_keywords = readable_once(keywords)
    keywords = {**keywords, **read_keywords}

    def make() -> gym.Env[Any, Any]:
        env = make_mario(**keywords)
        return env if limit is None else TimeLimit(env, limit)

    envs = SyncMarioVectorEnv([make] * num_envs, copy=copy, autoreset_mode=mode)
    envs.read_keywords = read_keywords
    return envs


class SyncMarioVectorEnv(PlainSpec, SyncVectorEnv):
    """Gymnasium's `SyncVectorEnv` with the `spec` of a `MarioVectorEnv`."""


class MarioVectorEnv(PlainSpec, VectorEnv[NDArray[np.uint8], Any, NDArray[Any]]):
    """Games side by side, stepped by one native call on several threads.

    - Action: one for each game, `MultiDiscrete`, or `Box(-1, 1, (N, 3))` for continuous ones.
    - Observation: uint8, [N, ...].
    - Infos: arrays of one value for each game.

    What comes out does not depend on the number of threads.

    Example:
        >>> import gymnasium as gym
        >>> import mario_rl_envs
        >>> envs = gym.make_vec("MarioRL-1-1-v0", num_envs=16)
        >>> obs, infos = envs.reset(seed=0)
        >>> obs, rewards, terminations, truncations, infos = envs.step([3] * 16)
        >>> obs.shape, rewards.shape
        ((16, 4, 84, 84), (16,))
        >>> envs.close()
    """

    # In every mode sub-environments can be reset by a mask before they reset themselves.
    takes_reset_mask: Final = True

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
            num_envs: Games, N.
            num_threads: Threads that step them. None: one for each processor that this process may
                use, but not more than games.
            autoreset_mode: "NextStep": the step after the end of an episode begins the next one.
                "SameStep": the step that ends an episode begins the next one too; what it ended
                with is in the infos. "Disabled": `reset` with a mask has to.
            copy: Whether each observation is an array of its own, or always the same one.
            max_episode_steps: Steps after which an episode is truncated; None and -1: never.
            keywords: Those of `mario_rl_envs.make.make_mario`; `emulator` is not "nes-py",
                `render_mode` not "human".

        Raises:
            ValueError: An argument is not one of those accepted; the message names them.
            TypeError: A keyword is unknown.
            FileNotFoundError: There is no ROM.
            ImportError: The native core is not built.
        """
        from mario_rl_envs.batch import GameBatch

        others = set(vars(self))  # a subclass has them
        mode = _check_mode(autoreset_mode)
        _check_counts(num_envs, num_threads)
        limit = _step_limit(max_episode_steps)
        _check_names(keywords)
        read_keywords = readable_once(keywords)
        keywords = {**keywords, **read_keywords}
        _check_keywords(keywords)
        if keywords.get("rom_path") is not None:  # a pickle is read in other folders
            keywords["rom_path"] = find_rom(keywords["rom_path"])
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
        self._games = GameBatch(
            self.num_envs, settings.arguments, self.single_observation_space.shape, num_threads
        )
        self.read_keywords = read_keywords
        self._keywords = keywords
        self._arguments = {
            "num_envs": num_envs,
            "num_threads": num_threads,
            "autoreset_mode": mode,
            "copy": copy,
            "max_episode_steps": max_episode_steps,
            **keywords,
        }
        self._actions = ActionBatch(settings.arguments["actions"], self._games)
        self._info = InfoBatch(settings.arguments["info"], self._games)
        self._limits = Limits(self.num_envs, limit, settings.arguments["stall"], GameBatch.columns)
        self._all_envs = np.ones(self.num_envs, np.bool_)
        self._shared_obs = None if copy else self._games.new_observations()
        self.one_thread = OneThread("another thread uses these games: one thread at a time")
        self._has_ended = np.zeros(self.num_envs, np.bool_)  # terminated or truncated
        # Attributes that a pickle makes anew.
        self._own = {*vars(self), "_own", "sub_environments"} - others

    @property
    @in_one_thread
    def ram(self) -> NDArray[np.uint8]:
        """A copy of every console's RAM, uint8, [N, 2048]."""
        self._check_open()
        return self._games.ram()

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators of the games."""
        return tuple(self._games.generator(env) for env in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """What the generators of the games were seeded with."""
        return tuple(self._games.seed_of(env) for env in range(self.num_envs))

    @in_one_thread
    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: NDArray[np.uint8] | None = None,
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode in every game, or in those of a mask.

        Args:
            seed: An integer seeds game i with seed + i; a list has a seed, or None, for each game.
            options: None, or a dict of what `SuperMarioBrosEnv.reset` accepts, each a value for all
                games or a list of one for each (None: as usual); and "reset_mask": bool, [N], the
                games to reset. The others go on.
            out: Where the observations are written, as in `step`.

        Returns:
            The observations of all games, and the infos of those that were reset.

        Raises:
            ValueError: An option is not accepted, the number of seeds is not N, or `out` is not of
                the observations' shape. Nothing has changed.
            gymnasium.error.Error: A seed is no integer from 0. Nothing has changed.
            TypeError: The mask is no array of bool, a state is not bytes, or `out` is not uint8.
            ResetNeeded: The first reset has a mask that leaves games out.
            RuntimeError: Another thread uses these games.
        """
        self._check_open()
        mask = self._check_mask(options)
        starts = self._check_starts(options, mask)
        obs = self._obs_array(out)
        self._seed(seed, mask)
        self._games.is_ready = False  # should it be interrupted
        results = self._games.new_results(obs)
        self._begin(starts, results)
        self._games.is_ready = True
        return results.obs, self._info.infos(results, mask)

    @in_one_thread
    def step(
        self, actions: Any, *, out: NDArray[np.uint8] | None = None
    ) -> tuple[
        NDArray[np.uint8],
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Take a step in every game.

        Args:
            actions: One for each game: integers, [N], or numbers, [N, 3], which are clipped to
                [-1, 1].
            out: The array that the observations are written into and that is returned: uint8,
                [N, ...], C-contiguous and writable, a row of a rollout's buffer say. None: an array
                as `copy` says.

        Returns:
            Observations (uint8, [N, ...]), rewards (float64, [N]), terminations and truncations
            (bool, [N]), and infos. In the mode "NextStep" a game whose episode has ended makes no
            use of its action: it begins the next episode.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`; in the mode "Disabled" after the end of any
                episode.
            TypeError: The actions are of another type, or `out` is not uint8.
            ValueError: The number of actions is not N, one is out of range or NaN, or `out` is of
                another shape, not contiguous or not writable. No game was stepped.
            RuntimeError: Another thread uses these games; or a game gave no control back (its
                memory is not one that play leads to), and all games have to be reset.
        """
        self._check_open()
        self._check_ready()
        buttons = self._actions.buttons(actions)
        obs = self._obs_array(out)
        ended: list[int] = []
        if np.count_nonzero(self._has_ended):
            ended = np.flatnonzero(self._has_ended).tolist()
        if ended and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                f"the episodes of environments {ended} have ended: call reset() with "
                "options={'reset_mask': terminations | truncations} first"
            )
        self._games.is_ready = False  # should it be interrupted
        results = self._games.new_results(obs)
        if ended and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            starts = {env: self._games.usual_start for env in ended}
            self._games.step_or_begin(buttons, starts, results)
        else:
            ended = []
            self._games.step(buttons, results)
        truncated = self._limits.step(results.terminated, results.columns)
        if ended:
            self._limits.begin(ended, results.columns)
            truncated[ended] = False
        self._has_ended = results.terminated | truncated
        final_infos = None
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._has_ended.any():
            final_infos = self._info.final_infos(results, self._has_ended)
            self._begin_at_once(results)
        infos = self._info.infos(results, self._all_envs)
        if final_infos is not None:
            infos = {**final_infos, **infos}
        self._games.is_ready = True
        return results.obs, results.rewards, results.terminated, truncated, infos

    @in_one_thread
    def render(self) -> tuple[Any, ...]:
        """Return what the render mode asks for, game by game.

        Returns:
            "rgb_array": the screen, uint8, [240, 256, 3]. "rgb_array_list": a list of every frame
            since the last call or the episode's begin, 60 a second. None: None, and a warning.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`.
            RuntimeError: Another thread uses these games.
        """
        self._check_open()
        self._check_ready()
        if self.render_mode is None:
            warn_of_no_render_mode(self.spec, "make_vec")
        return tuple(self._picture(env) for env in range(self.num_envs))

    @in_one_thread
    def render_game(self, env: int) -> Any:
        """Return what the render mode asks for, of one game; errors as of `render`."""
        self._check_open()
        self._check_ready()
        if self.render_mode is None:
            warn_of_no_render_mode(self.spec, "make_vec")
        return self._picture(env)

    def _picture(self, env: int) -> Any:
        if self.render_mode == "rgb_array":
            return self._games.screen(env)
        if self.render_mode == "rgb_array_list":
            return self._games.take_frames(env)
        return None

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every game, as `SyncVectorEnv.call` does; or get an attribute.

        Args:
            name: What `SubEnvironment` has, as "render"; or what `set_attr` has set.
            args: Arguments of the method.
            kwargs: Its keywords.

        Returns:
            What each game returned.

        Raises:
            AttributeError: Games have nothing of that name; the message says what they have.
        """
        found = [getattr(game, name) for game in self.sub_environments]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every game; see `call`."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Give every game an attribute, as `SyncVectorEnv.set_attr` does.

        Args:
            name: One that games do not have of themselves.
            values: A list or tuple of one for each game, or one value for all.

        Raises:
            AttributeError: Games have such an attribute of themselves.
            ValueError: The number of values is not N.
        """
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(
                f"{name!r} got {len(each)} values; accepted are one value, and a list of one for "
                f"each of the {self.num_envs} environments"
            )
        for game, value in zip(self.sub_environments, each, strict=True):
            game.set(name, value)

    @cached_property
    def sub_environments(self) -> tuple[SubEnvironment, ...]:
        """The games one by one: what `call`, `get_attr` and `set_attr` ask."""
        return tuple(SubEnvironment(self, env, self._ask_single) for env in range(self.num_envs))

    def _ask_single(self, name: str) -> Any:
        """Return what a method of a single environment of the same keywords returns."""
        with contextlib.closing(make_mario(**self._keywords)) as single:
            return single.get_wrapper_attr(name)()

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and free the games."""
        if hasattr(self, "_games"):  # Gymnasium closes what a constructor has refused, too
            self._games.close()

    @in_one_thread
    def save_state(self, env: int) -> bytes:
        """Return a game's machine, its episode's progress and its stack of frames.

        Args:
            env: The game's index, from 0.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`, or after the end of the game's episode.
            RuntimeError: Another thread uses these games.
            ValueError: There is no such game.
        """
        self._check_open()
        self._check_ready()
        self._check_env(env)
        if not self._games.in_episode[env]:
            raise ResetNeeded(
                f"there is no episode to save in environment {env}: it has ended, and the next one "
                "has not begun"
            )
        return self._games.save_state(env)

    @in_one_thread
    def load_state(self, env: int, state: bytes) -> None:
        """Begin a game's episode where a state was saved, by this or another environment.

        It is `reset` of this game with the option "state", without the observation.

        Args:
            env: The game's index, from 0.
            state: What `save_state` returned.

        Raises:
            ClosedEnvironmentError: After `close`.
            ResetNeeded: Before the first `reset`.
            RuntimeError: Another thread uses these games.
            TypeError: `state` is not bytes.
            ValueError: There is no such game, or `state` is not a save state that fits. Nothing has
                changed.
        """
        self._check_open()
        self._check_ready()
        self._check_env(env)
        starts = {env: self._games.check_start({"state": state})}
        self._games.is_ready = False  # should it be interrupted
        self._begin(starts, self._games.new_results())
        self._games.is_ready = True

    @in_one_thread
    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling keeps: how to make the games, and where they are."""
        self._check_open()
        return {
            "arguments": self._arguments,
            "games": self._games.get_state() if self._games.is_ready else None,
            "generators": deepcopy(self._games.get_generators()),
            "has_ended": self._has_ended.copy(),
            "limits": self._limits.get_state(),
            # With their generators; a copy's are its own.
            "spaces": deepcopy({name: getattr(self, name) for name in _SPACES}),
            # The spec, and what a subclass or the user has added.
            "others": {name: each for name, each in vars(self).items() if name not in self._own},
            # Games that were never asked for one by one have none.
            "attributes": [
                given_attributes(game) for game in vars(self).get("sub_environments", ())
            ],
        }

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        """Make the games anew and go on where they were."""
        MarioVectorEnv.__init__(self, **pickled["arguments"])
        self._games.set_generators(pickled["generators"])
        if pickled["games"] is not None:
            self._games.set_state(pickled["games"])
            self._games.is_ready = True
        self._has_ended = pickled["has_ended"]
        self._limits.set_state(pickled["limits"])
        for name, space in pickled["spaces"].items():
            setattr(self, name, space)
        vars(self).update(pickled["others"])
        for env, attributes in enumerate(pickled["attributes"]):
            vars(self.sub_environments[env]).update(attributes)

    def _begin(self, starts: Mapping[int, EpisodeStart], results: Results) -> None:
        self._games.begin(starts, results)
        self._has_ended[list(starts)] = False
        self._limits.begin(list(starts), results.columns)

    def _begin_at_once(self, results: Results) -> None:
        """Begin an episode where one has ended; rewards and ends stay those of the step."""
        starts = {env: self._games.usual_start for env in np.flatnonzero(self._has_ended).tolist()}
        unused = self._games.new_results(results.obs)
        self._begin(starts, results._replace(rewards=unused.rewards, terminated=unused.terminated))

    def _seed(self, seed: int | Sequence[int | None] | None, mask: NDArray[np.bool_]) -> None:
        if seed is None:
            return
        accepted = (
            f"None, an integer, and a list of one for each of the {self.num_envs} environments"
        )
        if isinstance(seed, Integral) and not isinstance(seed, bool):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        elif isinstance(seed, (list, tuple, range, np.ndarray)) and np.ndim(seed) == 1:
            seeds = [int(each) if isinstance(each, Integral) else each for each in seed]
        else:
            raise ValueError(f"seed is {seed!r}; accepted are {accepted}")
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed is a list of {len(seeds)}; accepted are {accepted}")
        chosen = np.flatnonzero(mask).tolist()
        self._games.seed({i: number for i in chosen if (number := seeds[i]) is not None})

    def _obs_array(self, out: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
        """Return the array that observations are to be written into; None: a new one."""
        if out is None:
            return self._shared_obs
        shape = self.observation_space.shape
        accepted = f"a C-contiguous, writable array of uint8 of shape {shape}"
        if not isinstance(out, np.ndarray) or out.dtype != np.uint8:
            kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else f"{type(out)}"
            raise TypeError(f"out is {kind}; accepted is {accepted}")
        if out.shape != shape:
            raise ValueError(f"out is of shape {out.shape}; accepted is {accepted}")
        if not out.flags.c_contiguous or not out.flags.writeable:
            lack = "read-only" if out.flags.c_contiguous else "not contiguous"
            raise ValueError(f"out is {lack}; accepted is {accepted}")
        return out

    def _check_mask(self, options: Mapping[str, Any] | None) -> NDArray[np.bool_]:
        """Return which games are to be reset."""
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options is {options!r}; accepted are None and a dict")
        if options is None or _RESET_MASK not in options:
            return self._all_envs
        mask = options[_RESET_MASK]
        accepted = f"an array of bool, one for each of the {self.num_envs} environments"
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"reset_mask is {mask!r}; accepted is {accepted}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"reset_mask is {mask!r}; accepted is {accepted}, one of them True")
        if mask.all():
            return self._all_envs
        if not self._games.is_ready:
            raise ResetNeeded("the first reset is one of all environments: leave reset_mask out")
        return mask

    def _check_starts(
        self, options: Mapping[str, Any] | None, mask: NDArray[np.bool_]
    ) -> dict[int, EpisodeStart]:
        """Return how each game that is to be reset starts."""
        chosen = np.flatnonzero(mask).tolist()
        given = {name: value for name, value in (options or {}).items() if name != _RESET_MASK}
        if not any(_is_for_each(value) for value in given.values()):
            start = self._games.check_start(given)
            return {env: start for env in chosen}
        values = {name: self._for_each(name, value) for name, value in given.items()}
        options_of = ({name: values[name][env] for name in values} for env in chosen)
        return {
            env: self._games.check_start(
                {name: value for name, value in each.items() if value is not None}
            )
            for env, each in zip(chosen, options_of, strict=True)
        }

    def _for_each(self, name: str, value: Any) -> list[Any]:
        """Return an option's value for each game."""
        if not _is_for_each(value):
            return [value] * self.num_envs
        if len(value) != self.num_envs:
            raise ValueError(
                f"the reset option {name!r} is a list of {len(value)}; accepted are one value, and "
                f"a list of one for each of the {self.num_envs} environments"
            )
        return list(value)

    def _check_env(self, env: int) -> None:
        check_integer("env", env, 0)
        if env >= self.num_envs:
            raise ValueError(f"env is {env}; accepted are 0 to {self.num_envs - 1}")

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("the environment is closed: make a new one")

    def _check_ready(self) -> None:
        if not self._games.is_ready:
            raise ResetNeeded(
                "there are no episodes: call reset() first, and again after a call that failed or "
                "was interrupted"
            )


def is_native(keywords: Mapping[str, Any]) -> bool:
    """Return whether `MarioVectorEnv` does what these keywords of `make_mario` ask for."""
    if (
        keywords.get("emulator", NATIVE) not in NATIVE_NAMES
        or keywords.get("render_mode") == "human"
    ):
        return False
    try:
        from mario_rl_envs.emulators.native import NativeEmulator
    except ImportError:
        return False
    size = keywords.get("size")
    is_picture = keywords.get("observation", "pixels") == "pixels"
    return not (is_picture and isinstance(size, Integral) and int(size) > NativeEmulator.max_size)


def _check_mode(autoreset_mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(autoreset_mode)
    except ValueError:
        modes = (mode.value for mode in AutoresetMode)
        raise ValueError(unknown_name("autoreset_mode", autoreset_mode, modes)) from None


def _check_counts(num_envs: int, num_threads: int | None) -> None:
    check_integer("num_envs", num_envs, 1, MAX_COUNT)
    if num_threads is not None:
        check_integer("num_threads", num_threads, 1, MAX_COUNT)


def _step_limit(max_episode_steps: int | None) -> int | None:
    """Return the limit that `gym.make` makes of the keyword."""
    if max_episode_steps is None or max_episode_steps == _NO_LIMIT:
        return None
    check_integer("max_episode_steps", max_episode_steps, 1)
    return int(max_episode_steps)


def _check_names(keywords: Mapping[str, Any]) -> None:
    """Check that keywords for the games are known, as those of the vector are."""
    accepted = (make_mario, make_mario_vector)
    names = [name for function in accepted for name in inspect.signature(function).parameters]
    check_keywords(keywords, [name for name in names if name != "keywords"])


def _check_keywords(keywords: Mapping[str, Any]) -> None:
    emulator = keywords.get("emulator", NATIVE)
    if emulator not in NATIVE_NAMES:
        accepted = ", ".join(map(repr, NATIVE_NAMES))
        raise ValueError(
            f"emulator is {emulator!r}; many games at once accept {accepted}. "
            "gym.make_vec steps others one by one"
        )
    render_mode = keywords.get("render_mode")
    if render_mode is not None and render_mode not in _RENDER_MODES:
        accepted = ", ".join(map(repr, _RENDER_MODES))
        raise ValueError(
            f"render_mode is {render_mode!r}; many games at once accept None, {accepted}"
            f"{did_you_mean(render_mode, _RENDER_MODES)}"
        )


def _is_for_each(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0
