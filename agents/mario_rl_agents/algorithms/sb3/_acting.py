"""What models of Stable-Baselines3 do, as networks to be exported. Imported when one is."""

from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import Tensor, nn


class _Reading(nn.Module):
    """A network of a model, which has the channels of an image first."""

    def __init__(self, network: nn.Module, read: gym.Space[Any], given: gym.Space[Any]) -> None:
        """Take the network, the space that it reads and the space of the environment."""
        super().__init__()
        self.network = network
        self._transposes = read.shape != given.shape

    def read(self, obs: Tensor) -> Tensor:
        """Return observations as the network reads them, shape [B, ...]."""
        return obs.movedim(-1, 1) if self._transposes else obs


class Values(_Reading):
    """Q(s, a), or the mean of its quantiles, shape [B, A]."""

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, A]."""
        values: Tensor = self.network(self.read(obs))
        return values.mean(dim=1) if values.dim() == 3 else values  # [B, quantiles, A]


class Policy(_Reading):
    """The logits or the means of an on-policy model."""

    def __init__(self, policy: Any, given: gym.Space[Any]) -> None:
        """Take the policy and the space of the environment."""
        # Not the policy itself: its optimizer reaches the agent, and a copy of it would, too.
        super().__init__(policy.pi_features_extractor, policy.observation_space, given)
        self._space, self._normalizes = policy.observation_space, policy.normalize_images
        self.hidden, self.head = policy.mlp_extractor.policy_net, policy.action_net

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, P]."""
        numbers = preprocess_obs(self.read(obs), self._space, normalize_images=self._normalizes)
        outputs: Tensor = self.head(self.hidden(self.network(numbers)))
        return outputs


class Actor(_Reading):
    """The actions of an actor in [-1, 1]."""

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, A]."""
        action: Tensor = self.network(self.read(obs))
        return action


class RandomActor(_Reading):
    """The means and the logarithms of deviations of SAC's actor, side by side."""

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, 2 A]."""
        actor: Any = self.network
        mean, log_std, _ = actor.get_action_dist_params(self.read(obs))
        return torch.cat((mean, log_std), dim=1)
