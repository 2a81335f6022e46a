"""REINFORCE, the plainest policy gradient, with a baseline or without (Williams 1992).

An episode is played to its end. Then each of its actions is made more likely, in proportion to what
came after it:

    G_t = r_t + gamma r_(t+1) + gamma^2 r_(t+2) + ...
    loss = - mean over episodes of sum_t log pi(a_t|s_t) (G_t - b(s_t))

A baseline b that does not depend on the action changes nothing in the mean and takes away most of
the noise. Here it is V(s), fitted to G beside it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.buffers.episodes import Episodes, WholeEpisode
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
    NonNegative,
    Positive,
    Precision,
    Schedule,
    Sizes,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.distributions import make_distribution
from mario_rl_agents.networks.encoders import MLP, EncoderFactory, make_encoder, num_features
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import CONTINUOUS, DISCRETE, GRID, IMAGE, VECTOR, Accepts, is_image


@dataclass(frozen=True)
class ReinforceConfig(Config):
    """Settings of REINFORCE.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import ReinforceConfig
        >>> config = ReinforceConfig(episodes_per_update=8)
    """

    learning_rate: Positive | Schedule = 1e-3  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    baseline: Literal["none", "value"] = "value"  # subtracted from returns: nothing, or V(s)
    episodes_per_update: Count = 1  # episodes in a gradient step
    value_coefficient: NonNegative = 0.5  # weight of the baseline's loss
    entropy_coefficient: NonNegative | Schedule = 0.0  # weight of the entropy bonus
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    hidden_sizes: Sizes = (64, 64)  # units, of the policy and of V; for vectors
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32


class EpisodeBatch(NamedTuple):
    """The steps of whole episodes, one episode after the other."""

    obs: Tensor  # [B, ...]
    action: Tensor  # [B] int64, or [B, A] on the scale of the distribution
    returns: Tensor  # [B], G of each step
    num_episodes: int


class Reinforce(PolicyAgent):
    """REINFORCE, for discrete and continuous actions.

    Example:
        >>> from mario_rl_agents import Reinforce, ReinforceConfig
        >>> config = ReinforceConfig(hidden_sizes=(32,))
        >>> agent = Reinforce.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "reinforce"
    config_class: ClassVar[type[Any]] = ReinforceConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE, CONTINUOUS))
    config: ReinforceConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: ReinforceConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(env, config, seed=seed, device=device, encoder=encoder)
        space = self.observation_space
        assert space.shape is not None  # it is one array
        assert space.dtype is not None
        self.distribution = make_distribution(self.action_space)
        hidden_sizes = () if encoder or is_image(space) else config.hidden_sizes
        with torch_seed(seed):
            reader = make_encoder(space, encoder or config.encoder)
            size = num_features(reader)
            policy: nn.Module = MLP(size, hidden_sizes, self.distribution.num_params)
            value: nn.Module = MLP(size, hidden_sizes, 1)
            initialize(reader, config.initialization)
            initialize(policy, config.initialization, POLICY_GAIN)
            initialize(value, config.initialization, VALUE_GAIN)
        self.encoder = in_precision(reader, config.precision)
        if hidden_sizes:  # a single layer costs little, and its outputs are what is rounded
            policy = in_precision(policy, config.precision)
            value = in_precision(value, config.precision)
        self.policy, self.value = policy, value
        self.networks = {
            "encoder": self.encoder,
            "policy": self.policy,
            "distribution": self.distribution,
        }
        if config.baseline == "value":
            self.networks["value"] = self.value
        for network in self.networks.values():
            network.to(device)
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        self.optimizer = Adam(parameters, self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        self.replay = Episodes(
            self.num_envs,
            obs_shape=space.shape,
            obs_dtype=space.dtype,
            action_shape=self.distribution.action_shape,
            action_dtype=self.distribution.action_dtype,
        )
        self._action: NDArray[Any] = np.empty(0)  # [N, ...], on the scale of the distribution

    @property
    def episodes(self) -> Episodes:
        """What was done since the last update; a checkpoint holds it as a replay memory."""
        assert isinstance(self.replay, Episodes)
        return self.replay

    def dist_params(self, obs: Tensor) -> Tensor:
        """Return what the policy says of observations [B, ...], shape [B, P]."""
        dist_params: Tensor = self.policy(self.encoder(obs))
        return dist_params

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), shape [B]; None where another baseline than a learned value is used."""
        if self.config.baseline != "value":
            return None
        with torch.inference_mode():
            value: Tensor = self.value(self.encoder(self.to_batch(obs)))  # [B, 1]
        values: NDArray[np.float32] = value.squeeze(1).numpy(force=True)
        return values

    def policy_network(self) -> nn.Module:
        """Return what `dist_params` computes, as one network."""
        return nn.Sequential(self.encoder, self.policy)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions, or drawn ones, which are kept."""
        if greedy:
            return super().act(obs, greedy=True)
        dist_params = self._dist_params(obs)  # [N, P]
        self._action = self.distribution.sample(dist_params, self.generators["exploration"])
        return self.distribution.to_env(self._action)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record a step; once enough episodes have ended, iterating learns from them."""
        self.episodes.add(step, self._action)
        return self.updates()

    def updates(self) -> Iterator[dict[str, float]]:
        """Take a gradient step for each `episodes_per_update` episodes that have ended."""
        count = self.config.episodes_per_update
        while len(self.episodes.ended) >= count:
            batch = self.to_batch_of(self.episodes.ended[:count])
            del self.episodes.ended[:count]
            yield self.update(batch)

    def reset(self) -> None:
        """Drop the episodes in progress."""
        self.episodes.drop_unfinished()

    def returns_of(self, episode: WholeEpisode) -> NDArray[np.float32]:
        """Return G_t of each step of an episode, shape [T].

        Nothing follows on a termination. Of an episode that was cut off V of its true last
        observation stands for what would have come, if there is a baseline; without one nothing
        does, as in the textbook.
        """
        following = np.float32(0)
        if self.config.baseline == "value" and not episode.terminated:
            with torch.inference_mode():
                value = self.value(self.encoder(self.to_batch(episode.last_obs[None])))
            following = np.float32(value.item())
        returns = np.empty_like(episode.reward)  # [T]
        for t in range(len(returns) - 1, -1, -1):
            reward = np.float32(self.config.reward_scale) * episode.reward[t]
            following = reward + np.float32(self.config.gamma) * following
            returns[t] = following
        return returns

    def to_batch_of(self, episodes: list[WholeEpisode]) -> EpisodeBatch:
        """Return the steps of episodes as one batch on the agent's device."""
        action = np.concatenate([episode.action for episode in episodes])
        returns = np.concatenate([self.returns_of(episode) for episode in episodes])
        return EpisodeBatch(
            obs=self.to_batch(np.concatenate([episode.obs for episode in episodes])),
            action=torch.from_numpy(action).to(self.device),
            returns=torch.from_numpy(returns).to(self.device),
            num_episodes=len(episodes),
        )

    def loss(self, batch: EpisodeBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what is minimized, and the parts of it that are logged.

        The policy's part is a sum over the steps of an episode, and a mean over episodes; the
        baseline's and the entropy are means over steps.
        """
        features = self.encoder(batch.obs)  # [B, F]
        dist_params = self.policy(features)  # [B, P]
        advantage, parts = batch.returns, {}
        if self.config.baseline == "value":
            value = self.value(features).squeeze(1)  # [B]
            advantage = batch.returns - value.detach()
            parts["losses/value"] = (batch.returns - value).square().mean()
        log_prob = self.distribution.log_prob(dist_params, batch.action)  # [B]
        loss = policy_loss = -(log_prob * advantage).sum() / batch.num_episodes
        if parts:
            loss = loss + self.config.value_coefficient * parts["losses/value"]
        entropy = self.distribution.entropy(dist_params).mean()
        if self.config.entropy_coefficient != 0:
            loss = loss - self.entropy_coefficient * entropy
        return loss, {"losses/policy": policy_loss, **parts, "charts/entropy": entropy}

    def update(self, batch: EpisodeBatch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/policy`, `charts/entropy`, and with a baseline `losses/value`.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        loss, parts = self.loss(batch)
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
