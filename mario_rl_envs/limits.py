"""When a vector environment truncates the episodes of its sub-environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# The keys of an info that make an earlier best position void when one of them changes.
PLACE: Final = ("world", "stage", "area", "life")


class Limits:
    """Counts the steps of each episode, and those since its position was a new best.

    It does what the wrappers `TimeLimit` and `TruncateOnStall` do, for N sub-environments.
    """

    def __init__(
        self,
        num_envs: int,
        max_episode_steps: int | None,
        stall: int | None,
        columns: Sequence[str],
    ) -> None:
        """Begin with no episode.

        Args:
            num_envs: N.
            max_episode_steps: Steps of an episode; None: no limit.
            stall: Steps without a new best position; None: no limit.
            columns: The keys of the infos' numbers, in the order of their rows.
        """
        self._max_episode_steps = max_episode_steps
        self._stall = stall
        self._x_row = columns.index("x_pos")
        self._place_rows = [columns.index(key) for key in PLACE]
        self.num_steps = np.zeros(num_envs, np.int64)
        self._num_stalled = np.zeros(num_envs, np.int64)
        self._best = np.zeros(num_envs, np.int64)
        self._places = np.zeros((len(PLACE), num_envs), np.int64)

    def begin(self, envs: list[int], columns: NDArray[np.int64]) -> None:
        """Begin episodes in some sub-environments.

        Args:
            envs: Their indices.
            columns: The infos' numbers, [C, N].
        """
        self.num_steps[envs] = 0
        if self._stall is not None:
            self._num_stalled[envs] = 0
            self._best[envs] = columns[self._x_row, envs]
            self._places[:, envs] = columns[self._place_rows][:, envs]

    def step(self, terminated: NDArray[np.bool_], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Count a step of every sub-environment; return which episodes are truncated, [N].

        Args:
            terminated: Which episodes the step terminated, [N].
            columns: The infos' numbers, [C, N].
        """
        self.num_steps += 1
        truncated = np.zeros(len(terminated), np.bool_)
        if self._max_episode_steps is not None:
            truncated |= self.num_steps >= self._max_episode_steps
        if self._stall is not None:
            x, places = columns[self._x_row], columns[self._place_rows]
            has_moved_on = (places != self._places).any(axis=0)
            is_better = has_moved_on | (x > self._best)
            self._num_stalled = np.where(is_better, 0, self._num_stalled + 1)
            self._best = np.where(is_better, x, self._best)
            self._places = places
            truncated |= ~terminated & (self._num_stalled >= self._stall)
        return truncated

    def get_state(self) -> dict[str, NDArray[np.int64]]:
        """Return a copy of all counts, to pickle them."""
        return {
            "num_steps": self.num_steps.copy(),
            "num_stalled": self._num_stalled.copy(),
            "best": self._best.copy(),
            "places": self._places.copy(),
        }

    def set_state(self, state: Mapping[str, NDArray[np.int64]]) -> None:
        """Go on from what `get_state` returned."""
        self.num_steps, self._num_stalled = state["num_steps"], state["num_stalled"]
        self._best, self._places = state["best"], state["places"]
