"""Networks: encoders that turn observations into features, and the layers after them.

Each computes in the type of its weights, so that `.double()` makes one for checking gradients.
Convolutional ones end with a layer of `num_features` units, and with a linear output where one is
asked for. With `layer_norm` the units of every fully connected hidden layer are normalized before
their ReLU (Ba et al. 2016, "Layer normalization"): each to mean 0 and variance 1 over its layer.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, ClassVar, Final

import gymnasium as gym
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.spaces import (
    GRID,
    IMAGE,
    VECTOR,
    image_shape,
    is_channels_last,
    is_grid,
    is_image,
    is_vector,
)

# Returns a module with an attribute `num_features`, from [B, ...] to [B, num_features].
EncoderFactory = Callable[[gym.Space[Any]], nn.Module]


class Output(nn.Linear):
    """The last layer: it computes in the type of its weights, whatever the precision before it.

    bfloat16 has 8 bits: values of 2 would be told apart by 0.016 at best, which is more than an
    action often adds.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for features of shape [B, num_inputs]."""
        if not torch.is_autocast_enabled(features.device.type):
            return super().forward(features)
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.to(self.weight.dtype))


def hidden_layer(num_inputs: int, num_units: int, *, layer_norm: bool = False) -> list[nn.Module]:
    """Return a fully connected layer, what normalizes it if anything does, and its ReLU."""
    norm = [nn.LayerNorm(num_units)] if layer_norm else []
    return [nn.Linear(num_inputs, num_units), *norm, nn.ReLU(inplace=True)]


class MLP(nn.Module):
    """Fully connected network with ReLU between its layers."""

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_outputs: int,
        *,
        layer_norm: bool = False,
    ) -> None:
        """Build the layers num_inputs -> hidden_sizes -> num_outputs."""
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += hidden_layer(num_inputs, size, layer_norm=layer_norm)
            num_inputs = size
        self.layers = nn.Sequential(*layers, Output(num_inputs, num_outputs))
        self._linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        self._norms = [layer for layer in self.layers if isinstance(layer, nn.LayerNorm)]

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for vectors of shape [B, num_inputs]."""
        # By hand: calling each small layer as a module takes as long again as what it computes.
        *hidden, output = self._linears
        x = obs.to(output.weight.dtype)
        for layer, norm in zip_longest(hidden, self._norms):
            x = F.linear(x, layer.weight, layer.bias)
            x = (x if norm is None else norm.forward(x)).relu_()
        return output.forward(x)


class CNN(nn.Module):
    """Convolutions, a layer of features, and a linear output if there is to be one.

    Attributes:
        smallest: Pixels of the shortest side that the convolutions leave something of.
        num_features: Units of the layer after the convolutions.
        channels_last: Whether observations are (H, W, C) instead of (C, H, W).
        convolutions: From images to vectors.
        head: From vectors to what `forward` returns.
    """

    smallest: ClassVar[int]
    num_features: int
    channels_last: bool = False

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_outputs: int | None,
        convolutions: nn.Sequential,
        *,
        layer_norm: bool,
    ) -> None:
        """Complete a network for uint8 images of `shape` (channels, height, width).

        Args:
            shape: Of an observation, whatever the order of its axes.
            num_outputs: Units of the linear output; None ends with the features before it.
            convolutions: The layers of the subclass.
            layer_norm: Whether the features are normalized before their ReLU.
        """
        super().__init__()
        self.convolutions = convolutions
        with torch.inference_mode():
            num_inputs = self.convolutions(torch.zeros(1, *shape)).shape[1]
        # The output is drawn first: a seed begins with the weights that results were measured with.
        output = [] if num_outputs is None else [Output(self.num_features, num_outputs)]
        features = hidden_layer(num_inputs, self.num_features, layer_norm=layer_norm)
        self.head = nn.Sequential(*features, *output)
        # On a CPU core, two measurements put it within 10 % of the usual layout, one either way.
        for layer in self.convolutions.modules():
            if isinstance(layer, nn.Conv2d):
                weight = layer.weight.data
                layer.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs or num_features] for uint8 images of shape [B, C, H, W].

        Where `channels_last` is true, they have shape [B, H, W, C].
        """
        # The weights' layout, while a pixel is a byte: else each pass would copy floats into it.
        # stack() is faster than contiguous().
        last = obs if self.channels_last else torch.stack(obs.unbind(1), dim=-1)  # [B, H, W, C]
        pixels = last.movedim(-1, 1).to(_dtype(self.head, obs.device.type)).div_(255.0)
        outputs: Tensor = self.head(self.convolutions(pixels))
        return outputs


class NatureCNN(CNN):
    """Three convolutions and 512 features (Mnih et al. 2015, "Human-level control", Methods)."""

    smallest = 36
    num_features = 512

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_outputs: int | None = None,
        *,
        layer_norm: bool = False,
    ) -> None:
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
        super().__init__(shape, num_outputs, convolutions, layer_norm=layer_norm)


class SmallCNN(CNN):
    """Two convolutions and 256 features: for images of 42 x 42, a tenth of the work of Nature's."""

    smallest = 10
    num_features = 256
    first: ClassVar[tuple[int, int]] = (4, 2)  # kernel and stride of the first convolution

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_outputs: int | None = None,
        *,
        layer_norm: bool = False,
    ) -> None:
        """Build the network; see `CNN`."""
        kernel_size, stride = self.first
        convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 16, kernel_size=kernel_size, stride=stride),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, kernel_size=4, stride=2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        super().__init__(shape, num_outputs, convolutions, layer_norm=layer_norm)


class TinyCNN(SmallCNN):
    """The small one with longer strides: half of its work."""

    smallest = 15
    first = (6, 3)


class ImpalaCNN(CNN):
    """Fifteen convolutions in residual blocks and 256 features (Espeholt et al. 2018, figure 3).

    Theirs has an LSTM after it, which is left out.
    """

    smallest = 8
    num_features = 256

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_outputs: int | None = None,
        *,
        layer_norm: bool = False,
    ) -> None:
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
        super().__init__(shape, num_outputs, convolutions, layer_norm=layer_norm)


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


def _dtype(layers: nn.Sequential, device: str) -> torch.dtype:
    """Return what layers compute in, which holds the 256 values of a byte exactly in any case."""
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    weight = layers[0].weight
    assert isinstance(weight, Tensor)
    return weight.dtype


class OneHot(nn.Module):
    """The encoder of grids of kinds: 1 at the kind that a cell is of, 0 at the others."""

    def __init__(self, shape: tuple[int, ...], num_kinds: int) -> None:
        """Take grids of `shape` (height, width) of whole numbers below `num_kinds`."""
        super().__init__()
        self.num_features = shape[0] * shape[1] * num_kinds
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

    def __init__(self, num_features: int) -> None:
        """Keep a buffer that says which type that is."""
        super().__init__()
        self.num_features = num_features
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        self._like: Tensor

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, D] for observations of shape [B, ...]."""
        return obs.flatten(1).to(self._like.dtype)


class OwnEncoder(nn.Module):
    """A user's own encoder. It keeps the weights that it comes with."""

    def __init__(self, encoder: nn.Module, *, layer_norm: bool = False) -> None:
        """Take a module with `num_features`; normalize what it returns if that is asked for.

        Raises:
            ValueError: If it does not name them.
        """
        super().__init__()
        number = getattr(encoder, "num_features", None)
        if not isinstance(number, int):
            raise ValueError(
                "an encoder needs an attribute num_features, a whole number; that of "
                f"{type(encoder).__name__} is {number!r}: set it in __init__"
            )
        self.encoder, self.num_features = encoder, number
        self.norm = nn.LayerNorm(number) if layer_norm else None

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_features] for observations of shape [B, ...]."""
        features: Tensor = self.encoder(obs)
        return features if self.norm is None else self.norm.forward(features)


_CNNS: Final[Mapping[str, type[NatureCNN | SmallCNN | ImpalaCNN]]] = MappingProxyType(
    {"nature": NatureCNN, "small": SmallCNN, "tiny": TinyCNN, "impala": ImpalaCNN}
)


def make_encoder(
    space: gym.Space[Any],
    encoder: str | EncoderFactory = "nature",
    *,
    layer_norm: bool = False,
) -> nn.Module:
    """Return a module that turns observations of `space` into `num_features` features.

    Args:
        space: A uint8 image (C, H, W) or (H, W, C), a vector of numbers (D,), or a uint8 grid
            (H, W) of kinds.
        encoder: "nature", "small", "tiny" or "impala", for images; or what makes one for `space`.
        layer_norm: Whether the features of images are normalized before their ReLU; of a user's own
            encoder, what it returns. Vectors and grids are passed on as they are.

    Raises:
        ValueError: If no encoder fits, or a user's own does not name its `num_features`.
    """
    if not isinstance(encoder, str):
        return OwnEncoder(encoder(space), layer_norm=layer_norm)
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return Flat(space.shape[0])
    if is_grid(space):
        assert isinstance(space, gym.spaces.Box)
        return OneHot(space.shape, int(space.high.max()) + 1)
    return _make_cnn(space, encoder, layer_norm=layer_norm)


def make_network(
    space: gym.Space[Any],
    num_outputs: int,
    hidden_sizes: Sequence[int],
    encoder: str | EncoderFactory = "nature",
    *,
    layer_norm: bool = False,
) -> nn.Module:
    """Return a network that fits observations of `space`.

    Args:
        space: A uint8 image (C, H, W) or (H, W, C), or a vector of numbers (D,).
        num_outputs: One per action.
        hidden_sizes: Layers of the network for vectors, in units; an encoder of images, or a user's
            own, is followed by the output.
        encoder: See `make_encoder`.
        layer_norm: Whether hidden layers are normalized before their ReLU; of a user's own encoder,
            what it returns.

    Raises:
        ValueError: If no network fits.
    """
    if not isinstance(encoder, str):
        module = make_encoder(space, encoder)
        size = num_features(module)
        norm = [nn.LayerNorm(size)] if layer_norm else []
        return nn.Sequential(module, *norm, Output(size, num_outputs))
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return MLP(space.shape[0], hidden_sizes, num_outputs, layer_norm=layer_norm)
    return _make_cnn(space, encoder, num_outputs, layer_norm=layer_norm)


def num_features(encoder: nn.Module) -> int:
    """Return how many features an encoder that `make_encoder` returned has."""
    number = encoder.num_features
    assert isinstance(number, int)
    return number


def _make_cnn(
    space: gym.Space[Any],
    encoder: str,
    num_outputs: int | None = None,
    *,
    layer_norm: bool = False,
) -> CNN:
    kind = _CNNS[encoder]
    if not is_image(space) or min(image_shape(space)[1:]) < kind.smallest:
        raise ValueError(
            f"no network for observations {space}: accepted are {VECTOR}, {IMAGE} with sides of "
            f'{kind.smallest} pixels or more for encoder "{encoder}", and, by agents with an '
            f"encoder, {GRID}"
        )
    network = kind(image_shape(space), num_outputs, layer_norm=layer_norm)
    network.channels_last = is_channels_last(space)
    return network
