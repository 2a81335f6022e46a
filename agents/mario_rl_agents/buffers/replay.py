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
"""

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from mario_rl_agents.errors import ObservationError


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
    number: Tensor | None = None  # [B], int64
    ratio: Tensor | None = None  # [B], float32

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`; itself when it is there already."""
        if device == self.reward.device:
            return self
        return Batch._make(None if x is None else x.to(device) for x in self)


class ReplayBuffer:
    """Holds the last `capacity` transitions and samples them uniformly.

    Frames need `capacity * 1.05` rows, since the last observation of every episode takes a row
    without being a transition: `capacity` transitions fit when episodes last 20 steps or more on
    average, somewhat fewer otherwise.
    """

    def __init__(
        self,
        capacity: int,
        obs_shape: tuple[int, ...],
        obs_dtype: DTypeLike,
        *,
        stack: int = 1,
        directory: str | os.PathLike[str] | None = None,
        action_shape: tuple[int, ...] = (),
        action_dtype: DTypeLike = np.int64,
        num_return_steps: int = 1,
        gamma: float = 1.0,
    ) -> None:
        """Allocate an empty memory.

        Args:
            capacity: Transitions to hold.
            obs_shape: Shape of one observation; with `stack` > 1 its first axis is the stack,
                oldest frame first.
            obs_dtype: Observations are stored in this type (uint8 for images).
            stack: Frames in an observation, which slide by one each step and repeat the first
                frame after a reset, as `FrameStackObservation` has them; 1 stores them whole.
            directory: Where to map the frames to a file, which goes away with the buffer; None
                keeps them in RAM.
            action_shape: Shape of one action; () for discrete ones.
            action_dtype: Actions are stored in this type.
            num_return_steps: Rewards that a sampled transition sums; more than 1 make n-step
                returns, see `_add_up`.
            gamma: Discount of those rewards, per environment step.

        Raises:
            ValueError: If `capacity`, `stack` or `num_return_steps` is below 1, or `stack` does not
                fit `obs_shape`.
            OSError: If the file does not fit on the disk.
        """
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 transition, got {capacity}")
        if stack < 1 or (stack > 1 and obs_shape[:1] != (stack,)):
            raise ValueError(
                f"stack must be 1 or the first axis of observations {obs_shape}, got {stack}"
            )
        if num_return_steps < 1:
            raise ValueError(f"num_return_steps must be at least 1, got {num_return_steps}")
        self.capacity = capacity
        self.stack = stack
        self.num_return_steps = num_return_steps
        self.obs_shape = obs_shape
        frame_shape = obs_shape[1:] if stack > 1 else obs_shape
        # Besides: frames before the oldest transition, one after the newest, one just begun.
        self._num_rows = capacity + capacity // 20 + stack + 1
        shape = (self._num_rows, *frame_shape)
        if directory is None:
            self._frames: NDArray[Any] = np.zeros(shape, obs_dtype)
        else:
            folder, self._frames = _map_frames(Path(directory), shape, np.dtype(obs_dtype))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

        self._action: NDArray[Any] = np.zeros((capacity, *action_shape), action_dtype)
        self._reward = np.zeros(capacity, np.float32)
        self._terminated = np.zeros(capacity, np.bool_)
        self._truncated = np.zeros(capacity, np.bool_)
        self._row = np.zeros(capacity, np.int64)  # of the newest frame of obs
        self._first_row = np.zeros(capacity, np.int64)  # of the oldest frame of obs

        self._next_row = 0  # rows ever written
        self._oldest = 0  # first transition that can be sampled
        self._newest = 0  # transitions ever written
        self._episode_row: int | None = None  # first row of the episode being recorded
        self._obs = np.zeros(obs_shape, obs_dtype)  # the last observation of that episode
        # Positions of the frames of obs, then one more for next_obs, relative to the row of obs.
        self._offsets = np.arange(1 - stack, 2)  # [K + 1]
        self._ahead = np.arange(num_return_steps)  # [N]
        self._powers = np.float32(gamma) ** np.arange(num_return_steps + 1, dtype=np.float32)
        self._sampled: _Sampled | None = None

    def __len__(self) -> int:
        """Return the number of transitions that can be sampled."""
        return self._newest - self._oldest

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, in RAM or mapped."""
        arrays = (self._frames, self._action, self._reward, self._terminated, self._truncated)
        return sum(array.nbytes for array in (*arrays, self._row, self._first_row, self._obs))

    def begin_episode(self, obs: NDArray[Any]) -> None:
        """Record the observation that a reset returned.

        Raises:
            ObservationError: If it has another shape or dtype, or is not `stack` times one frame.
        """
        self._check_array(obs)
        if self.stack > 1 and not (obs[1:] == obs[0]).all():
            raise ObservationError(
                f"the first observation of an episode must repeat one frame {self.stack} times, "
                'as FrameStackObservation(padding_type="reset") does; store others whole (stack=1, '
                "DQNConfig.frame_stack=False)"
            )
        self._episode_row = self._next_row
        self._write_frame(obs)

    def add(
        self,
        action: int | np.integer[Any] | NDArray[Any],
        reward: float,
        terminated: bool,
        truncated: bool,
        next_obs: NDArray[Any],
    ) -> None:
        """Record one step of the episode that `begin_episode` opened.

        Raises:
            ObservationError: If `next_obs` has another shape or dtype, or does not slide by one
                frame.
            RuntimeError: If no episode is open.
        """
        if self._episode_row is None:
            raise RuntimeError(
                "add() needs an open episode: call begin_episode(obs) after each reset"
            )
        self._check_array(next_obs)
        if self.stack > 1 and not np.array_equal(next_obs[:-1], self._obs[1:]):
            raise ObservationError(
                "next_obs is not the observation before it moved on by one frame: its first "
                f"{self.stack - 1} frames must be the last {self.stack - 1} of that one; store "
                "others whole (stack=1, DQNConfig.frame_stack=False)"
            )
        if len(self) == self.capacity:
            self._oldest += 1
        row = self._next_row - 1
        slot = self._newest % self.capacity
        self._action[slot] = action
        self._reward[slot] = reward
        self._terminated[slot] = terminated
        self._truncated[slot] = truncated
        self._row[slot] = row
        self._first_row[slot] = max(row - self.stack + 1, self._episode_row)
        self._write_frame(next_obs)
        self._newest += 1
        if terminated or truncated:
            self._episode_row = None

    def sample(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Draw transitions uniformly, with replacement.

        Returns:
            Views of memory that the next call of `sample` with the same size writes over.

        Raises:
            ValueError: If the memory is empty or `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not len(self):
            raise ValueError("cannot sample from an empty replay memory: add a transition first")
        return self._gather(self._draw(batch_size, generator))

    def _draw(self, batch_size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the numbers of `batch_size` transitions, in [oldest, newest)."""
        return generator.integers(self._oldest, self._newest, batch_size)

    def _gather(self, numbers: NDArray[np.int64]) -> Batch:
        """Return the transitions of these numbers."""
        if self._sampled is None or len(self._sampled.action) != len(numbers):
            self._sampled = _Sampled.allocate(len(numbers), self)
        sampled = self._sampled
        slots = numbers % self.capacity  # [B]
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
        return rows

    def _add_up(self, slots: NDArray[np.int64], sampled: "_Sampled") -> NDArray[np.int64]:
        """Write n-step returns into `sampled` and return the slots of their last transitions.

        From step t on they are r_t + gamma r_t+1 + ... + gamma^(k-1) r_t+k-1, with k = N steps, or
        as many as there are before the episode ends or the memory does. What follows the k-th step
        is left to `next_obs`, discounted by gamma^k: also after a truncation, where k < N.
        """
        ahead = (slots[:, None] + self._ahead) % self.capacity  # [B, N]
        # Rows rise by one within an episode, by two between episodes, and fall at the newest step.
        inside = self._row[ahead] == self._row[slots, None] + self._ahead  # [B, N]
        num_steps = np.count_nonzero(inside, axis=1)  # [B], k
        np.matmul(self._reward[ahead] * inside, self._powers[:-1], out=sampled.reward)
        assert sampled.discount is not None
        self._powers.take(num_steps, out=sampled.discount, mode="wrap")
        last: NDArray[np.int64] = ahead[np.arange(len(slots)), num_steps - 1]
        return last

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that matters as arrays, without copying the frames."""
        num_rows = min(self._next_row, self._num_rows)
        num_transitions = min(self._newest, self.capacity)
        episode_row = -1 if self._episode_row is None else self._episode_row
        sizes = [self.capacity, self.stack]
        counters = [*sizes, self._next_row, self._oldest, self._newest, episode_row]
        transitions = {name: array[:num_transitions] for name, array in self._transitions().items()}
        frames = {"frames": self._frames[:num_rows], "obs": self._obs}
        return {**transitions, **frames, "counters": np.array(counters, np.int64)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it comes from a memory of another capacity, stack, shape or dtype.
        """
        capacity, stack, next_row, oldest, newest, episode_row = state["counters"].tolist()
        saved = (capacity, stack, state["obs"].shape, state["obs"].dtype)
        expected = (self.capacity, self.stack, self.obs_shape, self._obs.dtype)
        if saved != expected:
            raise ValueError(
                f"the saved replay memory has (capacity, stack, shape, dtype) {saved}, this one "
                f"has {expected}"
            )
        for name, array in self._transitions().items():
            array[: len(state[name])] = state[name]
        self._frames[: len(state["frames"])] = state["frames"]
        self._obs[...] = state["obs"]
        self._next_row, self._oldest, self._newest = next_row, oldest, newest
        self._episode_row = None if episode_row < 0 else episode_row

    def _transitions(self) -> dict[str, NDArray[Any]]:
        return {
            "action": self._action,
            "reward": self._reward,
            "terminated": self._terminated,
            "truncated": self._truncated,
            "row": self._row,
            "first_row": self._first_row,
        }

    def _write_frame(self, obs: NDArray[Any]) -> None:
        lost_row = self._next_row - self._num_rows
        while (
            self._oldest < self._newest
            and self._first_row[self._oldest % self.capacity] <= lost_row
        ):
            self._oldest += 1
        self._frames[self._next_row % self._num_rows] = obs[-1] if self.stack > 1 else obs
        self._obs[...] = obs
        self._next_row += 1

    def _check_array(self, obs: NDArray[Any]) -> None:
        if obs.shape != self.obs_shape or obs.dtype != self._obs.dtype:
            raise ObservationError(
                f"an observation must have shape {self.obs_shape} and dtype {self._obs.dtype}, "
                f"got {obs.shape} and {obs.dtype}"
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
        frames = np.empty((batch_size, num_frames, *frame_shape), replay._obs.dtype)
        obs, next_obs = frames[:, :stack], frames[:, -stack:]
        if stack == 1:
            obs, next_obs = frames[:, 0], frames[:, 1]
        action = np.empty((batch_size, *replay._action.shape[1:]), replay._action.dtype)
        reward = np.empty(batch_size, np.float32)
        terminated, truncated = np.empty((2, batch_size), np.bool_)
        discount = None if one_step else np.empty(batch_size, np.float32)
        arrays = (obs, action, reward, next_obs, terminated, truncated)
        batch = Batch(*(torch.from_numpy(array) for array in arrays))
        if discount is not None:
            batch = batch._replace(discount=torch.from_numpy(discount))
        return cls(frames, action, reward, terminated, truncated, discount, batch)


def _map_frames(
    parent: Path, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[str, NDArray[Any]]:
    """Return a new folder in `parent` and an array mapped to a file in it."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="replay-", dir=parent)
    path = Path(folder, "frames.bin")
    num_bytes = math.prod(shape) * dtype.itemsize
    try:
        with path.open("wb") as file:
            file.truncate(num_bytes)
            if hasattr(os, "posix_fallocate"):
                # A sparse file would kill the process with SIGBUS when the disk fills up later.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
    except OSError as error:
        shutil.rmtree(folder)
        raise OSError(
            error.errno,
            f"cannot map a replay memory of {num_bytes:,} bytes in {parent} ({error.strerror}): "
            "free disk space, choose another directory or a smaller capacity",
        ) from error
    return folder, np.memmap(path, dtype, mode="r+", shape=shape)
