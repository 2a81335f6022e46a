"""CartPole that waits at a gate: what a test does meanwhile, it does in the middle of a job.

Registered as GatedCartPole-v0.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gymnasium as gym

STEP = 300  # of each environment, before which the gate is


class Gate(gym.Wrapper[Any, Any, Any, Any]):
    """Waits before one step until there is a file `open` in a folder; says there that it waits."""

    def __init__(self, env: gym.Env[Any, Any], folder: str) -> None:
        """Take the folder."""
        super().__init__(env)
        self._folder = Path(folder)
        self._num_steps = 0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, once the gate is open."""
        if self._num_steps == STEP:
            (self._folder / f"waiting-{os.getpid()}").touch()
            while not (self._folder / "open").exists():
                time.sleep(0.02)
        self._num_steps += 1
        return super().step(action)


def num_waiting(folder: Path) -> int:
    """Return how many processes wait at a gate, or have."""
    return len(list(folder.glob("waiting-*")))


def make(**kwargs: Any) -> gym.Env[Any, Any]:
    """Make CartPole with a gate, whose keyword is `folder`."""
    folder: str = kwargs.pop("folder")
    return Gate(gym.make("CartPole-v1", **kwargs), folder)


gym.register("GatedCartPole-v0", entry_point=make)
