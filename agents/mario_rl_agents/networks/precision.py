"""`precision="bfloat16"` and "auto": forward passes in half the bits, weights in float32."""

from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn

from mario_rl_agents.config import Precision

# What processors call their instructions for it.
_FEATURES: Final = ("avx512_bf16", "amx_bf16", "bf16")
# Of a module: what makes its weights, and their names.
_CONTENTS: Final = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")


class Bfloat16(nn.Module):
    """Computes products of another network in bfloat16, and returns float32.

    Sums, weights, gradients and the optimizer stay float32 (Micikevicius et al. 2018, "Mixed
    precision training"); with the exponent of float32, losses need no scale. The weights are the
    other network's, by the same names: a checkpoint fits either.
    """

    def __init__(self, network: nn.Module, *, where_fast: bool = False) -> None:
        """Take the network.

        Args:
            network: The other.
            where_fast: Whether devices that have no instructions for it compute in float32.
        """
        super().__init__()
        vars(self).update({name: vars(network)[name] for name in _CONTENTS})
        self._network = (network,)  # in a tuple it is no part, which would add to the names
        self._where_fast = where_fast

    def forward(self, *inputs: Tensor, **settings: Any) -> Tensor:
        """Return what the network does."""
        (network,) = self._network
        device = inputs[0].device.type
        if self._where_fast and not has_bfloat16(device):
            exact: Tensor = network(*inputs, **settings)
            return exact
        with torch.autocast(device, torch.bfloat16):
            outputs: Tensor = network(*inputs, **settings)
        return outputs.float()


def in_precision(network: nn.Module, precision: Precision) -> nn.Module:
    """Return a network that computes in `precision`; in float32 it is the network itself."""
    if precision == "float32":
        return network
    return Bfloat16(network, where_fast=precision == "auto")


def in_float32(network: nn.Module) -> nn.Module:
    """Return a network that computes in float32 throughout; what it consists of is replaced."""
    if isinstance(network, Bfloat16):
        (inner,) = network._network
        return in_float32(inner)
    for name, part in network.named_children():
        network.register_module(name, in_float32(part))
    return network


@cache
def has_bfloat16(device: str) -> bool:
    """Return whether a type of device, as "cpu", has instructions for bfloat16.

    Without them it is slower than float32.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    # Older versions cannot tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(x) for x in _FEATURES)


def precision_on(precision: Precision, device: str) -> str:
    """Return what networks compute in on a type of device: "float32" or "bfloat16"."""
    if precision == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    return precision
