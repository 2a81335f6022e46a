"""From joypad bytes to the actions an agent chooses between."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from mario_rl_envs.game.actions import (
    BUTTONS,
    NUM_JOYPAD_BYTES,
    action_meaning,
    check_actions,
    joypad_byte,
    keys_of,
)
from mario_rl_envs.wrappers.advance import AdvancingWrapper, Unseen, advancing


def _check_joypad_space(env: gym.Env[Any, Any], wrapper: str) -> None:
    space = env.action_space
    if not isinstance(space, gym.spaces.Discrete) or (space.n, space.start) != (
        NUM_JOYPAD_BYTES,
        0,
    ):
        raise ValueError(
            f"{wrapper} needs an environment whose actions are joypad bytes, Discrete(256); this "
            f"one has {space}"
        )


class JoypadSpace(AdvancingWrapper, gym.ActionWrapper[Any, Any, int], RecordConstructorArgs):
    """Choose between a few combinations of buttons: `Discrete(len(actions))`.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import JoypadSpace
        >>> env = JoypadSpace(SuperMarioBrosEnv("1-1"), [["right"], ["right", "A"]])
        >>> env.action_space
        Discrete(2)
        >>> env.close()
    """

    def __init__(
        self, env: gym.Env[Any, int], actions: str | Iterable[Sequence[str]] = "right_only"
    ) -> None:
        """Wrap an environment of joypad bytes.

        Args:
            env: Its action space is `Discrete(256)`.
            actions: "right_only" (5), "simple" (7), "complex" (12), or a list of lists of buttons,
                as `[["right"], ["right", "A"]]`.

        Raises:
            ValueError: The action space does not fit, or the actions are not as above.
        """
        _check_joypad_space(env, "JoypadSpace")
        combinations = check_actions(actions)
        recorded = (
            actions if isinstance(actions, str) else [list(buttons) for buttons in combinations]
        )
        RecordConstructorArgs.__init__(self, actions=recorded)
        gym.ActionWrapper.__init__(self, env)
        self.inner = advancing(env)
        self._bytes = [joypad_byte(buttons) for buttons in combinations]
        self._meanings = [action_meaning(buttons) for buttons in combinations]
        self.action_space = gym.spaces.Discrete(len(self._bytes))

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation; the same action is always the same byte."""
        return super().advance(self.action(action), num_steps, draw=draw)

    def action(self, action: int) -> int:
        """Return the joypad byte of an action.

        Raises:
            TypeError: The action is no integer.
            ValueError: The action is out of range.
        """
        accepted = f"0 to {len(self._bytes) - 1}"
        try:
            index = operator.index(action)
        except TypeError:
            raise TypeError(
                f"an action is an integer from {accepted}; got {type(action).__name__} {action!r}"
            ) from None
        if not 0 <= index < len(self._bytes):
            raise ValueError(f"the action {index} is out of range; accepted are {accepted}")
        return self._bytes[index]

    def get_action_meanings(self) -> list[str]:
        """Return a readable name of each action, as "right + A"."""
        return list(self._meanings)

    def get_keys_to_action(self) -> dict[tuple[int, ...], int]:
        """Return which keys choose which action, for `gymnasium.utils.play.play`.

        Those of `SuperMarioBrosEnv.get_keys_to_action`. An action without buttons has no key.
        """
        first = {byte: action for action, byte in reversed([*enumerate(self._bytes)])}
        return {keys_of(byte): action for byte, action in first.items() if byte != 0}


class ContinuousJoypad(
    AdvancingWrapper, gym.ActionWrapper[Any, NDArray[np.float32], int], RecordConstructorArgs
):
    """Press buttons by three numbers in [-1, 1]: left (< 0) or right (> 0), A (> 0), B (> 0).

    Numbers beyond are clipped, as Gymnasium's own environments do: only their signs are read.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import ContinuousJoypad
        >>> env = ContinuousJoypad(SuperMarioBrosEnv("1-1"))
        >>> obs, info = env.reset(seed=0)
        >>> obs, *_ = env.step([0.8, 0.3, -0.5])  # right and A
        >>> env.close()
    """

    def __init__(self, env: gym.Env[Any, int]) -> None:
        """Wrap an environment of joypad bytes.

        Args:
            env: Its action space is `Discrete(256)`.

        Raises:
            ValueError: The action space does not fit.
        """
        _check_joypad_space(env, "ContinuousJoypad")
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        self.inner = advancing(env)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def advance(self, action: Any, num_steps: int, *, draw: bool) -> Unseen:
        """Take steps without their observation; the same action is always the same byte."""
        return super().advance(self.action(action), num_steps, draw=draw)

    def action(self, action: NDArray[np.float32]) -> int:
        """Return the joypad byte of an action, [3].

        Raises:
            TypeError: The action is not made of numbers.
            ValueError: The action has another shape, or is NaN.
        """
        try:
            values = np.asarray(action)
        except ValueError:
            raise ValueError(f"an action is three numbers from -1 to 1; got {action!r}") from None
        if values.dtype.kind not in "iuf":
            raise TypeError(
                f"an action is three numbers from -1 to 1; got {type(action).__name__} {action!r}"
            )
        if values.shape != (3,) or np.isnan(values).any():
            raise ValueError(f"an action is three numbers from -1 to 1; got {action!r}")
        direction, a, b = values.tolist()
        byte = BUTTONS["right"] * (direction > 0) | BUTTONS["left"] * (direction < 0)
        byte |= BUTTONS["A"] * (a > 0) | BUTTONS["B"] * (b > 0)
        return int(byte)

    def get_action_meanings(self) -> list[str]:
        """Return a readable name of each of the three numbers."""
        return ["left or right", "A", "B"]

    def get_keys_to_action(self) -> dict[tuple[int, ...], NDArray[np.float32]]:
        """Return which keys make which action, for `gymnasium.utils.play.play`.

        Those of `SuperMarioBrosEnv.get_keys_to_action`. Pass `noop=np.zeros(3, np.float32)` too.
        """
        actions = [
            np.array(numbers, np.float32)
            for numbers in itertools.product((0, -1, 1), (0, 1), (0, 1))
        ]
        return {keys_of(self.action(action)): action for action in actions if action.any()}
