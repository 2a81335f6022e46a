"""`precision="bfloat16"`: forward passes in half the bits, weights in float32."""

from typing import Any

import torch
from torch import Tensor, nn

from mario_rl_agents.config import Precision


class Bfloat16(nn.Module):
    """Computes products of another network in bfloat16, and returns float32.

    Sums, weights, gradients and the optimizer stay float32 (Micikevicius et al. 2018, "Mixed
    precision training"); with the exponent of float32, losses need no scale.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor, **settings: Any) -> Tensor:
        """Return what the network does."""
        with torch.autocast(inputs[0].device.type, torch.bfloat16):
            outputs: Tensor = self.network(*inputs, **settings)
        return outputs.float()


def in_precision(network: nn.Module, precision: Precision) -> nn.Module:
    """Return a network that computes in `precision`; in float32 it is the network itself."""
    return network if precision == "float32" else Bfloat16(network)
