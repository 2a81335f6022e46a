"""SB3's agents that learn from a replay memory."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.algorithms.sb3.agent import SB3Agent
from mario_rl_agents.algorithms.sb3.configs import (
    SB3DDPGConfig,
    SB3DQNConfig,
    SB3QRDQNConfig,
    SB3SACConfig,
    SB3TD3Config,
)
from mario_rl_agents.algorithms.sb3.replay import ReplayMemory
from mario_rl_agents.networks.acting import Acting, Continuous, SquashedNormal, acting_by_value
from mario_rl_agents.spaces import ARRAY, CONTINUOUS, DISCRETE, Accepts, box_actions

_LOG_STD_RANGE: Final = (-20.0, 2.0)  # of SB3's SAC


class OffPolicySB3Agent(SB3Agent):
    """An agent whose model learns from a replay memory."""

    replay: ReplayMemory

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(*args, **kwargs)
        self.replay = ReplayMemory(self.model.replay_buffer)

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` and `charts/replay_size` (transitions)."""
        return {**super().metrics(), "charts/replay_size": float(len(self.replay))}

    def _explore(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        if self.num_steps < self.config.learning_starts:
            return self._random_actions(len(obs), generator)
        return self._explore_by_policy(obs, generator)

    @abstractmethod
    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return actions as in training, once the first ones, which are random, are taken."""

    def _random_actions(self, num_rows: int, generator: np.random.Generator) -> NDArray[Any]:
        actions: NDArray[Any]
        if isinstance(self.action_space, spaces.Discrete):
            actions = generator.integers(self.action_space.n, size=num_rows)
        else:
            space = box_actions(self.action_space)
            actions = generator.uniform(space.low, space.high, (num_rows, *space.shape))
        return actions.astype(self.action_space.dtype)


class ValueSB3Agent(OffPolicySB3Agent):
    """An agent that takes the action of the highest value, or any with chance epsilon."""

    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (DISCRETE,))
    loss_name: ClassVar[str] = "losses/td"
    network_name: ClassVar[str] = "q_net"

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate`, `charts/replay_size` and `charts/epsilon`."""
        return {**super().metrics(), "charts/epsilon": float(self.model.exploration_rate)}

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) for every action, shape [B, A]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            values: NDArray[np.float32] = self._values(batch).numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import Values

        policy = self.model.policy
        network = getattr(policy, self.network_name)
        return acting_by_value(Values(network, policy.observation_space, self.observation_space))

    @abstractmethod
    def _values(self, batch: Tensor) -> Tensor:
        """Return Q(s, a) for every action, shape [B, A]."""

    def _counters(self) -> dict[str, type[int] | type[float]]:
        return {**super()._counters(), "_n_calls": int, "exploration_rate": float}

    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        explore = generator.random(len(obs)) < self.model.exploration_rate  # [B]
        actions = self._random_actions(len(obs), generator)  # [B]
        if explore.all():
            return actions
        return np.where(explore, actions, self._predict(obs, greedy=True))


class SB3DQN(ValueSB3Agent):
    """Stable-Baselines3's DQN."""

    algorithm: ClassVar[str] = "sb3-dqn"
    config_class: ClassVar[type[Any]] = SB3DQNConfig
    model_class: ClassVar[str] = "stable_baselines3.DQN"

    def _values(self, batch: Tensor) -> Tensor:
        values: Tensor = self.model.q_net(batch)
        return values


class SB3QRDQN(ValueSB3Agent):
    """sb3-contrib's QR-DQN, which learns quantiles of returns; their mean is the value."""

    algorithm: ClassVar[str] = "sb3-qrdqn"
    config_class: ClassVar[type[Any]] = SB3QRDQNConfig
    model_class: ClassVar[str] = "sb3_contrib.QRDQN"
    network_name: ClassVar[str] = "quantile_net"

    def _values(self, batch: Tensor) -> Tensor:
        quantiles: Tensor = self.model.quantile_net(batch)  # [B, quantiles, A]
        return quantiles.mean(dim=1)


class ContinuousSB3Agent(OffPolicySB3Agent):
    """An agent with an actor and critics, for continuous actions."""

    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (CONTINUOUS,))
    optimizer_paths: ClassVar[Mapping[str, str]] = {
        "actor_optimizer": "actor.optimizer",
        "critic_optimizer": "critic.optimizer",
    }

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return min_i Q_i(s, actor(s)), shape [B]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            action = policy._predict(batch, deterministic=True)  # [B, A], in [-1, 1]
            q = torch.cat(policy.critic(batch, action), dim=1)  # [B, critics]
        values: NDArray[np.float32] = q.amin(dim=1).numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import Actor

        policy = self.model.policy
        network = Actor(policy.actor, policy.observation_space, self.observation_space)
        return Continuous(network, self.action_space)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return the noise of each sub-environment that the next noise follows on, [N, A]."""
        if self.config.action_noise != "ornstein-uhlenbeck":
            return {}
        noises = getattr(self.model.action_noise, "noises", [self.model.action_noise])
        kept = [np.asarray(noise.noise_prev, np.float64) for noise in noises]
        return {"noise": np.stack(kept * (self.num_envs // len(kept)))}

    def load_memory(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Take over the noise where episodes go on."""
        noises = getattr(self.model.action_noise, "noises", [self.model.action_noise])
        for index in np.flatnonzero(~self.loop.begins):
            noises[index].noise_prev = memory["noise"][index].copy()

    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        actions = self._draw(obs, generator)  # [B, A]
        std = self._noise_std
        if std == 0.0:
            return actions
        policy = self.model.policy
        scaled = policy.scale_action(actions) + std * generator.standard_normal(actions.shape)
        noisy = policy.unscale_action(scaled.clip(-1, 1).astype(np.float32))
        return np.asarray(noisy, self.action_space.dtype)

    @property
    def _noise_std(self) -> float:
        """The standard deviation of the noise; of a process that goes on, in the long run."""
        if self.config.action_noise is None:
            return 0.0
        if self.config.action_noise == "normal":
            return float(self.config.noise_std)
        noise = getattr(self.model.action_noise, "base_noise", self.model.action_noise)
        decay = 1.0 - noise._theta * noise._dt
        return float(self.config.noise_std) * math.sqrt(noise._dt / (1.0 - decay**2))


class SB3DDPG(ContinuousSB3Agent):
    """Stable-Baselines3's DDPG."""

    algorithm: ClassVar[str] = "sb3-ddpg"
    config_class: ClassVar[type[Any]] = SB3DDPGConfig
    model_class: ClassVar[str] = "stable_baselines3.DDPG"


class SB3TD3(ContinuousSB3Agent):
    """Stable-Baselines3's TD3."""

    algorithm: ClassVar[str] = "sb3-td3"
    config_class: ClassVar[type[Any]] = SB3TD3Config
    model_class: ClassVar[str] = "stable_baselines3.TD3"


class SB3SAC(ContinuousSB3Agent):
    """Stable-Baselines3's SAC."""

    algorithm: ClassVar[str] = "sb3-sac"
    config_class: ClassVar[type[Any]] = SB3SACConfig
    is_stochastic: ClassVar[bool] = True
    model_class: ClassVar[str] = "stable_baselines3.SAC"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(*args, **kwargs)
        if self.model.ent_coef_optimizer is not None:
            self.networks["temperature"] = _Temperature(self.model.log_ent_coef)
            self.optimizers["temperature_optimizer"] = self.model.ent_coef_optimizer

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import RandomActor

        policy = self.model.policy
        network = RandomActor(policy.actor, policy.observation_space, self.observation_space)
        return SquashedNormal(network, self.action_space, lambda x: x.clamp(*_LOG_STD_RANGE).exp())


class _Temperature(nn.Module):
    """The logarithm of SAC's learned weight of the entropy, in the memory of SB3's tensor."""

    def __init__(self, log: Tensor) -> None:
        super().__init__()
        self.register_buffer("log", log.detach())
