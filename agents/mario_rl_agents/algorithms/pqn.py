"""PQN: Q-learning without a replay memory and without a target network.

Gallici et al. 2024, "Simplifying deep temporal difference learning". Many sub-environments make
what a gradient step sees diverse, as a memory does for DQN. Layer normalization keeps the values
from running away, as a target network does. Returns of many steps carry rewards back fast.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.buffers.rollout import Rollout, compute_gae
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
    Loss,
    Positive,
    Precision,
    Schedule,
    Sizes,
    check,
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
class PQNConfig(Config):
    """Settings of PQN.

    The defaults are the paper's for Atari, where not noted.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import PQNConfig, linear
        >>> config = PQNConfig(epsilon=linear(1.0, 0.05, 10_000))
    """

    rollout_steps: Count = 32  # environment steps of each sub-environment between updates
    num_epochs: Count = 2  # times that each rollout is learned from
    batch_size: Count = 32  # transitions in a gradient step; theirs: 128, of 128 sub-environments
    learning_rate: Positive | Schedule = 2.5e-4  # of Adam; theirs: of RAdam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    loss: Loss = "mse"  # of the TD errors; "huber": linear from an error of 1 on
    gamma: Fraction = 0.99  # discount per environment step
    return_lambda: Fraction = 0.65  # 0 trusts the values of the next step, 1 the rewards alone
    reward_scale: Positive = 1.0  # factor on rewards
    epsilon: Fraction | Schedule = linear(1.0, 0.001, 1_000_000)  # chance of a random action
    max_grad_norm: Positive | None = 10.0  # L2 norm of all gradients; None: no clipping
    hidden_sizes: Sizes = (64, 64)  # units, for vectors (Stable-Baselines3)
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    layer_norm: bool = True  # normalize hidden layers before their ReLU; not convolutions
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32


class PQNBatch(NamedTuple):
    """Transitions of one rollout, and what Q of their actions should be."""

    obs: Tensor  # [B, ...]
    action: Tensor  # [B], int64
    target: Tensor  # [B], their lambda-returns


class PQN(Agent):
    """Parallelized Q-network agent for discrete actions.

    Example:
        >>> from mario_rl_agents import PQN, PQNConfig
        >>> config = PQNConfig(batch_size=16, hidden_sizes=(32,))
        >>> agent = PQN.create("CartPole-v1", config, seed=0)
        >>> agent.learn(128)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "pqn"
    config_class: ClassVar[type[Any]] = PQNConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (DISCRETE,))
    config: PQNConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: PQNConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "batches")
        super().__init__(
            env, config, seed=seed, device=device, generators=generators, encoder=encoder
        )
        space = self.observation_space
        assert space.shape is not None  # it is one array
        assert space.dtype is not None
        self.num_actions = num_discrete_actions(self.action_space)
        with torch_seed(seed):
            q = make_network(
                space,
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
        # What actions are drawn from are their values; features of the network are not kept.
        self.replay = Rollout(
            config.rollout_steps,
            self.num_envs,
            obs_shape=space.shape,
            obs_dtype=space.dtype,
            num_features=0,
            num_params=self.num_actions,
            action_shape=(),
            action_dtype=np.int64,
        )
        self._no_features = np.empty((self.num_envs, 0), np.float32)
        self._acted_on: NDArray[np.float32] | None = None  # action values [N, A] of the last `act`

    @property
    def rollout(self) -> Rollout:
        """What was done since the last update; a checkpoint holds it as a replay memory."""
        assert isinstance(self.replay, Rollout)
        return self.replay

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate at the next update."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return value_at(self.config.epsilon, self.num_steps)

    def check_envs(self) -> None:
        """Check that rollouts of all sub-environments can be cut into batches.

        Raises:
            ValueError: If they cannot.
        """
        size, rollout = self.config.batch_size, self.num_envs * self.config.rollout_steps
        what = f"a divisor of num_envs * rollout_steps = {rollout}"
        check("batch_size", size, rollout % size == 0, what)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the best actions, or epsilon-greedy ones, shape [B]; their values are kept."""
        values = self.action_values(obs)  # [B, A]
        best: NDArray[np.int64] = values.argmax(axis=1)  # [B]
        if greedy:
            return best
        self._acted_on = values
        generator = self.generators["exploration"]
        explore = generator.random(len(best)) < self.epsilon  # [B]
        return np.where(explore, generator.integers(self.num_actions, size=len(best)), best)

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) for every action, shape [B, A]."""
        with torch.inference_mode():
            q = self.q(self.to_batch(obs))  # [B, A]
        values: NDArray[np.float32] = q.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        return acting_by_value(self.q)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record a step; once the rollout is full, iterating learns from it, batch by batch."""
        assert self._acted_on is not None, "observe follows on act(obs, greedy=False)"
        self.rollout.add(step, self._no_features, self._acted_on, step.action)
        return self._learn_from_rollout(step.next_obs) if self.rollout.is_full else ()

    def reset(self) -> None:
        """Drop the rollout in progress."""
        self.rollout.clear()

    def compute_returns(self, last_obs: NDArray[Any]) -> PQNBatch:
        """Return the whole rollout with its lambda-returns, as one batch of T N transitions.

            G_t = r_t + gamma (1 - terminated_t) (lambda G_(t+1) + (1 - lambda) max_a Q(s_(t+1), a))

        as in section 4 of the paper. They are max_a Q plus the advantages of GAE over it. Where an
        episode was truncated, and where the rollout ends, max_a Q takes the place of G_(t+1).

        Args:
            last_obs: What the last step led to, shape [N, ...].
        """
        rollout, config = self.rollout, self.config
        value = rollout.dist_params.max(axis=2)  # [T, N]
        last_value = self.action_values(last_obs).max(axis=1)  # [N]
        next_value = np.concatenate([value[1:], last_value[None]])  # [T, N]
        if rollout.final_obs:
            # A truncated episode goes on unseen, and not with the first observation of the next.
            places = tuple(np.array(list(rollout.final_obs)).T)
            final_obs = np.stack(list(rollout.final_obs.values()))
            next_value[places] = self.action_values(final_obs).max(axis=1)
        advantage = compute_gae(
            config.reward_scale * rollout.reward,
            value,
            next_value,
            rollout.terminated,
            rollout.truncated,
            gamma=config.gamma,
            gae_lambda=config.return_lambda,
        )  # [T, N]
        arrays = (rollout.obs, rollout.action, advantage + value)
        return PQNBatch(*(torch.from_numpy(x).to(self.device).flatten(0, 1) for x in arrays))

    def loss(self, batch: PQNBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of the TD errors, a scalar, and Q(s, a), shape [B]."""
        q = self.q(batch.obs).gather(1, batch.action.unsqueeze(1)).squeeze(1)  # [B]
        loss = F.smooth_l1_loss if self.config.loss == "huber" else F.mse_loss
        return loss(q, batch.target), q

    def update(self, batch: PQNBatch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/td`, the loss, and `charts/q_mean`, the mean value of the actions in the batch.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are left as they were.
        """
        loss, q = self.loss(batch)
        losses = read_losses(self, {"losses/td": loss, "charts/q_mean": q.detach().mean()})
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.step()
        self.num_updates += 1
        return losses

    def update_epochs(self, rollout: PQNBatch) -> Iterator[dict[str, float]]:
        """Learn from a rollout: all of it in each epoch, in another order."""
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        for _ in range(self.config.num_epochs):
            order = self.generators["batches"].permutation(len(rollout.obs))
            shuffled = torch.from_numpy(order).to(self.device)
            for indices in torch.split(shuffled, self.config.batch_size):
                yield self.update(PQNBatch(*(x.index_select(0, indices) for x in rollout)))

    def metrics(self) -> dict[str, float]:
        """Return the learning rate and epsilon at the next step."""
        return {"charts/learning_rate": self.learning_rate, "charts/epsilon": self.epsilon}

    def _learn_from_rollout(self, last_obs: NDArray[Any]) -> Iterator[dict[str, float]]:
        yield from self.update_epochs(self.compute_returns(last_obs))
        self.rollout.clear()
