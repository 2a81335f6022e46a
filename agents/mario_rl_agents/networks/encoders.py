"""Networks that read observations: encoders, and a head of fully connected layers.

Each computes in the type of its weights, so that `.double()` makes one for checking gradients.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SMALLEST_IMAGE = 36  # pixels: the three convolutions leave nothing of a smaller one
_MOST_KINDS = 16  # in a grid; more are shades of gray rather than kinds
_CNN_FEATURES = 512  # units (Mnih et al. 2015)


class NatureCNN(nn.Module):
    """Convolutional network for images (Mnih et al. 2015, "Human-level control", Methods)."""

    def __init__(self, shape: tuple[int, int, int], num_outputs: int | None = None) -> None:
        """Build the network for uint8 images of `shape` (channels, height, width).

        Args:
            shape: Of an observation.
            num_outputs: Units of the linear output; None ends with the 512 features before it.
        """
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 32, kernel_size=8, stride=4),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        with torch.inference_mode():
            num_features = self.convolutions(torch.zeros(1, *shape)).shape[1]
        output = [] if num_outputs is None else [nn.Linear(_CNN_FEATURES, num_outputs)]
        self.head = nn.Sequential(
            nn.Linear(num_features, _CNN_FEATURES), nn.ReLU(inplace=True), *output
        )
        # On a CPU core, two measurements put it within 10 % of the usual layout, one either way.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs or 512] for uint8 images of shape [B, C, H, W]."""
        # The weights' layout, while a pixel is a byte: else each pass would copy floats into it.
        interleaved = torch.stack(obs.unbind(1), dim=-1).movedim(-1, 1)  # faster than contiguous()
        pixels = interleaved.to(_dtype(self.head)).div_(255.0)
        outputs: Tensor = self.head(self.convolutions(pixels))
        return outputs


class MLP(nn.Module):
    """Fully connected network with ReLU between its layers."""

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_outputs: int) -> None:
        """Build the layers num_inputs -> hidden_sizes -> num_outputs."""
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += [nn.Linear(num_inputs, size), nn.ReLU()]
            num_inputs = size
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, num_outputs))
        self._linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for vectors of shape [B, num_inputs]."""
        # By hand: calling each small layer as a module takes as long again as what it computes.
        *hidden, output = self._linears
        x = obs.to(output.weight.dtype)
        for layer in hidden:
            x = F.linear(x, layer.weight, layer.bias).relu_()
        return F.linear(x, output.weight, output.bias)


class OneHot(nn.Module):
    """The encoder of grids of kinds: 1 at the kind that a cell is of, 0 at the others."""

    def __init__(self, num_kinds: int) -> None:
        """Take grids of whole numbers below `num_kinds`."""
        super().__init__()
        kinds = torch.arange(num_kinds, dtype=torch.uint8)
        self.register_buffer("_kinds", kinds, persistent=False)
        self.register_buffer("_like", torch.zeros(()), persistent=False)  # the networks' type
        self._kinds: Tensor
        self._like: Tensor

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, H W K] for uint8 grids of shape [B, H, W]."""
        return (obs.unsqueeze(-1) == self._kinds).flatten(1).to(self._like.dtype)


class Flat(nn.Module):
    """The encoder of vectors: their numbers as they are, in the type of the networks."""

    def __init__(self) -> None:
        """Keep a buffer that says which type that is."""
        super().__init__()
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        self._like: Tensor

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, D] for observations of shape [B, ...]."""
        return obs.flatten(1).to(self._like.dtype)


def make_network(
    space: gym.Space[Any], num_outputs: int, hidden_sizes: Sequence[int]
) -> NatureCNN | MLP:
    """Return a network that fits observations of `space`.

    Args:
        space: A uint8 image (C, H, W), or a vector of numbers (D,).
        num_outputs: One per action.
        hidden_sizes: Layers of the network for vectors, in units; images ignore it.

    Raises:
        ValueError: If `space` is neither.
    """
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return MLP(space.shape[0], hidden_sizes, num_outputs)
    return NatureCNN(_image_shape(space), num_outputs)


def make_encoder(space: gym.Space[Any]) -> tuple[Flat | OneHot | NatureCNN, int]:
    """Return a module that turns observations of `space` into features, and how many.

    Args:
        space: A uint8 image (C, H, W), a vector of numbers (D,), or a uint8 grid (H, W) of kinds.

    Raises:
        ValueError: If `space` is neither.
    """
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return Flat(), space.shape[0]
    if is_grid(space):
        assert isinstance(space, gym.spaces.Box)
        num_kinds = int(space.high.max()) + 1
        return OneHot(num_kinds), space.shape[0] * space.shape[1] * num_kinds
    return NatureCNN(_image_shape(space)), _CNN_FEATURES


def is_image(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a uint8 image (C, H, W)."""
    return isinstance(space, gym.spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8


def is_grid(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a uint8 grid (H, W) of at most 16 kinds."""
    return (
        isinstance(space, gym.spaces.Box)
        and len(space.shape) == 2
        and space.dtype == np.uint8
        and int(space.high.max()) < _MOST_KINDS
    )


def is_vector(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a vector of numbers (D,)."""
    return isinstance(space, gym.spaces.Box) and len(space.shape) == 1


def _image_shape(space: gym.Space[Any]) -> tuple[int, int, int]:
    if is_image(space) and space.shape is not None and min(space.shape[1:]) >= _SMALLEST_IMAGE:
        channels, height, width = space.shape
        return channels, height, width
    raise ValueError(
        f"no network for observations {space}: accepted are Box of shape (size,), Box of dtype "
        f"uint8 and shape (channels, height, width) with sides of {_SMALLEST_IMAGE} pixels or more,"
        f" and, by agents with an encoder, Box of dtype uint8, shape (height, width) and at most "
        f"{_MOST_KINDS} values"
    )


def _dtype(layers: nn.Sequential) -> torch.dtype:
    weight = layers[0].weight
    assert isinstance(weight, Tensor)
    return weight.dtype
