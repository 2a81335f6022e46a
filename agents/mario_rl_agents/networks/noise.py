"""Noise for actions, drawn from a generator that was given."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def gaussian(
    generator: np.random.Generator, shape: tuple[int, ...], standard_deviation: float
) -> NDArray[np.float32]:
    """Return independent normal noise around 0, float32 of `shape`."""
    return np.float32(standard_deviation) * generator.standard_normal(shape, dtype=np.float32)


def standard_normal(
    generator: np.random.Generator, shape: tuple[int, ...], device: torch.device
) -> Tensor:
    """Return independent normal noise of variance 1 for a loss, float32 of `shape` on `device`."""
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)).to(device)
