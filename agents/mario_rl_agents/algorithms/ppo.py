"""PPO: many small steps on each rollout, none far from the policy it was made with.

Schulman et al. 2017, "Proximal policy optimization algorithms".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.buffers.rollout import Rollout, compute_gae
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.compiling import compile_loss
from mario_rl_agents.networks.distributions import make_distribution
from mario_rl_agents.networks.encoders import MLP, is_image, make_encoder
from mario_rl_agents.networks.normalization import ObservationNormalizer, RewardNormalizer
from mario_rl_agents.schedules import Constant, Linear, Schedule
from mario_rl_agents.seeding import torch_seed


@dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO.

    The defaults are those of the best-known PyTorch tutorial of PPO on CartPole; what it lacks is
    off.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    rollout_steps: int = 20  # environment steps of each sub-environment between updates
    num_epochs: int = 4  # times that each rollout is learned from
    batch_size: int = 5  # transitions in a gradient step
    learning_rate: float = 3e-4  # of Adam
    gamma: float = 0.99  # discount per environment step
    gae_lambda: float = 0.95  # 0 trusts the values, 1 the rewards alone
    clip_range: float = 0.2  # how far the probability ratio is rewarded to move from 1
    value_coefficient: float = 0.5  # weight of the value loss
    hidden_sizes: tuple[int, ...] = (256, 256)  # units, of the actor and of the critic; for vectors
    entropy_coefficient: float = 0.0  # weight of the entropy bonus
    max_grad_norm: float | None = None  # L2 norm of all gradients; None: no clipping
    normalize_advantages: bool = False  # to mean 0 and deviation 1 in each batch
    normalize_observations: bool = False  # by running mean and variance; not for images
    normalize_rewards: bool = False  # by the running deviation of discounted returns
    learning_rate_schedule: str = "constant"  # or "linear", to 0
    clip_schedule: str = "constant"  # or "linear", to 0
    schedule_steps: int = 100_000  # environment steps, for "linear"
    value_clip: float | None = None  # how far a value may move in one update; None: anywhere
    target_kl: float | None = None  # nats from the old policy at which an update ends; None: never
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def __post_init__(self) -> None:
        """Check every field."""
        whole = ("rollout_steps", "num_epochs", "batch_size", "schedule_steps")
        for name in whole:
            value = getattr(self, name)
            check(name, value, isinstance(value, int) and value >= 1, "a whole number >= 1")
        for name in ("learning_rate", "clip_range"):
            check(name, getattr(self, name), getattr(self, name) > 0, "a number > 0")
        for name in ("gamma", "gae_lambda"):
            check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name in ("value_coefficient", "entropy_coefficient"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "a number >= 0")
        for name in ("max_grad_norm", "value_clip", "target_kl"):
            value = getattr(self, name)
            check(name, value, value is None or value > 0, "a number > 0 or None")
        kinds = ("constant", "linear")
        for name in ("learning_rate_schedule", "clip_schedule"):
            check(name, getattr(self, name), getattr(self, name) in kinds, f"one of {kinds}")
        sizes = self.hidden_sizes
        check("hidden_sizes", sizes, all(size >= 1 for size in sizes), "whole numbers >= 1")
        if self.normalize_advantages:
            size = self.batch_size
            check("batch_size", size, size >= 2, ">= 2 to normalize advantages")

    def make_schedule(self, kind: str, start: float) -> Schedule:
        """Return a schedule over environment steps: `start` for ever, or on a line to 0."""
        return Linear(start, 0.0, self.schedule_steps) if kind == "linear" else Constant(start)


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
    outputs: NDArray[np.float32]  # [N, P], the parameters of the distribution
    action: NDArray[Any]  # [N, ...], on the scale of the distribution


class PPO(PolicyAgent):
    """Proximal policy optimization with a clipped ratio, for discrete and continuous actions.

    Vectors go to separate networks, an actor and a critic. Images go to a shared convolutional
    encoder, whose features an actor and a critic of one layer read: it is most of the work, and
    both need it alike.
    """

    algorithm: ClassVar[str] = "ppo"
    config_class: ClassVar[type[Any]] = PPOConfig
    config: PPOConfig

    def __init__(
        self, env: Env | VecEnv, config: PPOConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "batches")
        super().__init__(env, config, seed=seed, device=device, generators=generators)
        space = self.observation_space
        if config.normalize_observations and is_image(space):
            raise ValueError(
                "normalize_observations is for vectors, the environment has images: they are "
                "divided by 255; leave it False"
            )
        self.distribution = make_distribution(self.algorithm, self.action_space)
        hidden_sizes = () if is_image(space) else config.hidden_sizes
        with torch_seed(seed):
            self.encoder, num_features = make_encoder(space)
            self.actor = MLP(num_features, hidden_sizes, self.distribution.num_outputs)
            self.critic = MLP(num_features, hidden_sizes, 1)
        self.networks = {
            "encoder": self.encoder,
            "actor": self.actor,
            "critic": self.critic,
            "distribution": self.distribution,
        }
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        assert isinstance(space, gym.spaces.Box)  # make_encoder accepts nothing else
        self.normalizer = ObservationNormalizer(space.shape)
        if config.normalize_observations:
            self.networks["normalizer"] = self.normalizer
        for network in self.networks.values():
            network.to(device)
        self.optimizer = Adam(parameters, config.learning_rate)
        self.optimizers = {"optimizer": self.optimizer}
        self._learning_rate = config.make_schedule(
            config.learning_rate_schedule, config.learning_rate
        )
        self._clip_range = config.make_schedule(config.clip_schedule, config.clip_range)
        self.reward_normalizer = RewardNormalizer(self.num_envs, config.gamma)
        if config.normalize_rewards:
            self.networks["reward_normalizer"] = self.reward_normalizer
        self.rollout = Rollout(
            config.rollout_steps,
            self.num_envs,
            obs_shape=space.shape,
            obs_dtype=space.dtype,
            num_features=num_features,
            num_outputs=self.distribution.num_outputs,
            action_shape=self.distribution.action_shape,
            action_dtype=self.distribution.action_dtype,
        )
        self.replay = self.rollout  # what a checkpoint saves beside it
        self._acted: Acted | None = None
        if config.compile:
            self.loss = compile_loss(self.loss, device)  # type: ignore[method-assign]

    def policy_outputs(self, obs: Tensor) -> Tensor:
        """Return what the actor says of observations [B, ...], shape [B, P]."""
        outputs: Tensor = self.actor(self.encode(obs))
        return outputs

    def check_envs(self) -> None:
        """Check that rollouts of all sub-environments can be cut into batches.

        Raises:
            ValueError: If they cannot.
        """
        size, rollout = self.config.batch_size, self.num_envs * self.config.rollout_steps
        what = f"a divisor of num_envs * rollout_steps = {rollout}"
        check("batch_size", size, rollout % size == 0, what)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions, or drawn ones; what those were drawn from is kept."""
        if greedy:
            return super().act(obs, greedy=True)
        with torch.inference_mode():
            features = self.encode(self.to_batch(obs))  # [B, F]
            outputs = self.actor(features).numpy(force=True)  # [B, P]
        action = self.distribution.draw(outputs, self.generators["exploration"])
        self._acted = Acted(features.numpy(force=True), outputs, action)
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
                to_torch(rollout.outputs).flatten(0, 1), to_torch(rollout.action).flatten(0, 1)
            )  # [T N]
        next_value = np.concatenate([value[1:], self.value(last_obs)[None]])  # [T, N]
        if rollout.final_obs:
            # A truncated episode goes on unseen, and not with the first observation of the next.
            places = tuple(np.array(list(rollout.final_obs)).T)
            next_value[places] = self.value(np.stack(list(rollout.final_obs.values())))
        reward = rollout.reward
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
        obs, action = (to_torch(x).flatten(0, 1) for x in (rollout.obs, rollout.action))
        return PPOBatch(obs, action, log_prob, value_, advantage_, target)

    def policy_loss(self, log_prob: Tensor, batch: PPOBatch) -> Tensor:
        """Return - E min(r A, clip(r, 1 - c, 1 + c) A), r = pi(a|s) / pi_old(a|s) (eq. 7)."""
        advantage = batch.advantage  # [B]
        if self.config.normalize_advantages:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        ratio = (log_prob - batch.log_prob).exp()  # [B]
        clipped = ratio.clamp(1 - self.clip_range, 1 + self.clip_range)  # [B]
        return -torch.minimum(ratio * advantage, clipped * advantage).mean()

    def value_loss(self, value: Tensor, batch: PPOBatch) -> Tensor:
        """Return E (V(s) - target)^2, or with `value_clip` the larger of it and V's clipped."""
        error = (value - batch.value_target).square()  # [B]
        if self.config.value_clip is not None:
            limit = self.config.value_clip
            near = batch.value + (value - batch.value).clamp(-limit, limit)  # [B]
            error = torch.maximum(error, (near - batch.value_target).square())
        return error.mean()

    def loss(self, batch: PPOBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what is minimized (eq. 9), and the parts of it that are logged."""
        config = self.config
        features = self.encode(batch.obs)  # [B, F]
        outputs = self.actor(features)  # [B, P]
        log_prob = self.distribution.log_prob(outputs, batch.action)  # [B]
        policy_loss = self.policy_loss(log_prob, batch)
        value_loss = self.value_loss(self.critic(features).squeeze(1), batch)
        entropy = self.distribution.entropy(outputs).mean()
        loss = policy_loss + config.value_coefficient * value_loss
        if config.entropy_coefficient > 0:
            loss = loss - config.entropy_coefficient * entropy
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
            `losses/policy`, `losses/value`, `charts/entropy` and `charts/approx_kl`.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        loss, parts = self.loss(batch)
        losses = read_losses(self, parts)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.step()
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` and `charts/clip_range` at the next update."""
        return {
            "charts/learning_rate": self.learning_rate,
            "charts/clip_range": self.clip_range,
        }

    @property
    def learning_rate(self) -> float:
        """Adam's, at this step of the schedule."""
        return self._learning_rate(self.num_steps)

    @property
    def clip_range(self) -> float:
        """How far the ratio is rewarded to move from 1, at this step of the schedule."""
        return self._clip_range(self.num_steps)

    def update_epochs(self, rollout: PPOBatch) -> Iterator[dict[str, float]]:
        """Learn from a rollout: all of it in each epoch, in another order."""
        config = self.config
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        for _ in range(config.num_epochs):
            order = self.generators["batches"].permutation(len(rollout.obs))
            indices = torch.from_numpy(order).to(self.device)
            parts = [torch.split(x[indices], config.batch_size) for x in rollout]
            for batch in zip(*parts, strict=True):
                losses = self.update(PPOBatch(*batch))
                yield losses
                if config.target_kl is not None and losses["charts/approx_kl"] > config.target_kl:
                    return

    def _learn_from_rollout(self, last_obs: NDArray[Any]) -> Iterator[dict[str, float]]:
        yield from self.update_epochs(self.compute_advantages(last_obs))
        if self.config.normalize_observations:
            self.normalizer.update(torch.from_numpy(self.rollout.obs).flatten(0, 1))
        self.rollout.clear()

    def _to_torch(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)
