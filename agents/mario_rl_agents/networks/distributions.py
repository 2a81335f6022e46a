"""What a policy network's outputs mean: a distribution over actions that can be drawn from.

Both kinds have the same methods, so that an algorithm handles discrete and continuous actions by
the same lines. Noise comes from a numpy generator; probabilities are computed in torch.
"""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.networks.critics import ActionScale
from mario_rl_agents.spaces import box_actions, is_discrete, num_discrete_actions


class Categorical(nn.Module):
    """One of A actions, with probabilities softmax(logits)."""

    action_shape: tuple[int, ...] = ()
    action_dtype = np.int64

    def __init__(self, num_actions: int) -> None:
        """Take one output for each action."""
        super().__init__()
        self.num_params = num_actions

    def sample(self, logits: NDArray[np.float32], generator: np.random.Generator) -> NDArray[Any]:
        """Return a random action for each row, shape [B]."""
        # The place of the largest logit + Gumbel noise is a draw from their softmax.
        actions: NDArray[Any] = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        return actions

    def mode(self, logits: NDArray[np.float32]) -> NDArray[Any]:
        """Return the likeliest action of each row, shape [B]."""
        actions: NDArray[Any] = logits.argmax(axis=1)
        return actions

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return pi(a|s) of every action, shape [B, A]."""
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))  # at most 1: no overflow
        probabilities: NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
        return probabilities

    def log_prob(self, logits: Tensor, action: Tensor) -> Tensor:
        """Return log pi(a|s), shape [B]."""
        return logits.log_softmax(dim=1).gather(1, action.unsqueeze(1)).squeeze(1)

    def entropy(self, logits: Tensor) -> Tensor:
        """Return - sum_a pi(a|s) log pi(a|s), in nats, shape [B]."""
        log_prob = logits.log_softmax(dim=1)  # [B, A]
        return -(log_prob.exp() * log_prob).sum(dim=1)

    def to_env(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return what the environment is given for `action`: the same."""
        return action


class Gaussian(nn.Module):
    """A normal distribution for each of A numbers: means are given, deviations learned apart.

    The deviations do not depend on the observation (Schulman et al. 2015, "Trust region policy
    optimization", appendix D). Actions are on the scale on which the environment's bounds are -1
    and 1. They may lie outside: the environment is given the nearest bound, while the probability
    is that of the number drawn.
    """

    action_dtype = np.float32

    def __init__(self, space: gym.spaces.Box) -> None:
        """Take one output for each number of an action of `space`."""
        super().__init__()
        self.action_shape = space.shape
        (self.num_params,) = space.shape
        self.log_std = nn.Parameter(torch.zeros(self.num_params))
        self._scale = ActionScale(space)

    def sample(self, mean: NDArray[np.float32], generator: np.random.Generator) -> NDArray[Any]:
        """Return a random action for each row, shape [B, A]."""
        noise = generator.standard_normal(mean.shape, np.float32)
        action: NDArray[Any] = mean + np.exp(self.log_std.numpy(force=True)) * noise
        return action

    def mode(self, mean: NDArray[np.float32]) -> NDArray[Any]:
        """Return the mean of each row, shape [B, A]."""
        return mean

    def log_prob(self, mean: Tensor, action: Tensor) -> Tensor:
        """Return log pi(a|s), the log of a density, shape [B]."""
        z = (action - mean) / self.log_std.exp()  # [B, A]
        return -(0.5 * z.square() + self.log_std + 0.5 * math.log(2 * math.pi)).sum(dim=1)

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the differential entropy in nats, shape [B]; it can be negative."""
        entropy = (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
        return entropy.expand(len(mean))

    def to_env(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return what the environment is given for `action`: within its bounds, on its scale."""
        return self._scale.to_env(action)


Distribution = Categorical | Gaussian


def make_distribution(space: gym.Space[Any]) -> Distribution:
    """Return the distribution over actions of `space`, discrete or continuous."""
    if is_discrete(space):
        return Categorical(num_discrete_actions(space))
    return Gaussian(box_actions(space))
