"""Encoders turn observations into features; a network is an encoder and layers after it.

Each computes in the type of its weights, so that `.double()` makes one for checking gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym
import torch
from torch import Tensor, nn

from mario_rl_agents.networks.cnn import CNN, ImpalaCNN, NatureCNN, SmallCNN
from mario_rl_agents.networks.mlp import MLP
from mario_rl_agents.spaces import GRID, IMAGE, VECTOR, is_grid, is_image, is_vector

# Returns a module with an attribute `num_features`, from [B, ...] to [B, num_features].
EncoderFactory = Callable[[gym.Space[Any]], nn.Module]

_CNNS: Final[Mapping[str, type[NatureCNN | SmallCNN | ImpalaCNN]]] = MappingProxyType(
    {"nature": NatureCNN, "small": SmallCNN, "impala": ImpalaCNN}
)


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

    def __init__(self, encoder: nn.Module) -> None:
        """Take a module with `num_features`.

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

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_features] for observations of shape [B, ...]."""
        features: Tensor = self.encoder(obs)
        return features


def make_encoder(space: gym.Space[Any], encoder: str | EncoderFactory = "nature") -> nn.Module:
    """Return a module that turns observations of `space` into `num_features` features.

    Args:
        space: A uint8 image (C, H, W), a vector of numbers (D,), or a uint8 grid (H, W) of kinds.
        encoder: "nature", "small" or "impala", for images; or what makes one for `space`.

    Raises:
        ValueError: If no encoder fits, or a user's own does not name its `num_features`.
    """
    if not isinstance(encoder, str):
        return OwnEncoder(encoder(space))
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return Flat(space.shape[0])
    if is_grid(space):
        assert isinstance(space, gym.spaces.Box)
        return OneHot(space.shape, int(space.high.max()) + 1)
    return _make_cnn(space, encoder)


def make_network(
    space: gym.Space[Any],
    num_outputs: int,
    hidden_sizes: Sequence[int],
    encoder: str | EncoderFactory = "nature",
) -> nn.Module:
    """Return a network that fits observations of `space`.

    Args:
        space: A uint8 image (C, H, W), or a vector of numbers (D,).
        num_outputs: One per action.
        hidden_sizes: Layers of the network for vectors, in units; an encoder of images, or a user's
            own, is followed by the output.
        encoder: See `make_encoder`.

    Raises:
        ValueError: If no network fits.
    """
    if not isinstance(encoder, str):
        module = make_encoder(space, encoder)
        return nn.Sequential(module, nn.Linear(num_features(module), num_outputs))
    if is_vector(space):
        assert isinstance(space, gym.spaces.Box)
        return MLP(space.shape[0], hidden_sizes, num_outputs)
    return _make_cnn(space, encoder, num_outputs)


def num_features(encoder: nn.Module) -> int:
    """Return how many features an encoder that `make_encoder` returned has."""
    number = encoder.num_features
    assert isinstance(number, int)
    return number


def _make_cnn(space: gym.Space[Any], encoder: str, num_outputs: int | None = None) -> CNN:
    kind = _CNNS[encoder]
    if not is_image(space) or space.shape is None or min(space.shape[1:]) < kind.smallest:
        raise ValueError(
            f"no network for observations {space}: accepted are {VECTOR}, {IMAGE} with sides of "
            f'{kind.smallest} pixels or more for encoder "{encoder}", and, by agents with an '
            f"encoder, {GRID}"
        )
    channels, height, width = space.shape
    return kind((channels, height, width), num_outputs)
