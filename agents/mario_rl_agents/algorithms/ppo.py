"""PPO: many small steps on each rollout, none far from the policy it was made with.

Schulman et al. 2017, "Proximal policy optimization algorithms".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.agent import Callback, Step
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.buffers.rollout import Rollout, compute_gae
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Finite,
    Fraction,
    Initialization,
    Loss,
    NonNegative,
    Positive,
    Precision,
    Schedule,
    Sizes,
    check,
    value_at,
)
from mario_rl_agents.demonstrations.cloning import DemonstrationDataset, clone
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.errors import DemonstrationsError
from mario_rl_agents.networks.adam import Adam, set_learning_rates
from mario_rl_agents.networks.averaging import WeightAverage
from mario_rl_agents.networks.compiling import check_compiler, compile_losses
from mario_rl_agents.networks.distributions import make_distribution
from mario_rl_agents.networks.encoders import MLP, EncoderFactory, make_encoder, num_features
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.networks.normalization import ObservationNormalizer, RewardNormalizer
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import (
    CONTINUOUS,
    DISCRETE,
    GRID,
    IMAGE,
    VECTOR,
    Accepts,
    is_discrete,
    is_grid,
    is_image,
    num_discrete_actions,
)


@dataclass(frozen=True)
class PPOConfig(Config):
    """Settings of PPO.

    The defaults are those of the best-known PyTorch tutorial of PPO on CartPole; what it lacks is
    off.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import PPOConfig, linear
        >>> config = PPOConfig(learning_rate=linear(3e-4, 0.0, 100_000))
    """

    rollout_steps: Count = 20  # environment steps of each sub-environment between updates
    num_epochs: Count = 4  # times that each rollout is learned from
    batch_size: Count = 5  # transitions in a gradient step; divides those of a rollout
    learning_rate: Positive | Schedule = 3e-4  # of Adam
    critic_learning_rate: Positive | Schedule | None = None  # of the critic; None: the same
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    gae_lambda: Fraction = 0.95  # 0 trusts the values, 1 the rewards alone
    reward_scale: Positive = 1.0  # factor on rewards
    clip_range: Positive | Schedule = 0.2  # how far the ratio is rewarded to move from 1
    value_coefficient: NonNegative = 0.5  # weight of the value loss
    value_loss: Loss = "mse"  # "huber": half the square up to an error of 1, then linear
    hidden_sizes: Sizes = (256, 256)  # units, of the actor and of the critic; for vectors
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    layer_norm: bool = False  # normalize hidden layers before their ReLU; not convolutions
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    entropy_coefficient: Finite | Schedule = 0.0  # weight of the entropy bonus; below 0, a penalty
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    normalize_advantages: Literal["none", "batch", "rollout"] = "none"  # to mean 0, std 1
    normalize_observations: bool = False  # by running mean and variance; for vectors
    normalize_rewards: bool = False  # by the running deviation of discounted returns
    value_clip: Positive | None = None  # how far a value may move in one update; None: anywhere
    target_kl: Positive | None = None  # nats from the old policy that end an update; None: none do
    demonstrations: tuple[str, ...] = ()  # files of `mario-rl demonstrate` to begin with
    cloning_epochs: Count = 20  # times that these are learned from before the first step
    demonstration_coefficient: NonNegative | Schedule = 0.1  # weight of their loss from then on
    demonstration_starts: Fraction = 0.0  # probability that one begins along them, if no retry
    retries: Fraction = 0.0  # probability that a failure is tried again from a little before it
    ema_decay: Fraction = 0.0  # of the average of the weights, which plays; 0: there is none
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def check(self) -> None:
        """Check what concerns several fields."""
        if self.normalize_advantages == "batch":
            size = self.batch_size
            check("batch_size", size, size >= 2, ">= 2 to normalize advantages")
        if self.demonstrations:  # they are learned before there is anything to normalize by
            normalizes = self.normalize_observations
            check("normalize_observations", normalizes, not normalizes, "False with demonstrations")


class PPOBatch(NamedTuple):
    """Transitions of one rollout, and what the policy and the critic of that time made of them."""

    obs: Tensor  # [B, ...]
    action: Tensor  # [B] int64, or [B, A] on the scale of the distribution
    log_prob: Tensor  # [B], of the policy that acted
    value: Tensor  # [B], of the critic of that time
    advantage: Tensor  # [B]
    value_target: Tensor  # [B]: advantage + value


class Acted(NamedTuple):
    """What the actions of N sub-environments were drawn from."""

    features: NDArray[np.float32]  # [N, F], the output of the encoder
    dist_params: NDArray[np.float32]  # [N, P], the parameters of the distribution
    action: NDArray[Any]  # [N, ...], on the scale of the distribution


class PPO(PolicyAgent):
    """Proximal policy optimization with a clipped ratio, for discrete and continuous actions.

    Vectors go to separate networks, an actor and a critic. Images go to a shared convolutional
    encoder, whose features an actor and a critic of one layer read: it is most of the work, and
    both need it alike.

    Example:
        >>> from mario_rl_agents import PPO, PPOConfig
        >>> config = PPOConfig(hidden_sizes=(32,))
        >>> agent = PPO.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "ppo"
    config_class: ClassVar[type[Any]] = PPOConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE, CONTINUOUS))
    own_networks: frozenset[str] = frozenset({"reward_normalizer"})
    config: PPOConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: PPOConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ["exploration", "batches"]
        if config.demonstrations:
            generators.append("demonstrations")
        super().__init__(
            env, config, seed=seed, device=device, generators=generators, encoder=encoder
        )
        space = self.observation_space
        if config.normalize_observations and is_image(space):
            raise ValueError(
                "normalize_observations is for vectors, the environment has images: they are "
                "divided by 255; leave it False"
            )
        if config.normalize_observations and is_grid(space):
            raise ValueError(
                "normalize_observations is for vectors, the environment has a grid: the kinds in "
                "it are told apart as they are; leave it False"
            )
        if config.demonstrations and not is_discrete(self.action_space):
            raise ValueError(
                f"demonstrations are of discrete actions, the environment has {self.action_space}: "
                "leave demonstrations empty"
            )
        self.distribution = make_distribution(self.action_space)
        hidden_sizes = () if encoder or is_image(space) else config.hidden_sizes
        with torch_seed(seed):
            norm = config.layer_norm
            self.encoder = make_encoder(space, encoder or config.encoder, layer_norm=norm)
            size = num_features(self.encoder)
            num_params = self.distribution.num_params
            self.actor: nn.Module = MLP(size, hidden_sizes, num_params, layer_norm=norm)
            self.critic: nn.Module = MLP(size, hidden_sizes, 1, layer_norm=norm)
            initialize(self.encoder, config.initialization)
            initialize(self.actor, config.initialization, POLICY_GAIN)
            initialize(self.critic, config.initialization, VALUE_GAIN)
        self.encoder = in_precision(self.encoder, config.precision)
        if hidden_sizes:  # a single layer costs little, and its outputs are what is rounded
            self.actor = in_precision(self.actor, config.precision)
            self.critic = in_precision(self.critic, config.precision)
        self.networks = {
            "encoder": self.encoder,
            "actor": self.actor,
            "critic": self.critic,
            "distribution": self.distribution,
        }
        groups = [{"params": [x for y in self.networks.values() for x in y.parameters()]}]
        if config.critic_learning_rate is not None:
            others = (self.encoder, self.actor, self.distribution)
            groups = [
                {"params": [x for network in others for x in network.parameters()]},
                {"params": list(self.critic.parameters())},
            ]
        assert space.shape is not None  # it is one array
        assert space.dtype is not None
        self.normalizer = ObservationNormalizer(space.shape)
        if config.normalize_observations:
            self.networks["normalizer"] = self.normalizer
        for network in self.networks.values():
            network.to(device)
        if config.ema_decay > 0:
            self.average = WeightAverage(self.networks, config.ema_decay)
            self.networks |= self.average.networks
            self.copies = self.average.copies
        self.optimizer = Adam(groups, self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        self.reward_normalizer = RewardNormalizer(self.num_envs, config.gamma)
        if config.normalize_rewards:
            self.networks["reward_normalizer"] = self.reward_normalizer
        self.replay = Rollout(
            config.rollout_steps,
            self.num_envs,
            obs_shape=space.shape,
            obs_dtype=space.dtype,
            num_features=size,
            num_params=self.distribution.num_params,
            action_shape=self.distribution.action_shape,
            action_dtype=self.distribution.action_dtype,
        )
        self._acted: Acted | None = None
        self.demonstration_files = tuple(map(Path, config.demonstrations))
        self._dataset: DemonstrationDataset | None = None  # read when learning begins
        if config.compile:
            compile_losses(self, ("loss",))

    @property
    def rollout(self) -> Rollout:
        """What was done since the last update; a checkpoint holds it as a replay memory."""
        assert isinstance(self.replay, Rollout)
        return self.replay

    def dist_params(self, obs: Tensor) -> Tensor:
        """Return what the actor says of observations [B, ...], shape [B, P]."""
        dist_params: Tensor = self.actor(self.encode(obs))
        return dist_params

    def policy_network(self) -> nn.Module:
        """Return what `dist_params` computes, as one network."""
        normalizer = [self.normalizer] if self.config.normalize_observations else []
        return nn.Sequential(*normalizer, self.encoder, self.actor)

    def check_envs(self) -> None:
        """Check that rollouts of all sub-environments can be cut into batches.

        And that losses can be compiled, if they are to be.

        Raises:
            ValueError: If they cannot.
        """
        if self.config.compile:
            check_compiler(self.device)
        size, rollout = self.config.batch_size, self.num_envs * self.config.rollout_steps
        what = f"a divisor of num_envs * rollout_steps = {rollout}"
        check("batch_size", size, rollout % size == 0, what)
        if self.config.normalize_advantages == "rollout":
            steps = self.config.rollout_steps
            check("rollout_steps", steps, rollout >= 2, ">= 2 to normalize advantages")

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps and learn, first from demonstrations if any.

        Raises:
            NoEnvError: See `Agent.learn`.
            FileNotFoundError: If a file of demonstrations is missing.
            DemonstrationsError: If one is damaged, does not fit the environment, or is not what the
                training of an agent that was loaded began with.
            UntrustedError: If one names a module that the user has neither named in a training nor
                imported.
        """
        self.check_has_env()
        self.load_demonstrations()
        if self._dataset is not None and not self.demonstration_digests:
            if self.num_steps == 0 and not self.has_begun:
                parameters = [*self.encoder.parameters(), *self.actor.parameters()]
                clone(
                    self._dataset,
                    self.cloning_loss,
                    [*parameters, *self.distribution.parameters()],
                    num_epochs=self.config.cloning_epochs,
                    generator=self.generators["demonstrations"],
                )
                if self.average is not None:
                    self.average.restart()
            self.demonstration_digests = self._dataset.digests
        super().learn(total_steps, callbacks)

    def load_demonstrations(self) -> None:
        """Read the demonstrations, which fit the environment and are those of its training.

        Raises:
            FileNotFoundError, DemonstrationsError, ValueError, UntrustedError: See `learn`.
        """
        if not self.demonstration_files or self._dataset is not None:
            return
        space = self.observation_space
        assert space.shape is not None  # it is one array
        dataset = DemonstrationDataset(self.demonstration_files, self.device)
        dataset.check(space.shape, num_discrete_actions(self.action_space))
        before = self.demonstration_digests or dataset.digests
        for path, was, is_now in zip(
            self.demonstration_files, before, dataset.digests, strict=True
        ):
            if was != is_now:
                raise DemonstrationsError(
                    f"{path} holds other demonstrations than this training began with: put the "
                    "file back that it was, or train anew"
                )
        self._dataset = dataset
        if self.starts is not None and self.config.demonstration_starts > 0:
            self.starts.check()
            self.starts.shown = dataset.states()

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions, or drawn ones; what those were drawn from is kept."""
        if greedy:
            with self.playing():
                return super().act(obs, greedy=True)
        with torch.inference_mode():
            features = self.encode(self.to_batch(obs))  # [B, F]
            dist_params = self.actor(features).numpy(force=True)  # [B, P]
        action = self.distribution.sample(dist_params, self.generators["exploration"])
        self._acted = Acted(features.numpy(force=True), dist_params, action)
        return self.distribution.to_env(action)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record a step; once the rollout is full, iterating learns from it, batch by batch."""
        assert self._acted is not None, "observe follows on act(obs, greedy=False)"
        self.rollout.add(step, *self._acted)
        return self._learn_from_rollout(step.next_obs) if self.rollout.is_full else ()

    def reset(self) -> None:
        """Drop the rollout in progress."""
        self.rollout.clear()

    def encode(self, obs: Tensor) -> Tensor:
        """Return what actor and critic read, shape [B, F]."""
        if self.config.normalize_observations:
            obs = self.normalizer(obs)
        features: Tensor = self.encoder(obs)
        return features

    def value(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return V(s), shape [B]."""
        with torch.inference_mode():
            value = self.critic(self.encode(torch.as_tensor(obs, device=self.device))).squeeze(1)
        numbers: NDArray[np.float32] = value.numpy(force=True)
        return numbers

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), shape [B]."""
        return self.value(obs)

    def compute_advantages(self, last_obs: NDArray[Any]) -> PPOBatch:
        """Return the whole rollout with values and advantages, as one batch of T N transitions.

        Args:
            last_obs: What the last step led to, shape [N, ...].
        """
        rollout, config = self.rollout, self.config
        to_torch = self._to_torch
        with torch.no_grad():
            value = self.critic(to_torch(rollout.features)).squeeze(2).numpy(force=True)  # [T, N]
            log_prob = self.distribution.log_prob(
                to_torch(rollout.dist_params).flatten(0, 1), to_torch(rollout.action).flatten(0, 1)
            )  # [T N]
        next_value = np.concatenate([value[1:], self.value(last_obs)[None]])  # [T, N]
        if rollout.final_obs:
            # A truncated episode goes on unseen, and not with the first observation of the next.
            places = tuple(np.array(list(rollout.final_obs)).T)
            next_value[places] = self.value(np.stack(list(rollout.final_obs.values())))
        reward = config.reward_scale * rollout.reward  # [T, N]
        if config.normalize_rewards:
            reward = self.reward_normalizer(reward, rollout.terminated | rollout.truncated)
        advantage = compute_gae(
            reward,
            value,
            next_value,
            rollout.terminated,
            rollout.truncated,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )  # [T, N]
        arrays = (value, advantage, advantage + value)
        value_, advantage_, target = (to_torch(array).flatten() for array in arrays)
        if config.normalize_advantages == "rollout":
            advantage_ = standardize(advantage_)
        obs, action = (to_torch(x).flatten(0, 1) for x in (rollout.obs, rollout.action))
        return PPOBatch(obs, action, log_prob, value_, advantage_, target)

    def policy_loss(self, log_prob: Tensor, batch: PPOBatch) -> Tensor:
        """Return - E min(r A, clip(r, 1 - c, 1 + c) A), r = pi(a|s) / pi_old(a|s) (eq. 7)."""
        advantage = batch.advantage  # [B]
        if self.config.normalize_advantages == "batch":
            advantage = standardize(advantage)
        ratio = (log_prob - batch.log_prob).exp()  # [B]
        clipped = ratio.clamp(1 - self.clip_range, 1 + self.clip_range)  # [B]
        return -torch.minimum(ratio * advantage, clipped * advantage).mean()

    def value_loss(self, value: Tensor, batch: PPOBatch) -> Tensor:
        """Return E (V(s) - target)^2, or with `value_clip` the larger of it and V's clipped.

        With `value_loss="huber"` half the square up to an error of 1, and its slope beyond.
        """
        error = self._value_error(value, batch.value_target)  # [B]
        if self.config.value_clip is not None:
            limit = self.config.value_clip
            near = batch.value + (value - batch.value).clamp(-limit, limit)  # [B]
            error = torch.maximum(error, self._value_error(near, batch.value_target))
        return error.mean()

    def cloning_loss(self, obs: Tensor, action: Tensor) -> Tensor:
        """Return - E log pi(a|s) of what a teacher did, a scalar."""
        return -self.distribution.log_prob(self.dist_params(obs), action).mean()

    def loss(self, batch: PPOBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what is minimized (eq. 9), and the parts of it that are logged."""
        config = self.config
        features = self.encode(batch.obs)  # [B, F]
        dist_params = self.actor(features)  # [B, P]
        log_prob = self.distribution.log_prob(dist_params, batch.action)  # [B]
        policy_loss = self.policy_loss(log_prob, batch)
        value_loss = self.value_loss(self.critic(features).squeeze(1), batch)
        entropy = self.distribution.entropy(dist_params).mean()
        loss = policy_loss + config.value_coefficient * value_loss
        if config.entropy_coefficient != 0:
            loss = loss - self.entropy_coefficient * entropy
        with torch.no_grad():
            log_ratio = log_prob - batch.log_prob  # [B]
            # Never negative, unlike the mean of - log r (Schulman 2020, "Approximating KL").
            kl = (log_ratio.exp() - 1 - log_ratio).mean()
        parts = {
            "losses/policy": policy_loss,
            "losses/value": value_loss,
            "charts/entropy": entropy,
            "charts/approx_kl": kl,
        }
        return loss, parts

    def update(self, batch: PPOBatch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/policy`, `losses/value`, `charts/entropy` and `charts/approx_kl`; with
            demonstrations `losses/cloning`.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        loss, parts = self.loss(batch)
        if self._dataset is not None and self.demonstration_coefficient > 0:
            obs, action = self._dataset.draw(self.generators["demonstrations"])
            parts["losses/cloning"] = self.cloning_loss(obs, action)
            loss = loss + self.demonstration_coefficient * parts["losses/cloning"]
        losses = read_losses(self, parts)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.step()
        self.num_updates += 1
        if self.average is not None:
            self.average.update(self.num_updates)
        return losses

    def metrics(self) -> dict[str, float]:
        """Return the learning rate, clip range and weight of the entropy at the next update."""
        return {
            "charts/learning_rate": self.learning_rate,
            "charts/clip_range": self.clip_range,
            "charts/entropy_coefficient": self.entropy_coefficient,
        }

    @property
    def learning_rate(self) -> float:
        """Adam's, at this step of the schedule."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def critic_learning_rate(self) -> float:
        """Adam's for the critic, at this step of the schedule."""
        rate = self.config.critic_learning_rate
        return self.learning_rate if rate is None else value_at(rate, self.num_steps)

    @property
    def clip_range(self) -> float:
        """How far the ratio is rewarded to move from 1, at this step of the schedule."""
        return value_at(self.config.clip_range, self.num_steps)

    @property
    def entropy_coefficient(self) -> float:
        """The weight of the entropy bonus, at this step of the schedule."""
        return value_at(self.config.entropy_coefficient, self.num_steps)

    @property
    def demonstration_coefficient(self) -> float:
        """The weight of the loss of demonstrations, at this step of the schedule."""
        return value_at(self.config.demonstration_coefficient, self.num_steps)

    def update_epochs(self, rollout: PPOBatch) -> Iterator[dict[str, float]]:
        """Learn from a rollout: all of it in each epoch, in another order."""
        config = self.config
        set_learning_rates(self.optimizer, self.learning_rate, self.critic_learning_rate)
        shuffled = PPOBatch(*map(torch.empty_like, rollout))
        batches = list(zip(*(torch.split(x, config.batch_size) for x in shuffled), strict=True))
        for _ in range(config.num_epochs):
            order = self.generators["batches"].permutation(len(rollout.obs))
            indices = torch.from_numpy(order).to(self.device)
            for x, y in zip(rollout, shuffled, strict=True):
                torch.index_select(x, 0, indices, out=y)  # y = x[indices], 8 times as fast
            for batch in batches:
                losses = self.update(PPOBatch(*batch))
                yield losses
                if config.target_kl is not None and losses["charts/approx_kl"] > config.target_kl:
                    return

    def _value_error(self, value: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value, shape [B]."""
        if self.config.value_loss == "huber":
            return F.smooth_l1_loss(value, target, reduction="none")
        return (value - target).square()

    def _learn_from_rollout(self, last_obs: NDArray[Any]) -> Iterator[dict[str, float]]:
        yield from self.update_epochs(self.compute_advantages(last_obs))
        if self.config.normalize_observations:
            self.normalizer.update(torch.from_numpy(self.rollout.obs).flatten(0, 1))
        self.rollout.clear()

    def _to_torch(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def standardize(advantage: Tensor) -> Tensor:
    """Return advantages with mean 0 and standard deviation 1, shape [B]."""
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)
