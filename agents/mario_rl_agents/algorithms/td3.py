"""TD3: twin delayed deep deterministic policy gradient (Fujimoto et al. 2018).

DDPG with three changes against values that are too high: two critics, of which the lower one is
believed; noise on the target's action, so that a narrow peak of a critic is not exploited; an actor
that moves less often than the critics.
"""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

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
from mario_rl_agents.networks.noise import gaussian, standard_normal
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import CONTINUOUS, IMAGE, VECTOR, Accepts, box_actions


@dataclass(frozen=True)
class TD3Config(Config):
    """Settings of TD3.

    The defaults are those of the tutorial on BipedalWalker, which are those of Fujimoto et al.
    (2018), where not noted. Noise is in units of actions scaled to [-1, 1].

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import TD3Config
        >>> config = TD3Config(batch_size=128)
    """

    actor_learning_rate: Positive | Schedule = 1e-3  # of Adam
    critic_learning_rate: Positive | Schedule = 1e-3  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    tau: PositiveFraction = 0.005  # fraction of the way that targets move at their updates
    batch_size: Count = 100  # transitions
    replay_capacity: Count = 1_000_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    replacement: bool = True  # a batch may hold a transition twice; False: it is drawn without
    random_steps: Whole = 1_000  # environment steps of random actions at the beginning
    random_actions: Literal["uniform", "normal"] = "uniform"  # or by exploration_noise around 0
    learning_starts: Count = 1_000  # transitions in memory
    update_period: Count = 1  # environment steps from one update to the next
    gradient_steps: Count = 1  # in an update
    policy_period: Count = 2  # gradient steps of the critics per one of the actor and the targets
    exploration_noise: NonNegative | Schedule = 0.1  # standard deviation
    shared_noise: bool = False  # explore by one number for all components of an action
    target_noise: NonNegative = 0.2  # standard deviation
    target_noise_clip: Positive = 0.5  # the largest noise on a target's action
    hidden_sizes: Sizes = (400, 300)  # units, of the actor and of each critic
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    layer_norm: bool = False  # normalize the critics' hidden layers (Ball et al. 2023)
    num_return_steps: Count = 1  # rewards in a return; more than 1: n-step returns
    reward_clip: Positive | None = None  # the largest scaled r in the target; None: as it is
    overlap: bool = False  # step the environment while the gradient step runs; same results
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def check(self) -> None:
        """Check what concerns several fields."""
        check_learning_starts(self.learning_starts, self.replay_capacity)


class TD3(OffPolicyAgent):
    """Actor-critic agent for continuous actions, with a deterministic actor and two critics.

    Example:
        >>> from mario_rl_agents import TD3, TD3Config
        >>> config = TD3Config(learning_starts=50)
        >>> agent = TD3.create("Pendulum-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "td3"
    config_class: ClassVar[type[Any]] = TD3Config
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (CONTINUOUS,))
    config: TD3Config

    def __init__(
        self,
        env: Env | VecEnv,
        config: TD3Config,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "target_noise", "replay")
        super().__init__(
            env, config, seed=seed, device=device, generators=generators, encoder=encoder
        )
        space, actions = self.observation_space, box_actions(self.action_space)
        self.num_actions = actions.shape[0]
        self.scale = ActionScale(actions).to(device)
        sizes, reader = config.hidden_sizes, encoder or config.encoder
        with torch_seed(seed):
            actor = make_network(space, self.num_actions, sizes, reader)
            critics = Critics(
                space,
                self.num_actions,
                sizes,
                num_critics=2,
                layer_norm=config.layer_norm,
                encoder=reader,
            )
            initialize(actor, config.initialization, POLICY_GAIN)
            initialize(critics, config.initialization, VALUE_GAIN)
        self.actor = nn.Sequential(in_precision(actor, config.precision), nn.Tanh()).to(device)
        self.critics = in_precision(critics, config.precision).to(device)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.critics_target = copy.deepcopy(self.critics).requires_grad_(False)
        self.actor_optimizer = Adam(
            self.actor.parameters(), self.actor_learning_rate, epsilon=config.adam_epsilon
        )
        self.critic_optimizer = Adam(
            self.critics.parameters(), self.critic_learning_rate, epsilon=config.adam_epsilon
        )
        self.networks = {
            "actor": self.actor,
            "critics": self.critics,
            "actor_target": self.actor_target,
            "critics_target": self.critics_target,
        }
        self.copies = {"actor_target": "actor", "critics_target": "critics"}
        self.optimizers = {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
        # Listed once: walking through modules costs as much as moving small networks.
        self._actor_parameters = list(self.actor.parameters())
        self._sources = [*self._actor_parameters, *self.critics.parameters()]
        self._targets = [*self.actor_target.parameters(), *self.critics_target.parameters()]
        self.replay = ReplayBuffer(
            **replay_settings(config, space, self.num_envs),
            action_shape=actions.shape,
            action_dtype=np.float32,
            num_return_steps=config.num_return_steps,
            gamma=config.gamma,
        )
        if config.compile:
            compile_losses(self, ("critic_loss", "actor_loss"))

    @property
    def actor_learning_rate(self) -> float:
        """Adam's for the actor at the next gradient step."""
        return value_at(self.config.actor_learning_rate, self.num_steps)

    @property
    def critic_learning_rate(self) -> float:
        """Adam's for the critics at the next gradient step."""
        return value_at(self.config.critic_learning_rate, self.num_steps)

    @property
    def exploration_noise(self) -> float:
        """The standard deviation of the noise on actions at the next step."""
        return value_at(self.config.exploration_noise, self.num_steps)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the actor's actions, or noisy ones, within the environment's bounds, [B, A]."""
        config, generator = self.config, self.generators["exploration"]
        shape = (len(obs), self.num_actions)
        is_random = not greedy and self.num_steps < config.random_steps
        if is_random and config.random_actions == "uniform":
            return self.scale.to_env(generator.uniform(-1, 1, shape).astype(np.float32))
        if is_random:
            action = gaussian(generator, shape, self.exploration_noise)
        else:
            with torch.inference_mode():
                action = self.actor(torch.as_tensor(obs, device=self.device)).numpy(force=True)
        if not greedy:
            noise_shape = (len(obs), 1) if config.shared_noise else shape
            action += gaussian(generator, noise_shape, self.exploration_noise)
        return self.scale.to_env(action)

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return min_i Q_i(s, actor(s)), shape [B]."""
        with torch.inference_mode():
            batch = self.to_batch(obs)
            q: Tensor = self.critics(batch, self.actor(batch)).amin(dim=0)  # [B]
        values: NDArray[np.float32] = q.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them."""
        return Continuous(self.actor, self.action_space)

    def td_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return r + gamma (1 - terminated) min_i Q_target_i(s', a'), shape [B].

        a' is the target actor's action plus clipped noise: near actions shall have near values
        (equations 14 and 15). An episode that was only truncated goes on, so its last transition
        bootstraps. With n-step returns r is the discounted sum of k rewards, s' comes k steps later
        and gamma^k stands for gamma; `reward_clip` bounds that sum, once scaled.

        Args:
            batch: Transitions.
            noise: Standard normal, shape [B, A].
        """
        config = self.config
        bound = config.target_noise_clip
        noise = (config.target_noise * noise).clamp(-bound, bound)  # [B, A]
        next_action = (self.actor_target(batch.next_obs) + noise).clamp(-1, 1)  # [B, A]
        next_q: Tensor = self.critics_target(batch.next_obs, next_action).amin(dim=0)  # [B]
        reward, clip = config.reward_scale * batch.reward, config.reward_clip
        if clip is not None:
            reward = reward.clamp(-clip, clip)
        discount = config.gamma if batch.discount is None else batch.discount
        return reward + discount * next_q * ~batch.terminated

    def critic_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return sum_i mean (Q_i(s, a) - y)^2, a scalar, and both Q(s, a), shape [2, B]."""
        with torch.no_grad():
            target = self.td_target(batch, noise)  # [B]
        q = self.critics(batch.obs, self.scale(batch.action))  # [2, B]
        return (q - target).square().mean(dim=1).sum(), q

    def actor_loss(self, obs: Tensor) -> Tensor:
        """Return -mean Q_1(s, actor(s)), a scalar: the first critic says where to move."""
        q: Tensor = self.critics(obs, self.actor(obs), num_critics=1)  # [1, B]
        return -q.mean()

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step of the critics, and at times one of the actor.

        Returns:
            `losses/critic`, the sum of both critics' losses; `charts/q_mean`, their mean value of
            the actions in the batch; where the actor moved, `losses/actor`.

        Raises:
            FloatingPointError: If a loss is not finite; its network is left as it was.
        """
        batch = batch.to(self.device)
        shape = (len(batch.reward), self.num_actions)
        noise = standard_normal(self.generators["target_noise"], shape, self.device)
        critic_loss, q = self.critic_loss(batch, noise)
        losses = read_losses(self, {"losses/critic": critic_loss, "charts/q_mean": q.mean()})
        self.critic_optimizer.zero_grad()
        torch.autograd.backward(critic_loss)
        self.critic_optimizer.param_groups[0]["lr"] = self.critic_learning_rate
        self.critic_optimizer.step()
        self.num_updates += 1
        if self.num_updates % self.config.policy_period == 0:
            actor_loss = self.actor_loss(batch.obs)
            losses |= read_losses(self, {"losses/actor": actor_loss})
            self.actor_optimizer.zero_grad()
            # Through the critic, not into it: nothing of its own gradients is computed.
            torch.autograd.backward(actor_loss, inputs=self._actor_parameters)
            self.actor_optimizer.param_groups[0]["lr"] = self.actor_learning_rate
            self.actor_optimizer.step()
            soft_update(self._targets, self._sources, self.config.tau)
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/replay_size` (transitions)."""
        return {"charts/replay_size": float(len(self.replay))}
