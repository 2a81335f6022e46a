"""DQN: deep Q-learning with replay and a target network (Mnih et al. 2015)."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mario_rl_agents.algorithms.off_policy import OffPolicyAgent, replay_settings
from mario_rl_agents.buffers.prioritized import PrioritizedReplay
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
    Loss,
    Positive,
    PositiveFraction,
    Precision,
    Schedule,
    Sizes,
    check,
    check_learning_starts,
    exponential,
    linear,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting, acting_by_value
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.averaging import WeightAverage
from mario_rl_agents.networks.compiling import compile_losses
from mario_rl_agents.networks.dueling import make_dueling_network
from mario_rl_agents.networks.encoders import EncoderFactory, make_network
from mario_rl_agents.networks.initialization import VALUE_GAIN, initialize
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import DISCRETE, IMAGE, VECTOR, Accepts, num_discrete_actions


@dataclass(frozen=True)
class DQNConfig(Config):
    """Settings of DQN and Double DQN.

    The defaults are those of a tutorial of Double DQN on Super Mario Bros, where not noted.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import DQNConfig, linear
        >>> config = DQNConfig(epsilon=linear(1.0, 0.05, 10_000), batch_size=64)
    """

    learning_rate: Positive | Schedule = 2.5e-4  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    loss: Loss = "huber"  # of the TD errors (PyTorch's Mario tutorial)
    gamma: Fraction = 0.9  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards; errors above 1 count linearly in "huber"
    batch_size: Count = 32  # transitions
    replay_capacity: Count = 100_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    replacement: bool = True  # a batch may hold a transition twice; False: it is drawn without
    learning_starts: Count = 10_000  # transitions in memory (PyTorch's Mario tutorial: "burnin")
    update_period: Count = 1  # environment steps from one update to the next
    gradient_steps: Count = 1  # in an update
    target_update_period: Count = 10_000  # gradient steps per move of the target network
    tau: PositiveFraction = 1.0  # how far it moves towards the online network; 1 copies it
    exploration: Literal["epsilon_greedy", "boltzmann"] = "epsilon_greedy"  # or by softmax
    epsilon: Fraction | Schedule = exponential(1.0, 0.1, 0.99999975)  # chance of a random action
    temperature: Positive = 1.0  # in the unit of Q; for "boltzmann"
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    hidden_sizes: Sizes = (64, 64)  # units, for vectors (Stable-Baselines3)
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    layer_norm: bool = False  # normalize hidden layers before their ReLU; not convolutions
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    num_return_steps: Count = 1  # rewards in a return; more than 1: n-step returns
    dueling: bool = False  # separate streams for a state's value and for advantages
    prioritized: bool = False  # sample by TD error; the numbers are those of Schaul et al. 2016
    priority_alpha: Fraction = 0.6  # exponent of the errors; 0 is uniform
    priority_beta: Fraction | Schedule = linear(0.4, 1.0, 1_000_000)  # exponent of the weights
    ema_decay: Fraction = 0.0  # of the average of the weights, which plays; 0: there is none
    overlap: bool = True  # step the environment while the gradient step runs; same results
    compile: bool = False  # losses through torch.compile; docs/speed.md says where it pays

    def check(self) -> None:
        """Check what concerns several fields."""
        check_learning_starts(self.learning_starts, self.replay_capacity)
        limit = "at least one layer where dueling is true"
        check("hidden_sizes", self.hidden_sizes, bool(self.hidden_sizes) or not self.dueling, limit)
        by_priority = self.prioritized and not self.replacement
        check("replacement", self.replacement, not by_priority, "true where prioritized is true")


class DQN(OffPolicyAgent):
    """Deep Q-network agent for discrete actions.

    Example:
        >>> from mario_rl_agents import DQN, DQNConfig
        >>> config = DQNConfig(learning_starts=50, hidden_sizes=(32,))
        >>> agent = DQN.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "dqn"
    config_class: ClassVar[type[Any]] = DQNConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (DISCRETE,))
    config: DQNConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: DQNConfig,
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
        space = self.observation_space
        self.num_actions = num_discrete_actions(self.action_space)
        make = make_dueling_network if config.dueling else make_network
        with torch_seed(seed):
            q = make(
                space,
                self.num_actions,
                config.hidden_sizes,
                encoder or config.encoder,
                layer_norm=config.layer_norm,
            )
            num_outputs = 2 if config.dueling else 1
            initialize(q, config.initialization, VALUE_GAIN, num_outputs=num_outputs)
        self.q = in_precision(q, config.precision).to(device)
        self.q_target = copy.deepcopy(self.q).requires_grad_(False)
        self.optimizer = Adam(self.q.parameters(), self.learning_rate, epsilon=config.adam_epsilon)
        self._weights: list[Tensor] = list(self.q.parameters())
        self._target_weights: list[Tensor] = list(self.q_target.parameters())
        self.networks = {"q": self.q, "q_target": self.q_target}
        self.copies = {"q_target": "q"}
        if config.ema_decay > 0:
            self.average = WeightAverage({"q": self.q}, config.ema_decay)
            self.networks |= self.average.networks
            self.copies |= self.average.copies
        self.optimizers = {"optimizer": self.optimizer}
        self.replay = self._make_replay()
        if config.compile:
            compile_losses(self, ("loss",))

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate at the next gradient step."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return value_at(self.config.epsilon, self.num_steps)

    @property
    def beta(self) -> float:
        """The exponent of the importance weights of prioritized replay."""
        return value_at(self.config.priority_beta, self.num_steps)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the best actions, or ones that explore, shape [B]."""
        if greedy:
            with self.playing():
                return self._greedy(obs)
        generator = self.generators["exploration"]
        if self.config.exploration == "boltzmann":
            # With Gumbel noise added, the highest of logits is a draw from their softmax.
            logits = self.action_values(obs) / self.config.temperature  # [B, A]
            drawn: NDArray[np.int64] = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
            return drawn
        explore = generator.random(len(obs)) < self.epsilon  # [B]
        actions = generator.integers(self.num_actions, size=len(obs))  # [B]
        return actions if explore.all() else np.where(explore, actions, self._greedy(obs))

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) for every action, shape [B, A]."""
        with torch.inference_mode():
            q = self.q(self.to_batch(obs))  # [B, A]
        values: NDArray[np.float32] = q.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        return acting_by_value(self.q)

    def td_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) max_a Q_target(s', a), shape [B] (Mnih et al. 2015)."""
        next_q: Tensor = self.q_target(batch.next_obs).amax(dim=1)  # [B]
        return self.bootstrap_target(batch, next_q)

    def bootstrap_target(self, batch: Batch, next_q: Tensor) -> Tensor:
        """Return r + gamma (1 - terminated) Q(s', a'), shape [B].

        With n-step returns r is the discounted sum of k rewards, s' comes k steps later and gamma^k
        takes the place of gamma. Where an episode was only truncated, `next_obs` is its true last
        observation and its value counts; where it terminated, nothing follows.
        """
        reward = self.config.reward_scale * batch.reward  # [B]
        discount = self.config.gamma if batch.discount is None else batch.discount
        return reward + discount * next_q * ~batch.terminated

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of the TD errors, a scalar, and Q(s, a) and its target, shape [B].

        With prioritized replay each transition has the weight w = (1 / (N P(i)))^beta / max w.
        """
        with torch.no_grad():
            target = self.td_target(batch)  # [B]
        q = self.q(batch.obs).gather(1, batch.action.unsqueeze(1)).squeeze(1)  # [B]
        loss = F.smooth_l1_loss if self.config.loss == "huber" else F.mse_loss
        if batch.importance_weight is None:
            return loss(q, target), q, target
        weight = batch.importance_weight**self.beta  # [B]
        weighted = weight / weight.max() * loss(q, target, reduction="none")  # [B]
        return weighted.mean(), q, target

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/td`, the loss, and `charts/q_mean`, the mean value of the actions in the batch.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are left as they were.
        """
        loss, q, target = self.loss(batch.to(self.device))
        losses = read_losses(self, {"losses/td": loss, "charts/q_mean": q.detach().mean()})
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.step()
        self.num_updates += 1
        if self.average is not None:
            self.average.update(self.num_updates)
        if self.num_updates % self.config.target_update_period == 0:
            with torch.no_grad():
                torch._foreach_lerp_(self._target_weights, self._weights, self.config.tau)
        if batch.indices is not None and isinstance(self.replay, PrioritizedReplay):
            td_error = (target - q.detach()).numpy(force=True)  # [B]
            self.replay.set_priorities(batch.indices.numpy(), td_error)
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/replay_size` (transitions), and of each schedule in use where it is."""
        metrics = {"charts/replay_size": float(len(self.replay))}
        if isinstance(self.config.learning_rate, Schedule):
            metrics["charts/learning_rate"] = self.learning_rate
        if self.config.exploration == "epsilon_greedy":
            metrics["charts/epsilon"] = self.epsilon
        if self.config.prioritized:
            metrics["charts/beta"] = self.beta
        return metrics

    def _make_replay(self) -> ReplayBuffer:
        config = self.config
        settings = replay_settings(config, self.observation_space, self.num_envs)
        settings |= {"num_return_steps": config.num_return_steps, "gamma": config.gamma}
        if config.prioritized:
            return PrioritizedReplay(**settings, alpha=config.priority_alpha)
        return ReplayBuffer(**settings)

    def _greedy(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        actions: NDArray[np.int64] = self.action_values(obs).argmax(axis=1)
        return actions
