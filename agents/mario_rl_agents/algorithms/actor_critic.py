"""One-step actor-critic: learn from every step at once, and never look at it again.

Sutton and Barto 2018, "Reinforcement learning", section 13.5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Encoder,
    Fraction,
    Initialization,
    Loss,
    NonNegative,
    Positive,
    Precision,
    Schedule,
    Sizes,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import FirstOutputs
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.distributions import make_distribution
from mario_rl_agents.networks.encoders import MLP, EncoderFactory, make_encoder, num_features
from mario_rl_agents.networks.initialization import (
    POLICY_GAIN,
    VALUE_GAIN,
    initialize,
    initialize_last_row,
)
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import (
    CONTINUOUS,
    DISCRETE,
    GRID,
    IMAGE,
    VECTOR,
    Accepts,
    is_image,
)


@dataclass(frozen=True)
class ActorCriticConfig(Config):
    """Settings of the one-step actor-critic.

    The defaults are those of the best-known tutorial of it on CartPole; what it lacks is off.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import ActorCriticConfig
        >>> config = ActorCriticConfig(gamma=0.95)
    """

    learning_rate: Positive | Schedule = 1e-5  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    hidden_sizes: Sizes = (1024, 512)  # units of the trunk, for vectors
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    value_coefficient: NonNegative = 1.0  # weight of the critic's loss
    value_loss: Loss = "mse"  # "huber": half the square up to an error of 1, then linear
    detach: bool = True  # delta is a constant to the actor, V(s') to both; False: neither is
    entropy_coefficient: NonNegative | Schedule = 0.0  # weight of the entropy bonus
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping


class ActorCritic(PolicyAgent):
    """A policy and a value on one trunk, for discrete and continuous actions.

    Both heads are rows of the network's last layer: the distribution's parameters first, V(s) last.

    Example:
        >>> from mario_rl_agents import ActorCritic, ActorCriticConfig
        >>> config = ActorCriticConfig(hidden_sizes=(32,))
        >>> agent = ActorCritic.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "actor_critic"
    config_class: ClassVar[type[Any]] = ActorCriticConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE, CONTINUOUS))
    config: ActorCriticConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: ActorCriticConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(
            env, config, seed=seed, device=device, generators=("exploration",), encoder=encoder
        )
        space = self.observation_space
        self.distribution = make_distribution(self.action_space)
        hidden_sizes = () if encoder or is_image(space) else config.hidden_sizes
        with torch_seed(seed):
            reader = make_encoder(space, encoder or config.encoder)
            heads: nn.Module = MLP(
                num_features(reader), hidden_sizes, self.distribution.num_params + 1
            )
            initialize(reader, config.initialization)
            initialize(heads, config.initialization, POLICY_GAIN)
            initialize_last_row(heads, config.initialization, VALUE_GAIN)
        if hidden_sizes:  # a single layer costs little, and its outputs are what is rounded
            heads = in_precision(heads, config.precision)
        self.network = nn.Sequential(in_precision(reader, config.precision), heads)
        self.networks = {"network": self.network, "distribution": self.distribution}
        for network in self.networks.values():
            network.to(device)
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        self.optimizer = Adam(parameters, self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        self._heads = torch.empty(0)  # [N, P + 1], of the observation acted on
        self._action: NDArray[Any] = np.empty(0)  # [N, ...]

    def dist_params(self, obs: Tensor) -> Tensor:
        """Return the actor's part of both heads for observations [B, ...], shape [B, P]."""
        heads: Tensor = self.network(obs)  # [B, P + 1]
        return heads[:, :-1]

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), shape [B]."""
        with torch.inference_mode():
            heads: Tensor = self.network(self.to_batch(obs))  # [B, P + 1]
        values: NDArray[np.float32] = heads[:, -1].numpy(force=True)
        return values

    def policy_network(self) -> nn.Module:
        """Return what `dist_params` computes, as one network."""
        return FirstOutputs(self.network)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions, or drawn ones; what those were drawn from is kept."""
        if greedy:
            return super().act(obs, greedy=True)
        with torch.set_grad_enabled(self.config.detach):
            self._heads = self.network(self.to_batch(obs))  # [N, P + 1]
        dist_params = self._heads.numpy(force=True)[:, :-1]  # [N, P]
        self._action = self.distribution.sample(dist_params, self.generators["exploration"])
        return self.distribution.to_env(self._action)

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Take a gradient step on this one step of all sub-environments."""
        action = torch.from_numpy(self._action).to(self.device)
        if self.config.detach:
            heads = self._heads
            with torch.no_grad():
                next_heads = self.network(self.to_batch(step.next_obs))
        else:  # one pass over both, and so one backward, of which large weights have one gradient
            both = self.to_batch(np.concatenate([step.obs, step.next_obs]))
            heads, next_heads = self.network(both).chunk(2)
        yield self.update(heads, action, self.td_target(step, next_heads))

    def td_target(self, step: Step, next_heads: Tensor) -> Tensor:
        """Return r + gamma (1 - terminated) V(s'), shape [N].

        A truncated episode goes on unseen: there s' is its true final observation, not the first
        of the next one. It has a gradient where `next_heads` has one.

        Args:
            step: Of all sub-environments.
            next_heads: The network's output for s', shape [N, P + 1].
        """
        goes_on = torch.from_numpy(~step.terminated).to(self.device)  # [N]
        reward = torch.from_numpy(step.reward).to(next_heads)  # [N]
        reward = self.config.reward_scale * reward
        return reward + self.config.gamma * next_heads[:, -1] * goes_on

    def loss(
        self, heads: Tensor, action: Tensor, td_target: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what is minimized, and its parts: E[- log pi(a|s) delta] and E[delta^2].

        delta = target - V(s) is a constant to the actor, whose gradient is left to the critic,
        unless `detach` is false.

        Args:
            heads: The network's output for s, shape [B, P + 1].
            action: On the scale of the distribution, shape [B, ...].
            td_target: Shape [B].
        """
        dist_params, value = heads[:, :-1], heads[:, -1]  # [B, P], [B]
        delta = td_target - value  # [B]
        advantage = delta.detach() if self.config.detach else delta  # [B]
        actor_loss = -(self.distribution.log_prob(dist_params, action) * advantage).mean()
        critic_loss = delta.square().mean()
        if self.config.value_loss == "huber":
            critic_loss = F.smooth_l1_loss(value, td_target)
        loss = actor_loss + self.config.value_coefficient * critic_loss
        parts = {"losses/actor": actor_loss, "losses/critic": critic_loss}
        if self.config.entropy_coefficient != 0:
            entropy = self.distribution.entropy(dist_params).mean()
            loss = loss - self.entropy_coefficient * entropy
            parts["charts/entropy"] = entropy
        return loss, parts

    def update(self, heads: Tensor, action: Tensor, td_target: Tensor) -> dict[str, float]:
        """Take one gradient step; the arguments are those of `loss`.

        Returns:
            `losses/actor`, `losses/critic`, and with an entropy bonus `charts/entropy`.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        loss, parts = self.loss(heads, action, td_target)
        losses = read_losses(self, parts)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.step()
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` at the next step."""
        return {"charts/learning_rate": self.learning_rate}

    @property
    def learning_rate(self) -> float:
        """Adam's, at this step of the schedule."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def entropy_coefficient(self) -> float:
        """The weight of the entropy bonus, at this step of the schedule."""
        return value_at(self.config.entropy_coefficient, self.num_steps)
