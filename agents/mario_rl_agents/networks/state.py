"""Networks and optimizers from what a file holds, checked first: anybody may have written it."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

_ADAM: Final = {"exp_avg", "exp_avg_sq", "step"}  # what Adam keeps of each weight


def load_network(name: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network its weights.

    Args:
        name: Of the network, for messages.
        network: Takes them over.
        tensors: What its `state_dict` returned.

    Raises:
        ValueError: If they are of another network, or not finite.
    """
    own = network.state_dict()
    if tensors.keys() != own.keys():
        raise ValueError(f"{name} has the tensors {sorted(tensors)} instead of {sorted(own)}")
    for key, x in tensors.items():
        if x.dtype != own[key].dtype:
            raise ValueError(f"{name}/{key} is of type {x.dtype} instead of {own[key].dtype}")
        _check_finite(f"{name}/{key}", x)
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from error


def load_optimizer(
    name: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Give an optimizer its state.

    Args:
        name: Of the optimizer, for messages.
        optimizer: Takes it over.
        tensors: By INDEX/KEY, what it keeps of the weights of that index.

    Raises:
        ValueError: If it is of other weights, or not finite.
    """
    weights = [x for group in optimizer.param_groups for x in group["params"]]
    indices = {str(index): index for index in range(len(weights))}
    state: dict[int, dict[str, Tensor]] = {}
    for place, x in tensors.items():
        text, _, key = place.partition("/")
        if text not in indices:
            raise ValueError(f"{name}/{place} is of none of its {len(weights)} weights")
        weight = weights[indices[text]]
        if x.shape not in (weight.shape, ()) or x.dtype != weight.dtype:
            raise ValueError(f"{name}/{place} has another shape or type than its weights")
        _check_finite(f"{name}/{place}", x)
        if x.shape == weight.shape:
            # Fused Adam takes memory in the weights' order, which may be channels last.
            x = torch.empty_like(weight, device="cpu").copy_(x)
        state.setdefault(indices[text], {})[key] = x
    if isinstance(optimizer, torch.optim.Adam):
        for index, entries in state.items():
            _check_adam(f"{name}/{index}", entries, weights[index])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _check_adam(place: str, entries: Mapping[str, Tensor], weight: Tensor) -> None:
    if entries.keys() != _ADAM:
        raise ValueError(f"{place} has {sorted(entries)} instead of {sorted(_ADAM)}")
    shapes = [entries[key].shape for key in sorted(_ADAM)]
    if shapes != [weight.shape, weight.shape, ()]:
        raise ValueError(f"{place} has the shapes {shapes}, its weights have {weight.shape}")
    if entries["step"] < 0 or (entries["exp_avg_sq"] < 0).any():
        raise ValueError(f"{place} has a number of steps or a mean square below 0")


def _check_finite(name: str, x: Tensor) -> None:
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} has numbers that are not finite")
