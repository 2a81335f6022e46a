"""SAC: soft actor-critic (Haarnoja et al. 2018a), and its later form (Haarnoja et al. 2018b).

The actor is rewarded for being unpredictable: it maximizes the return plus a temperature times the
entropy of its actions. So it goes on exploring by itself, and prefers good actions that leave room
for error. The first form learns V(s) beside Q(s, a) and weighs rewards against entropy by their
scale; the later one does without V and learns the temperature.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.algorithms.off_policy import OffPolicyAgent, replay_settings
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Finite,
    Fraction,
    Initialization,
    NonNegative,
    Positive,
    PositiveFraction,
    Precision,
    Schedule,
    Sizes,
    Whole,
    check,
    check_learning_starts,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting, SquashedNormal
from mario_rl_agents.networks.adam import Adam, set_learning_rates
from mario_rl_agents.networks.compiling import compile_losses
from mario_rl_agents.networks.critics import ActionScale, Critics, soft_update
from mario_rl_agents.networks.encoders import EncoderFactory, make_network
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.networks.noise import standard_normal
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import CONTINUOUS, IMAGE, VECTOR, Accepts, box_actions

_LOG_STD_RANGE = (-20.0, 2.0)  # Haarnoja et al. 2018a, their published code
_STD_RANGE = (1e-6, 1.0)  # the tutorial's code


@dataclass(frozen=True)
class SACConfig(Config):
    """Settings of SAC.

    The defaults are those of the tutorial on InvertedPendulumBullet, which are those of Haarnoja et
    al. (2018a), where not noted; `reward_scale` and `learning_starts` are the tutorial's. For the
    later form set `value_network=False`, `temperature=None`, `reward_scale=1.0`.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import SACConfig
        >>> config = SACConfig(value_network=False, temperature=None, reward_scale=1.0)
    """

    learning_rate: Positive | Schedule = 3e-4  # of Adam, for every network
    critic_learning_rate: Positive | Schedule | None = None  # of critics and V; None: the same
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    gamma: Fraction = 0.99  # discount per environment step
    tau: PositiveFraction = 0.005  # fraction of the way that the target moves at a gradient step
    reward_scale: Positive = 2.0  # factor on rewards
    value_network: bool = True  # learn V(s) and bootstrap from its target copy; False: from Q's
    temperature: NonNegative | Schedule | None = 1.0  # weight of the entropy; None: learned (2018b)
    target_entropy: Finite | None = None  # nats, for a learned temperature; None: -1 an action
    actor_std: Literal["exponential", "clamped"] = "exponential"  # or an output, in [1e-6, 1]
    reparameterize: bool = True  # lead the gradient through actions; False: by their likelihood
    batch_size: Count = 256  # transitions
    replay_capacity: Count = 1_000_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    replacement: bool = True  # a batch may hold a transition twice; False: it is drawn without
    random_steps: Whole = 0  # environment steps of uniformly random actions at the beginning
    learning_starts: Count = 256  # transitions in memory: a batch
    update_period: Count = 1  # environment steps from one update to the next
    gradient_steps: Count = 1  # in an update
    hidden_sizes: Sizes = (256, 256)  # units, of every network
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    layer_norm: bool = False  # normalize the critics' hidden layers (Ball et al. 2023)
    num_return_steps: Count = 1  # rewards in a return; more than 1: n-step returns
    overlap: bool = False  # step the environment while the gradient step runs; same results
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def check(self) -> None:
        """Check what concerns several fields."""
        check_learning_starts(self.learning_starts, self.replay_capacity)
        needless = self.target_entropy is not None and self.temperature is not None
        check("target_entropy", self.target_entropy, not needless, "None unless temperature is")
        has_baseline = self.reparameterize or self.value_network
        check("reparameterize", self.reparameterize, has_baseline, "true without a value network")


class Temperature(nn.Module):
    """The weight of the entropy, learned as its logarithm, so that it stays above 0."""

    def __init__(self) -> None:
        """Begin at 1."""
        super().__init__()
        self.log = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        """Return it, a scalar."""
        return self.log.exp()


class SAC(OffPolicyAgent):
    """Actor-critic agent for continuous actions, with a random actor and two critics.

    Example:
        >>> from mario_rl_agents import SAC, SACConfig
        >>> config = SACConfig(learning_starts=50)
        >>> agent = SAC.create("Pendulum-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "sac"
    config_class: ClassVar[type[Any]] = SACConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (CONTINUOUS,))
    is_stochastic: ClassVar[bool] = True
    config: SACConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: SACConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "policy", "replay")
        super().__init__(
            env, config, seed=seed, device=device, generators=generators, encoder=encoder
        )
        space, actions = self.observation_space, box_actions(self.action_space)
        self.num_actions = actions.shape[0]
        self.scale = ActionScale(actions).to(device)
        self.target_entropy = -float(self.num_actions)  # Haarnoja et al. 2018b, appendix D
        if config.target_entropy is not None:
            self.target_entropy = config.target_entropy
        sizes, reader = config.hidden_sizes, encoder or config.encoder
        with torch_seed(seed):
            # The actor names a mean and a standard deviation, or its logarithm, for each action.
            actor = make_network(space, 2 * self.num_actions, sizes, reader)
            critics = Critics(
                space,
                self.num_actions,
                sizes,
                num_critics=2,
                layer_norm=config.layer_norm,
                encoder=reader,
            )
            value = make_network(space, 1, sizes, reader) if config.value_network else None
            initialize(actor, config.initialization, POLICY_GAIN)
            initialize(critics, config.initialization, VALUE_GAIN)
            if value is not None:
                initialize(value, config.initialization, VALUE_GAIN)
        self.actor = in_precision(actor, config.precision)
        self.critics = in_precision(critics, config.precision)
        self.networks = {"actor": self.actor, "critics": self.critics}
        if value is not None:
            self.value = in_precision(value, config.precision)
            self.networks["value"] = self.value
        if config.temperature is None:
            self.temperature = Temperature()
            self.networks["temperature"] = self.temperature
        for network in self.networks.values():
            network.to(device)
        # Adam takes each number by itself: one for all is the same as one for each network.
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        groups = [{"params": parameters}]
        if config.critic_learning_rate is not None:
            rated = ("critics", "value")
            groups = [
                {"params": [x for name in names for x in self.networks[name].parameters()]}
                for names in (
                    [name for name in self.networks if name not in rated],
                    [name for name in self.networks if name in rated],
                )
            ]
        self.optimizer = Adam(groups, self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        # What bootstraps has a copy that follows slowly.
        source = self.value if config.value_network else self.critics
        self.target: nn.Module = copy.deepcopy(source).requires_grad_(False)
        self.networks["target"] = self.target
        self.copies = {"target": "value" if config.value_network else "critics"}
        # Listed once: walking through modules costs as much as moving small networks.
        self._actor_parameters = list(self.actor.parameters())
        self._other_parameters = parameters[len(self._actor_parameters) :]
        self._sources, self._targets = list(source.parameters()), list(self.target.parameters())
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
    def learning_rate(self) -> float:
        """Adam's learning rate at the next gradient step."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def critic_learning_rate(self) -> float:
        """Adam's for the critics and V at the next gradient step."""
        rate = self.config.critic_learning_rate
        return self.learning_rate if rate is None else value_at(rate, self.num_steps)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the middle of the actor's distribution, or draws from it, shape [B, A]."""
        generator, shape = self.generators["exploration"], (len(obs), self.num_actions)
        if not greedy and self.num_steps < self.config.random_steps:
            return self.scale.to_env(generator.uniform(-1, 1, shape).astype(np.float32))
        with torch.inference_mode():
            mean, log_std = self._distribution(torch.as_tensor(obs, device=self.device))  # [B, A]
            if not greedy:
                mean = mean + log_std.exp() * standard_normal(generator, shape, self.device)
            return self.scale.to_env(mean.tanh().numpy(force=True))

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), or where nothing learns that min_i Q_i of the middle action, shape [B]."""
        with torch.inference_mode():
            batch = self.to_batch(obs)
            if self.config.value_network:
                value: Tensor = self.value(batch).squeeze(1)  # [B]
            else:
                mean, _ = self._distribution(batch)  # [B, A]
                value = self.critics(batch, mean.tanh()).amin(dim=0)  # [B]
        values: NDArray[np.float32] = value.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them, as one network."""
        std = _clamped_std if self.config.actor_std == "clamped" else _exponential_std
        return SquashedNormal(self.actor, self.action_space, std)

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions a = tanh(u), u = mean + std * noise, [B, A], and log pi(a | s), [B].

        The noise comes from outside, so that gradients pass through the action into the actor
        (re-parameterization). As a = tanh(u), log pi(a) = log N(u) - log(1 - a^2) (2018a, appendix
        C), where 1 - tanh(u)^2 = 4 / (e^u + e^-u)^2 is taken in a form that is exact where tanh
        rounds to 1. Without re-parameterization the action is a constant, whose probability alone
        has a gradient.

        Args:
            obs: Observations, shape [B, ...].
            noise: Standard normal, shape [B, A].
        """
        mean, log_std = self._distribution(obs)  # [B, A]
        std = log_std.exp()  # [B, A]
        u = mean + std * noise  # [B, A]
        if not self.config.reparameterize:
            u = u.detach()
            noise = (u - mean) / std
        log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)  # [B, A]
        log_slope = 2 * (math.log(2) - u - F.softplus(-2 * u))  # [B, A], log(1 - tanh(u)^2)
        return u.tanh(), (log_normal - log_slope).sum(dim=1)

    def soft_value(self, critics: nn.Module, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return min_i Q_i(s, a) - temperature * log pi(a | s) and log pi(a | s), both [B].

        Here a is the actor's own choice. Its mean over a is V(s), the return to come and the
        entropy with it (2018a, equation 3).
        """
        action, log_prob = self.sample(obs, noise)  # [B, A], [B]
        q: Tensor = critics(obs, action).amin(dim=0)  # [B]
        temperature = self.config.temperature
        if temperature is None:
            return q - self.temperature().detach() * log_prob, log_prob
        return q - value_at(temperature, self.num_steps) * log_prob, log_prob

    def td_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return scale r + gamma (1 - terminated) V_target(s'), shape [B].

        Without a value network V_target(s') is the soft value that the critics' copies give. An
        episode that was only truncated goes on, so its last transition bootstraps. With n-step
        returns r is the discounted sum of k rewards, without the entropy of the actions after the
        first, s' comes k steps later and gamma^k stands for gamma.
        """
        if self.config.value_network:
            next_value: Tensor = self.target(batch.next_obs).squeeze(1)  # [B]
        else:
            next_value, _ = self.soft_value(self.target, batch.next_obs, noise)  # [B]
        reward = self.config.reward_scale * batch.reward  # [B]
        discount = self.config.gamma if batch.discount is None else batch.discount
        return reward + discount * next_value * ~batch.terminated

    def critic_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return sum_i mean (Q_i(s, a) - y)^2 / 2, a scalar, and both Q(s, a), shape [2, B]."""
        with torch.no_grad():
            target = self.td_target(batch, noise)  # [B]
        q = self.critics(batch.obs, self.scale(batch.action))  # [2, B]
        return 0.5 * (q - target).square().mean(dim=1).sum(), q

    def actor_loss(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return -mean of the soft value W, a scalar; W and log pi(a | s), both [B].

        Without re-parameterization it is -mean log pi(a | s) (W - V(s)), in which W - V(s) is a
        constant: its mean gradient is the same, by the likelihood ratio, of which V(s) takes
        variance away (2018a, section 4.2).
        """
        soft_value, log_prob = self.soft_value(self.critics, obs, noise)
        if self.config.reparameterize:
            return -soft_value.mean(), soft_value, log_prob
        advantage = (soft_value - self.value(obs).squeeze(1)).detach()  # [B]
        return -(log_prob * advantage).mean(), soft_value, log_prob

    def value_loss(self, obs: Tensor, soft_value: Tensor) -> Tensor:
        """Return mean (V(s) - soft value)^2 / 2, a scalar (2018a, equation 5)."""
        value: Tensor = self.value(obs).squeeze(1)  # [B]
        return 0.5 * (value - soft_value.detach()).square().mean()

    def temperature_loss(self, log_prob: Tensor) -> Tensor:
        """Return -temperature * mean (log pi + target entropy), a scalar (2018b, equation 18)."""
        alpha: Tensor = self.temperature()
        return -alpha * (log_prob.detach() + self.target_entropy).mean()

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step of every network, all from the weights as they are now.

        Returns:
            `losses/critic`, the sum of both critics' losses; `losses/actor`; `losses/value` and
            `losses/temperature`, where there are these; `charts/q_mean`, the critics' mean value of
            the actions in the batch; `charts/entropy`, of the actor, in nats.

        Raises:
            FloatingPointError: If a loss is not finite; the weights are left as they were.
        """
        batch = batch.to(self.device)
        shape = (2, len(batch.reward), self.num_actions)
        noise, next_noise = standard_normal(self.generators["policy"], shape, self.device)
        critic_loss, q = self.critic_loss(batch, next_noise)
        actor_loss, soft_value, log_prob = self.actor_loss(batch.obs, noise)
        losses = {"losses/critic": critic_loss}
        if self.config.value_network:
            losses["losses/value"] = self.value_loss(batch.obs, soft_value)
        if self.config.temperature is None:
            losses["losses/temperature"] = self.temperature_loss(log_prob)
        loss = torch.stack(list(losses.values())).sum()
        losses |= {
            "losses/actor": actor_loss,
            "charts/q_mean": q.mean(),
            "charts/entropy": -log_prob.mean(),
        }
        values = read_losses(self, losses)
        set_learning_rates(self.optimizer, self.learning_rate, self.critic_learning_rate)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss, inputs=self._other_parameters)
        # Through the critics, not into them: nothing of their own gradients is computed.
        torch.autograd.backward(actor_loss, inputs=self._actor_parameters)
        self.optimizer.step()
        soft_update(self._targets, self._sources, self.config.tau)
        self.num_updates += 1
        return values

    def metrics(self) -> dict[str, float]:
        """Return `charts/replay_size` (transitions) and `charts/temperature`."""
        temperature = self.config.temperature
        now = (
            self.temperature().item()
            if temperature is None
            else value_at(temperature, self.num_steps)
        )
        return {"charts/replay_size": float(len(self.replay)), "charts/temperature": now}

    def _distribution(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the logarithm of the standard deviation of u, both [B, A]."""
        mean, log_std = self.actor(obs).chunk(2, dim=1)
        if self.config.actor_std == "clamped":
            return mean, _clamped_std(log_std).log()
        return mean, log_std.clamp(*_LOG_STD_RANGE)


def _clamped_std(x: Tensor) -> Tensor:
    """Return the deviations that a "clamped" actor means."""
    return x.clamp(*_STD_RANGE)


def _exponential_std(x: Tensor) -> Tensor:
    """Return the deviations whose logarithms an "exponential" actor names."""
    return x.clamp(*_LOG_STD_RANGE).exp()
