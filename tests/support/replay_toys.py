"""Feeds replay memories in tests, and keeps beside them what they should hold."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mario_rl_agents.buffers.replay import ReplayBuffer
from numpy.typing import NDArray


class Transition(NamedTuple):
    obs: NDArray[Any]
    action: int
    reward: float
    next_obs: NDArray[Any]
    terminated: bool
    truncated: bool
    first_row: int  # how many frames were recorded before the oldest of obs
    episode: int  # how many episodes were begun before its own


def store(
    replay: ReplayBuffer,
    obs: NDArray[Any],
    action: Any,
    reward: float,
    terminated: bool,
    truncated: bool,
    next_obs: NDArray[Any],
) -> None:
    """Add a step of one sub-environment."""
    ends = np.array([terminated]), np.array([truncated])
    replay.add(obs[None], np.array([action]), np.array([reward]), *ends, next_obs[None])


class Recorder:
    """Feeds a memory with episodes of numbered frames and keeps every transition in a list."""

    def __init__(self, replay: ReplayBuffer) -> None:
        self.replay = replay
        self.transitions: list[Transition] = []
        self.num_frames = 0
        self.num_episodes = 0
        self.has_ended = False  # there is room for the first frame of the next episode then

    def episode(self, length: int, ending: str) -> None:
        k = self.replay.stack
        first = self.num_frames
        frames = [self._frame() for _ in range(length + 1)]

        def stacked(t: int) -> NDArray[Any]:
            if k == 1:
                return frames[t]
            return np.stack([frames[max(i, 0)] for i in range(t - k + 1, t + 1)])

        for t in range(length):
            last = t == length - 1
            terminated, truncated = last and ending == "terminated", last and ending == "truncated"
            number = len(self.transitions)
            ends = terminated, truncated
            store(self.replay, stacked(t), number % 7, number, *ends, stacked(t + 1))
            self.transitions.append(
                Transition(
                    stacked(t),
                    number % 7,
                    number,
                    stacked(t + 1),
                    terminated,
                    truncated,
                    first + max(t - k + 1, 0),
                    self.num_episodes,
                )
            )
        self.num_episodes += 1
        self.has_ended = ending != "left"
        if not self.has_ended:
            self.replay.end_episodes()

    def expected(self) -> list[Transition]:
        num_rows = len(self.replay._frames) - self.has_ended
        kept = [x for x in self.transitions if x.first_row >= self.num_frames - num_rows]
        return kept[-self.replay.capacity :]

    def _frame(self) -> NDArray[Any]:
        self.num_frames += 1
        low, high = self.num_frames % 251, self.num_frames // 251
        return np.array([low, high], np.uint8)


def make_replay(
    capacity: int,
    stack: int,
    directory: Path | None = None,
    kind: type[ReplayBuffer] = ReplayBuffer,
    **settings: Any,
) -> ReplayBuffer:
    """Return a memory for the frames of a `Recorder`."""
    shape = (stack, 2) if stack > 1 else (2,)
    return kind(capacity, shape, np.uint8, stack=stack, directory=directory, **settings)
