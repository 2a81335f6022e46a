"""What a network is made of, in a line."""

from __future__ import annotations

from torch import nn

from mario_rl_agents.networks.critics import Linears


def summary_of(network: nn.Module) -> str:
    """Return the layers of a network that have weights, such as "16@6x6/3, 32@4x4/2, 256".

    A convolution is its channels, its kernel and its stride; a fully connected layer its units, of
    several side by side with their number; other layers are named.
    """
    layers = (_name_of(module) for module in network.modules() if not list(module.children()))
    return ", ".join(name for name in layers if name)


def num_weights(network: nn.Module) -> int:
    """Return how many numbers are learned."""
    return sum(x.numel() for x in network.parameters())


def _name_of(layer: nn.Module) -> str:
    """Return what a layer is; "" where it has nothing to learn."""
    if isinstance(layer, nn.Conv2d):
        kernel = "x".join(map(str, layer.kernel_size))
        strides = "x".join(map(str, dict.fromkeys(layer.stride)))
        return f"{layer.out_channels}@{kernel}/{strides}"
    if isinstance(layer, nn.Linear):
        return str(layer.out_features)
    if isinstance(layer, Linears):
        return f"{layer.weight.shape[0]} x {layer.weight.shape[2]}"
    return type(layer).__name__ if num_weights(layer) else ""
