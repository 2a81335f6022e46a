"""The generators that Stable-Baselines3 draws from: those of the whole process.

SB3 seeds and uses the global generators of Python, NumPy and torch. An agent takes them for as long
as it trains and gives them back as they were, so that several agents in a process do not disturb
one another, and neither disturbs anybody else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Randomness:
    """The state of the global generators, as one agent left them."""

    def __init__(self, device: torch.device) -> None:
        """Begin with the generators as they are.

        Args:
            device: Where the model draws; the generator of a CUDA device is one of them.
        """
        self._device = device
        self._state = self._read()
        self._is_taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Put the agent's state into the global generators inside the block."""
        before = self._read()
        self._write(self._state)
        self._is_taken = True
        try:
            yield
        finally:
            self._state, self._is_taken = self._read(), False
            self._write(before)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, by generator."""
        return self._read() if self._is_taken else dict(self._state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state that `tensors` returned; that of a CUDA device only if there is one.

        Raises:
            ValueError: If it is none.
        """
        names = self._state.keys() - {"cuda"}
        if tensors.keys() - {"cuda"} != names:
            raise ValueError(f"it has generators {sorted(tensors)} instead of {sorted(names)}")
        try:
            random.Random().setstate(_python_state(tensors))
            np.random.RandomState().set_state(_numpy_state(tensors))
            torch.Generator().set_state(tensors["torch"])
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"the state of a global generator is none: {error}") from error
        taken = {name: x for name, x in tensors.items() if name in self._state}
        self._state = {**self._state, **taken}

    def _read(self) -> dict[str, Tensor]:
        _, words, gauss = random.getstate()
        legacy: Any = np.random.get_state(legacy=True)
        _, key, position, has_gauss, cached = legacy
        state = {
            "python": torch.tensor(words, dtype=torch.int64),
            "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
            "numpy": torch.from_numpy(key.astype(np.int64)),
            "numpy_position": torch.tensor([position, has_gauss]),
            "numpy_gauss": torch.tensor(cached, dtype=torch.float64),
            "torch": torch.get_rng_state(),
        }
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        return state

    def _write(self, state: Mapping[str, Tensor]) -> None:
        random.setstate(_python_state(state))
        np.random.set_state(_numpy_state(state))
        torch.set_rng_state(state["torch"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self._device)


@contextmanager
def forked(device: torch.device, seed: int) -> Iterator[None]:
    """Have torch draw from `seed` inside the block; its streams go on untouched after.

    Args:
        device: Where is drawn.
        seed: Below 2^63.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for other in devices:
            with torch.cuda.device(other):
                torch.cuda.manual_seed(seed)
        yield


def _python_state(state: Mapping[str, Tensor]) -> tuple[Any, ...]:
    words = tuple(state["python"].tolist())
    gauss = state["python_gauss"].tolist()  # the second of two normal numbers, if it is kept
    return random.getstate()[0], words, gauss[0] if gauss else None


def _numpy_state(state: Mapping[str, Tensor]) -> tuple[Any, ...]:
    position, has_gauss = state["numpy_position"].tolist()
    key = state["numpy"].numpy().astype(np.uint32)
    return "MT19937", key, position, has_gauss, float(state["numpy_gauss"])
