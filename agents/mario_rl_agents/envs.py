"""Environments as agents step them: the one maker of them, and one view of all kinds.

Training loops step a `gymnasium.vector.VectorEnv`. A single environment is taken as one of one
sub-environment.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from types import MappingProxyType
from typing import Any, Final, NoReturn

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mario_rl_agents.config import Count, convert, did_you_mean
from mario_rl_agents.errors import NoEnvError, ObservationError, RewardError

Env = gym.Env[Any, Any]
VecEnv = VectorEnv[Any, Any, Any]
EnvMaker = Callable[..., Env]

# What registers the ids with this part in them, beside Gymnasium itself.
_PACKAGES: Final = {"BulletEnv-": "pybullet_envs_gymnasium", "MarioRL-": "mario_rl_envs"}
_MAKE_KEYWORDS: Final = ("max_episode_steps", "disable_env_checker")  # of gymnasium.make itself
_NONE: Final = inspect.Parameter("none", inspect.Parameter.KEYWORD_ONLY)
# What `gymnasium.make_vec` adds to the keywords in a spec.
_VECTOR_KWARGS: Final = ("num_envs", "vectorization_mode", "vector_kwargs", "wrappers")
_MODES: Final = "autoreset_mode"  # the keyword of a vector environment that lets its maker choose


def make_env(env_id: str, kwargs: Mapping[str, Any], *, render_mode: str | None = None) -> Env:
    """Return `gymnasium.make` of an id, after what registers it: Mario's and PyBullet's are known.

    Args:
        env_id: A Gymnasium id, or MODULE:ID, of which the module is imported.
        kwargs: Keywords of `gymnasium.make`.
        render_mode: Of the environment.

    Raises:
        ValueError: There is no such keyword.
        gymnasium.error.Error: There is no such id, or it refuses the keywords.
        ImportError: The module cannot be imported, or it is one of PyBullet's and that is not
            installed.
    """
    name = _registered(env_id)
    # An environment need not know the keyword.
    rendering = {} if render_mode is None else {"render_mode": render_mode}
    return gym.make(name, **{**_read_keywords(name, kwargs), **rendering})


def make_vec_env(
    env: str | EnvMaker, num_envs: int, kwargs: Mapping[str, Any] = MappingProxyType({})
) -> VecEnv:
    """Return a vector environment whose sub-environments are those that an id or a function makes.

    An id that comes with a vector environment of its own is made by that where it lets its maker
    choose how episodes are reset. All others are stepped one after the other.

    Args:
        env: A Gymnasium id, MODULE:ID, or a function that returns a new environment, as one of
            one's own or one in wrappers.
        num_envs: Sub-environments, N.
        kwargs: Keywords of `gymnasium.make`, or of the function.

    Raises:
        ValueError: `num_envs` is below 1, the id has no such keyword, or the function returns the
            same environment again.
        TypeError: `env` is neither an id nor a function.
        gymnasium.error.Error: There is no such id, or it refuses the keywords.
        ImportError: The module cannot be imported, or it is one of PyBullet's and that is not
            installed.
    """
    num_envs = convert(Count, num_envs, "num_envs")
    if not isinstance(env, str):
        if not callable(env):
            raise TypeError(
                "env must be a Gymnasium id, or a function that returns a new environment each "
                f"time, got {env!r}"
            )
        return SequentialVectorEnv([env(**kwargs) for _ in range(num_envs)])
    name = _registered(env)
    spec = gym.registry.get(name)
    others = () if spec is None else _parameters(spec.vector_entry_point)
    kwargs = _read_keywords(name, kwargs, others)
    if num_envs > 1 and spec is not None and _resets_as_told(spec):
        limit = {"max_episode_steps": spec.max_episode_steps}
        envs = gym.make_vec(
            name, num_envs, autoreset_mode=AutoresetMode.DISABLED, **{**limit, **kwargs}
        )
        if not isinstance(envs, SyncVectorEnv):
            return envs
        envs.close()  # it has no faster way on this machine
    return SequentialVectorEnv([make_env(name, kwargs) for _ in range(num_envs)])


def single_kwargs(env: Env | VecEnv) -> dict[str, Any]:
    """Return the keywords of `gymnasium.make` out of those in an environment's spec.

    The spec of a vector environment also holds what `gymnasium.make_vec` and the vector's own maker
    take.
    """
    spec = env.spec
    if spec is None or not isinstance(env, VectorEnv):
        return {} if spec is None else dict(spec.kwargs)
    of_vectors = {*_VECTOR_KWARGS, *_parameters(spec.vector_entry_point)}
    of_single = {*_MAKE_KEYWORDS, *_parameters(spec.entry_point)}
    return {
        name: value
        for name, value in spec.kwargs.items()
        if name in of_single or name not in of_vectors
    }


def keywords_of(env_id: str) -> dict[str, inspect.Parameter]:
    """Return the keywords of an id, beside `gymnasium.make`'s own; empty if its maker takes any.

    Args:
        env_id: A Gymnasium id, or MODULE:ID, of which the module is imported.

    Raises:
        ImportError: A module cannot be imported.
    """
    spec = gym.registry.get(_registered(env_id))
    parameters = {} if spec is None else _parameters(spec.entry_point)
    takes_any = any(x.kind is inspect.Parameter.VAR_KEYWORD for x in parameters.values())
    return {} if takes_any else parameters


def reward_threshold_of(env_id: str) -> float | None:
    """Return the mean return at which an environment counts as solved, as its id was registered.

    Args:
        env_id: A Gymnasium id, or MODULE:ID, of which the module is imported.

    Raises:
        ImportError: A module cannot be imported.
    """
    spec = gym.registry.get(_registered(env_id))
    return None if spec is None else spec.reward_threshold


def _parameters(creator: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of what makes environments, a function or the name of one."""
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    try:
        return {} if creator is None else dict(inspect.signature(creator).parameters)
    except ValueError:  # it is not written in Python
        return {}


def _read_keywords(
    name: str, kwargs: Mapping[str, Any], others: Iterable[str] = ()
) -> dict[str, Any]:
    """Return keywords with the words of switches, such as no and off, as truth.

    Args:
        name: A plain id.
        kwargs: Keywords for it.
        others: Names that are taken beside those of `keywords_of`.

    Raises:
        ValueError: There is no such keyword, or a switch has another word.
    """
    known = keywords_of(name)
    accepted = {*known, *_MAKE_KEYWORDS, *others}
    read = dict(kwargs)
    for key, value in kwargs.items():
        if known and key not in accepted:
            raise ValueError(
                f"there is no keyword {key!r}{did_you_mean(key, accepted) or ':'} it takes "
                f"{', '.join(known)}"
            )
        if isinstance(value, str) and isinstance(known.get(key, _NONE).default, bool):
            read[key] = convert(bool, value, key)
    return read


class NoEnv(gym.Env[Any, Any]):
    """What an agent that acts alone has in place of an environment: its spaces, and no episodes."""

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        env_id: str | None = None,
        kwargs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Take the place of an environment; its id and keywords are for `spec`."""
        self.observation_space, self.action_space = observation_space, action_space
        if env_id is not None:
            self.spec = gym.envs.registration.EnvSpec(env_id, kwargs=dict(kwargs))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> NoReturn:
        """Refuse: there are no episodes.

        Raises:
            NoEnvError: Always.
        """
        raise NoEnvError(
            "an agent that was loaded without an environment has no episodes: play them in one of "
            "your own, or load it with one, as load_agent(path)"
        )

    def step(self, action: Any) -> NoReturn:
        """Refuse: there are no episodes.

        Raises:
            NoEnvError: Always.
        """
        self.reset()


@contextlib.contextmanager
def opened(env: Env | str, *, render_mode: str | None = None) -> Iterator[Env]:
    """Give an environment to play episodes in; one that an id stands for is closed at the end.

    Args:
        env: It, or its id.
        render_mode: Of what an id stands for.

    Raises:
        ValueError: There is no environment of that id.
        TypeError: It is neither a single environment nor an id.
    """
    made = as_env(env, render_mode=render_mode)
    if not isinstance(made, gym.Env):
        raise TypeError(f"episodes are played in a single environment, got {env}")
    try:
        yield made
    finally:
        if made is not env:
            made.close()


def as_env(env: Env | VecEnv | str, *, render_mode: str | None = None) -> Env | VecEnv:
    """Return the environment, or the one that an id stands for: to be closed by the caller.

    Args:
        env: It, or its id.
        render_mode: Of what an id stands for.

    Raises:
        ValueError: There is no environment of that id.
        TypeError: It is neither an environment nor an id.
    """
    if isinstance(env, str):
        try:
            return make_env(env, {}, render_mode=render_mode)
        except (gym.error.Error, ImportError) as error:
            raise ValueError(f"env {env!r} cannot be made: {error}") from error
    if not isinstance(env, gym.Env | VectorEnv):
        raise TypeError(
            "env must be a gymnasium.Env, a gymnasium.vector.VectorEnv or an id such as "
            f'"CartPole-v1", got {env!r} of type {type(env).__name__}'
        )
    return env


def as_vector_env(env: Env | VecEnv) -> VecEnv:
    """Return a vector environment that training can step: itself, or a single one as one of one.

    Raises:
        TypeError: It is neither.
        ValueError: It resets sub-environments in a way that training cannot follow.
    """
    if isinstance(env, gym.Env):
        return SequentialVectorEnv([env])
    if not isinstance(env, VectorEnv):
        raise TypeError(
            f"training takes a gymnasium.Env or a gymnasium.vector.VectorEnv, got {env!r}"
        )
    if autoreset_mode(env) is AutoresetMode.NEXT_STEP and not _takes_reset_mask(env):
        raise ValueError(
            f"{env} resets sub-environments at the next step, which takes no action there: make it "
            "with autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP or DISABLED"
        )
    return env


def single_spaces(env: Env | VecEnv) -> tuple[gym.Space[Any], gym.Space[Any]]:
    """Return the spaces of the observations and actions of one sub-environment."""
    if isinstance(env, VectorEnv):
        return env.single_observation_space, env.single_action_space
    return env.observation_space, env.action_space


def autoreset_mode(envs: VecEnv) -> AutoresetMode:
    """Return when a vector environment resets its sub-environments."""
    return AutoresetMode(envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))


def generators_of(envs: VecEnv) -> Sequence[np.random.Generator] | None:
    """Return the generator of each sub-environment; None where they cannot be reached."""
    if isinstance(envs, SequentialVectorEnv):
        return [env.unwrapped.np_random for env in envs.envs]
    if isinstance(envs.unwrapped, AsyncVectorEnv):
        return None  # copies of those in other processes
    generators: Any = envs.np_random  # a tuple of them in Gymnasium's own, whatever its type says
    if isinstance(generators, tuple | list) and len(generators) == envs.num_envs:
        return generators
    return None


def reset_some(
    envs: VecEnv,
    seeds: Mapping[int, int | None],
    states: Mapping[int, bytes] = MappingProxyType({}),
) -> NDArray[Any]:
    """Begin an episode in some sub-environments; return the observations of all, [N, ...].

    Args:
        envs: A vector environment; the first reset is of all.
        seeds: By sub-environment, what seeds its generator; None leaves that as it is.
        states: By some of these, what `save_state_of` returned: where the episode begins.
    """
    mask = np.zeros(envs.num_envs, np.bool_)
    mask[list(seeds)] = True
    options: dict[str, Any] | None = None if mask.all() else {"reset_mask": mask}
    if states:
        places = [states.get(index) for index in range(envs.num_envs)]
        options = {"reset_mask": mask, "state": places}
    seed: Any = [seeds.get(index) for index in range(envs.num_envs)]
    obs, _ = envs.reset(seed=seed, options=options)
    return np.asarray(obs)


def saves_states(envs: VecEnv) -> bool:
    """Return whether `save_state_of` works: sub-environments save their state, and begin in it."""
    if isinstance(envs, SequentialVectorEnv):
        return all(env.has_wrapper_attr("save_state") for env in envs.envs)
    return _takes_reset_mask(envs) and hasattr(envs.unwrapped, "save_state")


def save_state_of(envs: VecEnv, index: int) -> bytes:
    """Return the state of a sub-environment in the middle of an episode, for `reset_some`."""
    if isinstance(envs, SequentialVectorEnv):
        save_state = envs.envs[index].get_wrapper_attr("save_state")
    else:
        save_state = partial(envs.unwrapped.save_state, index)  # type: ignore[attr-defined]
    state: bytes = save_state()
    return state


def read_end(infos: Mapping[Any, Any], index: int) -> tuple[dict[str, Any], NDArray[Any] | None]:
    """Return the last info of an episode that a step ended in a sub-environment.

    Args:
        infos: What the step of the vector environment returned.
        index: Of the sub-environment.

    Returns:
        The info, empty where the vector environment gives none, as `SequentialVectorEnv` does of an
        episode that goes on; and the last observation if the sub-environment has been reset since.
    """
    if not any(isinstance(key, str) for key in infos):  # of SequentialVectorEnv
        return infos.get(index, {}), None
    if "final_obs" in infos:
        return _info_of(infos["final_info"], index), infos["final_obs"][index]
    return _info_of(infos, index), None


def _info_of(infos: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one sub-environment's part of the infos of a vector environment."""
    info: dict[str, Any] = {}
    for key, value in infos.items():
        if isinstance(value, dict):
            info[key] = _info_of(value, index)
        elif not key.startswith("_"):
            entry = value[index]
            info[key] = entry.item() if isinstance(entry, np.generic) else entry
    return info


def as_obs(obs: Any, like: NDArray[Any]) -> NDArray[Any]:
    """Return an observation as an array that loses nothing where it is copied to.

    Args:
        obs: What an environment returned.
        like: An array of the shape and dtype of its space.

    Raises:
        ObservationError: It has another shape, or a dtype that does not go into that one.
    """
    array = np.asarray(obs)
    fits = array.dtype == like.dtype or np.can_cast(array.dtype, like.dtype, "same_kind")
    if array.shape != like.shape or not fits:
        raise ObservationError(
            f"an observation must have shape {like.shape} and dtype {like.dtype}, as the "
            f"environment's observation_space says; got {array.shape} and {array.dtype}"
        )
    return array


def as_number(reward: Any) -> float:
    """Return a reward as a number; one of shape (1,), as many environments return it, is its own.

    Raises:
        RewardError: It is no number.
    """
    if isinstance(reward, float | int):
        return float(reward)
    array = np.asarray(reward)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise RewardError(
            f"a reward must be one number, got {' '.join(repr(reward).split())} of type "
            f"{type(reward).__name__}: let the environment return a float"
        )
    return float(array.item())


def position_of(info: Mapping[str, Any]) -> int | None:
    """Return how far the player came: `x_pos` in pixels, or None where the info has no such number.

    Infos of other environments may hold anything by that name: NaN, None and texts are no position.
    """
    position = info.get("x_pos")
    if not isinstance(position, Real) or not math.isfinite(position):
        return None
    return int(float(position))


def success_of(info: Mapping[str, Any]) -> bool | None:
    """Return whether the episode reached its goal, or None where the info does not say.

    That is `flag_get` in Super Mario Bros and `is_success` elsewhere (Gymnasium-Robotics' key), a
    bool or a number; NaN, None and texts say nothing.
    """
    for key in ("flag_get", "is_success"):
        value = info.get(key)
        if isinstance(value, Real | np.bool_) and math.isfinite(value):
            return bool(value)
    return None


class SequentialVectorEnv(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """Environments stepped one after the other, which are reset as they are told to.

    Unlike those of `gymnasium.vector.SyncVectorEnv` its infos are those of ended episodes alone, a
    dict by the number of the sub-environment, and observations are copied once: one environment
    costs little more than itself. An array of observations is written over by the second call after
    the one that returned it.
    """

    def __init__(self, envs: Sequence[Env]) -> None:
        """Take environments with the same spaces; `close` closes them.

        Raises:
            ValueError: Their observations are no arrays, or one of them is there twice.
        """
        self.envs = tuple(envs)
        if len({id(env.unwrapped) for env in self.envs}) < len(self.envs):
            raise ValueError(
                "the sub-environments are one and the same environment, which each would step: let "
                "the function make a new one every time, as lambda: gym.make(...)"
            )
        space = self.envs[0].observation_space
        if space.shape is None or space.dtype is None:
            raise ValueError(
                f"agents need observations that are one array, the environment has {space}: wrap "
                "it in gymnasium.wrappers.FlattenObservation"
            )
        self.num_envs = len(self.envs)
        self.spec = self.envs[0].spec
        self.render_mode = self.envs[0].render_mode
        self.metadata = {**self.envs[0].metadata, "autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        shape = (self.num_envs, *space.shape)
        self._obs, self._other_obs = (np.zeros(shape, space.dtype) for _ in range(2))

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode in every sub-environment, or in those of `options["reset_mask"]`.

        Sub-environment i is seeded with `seed + i`, as Gymnasium's vectors do it, or with what a
        sequence has for it. `options["state"]` has a value for each: where it begins, or None.

        Raises:
            ValueError: A sequence of seeds has not one for each sub-environment.
        """
        seeds = self._seeds(seed)
        options = options or {}
        mask, states = options.get("reset_mask"), options.get("state") or [None] * self.num_envs
        for index, env in enumerate(self.envs):
            if mask is None or mask[index]:
                own = None if states[index] is None else {"state": states[index]}
                shown, _ = env.reset(seed=seeds[index], options=own)
                self._obs[index] = as_obs(shown, self._obs[index])
        return self._obs, {}

    def _seeds(self, seed: Any) -> list[int | None]:
        if seed is None or isinstance(seed, int | np.integer):
            return [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        seeds = [None if each is None else int(each) for each in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(
                f"{len(seeds)} seeds for {self.num_envs} sub-environments: give one for each, or a "
                "number, to which the index of each is added"
            )
        return seeds

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[
        NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """Take a step in every sub-environment."""
        obs = self._other_obs
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), np.bool_)
        infos: dict[Any, Any] = {}
        for index, env in enumerate(self.envs):
            shown, paid, is_over, is_cut, info = env.step(actions[index])
            reward[index] = as_number(paid)
            obs[index] = as_obs(shown, obs[index])
            if is_over or is_cut:
                terminated[index], truncated[index] = bool(is_over), bool(is_cut)
                infos[index] = info
        self._obs, self._other_obs = obs, self._obs
        return obs, reward, terminated, truncated, infos

    def close_extras(self, **kwargs: Any) -> None:
        """Close the sub-environments."""
        for env in self.envs:
            env.close()


def _registered(env_id: str) -> str:
    """Return the plain id of `env_id`, after what registers it is imported.

    Raises:
        ImportError: The module that it names cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    if name not in gym.registry:
        for part, package in _PACKAGES.items():
            if part in name:
                _import_package(package, name)
    return name


def _import_package(package: str, env_id: str) -> None:
    """Import what registers an id."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{env_id} needs {package}, which cannot be imported here ({error}). PyBullet's come "
            'with `pip install "mario-rl-envs[bullet]"` on Python 3.11, the last with wheels'
        ) from error


def _resets_as_told(spec: gym.envs.registration.EnvSpec) -> bool:
    """Return whether an id has a vector environment whose autoreset mode can be chosen."""
    if spec.additional_wrappers:
        return False  # they are of single environments
    return _MODES in _parameters(spec.vector_entry_point)


def _takes_reset_mask(envs: VecEnv) -> bool:
    """Return whether sub-environments can be reset by a mask before they reset themselves."""
    kinds = SyncVectorEnv | AsyncVectorEnv
    return isinstance(envs.unwrapped, kinds) or getattr(envs.unwrapped, "takes_reset_mask", False)
