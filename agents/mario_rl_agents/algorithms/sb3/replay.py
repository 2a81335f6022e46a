"""The replay memory of Stable-Baselines3 as arrays, for checkpoints that hold no pickled code."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_rl_agents.spaces import check_elements

if TYPE_CHECKING:
    from stable_baselines3.common.buffers import ReplayBuffer

_ARRAYS: Final = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_PLACE: Final = "place"  # [next row, whether all rows are filled]


class ReplayMemory:
    """What a model has recorded: transitions of N sub-environments in a ring of T rows."""

    def __init__(self, buffer: "ReplayBuffer") -> None:
        """Take SB3's."""
        self._buffer = buffer

    def __len__(self) -> int:
        """Return the number of transitions."""
        return self._buffer.size() * self._buffer.n_envs

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the filled rows of each array, [T, N, ...], and the place of the next."""
        num_rows = self._buffer.size()
        arrays = {name: getattr(self._buffer, name)[:num_rows] for name in _ARRAYS}
        place = np.array([self._buffer.pos, self._buffer.full], np.int64)
        return {**arrays, _PLACE: place}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is none, or of another memory.
        """
        buffer = self._buffer
        if state.keys() != {*_ARRAYS, _PLACE}:
            raise ValueError(f"it has the arrays {sorted(state)} instead of those of SB3's memory")
        place = state[_PLACE]
        if place.shape != (2,) or place.dtype != np.int64:
            raise ValueError(f"the place of the next row must be two whole numbers, got {place}")
        position, is_full = place.tolist()
        num_rows = buffer.buffer_size if is_full else position
        if not (0 <= position < buffer.buffer_size and is_full in (0, 1)):
            raise ValueError(f"a memory of {buffer.buffer_size:,} rows has none at {position:,}")
        for name in _ARRAYS:
            own, array = getattr(buffer, name), state[name]
            if array.dtype != own.dtype or array.shape != (num_rows, *own.shape[1:]):
                raise ValueError(
                    f"{name} must be {own.dtype} of shape {(num_rows, *own.shape[1:])}, got "
                    f"{array.dtype} of shape {array.shape}"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} has numbers that are not finite")
        if isinstance(buffer.action_space, spaces.Discrete):
            check_elements(buffer.action_space, state["actions"], "recorded actions")
        for name in _ARRAYS:
            getattr(buffer, name)[:num_rows] = state[name]
        buffer.pos, buffer.full = position, bool(is_full)
