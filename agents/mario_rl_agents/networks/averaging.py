"""The running average of weights that an agent plays with, while it learns with others.

Weights wander around what is learned, the more so where the learning rate does not fall to 0; their
average lies between (Polyak & Juditsky 1992, "Acceleration of stochastic approximation by
averaging"; Izmailov et al. 2018, "Averaging weights leads to wider optima and better
generalization"). With PPO it was tried by Hilton et al. 2022, "Batch size-invariance for policy
optimization".
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, TypeVar

from torch import nn

from mario_rl_agents.networks.critics import soft_update

_PREFIX: Final = "average_"  # before the name of a network

_T = TypeVar("_T")


class WeightAverage:
    """Networks that follow those that learn, each the mean of what its own one has been.

    Attributes:
        networks: They, under the names that a checkpoint gives them.
        copies: By these names, that of the network that each one follows.
    """

    def __init__(self, learning: Mapping[str, nn.Module], decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            learning: The networks that learn, by name; those without weights have no average.
            decay: How much of itself an average keeps with every gradient step.
        """
        followed = {name: x for name, x in learning.items() if any(True for _ in x.parameters())}
        self.networks = {
            f"{_PREFIX}{name}": copy.deepcopy(network).requires_grad_(False)
            for name, network in followed.items()
        }
        self.copies: Mapping[str, str] = MappingProxyType(
            {f"{_PREFIX}{name}": name for name in followed}
        )
        self._decay = decay
        self._weights = [x for network in followed.values() for x in network.parameters()]
        self._averages = [x for network in self.networks.values() for x in network.parameters()]
        # Of an encoder of one's own, as what a batch normalization has seen: no average of these.
        buffers = [x for network in followed.values() for x in network.buffers()]
        copies = [x for network in self.networks.values() for x in network.buffers()]
        self._buffers = list(zip(copies, buffers, strict=True))
        self._is_in_use = False

    def update(self, num_updates: int) -> None:
        """Follow the weights after a gradient step.

        Args:
            num_updates: How many there were; until these are as many as the average reaches back,
                1 / (1 - decay), it is the mean of all.
        """
        self._follow(max(1 - self._decay, 1 / num_updates))

    def restart(self) -> None:
        """Forget what the weights have been before."""
        self._follow(1.0)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the networks that learn compute with their averages, for as long as it is open."""
        if self._is_in_use:
            yield
            return
        self._swap()
        self._is_in_use = True
        try:
            yield
        finally:
            self._is_in_use = False
            self._swap()

    def _follow(self, share: float) -> None:
        soft_update(self._averages, self._weights, share)
        for buffer, followed in self._buffers:
            buffer.copy_(followed)

    def _swap(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            weight.data, average.data = average.data, weight.data


def with_averages(tensors: Mapping[str, _T]) -> dict[str, _T]:
    """Return the tensors of a checkpoint, each weight in place of which there is an average as it.

    Args:
        tensors: By NETWORK/NAME.
    """
    averages = {name.removeprefix(_PREFIX): x for name, x in tensors.items() if _is_average(name)}
    return {name: averages.get(name, x) for name, x in tensors.items() if not _is_average(name)}


def _is_average(name: str) -> bool:
    return name.startswith(_PREFIX)
