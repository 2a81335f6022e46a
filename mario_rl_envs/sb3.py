"""Stable-Baselines3 on the native core: many games, stepped by one call, as one of its `VecEnv`s.

    from mario_rl_envs.sb3 import make_vec_env

    model = PPO("CnnPolicy", make_vec_env("MarioRL-1-1-v0", n_envs=8, seed=0))

What comes out equals Stable-Baselines3's `DummyVecEnv` of `gym.make`, step for step. Nothing else
in this package imports Stable-Baselines3, nor this module.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mario_rl_envs.checks import MAX_COUNT, check_integer, check_keywords, unknown_name
from mario_rl_envs.make import make_mario
from mario_rl_envs.specs import readable_once
from mario_rl_envs.sub_environment import SubEnvironment
from mario_rl_envs.vector_env import MarioVectorEnv, is_native, make_mario_vector

try:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
except ImportError as error:
    raise ImportError(
        "mario_rl_envs.sb3 needs Stable-Baselines3, which is not installed; run "
        '`pip install "mario-rl-envs[sb3]"`'
    ) from error

INFOS_OF: Final = ("ended", "all")

_ENTRY_POINT: Final = f"{make_mario_vector.__module__}:{make_mario_vector.__name__}"
_MONITOR_FILE: Final = "monitor.csv"  # the end of a name that `load_results` looks for
_TERMINAL_OBS: Final = "terminal_observation"
_TRUNCATED: Final = "TimeLimit.truncated"


def make_vec_env(
    env_id: str | EnvSpec,
    n_envs: int = 1,
    seed: int | None = None,
    *,
    monitor_dir: str | os.PathLike[str] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    monitor_kwargs: Mapping[str, Any] | None = None,
    infos_of: str = "ended",
    **keywords: Any,
) -> VecEnv:
    """Make a monitored `VecEnv` of games, as `stable_baselines3.common.env_util.make_vec_env` does.

    Where the native core is not built, or does not do it (`emulator="nes-py"`, pictures larger than
    the screen, `render_mode="human"`), the games are stepped one by one: the same, but slower.

    Args:
        env_id: One of `mario_rl_envs.ENV_IDS`, or an id or spec registered like them.
        n_envs: Games, N.
        seed: Game i is seeded with seed + i at the first reset. None: unforeseeable.
        monitor_dir: A folder for `monitor.csv`, which has a line for each episode; None: no file.
        env_kwargs: What can be given as `keywords` too.
        monitor_kwargs: Keywords of `VecMonitor`: `info_keywords`.
        infos_of: "ended": infos are those of games whose episode the step has ended; the others
            say `TimeLimit.truncated` alone, which is False. "all": of every game at every step.
        keywords: Those of `gym.make`, where `render_mode` is "rgb_array" by default; and
            `num_threads`, threads that step the games: one for each processor that this process may
            use by default, but not more than games.

    Returns:
        The games. Observations are uint8, [N, ...], rewards float32, [N], dones bool, [N].

    Raises:
        ValueError: An argument is not one of those accepted; the message names them.
        TypeError: A keyword is unknown, or given twice; or the id is neither text nor a spec.
        gymnasium.error.Error: There is no such id, or the seed is no integer from 0.
        FileNotFoundError: There is no ROM.
    """
    check_integer("n_envs", n_envs, 1, MAX_COUNT)
    spec = _find_spec(env_id)
    twice = sorted(keywords.keys() & (env_kwargs or {}).keys())
    if twice:
        raise TypeError(
            f"{', '.join(twice)} given twice, in env_kwargs and as a keyword of make_vec_env: "
            "leave one of them out"
        )
    given = {**(env_kwargs or {}), **keywords}
    given.update(readable_once(given))
    check_keywords(given, _accepted_keywords())
    given.setdefault("render_mode", "rgb_array")
    vec_env: VecEnv
    if is_native({**spec.kwargs, **given}):
        games = gym.make_vec(
            spec,
            num_envs=n_envs,
            autoreset_mode=AutoresetMode.SAME_STEP,
            **given,
        )
        vec_env = MarioVecEnv(games, infos_of)
    else:
        given.pop("num_threads", None)
        vec_env = _OneByOne([functools.partial(gym.make, spec, **given)] * n_envs, infos_of)
    if seed is not None:
        vec_env.action_space.seed(seed)
    vec_env.seed(seed)
    file = None if monitor_dir is None else os.path.join(monitor_dir, _MONITOR_FILE)
    monitored = VecMonitor(vec_env, file, **(monitor_kwargs or {}))
    # A wrapper of SB3's has such attributes of its own, which say less.
    monitored.reset_infos, monitored.metadata = vec_env.reset_infos, vec_env.metadata
    return monitored


class MarioVecEnv(VecEnv):
    """A `MarioVectorEnv` as Stable-Baselines3 takes it.

    - Action: one for each game: integers, [N], or numbers, [N, 3].
    - Observation: uint8, [N, ...], an array of its own at every step.
    - Dones: bool, [N], terminated or truncated; the game has begun its next episode then.
    - Infos: a dict a game.

    Example:
        >>> import gymnasium as gym
        >>> from mario_rl_envs.sb3 import MarioVecEnv
        >>> games = gym.make_vec("MarioRL-1-1-v0", num_envs=4, autoreset_mode="SameStep")
        >>> envs = MarioVecEnv(games)
        >>> envs.reset().shape
        (4, 4, 84, 84)
        >>> envs.close()
    """

    def __init__(
        self, vector_env: gym.vector.VectorEnv[Any, Any, Any], infos_of: str = "ended"
    ) -> None:
        """Wrap games; the first `reset` starts them.

        Args:
            vector_env: A `MarioVectorEnv`, as `gym.make_vec` makes it, which resets at the same
                step and copies observations.
            infos_of: As of `make_vec_env`.

        Raises:
            TypeError: `vector_env` is something else.
            ValueError: It resets in another mode or does not copy, or `infos_of` is unknown.
        """
        self.vector_env = _check_vector_env(vector_env)
        self._infos_of = _check_infos_of(infos_of)
        super().__init__(
            vector_env.num_envs,
            vector_env.single_observation_space,
            vector_env.single_action_space,
        )
        self.metadata = {
            key: value for key, value in vector_env.metadata.items() if key != "autoreset_mode"
        }
        self._actions: Any = None

    @property
    def spec(self) -> EnvSpec | None:
        """How the games were made; None unless an id made them."""
        return self.vector_env.spec

    def reset(self) -> NDArray[np.uint8]:
        """Begin an episode in every game, with what `seed` and `set_options` have set.

        Returns:
            The observations. What games said beside them is in `reset_infos`.

        Raises:
            ValueError: An option is not accepted. Nothing has changed.
            gymnasium.error.Error: A seed is no integer from 0. Nothing has changed.
        """
        obs, infos = self.vector_env.reset(seed=self._seeds, options=_batched(self._options))
        self.reset_infos[:] = [_info(infos, env) for env in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: Any) -> None:
        """Take note of the actions of the step that `step_wait` will take."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Take a step in every game, and begin the next episode where it ends one.

        Returns:
            Observations, uint8, [N, ...]; rewards, float32, [N]; dones, bool, [N]; and infos. Of a
            game that is done the observation is the next episode's first one, the reward and the
            info are those of the end: the last observation is in its "terminal_observation".
        """
        obs, rewards, terminated, truncated, batch = self.vector_env.step(self._actions)
        final_obs, final_infos = batch.pop("final_obs", None), batch.pop("final_info", None)
        dones = terminated | truncated
        infos: list[dict[str, Any]]
        if self._infos_of == "all":
            infos = [_info(batch, env) for env in range(self.num_envs)]
        else:
            infos = [{} for _ in range(self.num_envs)]
        for env in np.flatnonzero(dones).tolist():
            self.reset_infos[env] = _info(batch, env)
            infos[env] = {**_info(final_infos, env), _TERMINAL_OBS: final_obs[env]}
        for info, is_truncated in zip(infos, (truncated & ~terminated).tolist(), strict=True):
            info[_TRUNCATED] = is_truncated
        return obs, rewards.astype(np.float32), dones, infos

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return the games' screens, uint8, [240, 256, 3]; they need render_mode="rgb_array"."""
        if self.render_mode != "rgb_array":
            warnings.warn(
                f'the render mode is {self.render_mode!r}; pictures need render_mode="rgb_array"',
                stacklevel=2,
            )
            return [None] * self.num_envs
        return list(self.vector_env.render())

    def close(self) -> None:
        """End the threads and free the games."""
        self.vector_env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of some games; of all by default.

        Raises:
            AttributeError: Games have nothing of that name; the message says what they have.
        """
        return [getattr(game, attr_name) for game in self._games(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Give some games an attribute.

        Raises:
            AttributeError: Games have such an attribute of themselves.
        """
        for game in self._games(indices):
            game.set(attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of some games; see `get_attr`."""
        methods = self.get_attr(method_name, indices)
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each game: what wrappers do is done natively, without any."""
        return [False for _ in self._games(indices)]

    def _games(self, indices: VecEnvIndices) -> list[SubEnvironment]:
        return [self.vector_env.sub_environments[env] for env in self._get_indices(indices)]


class _OneByOne(DummyVecEnv):
    """Single environments whose infos are those of a `MarioVecEnv`."""

    def __init__(
        self, env_fns: list[Callable[[], gym.Env[Any, Any]]], infos_of: str = "ended"
    ) -> None:
        self._infos_of = _check_infos_of(infos_of)
        super().__init__(env_fns)

    def step_wait(self) -> VecEnvStepReturn:
        obs, rewards, dones, infos = super().step_wait()
        if self._infos_of == "ended":
            infos = [
                info if done else {_TRUNCATED: False}
                for info, done in zip(infos, dones, strict=True)
            ]
        return obs, rewards, dones, infos


def _info(infos: Mapping[str, Any], env: int) -> dict[str, Any]:
    """Return the info of one game, which has every key, as a single environment gives it."""
    return {
        key: _info(value, env) if isinstance(value, Mapping) else value.item(env)
        for key, value in infos.items()
        if not key.startswith("_")  # which games have the key
    }


def _batched(options: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]] | None:
    """Return the options of each game as a vector environment takes them."""
    names = dict.fromkeys(name for each in options for name in each)
    return {name: [each.get(name) for each in options] for name in names} or None


def _find_spec(env_id: object) -> EnvSpec:
    """Return the spec of games of this package."""
    if not isinstance(env_id, str | EnvSpec):
        raise TypeError(
            f"env_id is {env_id!r}; accepted is an id, as 'MarioRL-1-1-v0'. What makes a single "
            "environment is for stable_baselines3.common.env_util.make_vec_env"
        )
    spec = env_id
    if isinstance(spec, str):
        module, _, name = spec.rpartition(":")
        if module:
            importlib.import_module(module)
        spec = gym.spec(name)
    if spec.vector_entry_point != _ENTRY_POINT:
        raise ValueError(
            f"env_id is {spec.id!r}; accepted are those of mario_rl_envs.ENV_IDS. Others are for "
            "stable_baselines3.common.env_util.make_vec_env"
        )
    return spec


def _accepted_keywords() -> Iterable[str]:
    """Return the keywords that go with an id; `make_vec_env`'s own are suggested for slips."""
    names = [*inspect.signature(make_mario).parameters, "max_episode_steps", "num_threads"]
    own = inspect.signature(make_vec_env).parameters
    return [*names, *(name for name in own if name != "keywords")]


def _check_infos_of(infos_of: str) -> str:
    if infos_of not in INFOS_OF:
        raise ValueError(unknown_name("infos_of", infos_of, INFOS_OF))
    return infos_of


def _check_vector_env(vector_env: object) -> MarioVectorEnv:
    accepted = "gym.make_vec('MarioRL-1-1-v0', num_envs=8, autoreset_mode='SameStep')"
    if not isinstance(vector_env, MarioVectorEnv):
        raise TypeError(
            f"vector_env is {vector_env!r}; accepted is a MarioVectorEnv, without a wrapper, as "
            f"{accepted} makes"
        )
    if vector_env.autoreset_mode is not AutoresetMode.SAME_STEP:
        raise ValueError(
            f"vector_env resets in the mode {vector_env.autoreset_mode.value!r}; Stable-Baselines3 "
            f"takes 'SameStep': {accepted}"
        )
    if not vector_env.copy:
        raise ValueError(
            "vector_env writes its observations into one array (copy=False); Stable-Baselines3 "
            "keeps them: leave copy out"
        )
    return vector_env
