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
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
    NonNegative,
    Positive,
    PositiveFraction,
    Precision,
    Schedule,
    Sizes,
    Whole,
    check_learning_starts,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting, Continuous
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.compiling import compile_losses
from mario_rl_agents.networks.critics import ActionScale, Critics, soft_update
from mario_rl_agents.networks.encoders import EncoderFactory, make_network
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.networks.noise import gaussian
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import CONTINUOUS, IMAGE, VECTOR, Accepts, box_actions


@dataclass(frozen=True)
class DDPGConfig(Config):
    """Settings of DDPG.

    The defaults are those of the tutorial on Pendulum, where not noted. Noise is in units of
    actions scaled to [-1, 1].

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import DDPGConfig
        >>> config = DDPGConfig(batch_size=128)
    """

    actor_learning_rate: Positive | Schedule = 1e-3  # of Adam
    critic_learning_rate: Positive | Schedule = 2e-3  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    tau: PositiveFraction = 0.005  # fraction of the way that targets move at a gradient step
    batch_size: Count = 64  # transitions
    replay_capacity: Count = 1_000_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    replacement: bool = True  # a batch may hold a transition twice; False: it is drawn without
    random_steps: Whole = 0  # environment steps of uniformly random actions at the beginning
    learning_starts: Count = 64  # transitions in memory: a batch
    update_period: Count = 1  # environment steps from one update to the next
    gradient_steps: Count = 1  # in an update
    exploration_noise: NonNegative | Schedule = 0.1  # standard deviation
    hidden_sizes: Sizes = (400, 300)  # units, of the actor and of the critic
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    overlap: bool = False  # step the environment while the gradient step runs; same results
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def check(self) -> None:
        """Check what concerns several fields."""
        check_learning_starts(self.learning_starts, self.replay_capacity)


class DDPG(OffPolicyAgent):
    """Actor-critic agent for continuous actions, with a deterministic actor.

    Example:
        >>> from mario_rl_agents import DDPG, DDPGConfig
        >>> config = DDPGConfig(learning_starts=50)
        >>> agent = DDPG.create("Pendulum-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "ddpg"
    config_class: ClassVar[type[Any]] = DDPGConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (CONTINUOUS,))
    config: DDPGConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: DDPGConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "replay")
        super().__init__(
            env, config, seed=seed, device=device, generators=generators, encoder=encoder
        )
        space, actions = self.observation_space, box_actions(self.action_space)
        self.num_actions = actions.shape[0]
        self.scale = ActionScale(actions).to(device)
        sizes, reader = config.hidden_sizes, encoder or config.encoder
        with torch_seed(seed):
            actor = make_network(space, self.num_actions, sizes, reader)
            critic = Critics(
                space,
                self.num_actions,
                sizes,
                num_critics=1,
                encoder=reader,
            )
            initialize(actor, config.initialization, POLICY_GAIN)
            initialize(critic, config.initialization, VALUE_GAIN)
        self.actor = nn.Sequential(in_precision(actor, config.precision), nn.Tanh()).to(device)
        self.critic = in_precision(critic, config.precision).to(device)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.actor_optimizer = Adam(
            self.actor.parameters(), self.actor_learning_rate, epsilon=config.adam_epsilon
        )
        self.critic_optimizer = Adam(
            self.critic.parameters(), self.critic_learning_rate, epsilon=config.adam_epsilon
        )
        self.networks = {
            "actor": self.actor,
            "critic": self.critic,
            "actor_target": self.actor_target,
            "critic_target": self.critic_target,
        }
        self.copies = {"actor_target": "actor", "critic_target": "critic"}
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
            compile_losses(self, ("critic_loss", "actor_loss"))

    @property
    def actor_learning_rate(self) -> float:
        """Adam's for the actor at the next gradient step."""
        return value_at(self.config.actor_learning_rate, self.num_steps)

    @property
    def critic_learning_rate(self) -> float:
        """Adam's for the critic at the next gradient step."""
        return value_at(self.config.critic_learning_rate, self.num_steps)

    @property
    def exploration_noise(self) -> float:
        """The standard deviation of the noise on actions at the next step."""
        return value_at(self.config.exploration_noise, self.num_steps)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the actor's actions, or noisy ones, within the environment's bounds, [B, A]."""
        generator, shape = self.generators["exploration"], (len(obs), self.num_actions)
        if not greedy and self.num_steps < self.config.random_steps:
            return self.scale.to_env(generator.uniform(-1, 1, shape).astype(np.float32))
        with torch.inference_mode():
            action = self.actor(torch.as_tensor(obs, device=self.device)).numpy(force=True)
        if not greedy:
            action += gaussian(generator, shape, self.exploration_noise)
        return self.scale.to_env(action)

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return Q(s, actor(s)), shape [B]."""
        with torch.inference_mode():
            batch = self.to_batch(obs)
            q: Tensor = self.critic(batch, self.actor(batch)).squeeze(0)  # [B]
        values: NDArray[np.float32] = q.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them."""
        return Continuous(self.actor, self.action_space)

    def td_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) Q_target(s', actor_target(s')), shape [B].

        An episode that was only truncated goes on, so its last transition bootstraps.
        """
        next_action = self.actor_target(batch.next_obs)  # [B, A]
        next_q: Tensor = self.critic_target(batch.next_obs, next_action).squeeze(0)  # [B]
        reward = self.config.reward_scale * batch.reward  # [B]
        return reward + self.config.gamma * next_q * ~batch.terminated

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
        torch.autograd.backward(critic_loss)
        self.critic_optimizer.param_groups[0]["lr"] = self.critic_learning_rate
        self.critic_optimizer.step()
        actor_loss = self.actor_loss(batch.obs)
        losses |= read_losses(self, {"losses/actor": actor_loss})
        self.actor_optimizer.zero_grad()
        # Through the critic, not into it: nothing of its own gradients is computed.
        torch.autograd.backward(actor_loss, inputs=self._actor_parameters)
        self.actor_optimizer.param_groups[0]["lr"] = self.actor_learning_rate
        self.actor_optimizer.step()
        soft_update(self._targets, self._sources, self.config.tau)
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/replay_size` (transitions)."""
        return {"charts/replay_size": float(len(self.replay))}
