"""Initial weights: PyTorch's own, orthogonal matrices, or Glorot's."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn

from mario_rl_agents.config import Initialization
from mario_rl_agents.networks.critics import Linears
from mario_rl_agents.networks.encoders import OwnEncoder

_HIDDEN_GAIN: Final = 2**0.5  # keeps the variance through a ReLU (He et al. 2015)
# Small outputs of a policy make all actions about as likely at first (Andrychowicz et al. 2021,
# "What matters for on-policy deep actor-critic methods?", section 3.2).
POLICY_GAIN: Final = 0.01
VALUE_GAIN: Final = 1.0


def initialize(
    network: nn.Module,
    initialization: Initialization,
    output_gain: float = _HIDDEN_GAIN,
    *,
    num_outputs: int = 1,
) -> None:
    """Give the layers of a network their initial weights, by PyTorch's generator.

    Args:
        network: As PyTorch has made it; a user's own encoder in it is left alone.
        initialization: "pytorch" leaves it so. "orthogonal" draws orthogonal matrices times
            sqrt(2) (Saxe et al. 2014) and sets biases to 0. "glorot" draws uniformly from
            +-sqrt(6 / (inputs + outputs)) and sets biases to 0 (Glorot and Bengio 2010, equation
            16; the layers of Keras begin so).
        output_gain: The factor of orthogonal output layers, in place of sqrt(2).
        num_outputs: How many layers these are, counted from the end; two with dueling heads.
    """
    if initialization == "pytorch":
        return
    layers = list(_layers(network))
    first_output = len(layers) - num_outputs
    for index, layer in enumerate(layers):
        gain = output_gain if index >= first_output else _HIDDEN_GAIN
        matrices = layer.weight if isinstance(layer, Linears) else [layer.weight]
        for matrix in matrices:
            if initialization == "glorot":
                _glorot(matrix)
            else:
                _orthogonal(matrix, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def initialize_last_row(network: nn.Module, initialization: Initialization, gain: float) -> None:
    """Give the last row of the last linear layer another factor than `initialize` gave all rows."""
    if initialization != "orthogonal":
        return
    *_, layer = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    _orthogonal(layer.weight[-1:], gain)


@torch.no_grad()
def _orthogonal(matrix: Tensor, gain: float) -> None:
    matrix.copy_(nn.init.orthogonal_(torch.empty(matrix.shape), gain))  # which may be channels last


@torch.no_grad()
def _glorot(matrix: Tensor) -> None:
    matrix.copy_(nn.init.xavier_uniform_(torch.empty(matrix.shape)))


def _layers(network: nn.Module) -> Iterator[nn.Linear | nn.Conv2d | Linears]:
    if isinstance(network, nn.Linear | nn.Conv2d | Linears):
        yield network
    elif not isinstance(network, OwnEncoder):
        for child in network.children():
            yield from _layers(child)
