"""Networks that map observations to one number for each action."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

_SMALLEST_IMAGE = 36  # pixels: the three convolutions leave nothing of a smaller one


class NatureCNN(nn.Module):
    """Convolutional Q-network (Mnih et al. 2015, "Human-level control", Methods)."""

    def __init__(self, shape: tuple[int, int, int], num_outputs: int) -> None:
        """Build the network for uint8 images of `shape` (channels, height, width)."""
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 32, kernel_size=8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.inference_mode():
            num_features = self.convolutions(torch.zeros(1, *shape)).shape[1]
        self.head = nn.Sequential(
            nn.Linear(num_features, 512), nn.ReLU(), nn.Linear(512, num_outputs)
        )
        # On a CPU core, two measurements put it within 10 % of the usual layout, one either way.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for uint8 images of shape [B, C, H, W]."""
        outputs: Tensor = self.head(self.convolutions(obs / 255.0))
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

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for vectors of shape [B, num_inputs]."""
        outputs: Tensor = self.layers(obs.to(torch.float32))
        return outputs


def make_network(
    space: gym.Space[object], num_outputs: int, hidden_sizes: Sequence[int]
) -> NatureCNN | MLP:
    """Return a network that fits observations of `space`.

    Args:
        space: A uint8 image (C, H, W), or a vector of numbers (D,).
        num_outputs: One per action.
        hidden_sizes: Layers of the network for vectors, in units; images ignore it.

    Raises:
        ValueError: If `space` is neither.
    """
    if isinstance(space, gym.spaces.Box):
        if len(space.shape) == 1:
            return MLP(space.shape[0], hidden_sizes, num_outputs)
        if is_image(space) and min(space.shape[1:]) >= _SMALLEST_IMAGE:
            channels, height, width = space.shape
            return NatureCNN((channels, height, width), num_outputs)
    raise ValueError(
        f"no network for observations {space}: accepted are Box of shape (size,), and Box of dtype "
        f"uint8 and shape (channels, height, width) with sides of {_SMALLEST_IMAGE} pixels or more"
    )


def is_image(space: gym.Space[object]) -> bool:
    """Return whether `space` is a uint8 image (C, H, W)."""
    return isinstance(space, gym.spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8
