"""The games of a vector environment one by one, as `VectorEnv.call` and its likes show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

_OWN: Final = ("_envs", "_index", "_ask_single")  # attributes of a SubEnvironment


class _Games(Protocol):
    """What of a `MarioVectorEnv` is shown."""

    single_observation_space: gym.Space[Any]
    single_action_space: gym.Space[Any]
    metadata: dict[str, Any]
    render_mode: str | None

    @property
    def spec(self) -> EnvSpec | None: ...
    @property
    def np_random(self) -> tuple[np.random.Generator, ...]: ...
    @property
    def np_random_seed(self) -> tuple[int, ...]: ...
    @property
    def ram(self) -> NDArray[np.uint8]: ...
    def render_game(self, env: int) -> Any: ...
    def save_state(self, env: int) -> bytes: ...
    def load_state(self, env: int, state: bytes) -> None: ...


class SubEnvironment:
    """A game of a `MarioVectorEnv`: what a single environment tells of itself.

    It can be given attributes, too. It is stepped and reset by the vector environment alone.

    Example:
        >>> import gymnasium as gym
        >>> import mario_rl_envs
        >>> envs = gym.make_vec("MarioRL-1-1-v0", num_envs=2)
        >>> obs, infos = envs.reset(seed=0)
        >>> second = envs.unwrapped.sub_environments[1]
        >>> second.ram.shape
        (2048,)
        >>> envs.close()
    """

    def __init__(self, envs: _Games, index: int, ask_single: Callable[[str], Any]) -> None:
        """Show a game.

        Args:
            envs: The vector environment.
            index: The game's index.
            ask_single: Calls a method of a single environment of the same keywords, by its name.
        """
        self._envs = envs
        self._index = index
        self._ask_single = ask_single

    @property
    def unwrapped(self) -> SubEnvironment:
        """The game itself."""
        return self

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The space of one game's observations."""
        return self._envs.single_observation_space

    @property
    def action_space(self) -> gym.Space[Any]:
        """The space of one game's actions."""
        return self._envs.single_action_space

    @property
    def metadata(self) -> dict[str, Any]:
        """The vector environment's."""
        return self._envs.metadata

    @property
    def render_mode(self) -> str | None:
        """The vector environment's."""
        return self._envs.render_mode

    @property
    def spec(self) -> EnvSpec | None:
        """The vector environment's."""
        return self._envs.spec

    @property
    def np_random(self) -> np.random.Generator:
        """The game's generator."""
        return self._envs.np_random[self._index]

    @property
    def np_random_seed(self) -> int:
        """What the generator was seeded with."""
        return self._envs.np_random_seed[self._index]

    @property
    def ram(self) -> NDArray[np.uint8]:
        """A copy of the console's RAM, uint8, [2048]."""
        ram: NDArray[np.uint8] = self._envs.ram[self._index]
        return ram

    def render(self) -> Any:
        """Return what the render mode asks for."""
        return self._envs.render_game(self._index)

    def save_state(self) -> bytes:
        """Return the game's state, as `MarioVectorEnv.save_state`."""
        return self._envs.save_state(self._index)

    def load_state(self, state: bytes) -> None:
        """Begin an episode where a state was saved, as `MarioVectorEnv.load_state`."""
        self._envs.load_state(self._index, state)

    def get_action_meanings(self) -> list[str]:
        """Return a readable name of each action."""
        meanings: list[str] = self._ask_single("get_action_meanings")
        return meanings

    def get_keys_to_action(self) -> dict[tuple[int, ...], Any]:
        """Return which keys choose which action."""
        keys: dict[tuple[int, ...], Any] = self._ask_single("get_keys_to_action")
        return keys

    def has_wrapper_attr(self, name: str) -> bool:
        """Return whether the game has an attribute, as `gymnasium.Env.has_wrapper_attr`."""
        return hasattr(self, name)

    def get_wrapper_attr(self, name: str) -> Any:
        """Return an attribute of the game, as `gymnasium.Env.get_wrapper_attr`."""
        return getattr(self, name)

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """Give the game an attribute, as `gymnasium.Env.set_wrapper_attr`; see `set`.

        Args:
            name: Of the attribute.
            value: Its value.
            force: Whether to give it an attribute that it has not had.

        Returns:
            Whether the attribute was set.
        """
        if force or self.has_wrapper_attr(name):
            self.set(name, value)
            return True
        return False

    def __getattr__(self, name: str) -> Any:
        """Say what there is; called for what there is not."""
        public = ", ".join(repr(each) for each in dir(self) if not each.startswith("_"))
        raise AttributeError(f"a game of MarioVectorEnv has no attribute {name!r}; it has {public}")

    def set(self, name: str, value: Any) -> None:
        """Give the game an attribute.

        Raises:
            AttributeError: It is one of the vector environment's.
        """
        if hasattr(type(self), name):
            raise AttributeError(
                f"the attribute {name!r} of a game cannot be set: the vector environment has it"
            )
        setattr(self, name, value)


def given_attributes(game: SubEnvironment) -> dict[str, Any]:
    """Return the attributes that a game was given, to pickle them."""
    return {name: value for name, value in vars(game).items() if name not in _OWN}
