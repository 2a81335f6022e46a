"""What an agent does, as one network: from observations to actions and what they are chosen by.

It has no memory and no chance in it, so that it can be exported. Whoever draws actions has what is
needed for that among the outputs.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import gymnasium as gym
import torch
from torch import Tensor, nn

from mario_rl_agents.networks.critics import ActionScale
from mario_rl_agents.networks.distributions import Categorical, Distribution, Gaussian
from mario_rl_agents.spaces import box_actions

_BEST: Final = "the action of the highest value, [B]"
_LIKELIEST: Final = "the likeliest action, [B]"


class Acting(nn.Module):
    """A network that acts.

    Attributes:
        outputs: Names of what `forward` returns, in that order, and what each is.
    """

    outputs: Mapping[str, str]

    def __init__(self, network: nn.Module, outputs: Mapping[str, str]) -> None:
        """Take the network that its own outputs are computed from."""
        super().__init__()
        self.network = network
        self.outputs = dict(outputs)  # it is copied with the network

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for observations of shape [B, ...]."""
        raise NotImplementedError


class Highest(Acting):
    """The action of the highest number that a network gives."""

    def __init__(self, network: nn.Module, name: str, what: str) -> None:
        """Take the network, with what its numbers are called and are."""
        super().__init__(network, {"action": _BEST, name: f"{what}, [B, A]"})

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return actions [B] and numbers [B, A]."""
        numbers = self.network(obs)  # [B, A]
        return numbers.argmax(dim=1), numbers


class Likeliest(Acting):
    """The likeliest of discrete actions, and the probability of each."""

    def __init__(self, network: nn.Module) -> None:
        """Take a network of logits."""
        what = "the probability of each action, from which an agent that samples draws, [B, A]"
        super().__init__(network, {"action": _LIKELIEST, "probabilities": what})

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return actions [B] and probabilities [B, A]."""
        logits = self.network(obs)  # [B, A]
        return logits.argmax(dim=1), logits.softmax(dim=1)


class Continuous(Acting):
    """Actions that a network names in [-1, 1], within the environment's bounds and on its scale."""

    low: Tensor
    high: Tensor

    def __init__(
        self, network: nn.Module, space: gym.Space[Any], others: Mapping[str, str] | None = None
    ) -> None:
        """Take the network, the actions' space, and what there is beside actions."""
        what = "the action without noise, within the bounds of the environment, [B, A]"
        super().__init__(network, {"action": what, **(others or {})})
        box = box_actions(space)
        self.scale = ActionScale(box)
        self.register_buffer("low", torch.from_numpy(box.low.copy()))
        self.register_buffer("high", torch.from_numpy(box.high.copy()))

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return actions [B, A]."""
        return (self.to_env(self.network(obs)),)

    def to_env(self, action: Tensor) -> Tensor:
        """Return actions for the environment, within its bounds, for those in [-1, 1], [B, A]."""
        scaled = self.scale.center + self.scale.half_width * action
        return scaled.to(self.low.dtype).clamp(self.low, self.high)


class Normal(Continuous):
    """Means, and deviations of normal distributions around them, on the environment's scale."""

    def __init__(
        self, network: nn.Module, space: gym.Space[Any], log_std: Tensor, *, scaled: bool = True
    ) -> None:
        """Take a network of means.

        Args:
            network: It.
            space: Of the actions.
            log_std: The logarithm of the deviations, shape [A].
            scaled: Whether the network's means and the deviations are on the scale on which the
                bounds are -1 and 1, and not that of the environment.
        """
        others = {
            "mean": "the mean of the distribution, which may lie out of bounds, [B, A]",
            "std": "its standard deviation, [B, A]: an agent that samples takes mean + std * n, n "
            "standard normal, and at a bound what is beyond",
        }
        super().__init__(network, space, others)
        self.log_std, self._scaled = log_std, scaled

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return actions, means and deviations, each [B, A]."""
        mean, std = self.network(obs), self.log_std.exp()
        if self._scaled:
            action = self.to_env(mean)
            mean = self.scale.center + self.scale.half_width * mean
            std = self.scale.half_width * std
        else:
            action = mean.to(self.low.dtype).clamp(self.low, self.high)
        return action, mean, std.expand_as(mean)


class SquashedNormal(Continuous):
    """What tanh makes of means, with the deviations around these, which differ by observation."""

    def __init__(
        self, network: nn.Module, space: gym.Space[Any], std: Callable[[Tensor], Tensor]
    ) -> None:
        """Take a network of means, and what `std` makes deviations of, side by side, [B, 2 A]."""
        others = {
            "mean": "the mean of a number u of which the action is tanh(u), scaled from [-1, 1] to "
            "the bounds, [B, A]",
            "std": "the standard deviation of u, [B, A]: an agent that samples takes u = mean + "
            "std * n, n standard normal",
        }
        super().__init__(network, space, others)
        self._std = std

    def forward(self, obs: Tensor) -> tuple[Tensor, ...]:
        """Return actions, and means and deviations of u, each [B, A]."""
        mean, raw_std = self.network(obs).chunk(2, dim=1)
        return self.to_env(mean.tanh()), mean, self._std(raw_std)


class FirstOutputs(nn.Module):
    """All outputs of a network but the last, which is a value."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, P] of [B, P + 1]."""
        outputs: Tensor = self.network(obs)
        return outputs[:, :-1]


def acting_by(network: nn.Module, distribution: Distribution, space: gym.Space[Any]) -> Acting:
    """Return what acts by a distribution.

    Args:
        network: Of the numbers that the distribution is made from.
        distribution: It.
        space: Of the actions.
    """
    if isinstance(distribution, Categorical):
        return Likeliest(network)
    assert isinstance(distribution, Gaussian)
    return Normal(network, space, distribution.log_std)


def acting_by_value(q: nn.Module) -> Acting:
    """Return what takes the action of the highest value."""
    return Highest(q, "action_values", "the value of each action, the discounted return expected")
