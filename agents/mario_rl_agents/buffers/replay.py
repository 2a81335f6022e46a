"""Replay memory: a ring of single frames that are stacked only when sampled.

An observation of K stacked frames shares K - 1 of them with the next one. Storing each frame once,
instead of K times in `obs` and K times in `next_obs`, takes an eighth of the memory at K = 4:

    row          0    1    2    3    4    5    6   ...
    frame       f0   f1   f2   f3   g0   g1   g2   ...      f: one episode of three steps, g: the
    next one transition   0    1    2    -    3    4    5   ...      f3 is only ever a next_obs

Rows and transitions are counted from the beginning and never restart; they are taken modulo the
size of their ring only when an array is touched. The transitions whose frames are all still there
are therefore always one range [oldest, newest), which makes uniform sampling one call without
rejection.

Each of N sub-environments has a ring of its own, so that its frames lie in order. All rings get a
transition at a time: they have the same newest one, but not the same oldest, since episodes of
another length take another number of rows.

A memory takes no room before its first transition: an agent that plays needs none.
"""

import errno
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from mario_rl_agents.buffers.room import room_for
from mario_rl_agents.errors import ObservationError

_INT64: Final = np.dtype(np.int64)
_BYTES_OF_A_STEP: Final = 30  # of a transition without its frames, for one discrete action
_ALL: Final = slice(None)  # rings
_MOST_ROWS: Final = 2**62  # ever written; counted in int64, with room to add


class Batch(NamedTuple):
    """Transitions sampled from replay."""

    obs: Tensor  # [B, ...], dtype of the observations
    action: Tensor  # [B] int64, or [B, A] float32 where actions are continuous
    reward: Tensor  # [B], float32
    next_obs: Tensor  # [B, ...], the true final observation where an episode ended
    terminated: Tensor  # [B], bool
    truncated: Tensor  # [B], bool
    # Of n-step returns alone: gamma^k, where the reward sums k steps and next_obs is k steps on.
    discount: Tensor | None = None  # [B], float32
    # Of prioritized replay alone: which transition it is, and 1 / (N P(i)).
    indices: Tensor | None = None  # [B], int64
    importance_weight: Tensor | None = None  # [B], float32

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`; itself when it is there already."""
        if device == self.reward.device:
            return self
        return Batch._make(None if x is None else x.to(device) for x in self)


class ReplayBuffer:
    """Holds the last `capacity` transitions and samples them uniformly.

    Frames need `capacity * 1.05` rows, since the last observation of every episode takes a row
    without being a transition: `capacity` transitions fit when episodes last 20 steps or more on
    average, somewhat fewer otherwise. An episode that begins with a stack of different frames takes
    a row for each of them.
    """

    def __init__(
        self,
        capacity: int,
        obs_shape: tuple[int, ...],
        obs_dtype: DTypeLike,
        *,
        num_envs: int = 1,
        stack: int = 1,
        directory: str | os.PathLike[str] | None = None,
        action_shape: tuple[int, ...] = (),
        action_dtype: DTypeLike = np.int64,
        num_return_steps: int = 1,
        gamma: float = 1.0,
        replacement: bool = True,
    ) -> None:
        """Make an empty memory; room is taken when the first transition is added.

        Args:
            capacity: Transitions to hold; each sub-environment gets an equal part.
            obs_shape: Shape of one observation; with `stack` > 1 its first axis is the stack,
                oldest frame first.
            obs_dtype: Observations are stored in this type (uint8 for images).
            num_envs: Sub-environments, N.
            stack: Frames in an observation, which slide by one each step; 1 stores them whole.
            directory: Where to map the frames to a file, which goes away with the buffer, or with
                the process however it ends; None keeps them in RAM. A leading ~ is the user's home.
            action_shape: Shape of one action; () for discrete ones.
            action_dtype: Actions are stored in this type.
            num_return_steps: Rewards that a sampled transition sums; more than 1 make n-step
                returns, see `_add_up`.
            gamma: Discount of those rewards, per environment step.
            replacement: Whether a batch may hold a transition twice. It always may where the memory
                has fewer transitions than the batch.

        Raises:
            ValueError: If `capacity` is below `num_envs`, `stack` or `num_return_steps` below 1, or
                `stack` does not fit `obs_shape`.
        """
        if capacity < num_envs:
            raise ValueError(
                f"capacity must be at least 1 transition for each of {num_envs} "
                f"sub-environment{'s'[: num_envs > 1]}, got {capacity}"
            )
        if stack < 1 or (stack > 1 and obs_shape[:1] != (stack,)):
            raise ValueError(
                f"stack must be 1 or the first axis of observations {obs_shape}, got {stack}"
            )
        if num_return_steps < 1:
            raise ValueError(f"num_return_steps must be at least 1, got {num_return_steps}")
        self.capacity = capacity // num_envs * num_envs
        self.num_envs = num_envs
        self.stack = stack
        self.num_return_steps = num_return_steps
        self.replacement = replacement
        self.obs_shape = obs_shape
        self.obs_dtype = np.dtype(obs_dtype)
        self.directory = None if directory is None else Path(directory).expanduser()
        self.action_shape = action_shape
        self.action_dtype = np.dtype(action_dtype)
        # Sizes of one ring. Besides: frames before the oldest transition, one after the newest, one
        # just begun.
        self._ring_size = capacity // num_envs
        self._num_rows = self._ring_size + self._ring_size // 20 + stack + 1
        self._has_room = False

        self._newest = 0  # transitions ever written to each ring
        self._oldest = np.zeros(num_envs, np.int64)  # first transition that can be sampled, [N]
        self._next_row = np.zeros(num_envs, np.int64)  # rows ever written, [N]
        # First row of the episode being recorded; -1: none is.
        self._episode_row = np.full(num_envs, -1, np.int64)  # [N]
        # Positions of the frames of obs, then one more for next_obs, relative to the row of obs.
        self._offsets = np.arange(1 - stack, 2)  # [K + 1]
        num_ahead = min(num_return_steps, self._ring_size)  # no return is longer than a ring
        self._ahead = np.arange(num_ahead)  # [M]
        self._powers = np.float32(gamma) ** np.arange(num_ahead + 1, dtype=np.float32)
        self._sampled: _Sampled | None = None

    def __len__(self) -> int:
        """Return the number of transitions that can be sampled."""
        return self.num_envs * self._newest - int(self._oldest.sum())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, in RAM or mapped."""
        self._take_room()
        return self._frames.nbytes + sum(array.nbytes for array in self._transitions().values())

    def add(
        self,
        obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        next_obs: NDArray[Any],
    ) -> None:
        """Record one step of all sub-environments.

        Args:
            obs: What the actions were chosen for, shape [N, ...]: in the middle of an episode, the
                `next_obs` of the step before.
            action: Shape [N, ...].
            reward: Shape [N].
            terminated: Whether the episode terminated there, shape [N].
            truncated: Whether it was cut off there, shape [N].
            next_obs: What came of them, shape [N, ...]; where an episode ended, the true last one.

        Raises:
            ObservationError: If observations have another shape or dtype, or those of an episode do
                not follow on each other, or their stack does not slide by one frame; nothing is
                recorded then.
            OSError: If it is the first one and there is no room for the memory.
        """
        self._take_room()
        self._check_follows(obs, next_obs)
        ended = terminated | truncated  # [N]
        for ring in (self._episode_row < 0).nonzero()[0].tolist():
            self._begin_episode(ring, obs[ring])
        if self._newest >= self._ring_size:
            np.maximum(self._oldest, self._newest + 1 - self._ring_size, out=self._oldest)
        row = self._next_row - 1  # [N]
        slots = slice(self._newest % self._ring_size, None, self._ring_size)  # one of each ring
        self._action[slots] = action
        self._reward[slots] = reward
        self._terminated[slots] = terminated
        self._truncated[slots] = truncated
        self._row[slots] = row
        self._first_row[slots] = np.maximum(row - (self.stack - 1), self._episode_row)
        self._write_frames(_ALL, self._newest_frames(next_obs))
        self._newest += 1
        if np.count_nonzero(ended):
            self._episode_row[ended] = -1
            self._make_room(ended)  # the next episode begins with a row of its own

    def end_episodes(self) -> None:
        """Note that no observation follows on those recorded so far."""
        self._episode_row[:] = -1

    def sample(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Draw transitions uniformly, independent of each other or, without replacement, distinct.

        Returns:
            Views of memory that the next call of `sample` with the same size writes over.

        Raises:
            ValueError: If the memory is empty or `batch_size` is below 1.
            OSError: If there is no room for a batch of that size.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not len(self):
            raise ValueError("cannot sample from an empty replay memory: add a transition first")
        if self._sampled is None or len(self._sampled.action) != batch_size:
            num_bytes = batch_size * (self.stack + 1) * self._frames[0].nbytes
            with room_for("a batch", num_bytes, "a smaller batch_size"):
                self._sampled = _Sampled.allocate(batch_size, self)
        return self._gather(self._draw(batch_size, generator), self._sampled)

    def _draw(self, batch_size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the slots of `batch_size` transitions, shape [B]."""
        size, num_transitions = self._ring_size, len(self)
        places: NDArray[np.int64]  # [B]
        if self.replacement or batch_size > num_transitions:
            places = generator.integers(0, num_transitions, batch_size)
        else:
            places = generator.choice(num_transitions, batch_size, replace=False, shuffle=False)
        if self.num_envs == 1:
            numbers: NDArray[np.int64] = self._oldest[0] + places  # [B]
            return numbers % size
        ends = np.cumsum(self._newest - self._oldest)  # [N]
        ring = np.searchsorted(ends, places, side="right")  # [B]
        number = self._newest - (ends[ring] - places)  # [B]
        return ring * size + number % size

    def _gather(self, slots: NDArray[np.int64], sampled: "_Sampled") -> Batch:
        """Return the transitions in these slots, shape [B], in the memory of `sampled`."""
        # Any mode but "raise" lets take() write into `out` without a temporary copy.
        if self.num_return_steps == 1:
            last = slots  # [B]
            rows = self._rows(slots, self._offsets)  # [B, K + 1], shared by obs and next_obs
            self._reward.take(slots, out=sampled.reward, mode="wrap")
        else:
            last = self._add_up(slots, sampled)  # [B]
            obs_rows = self._rows(slots, self._offsets[:-1])  # [B, K]
            next_rows = self._rows(last, self._offsets[1:])  # [B, K]
            rows = np.concatenate((obs_rows, next_rows), axis=1)  # [B, 2 K]
        self._frames.take(rows, axis=0, out=sampled.frames, mode="wrap")
        self._action.take(slots, axis=0, out=sampled.action, mode="wrap")
        self._terminated.take(last, out=sampled.terminated, mode="wrap")
        self._truncated.take(last, out=sampled.truncated, mode="wrap")
        return sampled.batch

    def _rows(self, slots: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of frames around the newest of obs; an episode repeats its first one."""
        rows = self._row[slots, None] + offsets
        np.maximum(rows, self._first_row[slots, None], out=rows)
        rows %= self._num_rows
        if self.num_envs > 1:
            rows += (slots // self._ring_size * self._num_rows)[:, None]
        return rows

    def _add_up(self, slots: NDArray[np.int64], sampled: "_Sampled") -> NDArray[np.int64]:
        """Write n-step returns into `sampled` and return the slots of their last transitions.

        From step t on they are r_t + gamma r_t+1 + ... + gamma^(k-1) r_t+k-1, with k = M steps, or
        as many as there are before the episode ends or the memory does. What follows the k-th step
        is left to `next_obs`, discounted by gamma^k: also after a truncation, where k < M.
        """
        ring, place = np.divmod(slots[:, None], self._ring_size)  # [B, 1]
        ahead = ring * self._ring_size + (place + self._ahead) % self._ring_size  # [B, M]
        # Rows rise by one within an episode, by more between episodes, and fall at the newest step.
        inside = self._row[ahead] == self._row[slots, None] + self._ahead  # [B, M]
        num_steps = np.count_nonzero(inside, axis=1)  # [B], k
        np.matmul(self._reward[ahead] * inside, self._powers[:-1], out=sampled.reward)
        assert sampled.discount is not None
        self._powers.take(num_steps, out=sampled.discount, mode="wrap")
        last: NDArray[np.int64] = ahead[np.arange(len(slots)), num_steps - 1]
        return last

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that matters as arrays, of one sub-environment without copying them."""
        self._take_room()
        num_rows = min(max(self._next_row), self._num_rows)
        num_transitions = min(self._newest, self._ring_size)
        rings = {name: array[:, :num_transitions] for name, array in self._rings().items()}
        counters = np.stack((self._oldest, self._next_row, self._episode_row))  # [3, N]
        return {
            **rings,
            "frames": self._frames.reshape(self.num_envs, self._num_rows, -1)[:, :num_rows],
            "sizes": np.array([self._ring_size, self.stack, *self.obs_shape], np.int64),
            "newest": np.array(self._newest, np.int64),
            "counters": counters,
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it comes from a memory of another capacity, number of sub-environments,
                stack, shape or dtype, or contradicts itself.
            OSError: If there is no room for the memory.
        """
        self._check_sizes(state)
        self._take_room()
        self._check_arrays(state)
        for name, array in self._rings().items():
            array[:, : state[name].shape[1]] = state[name]
        frames = self._frames.reshape(self.num_envs, self._num_rows, -1)
        frames[:, : state["frames"].shape[1]] = state["frames"]
        self._newest = int(state["newest"])
        self._oldest, self._next_row, self._episode_row = state["counters"].copy()

    def _take_room(self) -> None:
        """Allocate the arrays, unless that is done."""
        if self._has_room:
            return
        frame_shape = self.obs_shape[1:] if self.stack > 1 else self.obs_shape
        shape = (self.num_envs * self._num_rows, *frame_shape)
        size = self.capacity  # rings one after the other: [N C, ...]
        num_bytes = math.prod(shape) * self.obs_dtype.itemsize + size * _BYTES_OF_A_STEP
        choice = "a smaller capacity, or a directory to map the frames to"
        with room_for("a replay memory", num_bytes, choice):
            self._frames: NDArray[Any]  # [N R, ...]
            if self.directory is None:
                self._frames = np.zeros(shape, self.obs_dtype)
            else:
                self._frames = _map_frames(self.directory, shape, self.obs_dtype)
            self._action: NDArray[Any] = np.zeros((size, *self.action_shape), self.action_dtype)
            self._reward = np.zeros(size, np.float32)
            self._terminated = np.zeros(size, np.bool_)
            self._truncated = np.zeros(size, np.bool_)
            ring = np.arange(self.num_envs, dtype=np.int64)  # [N]
            self._first_slot, self._first_frame = ring * self._ring_size, ring * self._num_rows
            self._row = np.zeros(size, np.int64)  # of the newest frame of obs, in its ring
            self._first_row = np.zeros(size, np.int64)  # of the oldest frame of obs, in its ring
        self._has_room = True

    def _check_sizes(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Check that a state is of a memory like this one.

        Raises:
            ValueError: If it is not.
        """
        missing = {"sizes", "newest", "counters", "frames"} - state.keys()
        if missing:
            raise ValueError(f"the saved replay memory has no {' and no '.join(sorted(missing))}")
        sizes, counters, frames = state["sizes"], state["counters"], state["frames"]
        if counters.ndim != 2 or sizes.ndim != 1 or len(sizes) < 2:
            raise ValueError("the saved replay memory has sizes or counters of another shape")
        ring_size, stack, *shape = sizes.tolist()
        num_envs, dtype = counters.shape[1], frames.dtype
        saved = (ring_size * num_envs, num_envs, stack, tuple(shape), dtype)
        expected = (self.capacity, self.num_envs, self.stack, self.obs_shape, self.obs_dtype)
        if saved != expected:
            raise ValueError(
                "the saved replay memory has (capacity, num_envs, stack, shape, dtype) "
                f"{saved}, this one has {expected}"
            )

    def _check_arrays(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Check that the arrays of a state are those of this memory, and its counters true.

        Raises:
            ValueError: If not.
        """
        newest, counters = state["newest"], state["counters"]
        if newest.shape or counters.shape[0] != 3 or {newest.dtype, counters.dtype} != {_INT64}:
            raise ValueError("the saved replay memory has counters of another shape or type")
        count = min(int(newest), self._ring_size)
        num_rows = min(int(counters[1].max()), self._num_rows)
        expected = {name: array[:, :count] for name, array in self._rings().items()}
        frames = self._frames.reshape(self.num_envs, self._num_rows, -1)
        expected["frames"] = frames[:, :num_rows]
        for name, array in expected.items():
            saved = state.get(name)
            if saved is None or saved.shape != array.shape or saved.dtype != array.dtype:
                raise ValueError(
                    f"the saved replay memory must have {name} of shape {array.shape} and dtype "
                    f"{array.dtype}"
                )
            if saved.dtype.kind == "f" and not np.isfinite(saved).all():
                raise ValueError(f"the saved replay memory has {name} that are not finite")
        for ring in range(self.num_envs):
            self._check_counters(state, ring)

    def _check_counters(self, state: Mapping[str, NDArray[Any]], ring: int) -> None:
        """Check that what can be sampled of a ring lies in its frames.

        Raises:
            ValueError: If not.
        """
        newest, size = int(state["newest"]), self._ring_size
        oldest, next_row, episode_row = state["counters"][:, ring].tolist()
        is_true = (
            max(0, newest - size) <= oldest <= newest
            and 0 <= next_row <= _MOST_ROWS
            and -1 <= episode_row < max(next_row, 1)
        )
        if is_true:
            slots = np.arange(oldest, newest) % size  # [B]
            row, first_row = state["row"][ring, slots], state["first_row"][ring, slots]
            inside = (first_row <= row) & (row - first_row < self.stack) & (row + 1 < next_row)
            is_true = bool((inside & (first_row >= next_row - self._num_rows)).all())
        if not is_true:
            raise ValueError(f"the counters of ring {ring} of the saved replay memory are not true")

    def _transitions(self) -> dict[str, NDArray[Any]]:
        return {
            "action": self._action,
            "reward": self._reward,
            "terminated": self._terminated,
            "truncated": self._truncated,
            "row": self._row,
            "first_row": self._first_row,
        }

    def _rings(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of transitions by ring, each [N, C, ...]."""
        return {
            name: array.reshape(self.num_envs, self._ring_size, *array.shape[1:])
            for name, array in self._transitions().items()
        }

    def _begin_episode(self, ring: int, obs: NDArray[Any]) -> None:
        """Write the observation that an episode begins with; a frame that it repeats, once."""
        self._episode_row[ring] = self._next_row[ring]
        frames = obs if self.stack > 1 else obs[None]  # [K, ...]
        if (frames[1:] == frames[0]).all():
            frames = frames[:1]
        for frame in frames:
            self._write_frames(slice(ring, ring + 1), frame)

    def _newest_frames(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return the newest frame of each observation, shape [N, ...]."""
        return obs[:, -1] if self.stack > 1 else obs

    def _write_frames(self, rings: slice, frames: NDArray[Any]) -> None:
        """Write a frame to the next row of each of some rings."""
        self._make_room(rings)
        next_row = self._next_row[rings]  # a view
        self._frames[self._first_frame[rings] + next_row % self._num_rows] = frames
        next_row += 1

    def _make_room(self, rings: slice | NDArray[np.bool_]) -> None:
        """Forget the transitions that lose a frame to the next row of each of some rings."""
        lost_row = self._next_row[rings] - self._num_rows
        while True:
            oldest = self._oldest[rings]
            slots = self._first_slot[rings] + oldest % self._ring_size
            is_lost = self._first_row.take(slots) <= lost_row
            is_lost &= oldest < self._newest
            if not np.count_nonzero(is_lost):
                return
            self._oldest[rings] += is_lost

    def _check_follows(self, obs: NDArray[Any], next_obs: NDArray[Any]) -> None:
        expected = (self.num_envs, *self.obs_shape)
        for name, array in (("obs", obs), ("next_obs", next_obs)):
            if array.shape != expected or array.dtype != self.obs_dtype:
                raise ObservationError(
                    f"{name} must have shape {expected} and dtype {self.obs_dtype}, "
                    f"got {array.shape} and {array.dtype}"
                )
        stack = self.stack
        if stack > 1 and not np.array_equal(next_obs[:, :-1], obs[:, 1:]):
            raise ObservationError(
                "next_obs is not the observation before it moved on by one frame: its first "
                f"{stack - 1} frames must be the last {stack - 1} of that one; others are stored "
                "whole with frame_stack=False, a setting of most agents (of a buffer stack=1), or "
                "with channels in their last axis"
            )
        rows = self._first_frame + (self._next_row - 1) % self._num_rows  # [N]
        differs = self._frames.take(rows, axis=0) != self._newest_frames(obs)  # [N, ...]
        if not np.count_nonzero(differs):
            return
        rings = differs.reshape(self.num_envs, -1).any(axis=1) & (self._episode_row >= 0)
        if rings.any():
            raise ObservationError(
                f"obs of sub-environment {rings.argmax()} is not the next_obs of the step before: "
                "pass the steps of an episode in order, and call end_episodes() where one is left"
            )


class _Sampled(NamedTuple):
    """Memory for one batch, and the tensors that look at it."""

    frames: NDArray[Any]  # [B, K + 1, ...]; [B, 2 K, ...] with n-step returns
    action: NDArray[Any]  # [B, ...]
    reward: NDArray[np.float32]  # [B]
    terminated: NDArray[np.bool_]  # [B]
    truncated: NDArray[np.bool_]  # [B]
    discount: NDArray[np.float32] | None  # [B]
    batch: Batch

    @classmethod
    def allocate(cls, batch_size: int, replay: ReplayBuffer) -> "_Sampled":
        stack, one_step = replay.stack, replay.num_return_steps == 1
        frame_shape = replay.obs_shape[1:] if stack > 1 else replay.obs_shape
        num_frames = stack + 1 if one_step else 2 * stack
        frames = np.empty((batch_size, num_frames, *frame_shape), replay.obs_dtype)
        obs, next_obs = frames[:, :stack], frames[:, -stack:]
        if stack == 1:
            obs, next_obs = frames[:, 0], frames[:, 1]
        action = np.empty((batch_size, *replay.action_shape), replay.action_dtype)
        reward = np.empty(batch_size, np.float32)
        terminated, truncated = np.empty((2, batch_size), np.bool_)
        discount = None if one_step else np.empty(batch_size, np.float32)
        arrays = (obs, action, reward, next_obs, terminated, truncated)
        batch = Batch(*(torch.from_numpy(array) for array in arrays))
        if discount is not None:
            batch = batch._replace(discount=torch.from_numpy(discount))
        return cls(frames, action, reward, terminated, truncated, discount, batch)


def _map_frames(directory: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array mapped to a file in `directory` that has no name, and so leaves nothing."""
    num_bytes = math.prod(shape) * dtype.itemsize
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix="replay-", dir=directory) as file:
            file.truncate(num_bytes)
            if hasattr(os, "posix_fallocate"):
                # A sparse file would kill the process with SIGBUS when the disk fills up later.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            return np.memmap(file, dtype, mode="r+", shape=shape)
    except (OSError, OverflowError) as error:
        raise OSError(
            getattr(error, "errno", errno.EFBIG),
            f"cannot map a replay memory of {num_bytes:,} bytes in {directory} "
            f"({getattr(error, 'strerror', error)}): free disk space, choose another directory or "
            "a smaller capacity",
        ) from error
