"""Naive Q-learning with a network, and the switches that make it Double DQN, one at a time.

The naive agent sees one transition, asks its network what the best action is worth, and pulls that
number towards the reward it has just been given. It does not learn. Each switch of `NaiveQConfig`
mends one reason why, and `ladder` turns them on in this order:

    naive            fit max_a Q(s, a) to r: the number says nothing about the action taken
    taken            fit Q(s, a) of the action taken: but every step of CartPole pays 1
    bootstrap        fit it to r + gamma max_a' Q(s', a'): now the future counts
    explore          act epsilon-greedily: or what is never tried is never learned
    replay           fit random batches of the past: or successive steps overwrite each other
    target_network   bootstrap from a copy that stands still: or the target runs away
    double           let one network pick and the other rate: or the maximum is too high

docs/naive_q.md shows what each is worth.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mario_rl_agents.algorithms.off_policy import OffPolicyAgent
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
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
from mario_rl_agents.spaces import (
    DISCRETE,
    IMAGE,
    VECTOR,
    Accepts,
    num_discrete_actions,
    num_stacked,
)


@dataclass(frozen=True)
class NaiveQConfig(Config):
    """Settings of naive Q-learning: the tutorial's, and the switches that it lacks.

    Raises:
        ValueError: If a value is out of range, or a switch needs another; the message names it.

    Example:
        >>> from mario_rl_agents import NaiveQConfig
        >>> config = NaiveQConfig(gamma=0.95)
    """

    learning_rate: Positive | Schedule = 1e-3  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (PyTorch)
    hidden_sizes: Sizes = (1024, 512)  # units, for vectors
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    gamma: Fraction = 0.99  # discount per environment step; with `bootstrap`
    reward_scale: Positive = 1.0  # factor on rewards

    taken: bool = False  # learn the value of the action taken, not of the best one
    bootstrap: bool = False  # add the value of the next state to the reward
    explore: bool = False  # act epsilon-greedily, not greedily
    replay: bool = False  # learn from a batch of the past, not from the last transition
    target_network: bool = False  # bootstrap from a copy of the network; needs `bootstrap`
    double: bool = False  # ... which rates what the network picks; needs `target_network`

    epsilon: Fraction | Schedule = linear(1.0, 0.1, 5_000)  # chance to act randomly; with `explore`
    replay_batch_size: Count = 32  # transitions; with `replay`
    replay_capacity: Count = 50_000  # transitions
    replay_starts: Count = 500  # transitions in memory before the first gradient step
    target_update_period: Count = 250  # gradient steps per copy; with `target_network`

    overlap: bool = False  # step the environment while the gradient step runs; same results

    def check(self) -> None:
        """Check what concerns several fields."""
        starts, capacity = self.replay_starts, self.replay_capacity
        check("replay_starts", starts, starts <= capacity, f"at most replay_capacity = {capacity}")
        if self.target_network and not self.bootstrap:
            raise ValueError("target_network needs bootstrap=True: without it nothing is estimated")
        if self.double and not self.target_network:
            raise ValueError("double needs target_network=True: it takes two networks")

    @property
    def batch_size(self) -> int:
        """Transitions in a gradient step."""
        return self.replay_batch_size if self.replay else 1

    @property
    def learning_starts(self) -> int:
        """Transitions in memory before the first gradient step."""
        return self.replay_starts if self.replay else 1

    @property
    def update_period(self) -> int:
        """Environment steps for each gradient step."""
        return 1

    @property
    def gradient_steps(self) -> int:
        """Gradient steps at a time."""
        return 1


SWITCHES: Final = ("taken", "bootstrap", "explore", "replay", "target_network", "double")


def ladder(config: NaiveQConfig | None = None) -> dict[str, NaiveQConfig]:
    """Return a configuration for each rung: each has one switch more than the one before."""
    config = config or NaiveQConfig()
    rungs = {}
    for index, name in enumerate(("naive", *SWITCHES)):
        switches: dict[str, Any] = {switch: SWITCHES.index(switch) < index for switch in SWITCHES}
        rungs[name] = replace(config, **switches)
    return rungs


class NaiveQ(OffPolicyAgent):
    """Naive Q-learning for discrete actions, mended as far as its configuration says.

    Example:
        >>> from mario_rl_agents import NaiveQ, NaiveQConfig
        >>> config = NaiveQConfig(hidden_sizes=(32,))
        >>> agent = NaiveQ.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "naive_q"
    config_class: ClassVar[type[Any]] = NaiveQConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, IMAGE), (DISCRETE,))
    config: NaiveQConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: NaiveQConfig,
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
        reader = encoder or config.encoder
        with torch_seed(seed):
            q = make_network(space, self.num_actions, config.hidden_sizes, reader)
            initialize(q, config.initialization, VALUE_GAIN)
        self.q = in_precision(q, config.precision).to(device)
        self.networks = {"q": self.q}
        # Without a target network it is the network itself, which its own steps move.
        self.q_target = self.q
        if config.target_network:
            self.q_target = copy.deepcopy(self.q).requires_grad_(False)
            self.networks["q_target"] = self.q_target
            self.copies = {"q_target": "q"}
        self.optimizer = Adam(self.q.parameters(), self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers = {"optimizer": self.optimizer}
        assert space.shape is not None  # it is one array
        assert space.dtype is not None
        # A memory of one transition is none: what is drawn from it is always the last step.
        self.replay = ReplayBuffer(
            config.replay_capacity if config.replay else self.num_envs,
            space.shape,
            space.dtype,
            num_envs=self.num_envs,
            stack=num_stacked(space) if config.replay else 1,
        )

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate at the next gradient step."""
        return value_at(self.config.learning_rate, self.num_steps)

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return value_at(self.config.epsilon, self.num_steps) if self.config.explore else 0.0

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the best actions, or what the exploration makes of them, shape [B]."""
        with torch.inference_mode():
            q = self.q(torch.as_tensor(obs, device=self.device))  # [B, A]
        best: NDArray[np.int64] = q.argmax(dim=1).numpy(force=True)  # [B]
        if greedy or not self.config.explore:
            return best
        generator = self.generators["exploration"]
        random = generator.integers(self.num_actions, size=len(best))  # [B]
        return np.where(generator.random(len(best)) < self.epsilon, random, best)

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        return acting_by_value(self.q)

    def prediction(self, batch: Batch) -> Tensor:
        """Return max_a Q(s, a), or Q(s, a) of the action taken, shape [B]."""
        q: Tensor = self.q(batch.obs)  # [B, A]
        if self.config.taken:
            q = q.gather(1, batch.action.unsqueeze(1))  # [B, 1]
        return q.amax(dim=1)

    def target(self, batch: Batch) -> Tensor:
        """Return r, or r + gamma (1 - terminated) Q_target(s', a'), shape [B].

        The next action a' is the one that Q_target rates highest, or, if double, that Q does.
        Where an episode was only truncated, s' is its true last observation and counts.
        """
        reward = self.config.reward_scale * batch.reward  # [B]
        if not self.config.bootstrap:
            return reward
        chooser = self.q if self.config.double else self.q_target
        next_action = chooser(batch.next_obs).argmax(dim=1, keepdim=True)  # [B, 1]
        next_q: Tensor = self.q_target(batch.next_obs).gather(1, next_action).squeeze(1)  # [B]
        return reward + self.config.gamma * next_q * ~batch.terminated

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean squared error of the prediction, a scalar."""
        with torch.no_grad():
            target = self.target(batch)  # [B]
        return F.mse_loss(self.prediction(batch), target)

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/td`, the loss.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are left as they were.
        """
        loss = self.loss(batch.to(self.device))
        losses = read_losses(self, {"losses/td": loss})
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.step()
        self.num_updates += 1
        if self.config.target_network and self.num_updates % self.config.target_update_period == 0:
            self.q_target.load_state_dict(self.q.state_dict())
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/epsilon` and `charts/replay_size` (transitions)."""
        return {"charts/epsilon": self.epsilon, "charts/replay_size": float(len(self.replay))}
