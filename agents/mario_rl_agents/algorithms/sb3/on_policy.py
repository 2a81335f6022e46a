"""SB3's agents that learn from each rollout and forget it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mario_rl_agents.algorithms.sb3.agent import SB3Agent
from mario_rl_agents.algorithms.sb3.configs import SB3A2CConfig, SB3PPOConfig
from mario_rl_agents.config import check
from mario_rl_agents.networks.acting import Acting, Likeliest, Normal


class OnPolicySB3Agent(SB3Agent):
    """An agent whose model learns from each rollout and forgets it."""

    is_stochastic: ClassVar[bool] = True

    def check_envs(self) -> None:
        """Check that advantages can be normalized.

        Raises:
            ValueError: If not.
        """
        size, config = self.num_envs * self.config.n_steps, self.config
        is_enough = size >= 2 or not config.normalize_advantage
        check("n_steps", config.n_steps, is_enough, ">= 2 to normalize advantages")

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate`, and where it has one `charts/clip_range`."""
        metrics = super().metrics()
        if hasattr(self.model, "clip_range"):
            metrics["charts/clip_range"] = self.model.clip_range(self._progress_remaining)
        return metrics

    def action_probabilities(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return pi(a|s) of every action, shape [B, A].

        Raises:
            TypeError: If actions are continuous: they have densities.
        """
        if not isinstance(self.action_space, spaces.Discrete):
            raise TypeError("continuous actions have no probabilities; act(obs) gives their means")
        with torch.inference_mode():
            probabilities: NDArray[Any] = self._distribution(obs).probs.numpy(force=True)
        return probabilities

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), shape [B]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            value: Tensor = policy.predict_values(batch).squeeze(1)  # [B]
        values: NDArray[np.float32] = value.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the likeliest action, and the distribution that it is the likeliest of."""
        from mario_rl_agents.algorithms.sb3._acting import Policy

        policy = self.model.policy
        network = Policy(policy, self.observation_space)
        if isinstance(self.action_space, spaces.Discrete):
            return Likeliest(network)
        return Normal(network, self.action_space, policy.log_std, scaled=False)

    def _distribution(self, obs: NDArray[Any]) -> Any:
        policy = self.model.policy
        policy.set_training_mode(False)
        batch, _ = policy.obs_to_tensor(obs)
        return policy.get_distribution(batch).distribution

    def _explore(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        return self._draw(obs, generator)


class SB3A2C(OnPolicySB3Agent):
    """Stable-Baselines3's A2C."""

    algorithm: ClassVar[str] = "sb3-a2c"
    config_class: ClassVar[type[Any]] = SB3A2CConfig
    model_class: ClassVar[str] = "stable_baselines3.A2C"


class SB3PPO(OnPolicySB3Agent):
    """Stable-Baselines3's PPO."""

    algorithm: ClassVar[str] = "sb3-ppo"
    config_class: ClassVar[type[Any]] = SB3PPOConfig
    model_class: ClassVar[str] = "stable_baselines3.PPO"
