"""One seed in, independent generators out; their states as JSON, for exact resumption."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def make_generators(seed: int, names: Sequence[str]) -> dict[str, np.random.Generator]:
    """Return one independent generator for each name.

    Every purpose draws from its own stream, so that one more draw for exploration never shifts
    what replay samples.

    Args:
        seed: A whole number >= 0.
        names: What the generators are for; their order matters.

    Raises:
        ValueError: If `seed` is negative.
    """
    if seed < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {seed}")
    sequences = np.random.SeedSequence(seed).spawn(len(names))
    return {
        name: np.random.Generator(np.random.PCG64(sequence))
        for name, sequence in zip(names, sequences, strict=True)
    }


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """Return the state of `generator` as JSON-safe values."""
    state: dict[str, Any] = _plain(generator.bit_generator.state)
    return state


def set_generator_state(generator: np.random.Generator, state: Mapping[str, Any]) -> None:
    """Make `generator` go on from a state that `generator_state` returned.

    Raises:
        ValueError: If it is none of this kind of bit generator; `generator` is as it was then.
    """
    bit_generator = generator.bit_generator
    before = bit_generator.state
    try:
        bit_generator.state = state
        is_taken = generator_state(generator) == state
    except (ArithmeticError, KeyError, TypeError, ValueError):
        is_taken = False
    if not is_taken:
        bit_generator.state = before
        raise ValueError(
            f"the state is none of a {type(bit_generator).__name__} generator: "
            f"{textwrap.shorten(str(state), 200)}"
        )


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block; the caller's stream goes on untouched after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
