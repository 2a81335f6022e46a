"""Duelling networks: the value of a state apart from what each action adds (Wang et al. 2016)."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from mario_rl_agents.common.networks import MLP, NatureCNN, make_network


class DuellingOutput(nn.Module):
    """Turns the features of two streams into action values (equation 9 of the paper).

        Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)

    Without the mean, V and A could drift apart by any constant.
    """

    def __init__(self, num_features: int, num_actions: int) -> None:
        """Build the outputs of both streams, which have `num_features` each."""
        super().__init__()
        self.value = nn.Linear(num_features, 1)
        self.advantage = nn.Linear(num_features, num_actions)

    def forward(self, features: Tensor) -> Tensor:
        """Return action values, shape [B, A], for both streams side by side, shape [B, 2 F]."""
        of_value, of_advantage = features.chunk(2, dim=1)  # [B, F] each
        advantage = self.advantage(of_advantage)  # [B, A]
        q: Tensor = self.value(of_value) + advantage - advantage.mean(dim=1, keepdim=True)
        return q


def make_duelling_network(
    space: gym.Space[Any], num_actions: int, hidden_sizes: Sequence[int]
) -> NatureCNN | MLP:
    """Return the network of `make_network`, with its last hidden layer and its output doubled.

    One half of the layer, then called a stream, belongs to the state's value and the other to the
    advantages. What comes before, such as convolutions, is shared.

    Raises:
        ValueError: If no network fits `space`, or `hidden_sizes` is empty.
    """
    if not hidden_sizes:
        raise ValueError("a duelling network needs at least one hidden layer, got hidden_sizes ()")
    network = make_network(space, num_actions, hidden_sizes)
    layers = network.head if isinstance(network, NatureCNN) else network.layers
    *shared, hidden, activation, _ = layers
    assert isinstance(hidden, nn.Linear)
    streams = nn.Linear(hidden.in_features, 2 * hidden.out_features)
    output = DuellingOutput(hidden.out_features, num_actions)
    duelling = nn.Sequential(*shared, streams, activation, output)
    if isinstance(network, NatureCNN):
        network.head = duelling
    else:
        network.layers = duelling
    return network
