"""The actions of many games, read into joypad bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.game.actions import ACTION_SETS, BUTTONS, joypad_byte

if TYPE_CHECKING:  # it needs the native core
    from mario_rl_envs.batch import GameBatch


class ActionBatch:
    """Reads an action of each game: a number of an action set, or three that are continuous."""

    def __init__(self, actions: Any, games: GameBatch) -> None:
        """Choose the actions.

        Args:
            actions: As `make_mario` has them.
            games: That they are for.
        """
        self._games = games
        self._bytes = _bytes_of(actions)
        num_envs = games.num_envs
        self._accepted = (
            f"numbers from -1 to 1, three for each of the {num_envs} environments"
            if self._bytes is None
            else f"{num_envs} integers from 0 to {len(self._bytes) - 1}, one for each environment"
        )

    def buttons(self, actions: Any) -> NDArray[np.uint8]:
        """Return the joypad bytes of the games, [N].

        Args:
            actions: Integers, [N], or numbers, [N, 3].

        Raises:
            TypeError: They are of another type.
            ValueError: Their number is not N, or one is out of range or NaN.
        """
        if self._bytes is None:
            return self._continuous(actions)
        array = self._as_array(actions, (self._games.num_envs,), "iu")
        buttons, env = self._games.look_up(self._bytes, array)
        if env is not None:
            raise ValueError(
                f"the action {array[env]} of environment {env} is out of range; accepted are 0 to "
                f"{len(self._bytes) - 1}"
            )
        return buttons

    def _continuous(self, actions: Any) -> NDArray[np.uint8]:
        """Return the joypad bytes of continuous actions, as `ContinuousJoypad` reads them."""
        array = self._as_array(actions, (self._games.num_envs, 3), "iuf")
        is_bad = np.isnan(array).any(axis=1)
        if is_bad.any():
            env = int(np.flatnonzero(is_bad)[0])
            raise ValueError(
                f"the action {array[env]} of environment {env} is NaN; accepted are three numbers "
                "from -1 to 1"
            )
        direction, a, b = array.T
        buttons = BUTTONS["right"] * (direction > 0) + BUTTONS["left"] * (direction < 0)
        buttons += BUTTONS["A"] * (a > 0) + BUTTONS["B"] * (b > 0)
        joypad: NDArray[np.uint8] = buttons.astype(np.uint8)
        return joypad

    def _as_array(self, actions: Any, shape: tuple[int, ...], kinds: str) -> NDArray[Any]:
        """Return actions as an array of this shape, whose type is of one of these kinds."""
        accepted = self._accepted
        try:
            array = np.asarray(actions)
        except ValueError:
            raise ValueError(f"the actions are {accepted}; got {actions!r}") from None
        if array.shape != shape:
            raise ValueError(f"the actions are {accepted}; got an array of shape {array.shape}")
        if array.dtype.kind not in kinds:
            raise TypeError(f"the actions are {accepted}; got an array of {array.dtype}")
        return array


def _bytes_of(actions: Any) -> NDArray[np.uint8] | None:
    """Return the joypad byte of each action; None if actions are continuous."""
    if isinstance(actions, str):
        if actions == "continuous":
            return None
        if actions == "joypad":
            return np.arange(256, dtype=np.uint8)
        actions = ACTION_SETS[actions]
    return np.array([joypad_byte(buttons) for buttons in actions], np.uint8)
