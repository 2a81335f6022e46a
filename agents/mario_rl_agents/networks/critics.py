"""What agents of continuous actions share: the scale of actions, critics, target networks."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.networks.encoders import EncoderFactory, make_encoder, num_features


class ActionScale(nn.Module):
    """Translates between the actions of an environment and those of networks, in [-1, 1].

    Its numbers are buffers that no checkpoint holds: they come from the environment.
    """

    center: Tensor
    half_width: Tensor

    def __init__(self, space: gym.spaces.Box) -> None:
        """Take the bounds of `space`, shape [A]."""
        super().__init__()
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        self._space = space
        # Half of each first: the difference of very wide bounds would overflow.
        self._center = (high / 2 + low / 2).astype(np.float32)  # [A]
        self._half_width = (high / 2 - low / 2).astype(np.float32)  # [A]
        self.register_buffer("center", torch.from_numpy(self._center), persistent=False)
        self.register_buffer("half_width", torch.from_numpy(self._half_width), persistent=False)

    def forward(self, env_action: Tensor) -> Tensor:
        """Return actions of the environment as in [-1, 1], shape [B, A]."""
        return (env_action - self.center) / self.half_width

    def to_env(self, action: NDArray[np.float32]) -> NDArray[Any]:
        """Return actions for the environment, within its bounds, for those in [-1, 1], [B, A]."""
        scaled = self._center + self._half_width * action
        return np.clip(scaled, self._space.low, self._space.high).astype(self._space.dtype)


class Critics(nn.Module):
    """N networks Q_1(s, a) ... Q_N(s, a) of the same size, computed at once.

    They share nothing but the encoder of images. Each layer is one product of N matrices, which
    takes fewer calls than N layers do.
    """

    def __init__(
        self,
        space: gym.Space[object],
        num_actions: int,
        hidden_sizes: Sequence[int],
        num_critics: int,
        layer_norm: bool = False,
        encoder: str | EncoderFactory = "nature",
    ) -> None:
        """Build them.

        Args:
            space: Of the observations.
            num_actions: Numbers in an action.
            hidden_sizes: Units of the layers.
            num_critics: N.
            layer_norm: Whether hidden layers are brought to mean 0 and variance 1 before their
                ReLU, which keeps values far from the data from growing (Ball et al. 2023).
            encoder: See `make_encoder`.
        """
        super().__init__()
        self._layer_norm = layer_norm
        self.encoder = make_encoder(space, encoder)
        sizes = [num_features(self.encoder) + num_actions, *hidden_sizes, 1]
        self.layers = nn.ModuleList(
            Linears(num_critics, num_inputs, num_outputs)
            for num_inputs, num_outputs in itertools.pairwise(sizes)
        )

    def forward(self, obs: Tensor, action: Tensor, num_critics: int | None = None) -> Tensor:
        """Return the values of actions in [-1, 1], shape [N, B].

        Args:
            obs: Observations, shape [B, ...].
            action: Actions in [-1, 1], shape [B, A].
            num_critics: Ask only the first so many; None asks all.
        """
        x = torch.cat((self.encoder(obs), action), dim=1)  # [B, F + A]
        *hidden, output = self.layers
        for layer in hidden:
            x = layer(x, num_critics)  # [N, B, H]
            if self._layer_norm:
                x = F.layer_norm(x, x.shape[2:])
            x = x.relu_()
        values: Tensor = output(x, num_critics).squeeze(2)  # [N, B]
        return values


class Linears(nn.Module):
    """N linear layers, with the initial weights of `nn.Linear`."""

    def __init__(self, num_layers: int, num_inputs: int, num_outputs: int) -> None:
        """Build layers num_inputs -> num_outputs."""
        super().__init__()
        bound = num_inputs**-0.5
        weight = torch.empty(num_layers, num_inputs, num_outputs).uniform_(-bound, bound)
        bias = torch.empty(num_layers, 1, num_outputs).uniform_(-bound, bound)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor, num_layers: int | None) -> Tensor:
        """Return shape [N, B, outputs] for inputs of shape [B, inputs] or [N, B, inputs]."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if num_layers is not None:
            weight, bias = weight[:num_layers], bias[:num_layers]
        if weight.shape[2] == 1:  # a product with a single column is faster by hand
            return (x * weight.mT).sum(dim=2, keepdim=True) + bias
        return torch.baddbmm(bias, x.expand(len(weight), -1, -1), weight)


def soft_update(targets: Iterable[Tensor], sources: Iterable[Tensor], tau: float) -> None:
    """Move target parameters the fraction `tau` of the way to their sources (Polyak averaging)."""
    with torch.no_grad():
        torch._foreach_lerp_(list(targets), list(sources), tau)
