"""Prioritized replay: what surprised the network more is shown to it more often.

Schaul et al. 2016, "Prioritized Experience Replay", the proportional variant. A transition i with
TD error d_i is drawn with the probability

    P(i) = p_i / sum_k p_k,    p_i = (|d_i| + epsilon)^alpha

which favors transitions that the expectation does not. Each is weighted in the loss by
(1 / (N P(i)))^beta, which undoes that entirely at beta = 1.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mario_rl_agents.buffers.replay import Batch, ReplayBuffer

_FLOAT64 = np.dtype(np.float64)
_WIDTH = 16  # children of a node: 5 levels for 100,000 leaves, where a binary tree has 17


class SumTree:
    """Numbers >= 0 under a tree of their sums: change and find many of them at once.

    A node holds the sum of its children, computed from them alone, so that equal leaves always
    make equal trees. Each level is one array, with a row of siblings for each node above it.
    """

    def __init__(self, num_leaves: int) -> None:
        """Make a tree of zeros."""
        self._levels: list[NDArray[np.float64]] = []  # [N, W] each, from the leaves to the top
        while not self._levels or len(self._levels[-1]) > 1:
            num_leaves = -(-num_leaves // _WIDTH)
            self._levels.append(np.zeros((num_leaves, _WIDTH)))
        self._leaves = self._levels[0].reshape(-1)
        self._changed: list[NDArray[np.int64]] = []  # leaves whose sums are not up to date

    @property
    def total(self) -> float:
        """The sum of all leaves."""
        self._add_up()
        return float(self._levels[-1].sum())

    def __getitem__(self, leaves: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return the numbers of these leaves."""
        return self._leaves[leaves]

    def __setitem__(self, leaves: NDArray[np.int64], values: NDArray[Any] | float) -> None:
        """Change the numbers of these leaves."""
        self._leaves[leaves] = values
        self._changed.append(leaves)

    def find(self, masses: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the leaves in which the running sum of all leaves passes `masses`, shape [B].

        Args:
            masses: In [0, total); the total must not be 0.

        Returns:
            Leaves that are not 0, whatever rounding does to the sums.
        """
        self._add_up()
        rows = np.arange(len(masses))
        nodes = np.zeros(len(masses), np.int64)  # [B]
        for level in reversed(self._levels):
            sums = level.take(nodes, axis=0).cumsum(axis=1)  # [B, W], each with its child
            masses = np.minimum(masses, np.nextafter(sums[:, -1], 0.0))
            child = (sums > masses[:, None]).argmax(axis=1)  # [B], the first
            # Never below 0: the sum before the child is at most the mass, also when rounded.
            masses = masses - np.where(child > 0, sums[rows, child - 1], 0.0)
            nodes = _WIDTH * nodes + child
        return nodes

    def _add_up(self) -> None:
        if not self._changed:
            return
        nodes = np.concatenate(self._changed)
        self._changed.clear()
        for level, above in pairwise(self._levels):
            nodes = nodes // _WIDTH
            above.reshape(-1)[nodes] = np.add.reduce(level.take(nodes, axis=0), axis=1)


class PrioritizedReplay(ReplayBuffer):
    """A replay memory that is sampled by priority instead of uniformly.

    A batch tells the `number` of its transitions, for `set_priorities`, and 1 / (N P(i)) as
    `ratio`. A new transition has the highest priority so far, so that it is drawn soon.
    """

    def __init__(
        self, *args: Any, alpha: float = 0.6, epsilon: float = 1e-6, **keywords: Any
    ) -> None:
        """Make an empty memory; see `ReplayBuffer`.

        Args:
            *args: See `ReplayBuffer`.
            alpha: 0 samples uniformly, 1 in proportion to the errors.
            epsilon: Added to an error, so that a transition without one can still be drawn.
            **keywords: See `ReplayBuffer`.
        """
        super().__init__(*args, **keywords)
        self._alpha, self._epsilon = alpha, epsilon
        self._highest = 1.0  # priority so far
        # Transitions of each ring that have their priority there.
        self._first_in_tree, self._end_of_tree = self._oldest.copy(), 0

    def set_priorities(self, indices: NDArray[np.int64], td_error: NDArray[Any]) -> None:
        """Give transitions the priority of their new TD errors, shape [B] both.

        Args:
            indices: Of a batch; those that the memory has lost since are left out.
            td_error: In the unit of Q.
        """
        self._catch_up()
        number, ring = np.divmod(indices, self.num_envs)  # [B]
        kept = number >= self._oldest[ring]  # [B], the others are gone
        priorities = (np.abs(td_error[kept]) + self._epsilon) ** self._alpha
        self._tree[ring[kept] * self._ring_size + number[kept] % self._ring_size] = priorities
        self._highest = max(self._highest, float(priorities.max(initial=0.0)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that matters as arrays; see `ReplayBuffer.state`."""
        self._take_room()
        self._catch_up()
        priorities = self._tree[: self.capacity].reshape(self.num_envs, -1)
        return {
            **super().state(),
            "priorities": priorities[:, : min(self._newest, self._ring_size)],
            "highest_priority": np.array(self._highest),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned; see `ReplayBuffer.load_state`."""
        super().load_state(state)
        self._highest = float(state["highest_priority"])
        self._first_in_tree, self._end_of_tree = self._oldest.copy(), self._newest
        self._tree = SumTree(self.capacity)
        slots = np.arange(self.capacity).reshape(self.num_envs, -1)
        self._tree[slots[:, : state["priorities"].shape[1]].ravel()] = state["priorities"].ravel()

    def _take_room(self) -> None:
        had_room = self._has_room
        super()._take_room()
        if not had_room:
            self._tree = SumTree(self.capacity)

    def _check_arrays(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check_arrays(state)
        priorities, highest = (state.get(name) for name in ("priorities", "highest_priority"))
        if priorities is None or highest is None or {priorities.dtype, highest.dtype} != {_FLOAT64}:
            raise ValueError("the saved replay memory has no priorities of type float64")
        if priorities.shape != state["reward"].shape or highest.shape:
            raise ValueError("the saved replay memory has priorities of another shape")
        for ring, oldest in enumerate(state["counters"][0].tolist()):
            slots = np.arange(oldest, int(state["newest"])) % self._ring_size
            live = priorities[ring, slots]
            if not ((live > 0) & (live <= highest)).all():
                raise ValueError("the saved replay memory has priorities outside (0, the highest]")
        if not (np.isfinite(priorities).all() and (priorities >= 0).all() and np.isfinite(highest)):
            raise ValueError("the saved replay memory has priorities below 0, or not finite")

    def _draw(self, batch_size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw from each of `batch_size` equal parts of all priorities (Schaul et al., B.2.1)."""
        self._catch_up()
        parts = (np.arange(batch_size) + generator.random(batch_size)) / batch_size  # [B]
        return self._tree.find(parts * self._tree.total)  # [B]

    def _gather(self, slots: NDArray[np.int64], sampled: Any) -> Batch:
        """Return the transitions in these slots, with what tells of their priorities."""
        priorities = self._tree[slots]  # [B]
        weight = (self._tree.total / len(self) / priorities).astype(np.float32)
        ring, place = np.divmod(slots, self._ring_size)  # [B]
        oldest = self._oldest[ring]  # [B]
        number = oldest + (place - oldest) % self._ring_size  # [B]
        indices = number * self.num_envs + ring  # [B]
        batch = super()._gather(slots, sampled)
        return batch._replace(
            indices=torch.from_numpy(indices), importance_weight=torch.from_numpy(weight)
        )

    def _catch_up(self) -> None:
        """Take from the tree what the memory has lost, and enter what is new.

        Done for many steps at once, since a tree costs the same for one leaf as for a hundred.
        """
        if self._end_of_tree == self._newest and (self._first_in_tree == self._oldest).all():
            return
        for ring, oldest in enumerate(self._oldest.tolist()):
            start, size = ring * self._ring_size, self._ring_size
            lost = np.arange(self._first_in_tree[ring], min(oldest, self._end_of_tree))
            new = np.arange(max(self._end_of_tree, oldest), self._newest)
            self._tree[start + lost % size] = 0.0
            self._tree[start + new % size] = self._highest  # may take the place of a lost one
        self._first_in_tree, self._end_of_tree = self._oldest.copy(), self._newest
