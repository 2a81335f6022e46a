"""Convolutional networks for images, from the smallest to the deepest.

Each ends with a layer of `num_features` units, and with a linear output where one is asked for.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn


class CNN(nn.Module):
    """Convolutions, a layer of features, and a linear output if there is to be one.

    Attributes:
        smallest: Pixels of the shortest side that the convolutions leave something of.
        num_features: Units of the layer after the convolutions.
        convolutions: From images to vectors.
        head: From vectors to what `forward` returns.
    """

    smallest: ClassVar[int]
    num_features: int

    def __init__(
        self, shape: tuple[int, int, int], num_outputs: int | None, convolutions: nn.Sequential
    ) -> None:
        """Complete a network for uint8 images of `shape` (channels, height, width).

        Args:
            shape: Of an observation.
            num_outputs: Units of the linear output; None ends with the features before it.
            convolutions: The layers of the subclass.
        """
        super().__init__()
        self.convolutions = convolutions
        with torch.inference_mode():
            num_inputs = self.convolutions(torch.zeros(1, *shape)).shape[1]
        output = [] if num_outputs is None else [nn.Linear(self.num_features, num_outputs)]
        self.head = nn.Sequential(
            nn.Linear(num_inputs, self.num_features), nn.ReLU(inplace=True), *output
        )
        # On a CPU core, two measurements put it within 10 % of the usual layout, one either way.
        for layer in self.convolutions.modules():
            if isinstance(layer, nn.Conv2d):
                weight = layer.weight.data
                layer.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs or num_features] for uint8 images of shape [B, C, H, W]."""
        # The weights' layout, while a pixel is a byte: else each pass would copy floats into it.
        interleaved = torch.stack(obs.unbind(1), dim=-1).movedim(-1, 1)  # faster than contiguous()
        pixels = interleaved.to(_dtype(self.head)).div_(255.0)
        outputs: Tensor = self.head(self.convolutions(pixels))
        return outputs


class NatureCNN(CNN):
    """Three convolutions and 512 features (Mnih et al. 2015, "Human-level control", Methods)."""

    smallest = 36
    num_features = 512

    def __init__(self, shape: tuple[int, int, int], num_outputs: int | None = None) -> None:
        """Build the network; see `CNN`."""
        convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 32, kernel_size=8, stride=4),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        super().__init__(shape, num_outputs, convolutions)


class SmallCNN(CNN):
    """Two convolutions and 256 features: for images of 42 x 42, a tenth of the work of Nature's."""

    smallest = 10
    num_features = 256

    def __init__(self, shape: tuple[int, int, int], num_outputs: int | None = None) -> None:
        """Build the network; see `CNN`."""
        convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 16, kernel_size=4, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, kernel_size=4, stride=2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        super().__init__(shape, num_outputs, convolutions)


class ImpalaCNN(CNN):
    """Fifteen convolutions in residual blocks and 256 features (Espeholt et al. 2018, figure 3).

    Theirs has an LSTM after it, which is left out.
    """

    smallest = 8
    num_features = 256

    def __init__(self, shape: tuple[int, int, int], num_outputs: int | None = None) -> None:
        """Build the network; see `CNN`."""
        layers: list[nn.Module] = []
        num_inputs = shape[0]
        for num_channels in (16, 32, 32):
            layers += [
                nn.Conv2d(num_inputs, num_channels, kernel_size=3, padding=1),
                nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                _Residual(num_channels),
                _Residual(num_channels),
            ]
            num_inputs = num_channels
        convolutions = nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Flatten())
        super().__init__(shape, num_outputs, convolutions)


class _Residual(nn.Module):
    """What two convolutions add to their input."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return shape [B, C, H, W] for the same shape."""
        residual: Tensor = self.layers(x)
        return x + residual


def _dtype(layers: nn.Sequential) -> torch.dtype:
    weight = layers[0].weight
    assert isinstance(weight, Tensor)
    return weight.dtype
