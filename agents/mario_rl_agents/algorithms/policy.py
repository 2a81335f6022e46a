"""What agents with a policy share: a network's outputs, and the distribution they describe."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.agent import Agent
from mario_rl_agents.networks.acting import Acting, acting_by
from mario_rl_agents.networks.distributions import Categorical, Distribution


class PolicyAgent(Agent):
    """An agent that learns a distribution over actions.

    Attributes:
        distribution: What the network's outputs mean. A subclass sets it.
    """

    is_stochastic: ClassVar[bool] = True
    distribution: Distribution

    @abstractmethod
    def dist_params(self, obs: Tensor) -> Tensor:
        """Return the numbers that the distribution is made from, shape [B, P]."""

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions (means, if continuous), or drawn ones, [B] or [B, A]."""
        dist_params = self._dist_params(obs)
        if greedy:
            return self.distribution.to_env(self.distribution.mode(dist_params))
        drawn = self.distribution.sample(dist_params, self.generators["exploration"])
        return self.distribution.to_env(drawn)

    def action_probabilities(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return pi(a|s) of every action, shape [B, A].

        Raises:
            TypeError: If actions are continuous: they have densities.
        """
        if not isinstance(self.distribution, Categorical):
            raise TypeError("continuous actions have no probabilities; act(obs) gives their means")
        return self.distribution.probabilities(self._dist_params(obs))

    @abstractmethod
    def policy_network(self) -> nn.Module:
        """Return what `dist_params` computes, as one network; its weights are the agent's."""

    def acting(self) -> Acting:
        """Return the likeliest action, and the distribution that it is the likeliest of."""
        return acting_by(self.policy_network(), self.distribution, self.action_space)

    def _dist_params(self, obs: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            dist_params = self.dist_params(self.to_batch(obs))  # [B, P]
        numbers: NDArray[Any] = dist_params.numpy(force=True)
        return numbers
