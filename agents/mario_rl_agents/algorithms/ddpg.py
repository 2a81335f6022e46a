"""DDPG: deep deterministic policy gradient (Lillicrap et al. 2016).

DQN for continuous actions. No maximum over actions can be tried out there, so a second network, the
actor, learns to name the best one: it climbs the critic's slope.
"""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.algorithms.off_policy import OffPolicyAgent, replay_settings
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.compiling import compile_loss
from mario_rl_agents.networks.critics import ActionScale, Critics, soft_update
from mario_rl_agents.networks.encoders import make_network
from mario_rl_agents.networks.noise import gaussian
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import box_actions


@dataclass(frozen=True)
class DDPGConfig:
    """Settings of DDPG.

    The defaults are those of the tutorial on Pendulum, where not noted. Noise is in units of
    actions scaled to [-1, 1].

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    actor_learning_rate: float = 1e-3  # of Adam
    critic_learning_rate: float = 2e-3  # of Adam
    gamma: float = 0.99  # discount per environment step
    tau: float = 0.005  # fraction of the way that target networks move at each gradient step
    batch_size: int = 64  # transitions
    replay_capacity: int = 1_000_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    random_steps: int = 0  # environment steps of uniformly random actions at the beginning
    learning_starts: int = 64  # transitions in memory: a batch
    update_period: int = 1  # environment steps per gradient step
    exploration_noise: float = 0.1  # standard deviation
    hidden_sizes: tuple[int, ...] = (400, 300)  # units, of the actor and of the critic
    overlap: bool = False  # step the environment while the gradient step runs; same results
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("actor_learning_rate", "critic_learning_rate"):
            check(name, getattr(self, name), getattr(self, name) > 0, "a number > 0")
        for name in ("exploration_noise", "random_steps"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "a number >= 0")
        check("gamma", self.gamma, 0 <= self.gamma <= 1, "in [0, 1]")
        check("tau", self.tau, 0 < self.tau <= 1, "in (0, 1]")
        for name in ("batch_size", "replay_capacity", "update_period"):
            value = getattr(self, name)
            check(name, value, isinstance(value, int) and value >= 1, "a whole number >= 1")
        starts, capacity = self.learning_starts, self.replay_capacity
        limit = f"between 1 and replay_capacity = {capacity}, or learning never starts"
        check("learning_starts", starts, 1 <= starts <= capacity, limit)
        sizes = self.hidden_sizes
        check("hidden_sizes", sizes, all(size >= 1 for size in sizes), "whole numbers >= 1")


class DDPG(OffPolicyAgent):
    """Actor-critic agent for continuous actions, with a deterministic actor."""

    algorithm: ClassVar[str] = "ddpg"
    config_class: ClassVar[type[Any]] = DDPGConfig
    config: DDPGConfig

    def __init__(
        self, env: Env | VecEnv, config: DDPGConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "replay")
        super().__init__(env, config, seed=seed, device=device, generators=generators)
        space = self.observation_space
        actions = box_actions(self.algorithm, self.action_space)
        self.num_actions = actions.shape[0]
        self.scale = ActionScale(actions).to(device)
        with torch_seed(seed):
            self.actor: nn.Module = nn.Sequential(
                make_network(space, self.num_actions, config.hidden_sizes), nn.Tanh()
            )
            self.critic = Critics(space, self.num_actions, config.hidden_sizes, num_critics=1)
        self.actor.to(device)
        self.critic.to(device)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.actor_optimizer = Adam(self.actor.parameters(), config.actor_learning_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), config.critic_learning_rate)
        self.networks = {
            "actor": self.actor,
            "critic": self.critic,
            "actor_target": self.actor_target,
            "critic_target": self.critic_target,
        }
        self.optimizers = {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
        # Listed once: walking through modules costs as much as moving small networks.
        self._actor_parameters = list(self.actor.parameters())
        self._sources = [*self._actor_parameters, *self.critic.parameters()]
        self._targets = [*self.actor_target.parameters(), *self.critic_target.parameters()]
        self.replay = ReplayBuffer(
            **replay_settings(config, space, self.num_envs),
            action_shape=actions.shape,
            action_dtype=np.float32,
        )
        if config.compile:
            self.critic_loss = compile_loss(self.critic_loss, device)  # type: ignore[method-assign]
            self.actor_loss = compile_loss(self.actor_loss, device)  # type: ignore[method-assign]

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the actor's actions, or noisy ones, within the environment's bounds, [B, A]."""
        generator, shape = self.generators["exploration"], (len(obs), self.num_actions)
        if not greedy and self.num_steps < self.config.random_steps:
            return self.scale.to_env(generator.uniform(-1, 1, shape).astype(np.float32))
        with torch.inference_mode():
            action = self.actor(torch.as_tensor(obs, device=self.device)).numpy(force=True)
        if not greedy:
            action += gaussian(generator, shape, self.config.exploration_noise)
        return self.scale.to_env(action)

    def td_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) Q_target(s', actor_target(s')), shape [B].

        An episode that was only truncated goes on, so its last transition bootstraps.
        """
        next_action = self.actor_target(batch.next_obs)  # [B, A]
        next_q: Tensor = self.critic_target(batch.next_obs, next_action).squeeze(0)  # [B]
        return batch.reward + self.config.gamma * next_q * ~batch.terminated

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean (Q(s, a) - y)^2, a scalar, and Q(s, a), shape [B]."""
        with torch.no_grad():
            target = self.td_target(batch)  # [B]
        q = self.critic(batch.obs, self.scale(batch.action)).squeeze(0)  # [B]
        return (q - target).square().mean(), q

    def actor_loss(self, obs: Tensor) -> Tensor:
        """Return -mean Q(s, actor(s)), a scalar; its gradient is equation 6."""
        q: Tensor = self.critic(obs, self.actor(obs))  # [1, B]
        return -q.mean()

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step of the critic, then one of the actor.

        Returns:
            `losses/critic`, `losses/actor`, and `charts/q_mean`, the mean value of the actions in
            the batch.

        Raises:
            FloatingPointError: If a loss is not finite; its network is left as it was.
        """
        batch = batch.to(self.device)
        critic_loss, q = self.critic_loss(batch)
        losses = read_losses(self, {"losses/critic": critic_loss, "charts/q_mean": q.mean()})
        self.critic_optimizer.zero_grad()
        critic_loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimizer.step()
        actor_loss = self.actor_loss(batch.obs)
        losses |= read_losses(self, {"losses/actor": actor_loss})
        self.actor_optimizer.zero_grad()
        # Through the critic, not into it: nothing of its own gradients is computed.
        actor_loss.backward(inputs=self._actor_parameters)  # type: ignore[no-untyped-call]
        self.actor_optimizer.step()
        soft_update(self._targets, self._sources, self.config.tau)
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/replay_size` (transitions)."""
        return {"charts/replay_size": float(len(self.replay))}
