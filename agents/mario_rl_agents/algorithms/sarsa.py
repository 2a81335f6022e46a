"""SARSA with a network: on-line, on-policy Q-learning (Rummery & Niranjan 1994; Sutton & Barto).

Named after the five things that a step learns from: s, a, r, s', a'. The next action a' is drawn
as soon as s' is there; it is what is done next, and its value is what the target bootstraps from:

    Q(s, a) is fitted to r + gamma (1 - terminated) Q(s', a')

So Q is the value of how it acts, exploration included, where Q-learning's is that of the best
action. There is no memory and no second network: many sub-environments make a batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Encoder,
    Fraction,
    Initialization,
    Loss,
    Positive,
    Precision,
    Schedule,
    Sizes,
    linear,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting, acting_by_value
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.encoders import EncoderFactory, make_network
from mario_rl_agents.networks.initialization import VALUE_GAIN, initialize
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import DISCRETE, IMAGE, VECTOR, Accepts, num_discrete_actions


@dataclass(frozen=True)
class SarsaConfig(Config):
    """Settings of SARSA.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import SarsaConfig, linear
        >>> config = SarsaConfig(epsilon=linear(1.0, 0.05, 10_000))
    """

    learning_rate: Positive | Schedule = 1e-3  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    loss: Loss = "mse"  # of the TD errors; "huber": linear from an error of 1 on
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    epsilon: Fraction | Schedule = linear(1.0, 0.05, 50_000)  # chance of a random action
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    hidden_sizes: Sizes = (64, 64)  # units, for vectors
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    layer_norm: bool = False  # normalize hidden layers before their ReLU; not convolutions
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32


class NextActions:
    """The actions that N sub-environments take next, where they are drawn already."""

    def __init__(self, num_envs: int, obs_shape: tuple[int, ...], obs_dtype: DTypeLike) -> None:
        """Prepare for first steps: none is drawn."""
        self.obs = np.zeros((num_envs, *obs_shape), obs_dtype)  # that they are drawn for, [N, ...]
        self.action = np.zeros(num_envs, np.int64)  # [N]
        self.is_drawn = np.zeros(num_envs, np.bool_)  # [N]

    def are_for(self, obs: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where actions are drawn for just these observations, [B, ...]; shape [B]."""
        if obs.shape != self.obs.shape:  # of other games than it learns from
            return np.zeros(len(obs), np.bool_)
        is_same = np.equal(obs, self.obs).reshape(len(obs), -1).all(axis=1)
        both: NDArray[np.bool_] = np.logical_and(self.is_drawn, is_same)
        return both

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all of it as arrays."""
        return dict(vars(self))

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of other environments.
        """
        for name, own in self.state().items():
            array = state.get(name)
            if array is None or array.shape != own.shape or array.dtype != own.dtype:
                raise ValueError(f"the saved next actions must have {name} of shape {own.shape}")
        for name in self.state():
            setattr(self, name, state[name].copy())


class Sarsa(Agent):
    """SARSA, for discrete actions.

    Example:
        >>> from mario_rl_agents import Sarsa, SarsaConfig
        >>> config = SarsaConfig(hidden_sizes=(32,))
        >>> agent = Sarsa.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "sarsa"
    config_class: ClassVar[type[Any]] = SarsaConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (DISCRETE,))
    config: SarsaConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: SarsaConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(env, config, seed=seed, device=device, encoder=encoder)
        self.num_actions = num_discrete_actions(self.action_space)
        with torch_seed(seed):
            q = make_network(
                self.observation_space,
                self.num_actions,
                config.hidden_sizes,
                encoder or config.encoder,
                layer_norm=config.layer_norm,
            )
            initialize(q, config.initialization, VALUE_GAIN)
        self.q = in_precision(q, config.precision).to(device)
        self.networks = {"q": self.q}
        self.optimizer = Adam(self.q.parameters(), self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        self.reset()

    @property
    def next_actions(self) -> NextActions:
        """What is done next; a checkpoint holds it as a replay memory."""
        assert isinstance(self.replay, NextActions)
        return self.replay

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the best actions, or those that were drawn when these were seen, shape [B]."""
        if greedy:
            best: NDArray[np.int64] = self.action_values(obs).argmax(axis=1)
            return best
        is_drawn = self.next_actions.are_for(obs)
        if is_drawn.all():
            return self.next_actions.action
        action = self._draw(obs)  # an episode begins, or others are played
        if is_drawn.any():
            action[is_drawn] = self.next_actions.action[is_drawn]
        return action

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) of every action, shape [B, A]."""
        with torch.inference_mode():
            values: NDArray[np.float32] = self.q(self.to_batch(obs)).numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        return acting_by_value(self.q)

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Draw the next actions, then take a gradient step on this one step of all."""
        following = self.next_actions
        # Where an episode was cut off this is what would have been done, had it gone on.
        following.action = self._draw(step.next_obs)
        following.is_drawn = ~(step.terminated | step.truncated)
        following.obs[:] = step.next_obs
        yield self.update(step, step.action, following.action)

    def reset(self) -> None:
        """Forget what was to be done next."""
        space = self.observation_space
        assert space.shape is not None  # it is one array
        assert space.dtype is not None
        self.replay = NextActions(self.num_envs, space.shape, space.dtype)

    def target(self, step: Step, next_action: NDArray[np.int64]) -> Tensor:
        """Return r + gamma (1 - terminated) Q(s', a'), shape [N]."""
        with torch.no_grad():
            next_q: Tensor = self.q(self.to_batch(step.next_obs))  # [N, A]
        next_q = next_q.gather(1, self._column(next_action)).squeeze(1)  # [N]
        goes_on = torch.from_numpy(~step.terminated).to(self.device)
        reward = torch.from_numpy(step.reward).to(next_q)
        return self.config.reward_scale * reward + self.config.gamma * next_q * goes_on

    def update(
        self, step: Step, action: NDArray[np.int64], next_action: NDArray[np.int64]
    ) -> dict[str, float]:
        """Take one gradient step.

        Args:
            step: Of all sub-environments.
            action: What was done, shape [N].
            next_action: What is done next, shape [N].

        Returns:
            `losses/td`, and `charts/q_mean` of what was done.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are left as they were.
        """
        target = self.target(step, next_action)
        q = self.q(self.to_batch(step.obs)).gather(1, self._column(action)).squeeze(1)  # [N]
        lossy = F.smooth_l1_loss if self.config.loss == "huber" else F.mse_loss
        loss = lossy(q, target)
        losses = read_losses(self, {"losses/td": loss, "charts/q_mean": q.mean()})
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.step()
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/epsilon` and `charts/learning_rate` at the next step."""
        return {"charts/epsilon": self.epsilon, "charts/learning_rate": self.learning_rate}

    @property
    def learning_rate(self) -> float:
        """Adam's, at this step of the schedule."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return value_at(self.config.epsilon, self.num_steps)

    def _draw(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        """Return actions drawn epsilon-greedily, shape [N]."""
        best = self.action_values(obs).argmax(axis=1)  # [N]
        generator = self.generators["exploration"]
        random = generator.integers(self.num_actions, size=len(best))  # [N]
        return np.where(generator.random(len(best)) < self.epsilon, random, best)

    def _column(self, action: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(action).to(self.device).unsqueeze(1)  # [N, 1]
