"""Dueling networks: the value of a state apart from what each action adds (Wang et al. 2016)."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from mario_rl_agents.networks.encoders import (
    CNN,
    EncoderFactory,
    Output,
    hidden_layer,
    make_encoder,
    make_network,
    num_features,
)


class DuelingOutput(nn.Module):
    """Turns the features of two streams into action values (equation 9 of the paper).

        Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)

    Without the mean, V and A could drift apart by any constant.
    """

    def __init__(self, num_features: int, num_actions: int) -> None:
        """Build the outputs of both streams, which have `num_features` each."""
        super().__init__()
        self.value = Output(num_features, 1)
        self.advantage = Output(num_features, num_actions)

    def forward(self, features: Tensor) -> Tensor:
        """Return action values, shape [B, A], for both streams side by side, shape [B, 2 F]."""
        of_value, of_advantage = features.chunk(2, dim=1)  # [B, F] each
        advantage = self.advantage(of_advantage)  # [B, A]
        q: Tensor = self.value(of_value) + advantage - advantage.mean(dim=1, keepdim=True)
        return q


class DuelingMLP(nn.Module):
    """Fully connected network with ReLU between its layers and two streams at its end."""

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_actions: int,
        *,
        layer_norm: bool = False,
    ) -> None:
        """Build the layers; the last of `hidden_sizes` is that of each stream."""
        super().__init__()
        *shared, last = hidden_sizes
        layers: list[nn.Module] = []
        for size in (*shared, 2 * last):
            layers += hidden_layer(num_inputs, size, layer_norm=layer_norm)
            num_inputs = size
        self.layers = nn.Sequential(*layers, DuelingOutput(last, num_actions))

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, A] for vectors of shape [B, D]."""
        q: Tensor = self.layers(obs.to(next(self.parameters()).dtype))
        return q


def make_dueling_network(
    space: gym.Space[Any],
    num_actions: int,
    hidden_sizes: Sequence[int],
    encoder: str | EncoderFactory = "nature",
    *,
    layer_norm: bool = False,
) -> nn.Module:
    """Return a network as `make_network` does, with the last hidden layer and the output doubled.

    One half of that layer, called a stream, belongs to the state's value and the other to the
    advantages. What comes before, such as convolutions, is shared. With `layer_norm` both streams
    are normalized together.

    Raises:
        ValueError: If no network fits `space`, or `hidden_sizes` is empty.
    """
    if not hidden_sizes:
        raise ValueError("a dueling network needs at least one hidden layer, got hidden_sizes ()")
    if not isinstance(encoder, str):
        module = make_encoder(space, encoder)
        size = num_features(module)
        streams = hidden_layer(size, 2 * size, layer_norm=layer_norm)
        return nn.Sequential(module, *streams, DuelingOutput(size, num_actions))
    network = make_network(space, num_actions, hidden_sizes, encoder)
    if not isinstance(network, CNN):
        assert isinstance(space, gym.spaces.Box)
        return DuelingMLP(space.shape[0], hidden_sizes, num_actions, layer_norm=layer_norm)
    hidden = network.head[0]
    assert isinstance(hidden, nn.Linear)
    size = hidden.out_features
    both = hidden_layer(hidden.in_features, 2 * size, layer_norm=layer_norm)
    network.head = nn.Sequential(*both, DuelingOutput(size, num_actions))
    return network
