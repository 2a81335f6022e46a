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

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.algorithms.off_policy import OffPolicyAgent
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.encoders import is_image, make_network
from mario_rl_agents.schedules import Linear
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import num_discrete_actions


@dataclass(frozen=True)
class NaiveQConfig:
    """Settings of naive Q-learning: the tutorial's, and the switches that it lacks.

    Raises:
        ValueError: If a value is out of range, or a switch needs another; the message names it.
    """

    learning_rate: float = 1e-3  # of Adam
    learning_rate_schedule: str = "constant"  # or "linear", to 0
    learning_rate_decay_steps: int = 20_000  # environment steps; for "linear"
    hidden_sizes: tuple[int, ...] = (1024, 512)  # units, for vectors
    gamma: float = 0.99  # discount per environment step; with `bootstrap`

    taken: bool = False  # learn the value of the action taken, not of the best one
    bootstrap: bool = False  # add the value of the next state to the reward
    explore: bool = False  # act epsilon-greedily, not greedily
    replay: bool = False  # learn from a batch of the past, not from the last transition
    target_network: bool = False  # bootstrap from a copy of the network; needs `bootstrap`
    double: bool = False  # ... which rates what the network picks; needs `target_network`

    epsilon_start: float = 1.0  # probability of a random action; with `explore`
    epsilon_end: float = 0.1
    epsilon_decay_steps: int = 5_000  # environment steps, in a straight line
    replay_batch_size: int = 32  # transitions; with `replay`
    replay_capacity: int = 50_000  # transitions
    replay_starts: int = 500  # transitions in memory before the first gradient step
    target_update_period: int = 250  # gradient steps per copy; with `target_network`

    overlap: bool = False  # step the environment while the gradient step runs; same results

    def __post_init__(self) -> None:
        """Check every field."""
        check("learning_rate", self.learning_rate, self.learning_rate > 0, "a number > 0")
        for name in ("gamma", "epsilon_start", "epsilon_end"):
            check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name in _COUNTS:
            value = getattr(self, name)
            check(name, value, isinstance(value, int) and value >= 1, "a whole number >= 1")
        kind, kinds = self.learning_rate_schedule, ("constant", "linear")
        check("learning_rate_schedule", kind, kind in kinds, f"one of {kinds}")
        starts, capacity = self.replay_starts, self.replay_capacity
        check("replay_starts", starts, starts <= capacity, f"at most replay_capacity = {capacity}")
        sizes = self.hidden_sizes
        check("hidden_sizes", sizes, all(size >= 1 for size in sizes), "whole numbers >= 1")
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


_COUNTS = (
    "learning_rate_decay_steps",
    "epsilon_decay_steps",
    "replay_batch_size",
    "replay_capacity",
    "replay_starts",
    "target_update_period",
)

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
    """Naive Q-learning for discrete actions, mended as far as its configuration says."""

    algorithm: ClassVar[str] = "naive_q"
    config_class: ClassVar[type[Any]] = NaiveQConfig
    config: NaiveQConfig

    def __init__(
        self, env: Env | VecEnv, config: NaiveQConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        generators = ("exploration", "replay")
        super().__init__(env, config, seed=seed, device=device, generators=generators)
        space = self.observation_space
        self.num_actions = num_discrete_actions(self.algorithm, self.action_space)
        with torch_seed(seed):
            self.q: nn.Module = make_network(space, self.num_actions, config.hidden_sizes)
        self.q.to(device)
        self.networks = {"q": self.q}
        # Without a target network it is the network itself, which its own steps move.
        self.q_target = self.q
        if config.target_network:
            self.q_target = copy.deepcopy(self.q).requires_grad_(False)
            self.networks["q_target"] = self.q_target
        self.optimizer = Adam(self.q.parameters(), config.learning_rate)
        self.optimizers = {"optimizer": self.optimizer}
        assert isinstance(space, gym.spaces.Box)  # make_network accepts nothing else
        # A memory of one transition is none: what is drawn from it is always the last step.
        self.replay = ReplayBuffer(
            config.replay_capacity if config.replay else self.num_envs,
            space.shape,
            space.dtype,
            num_envs=self.num_envs,
            stack=space.shape[0] if is_image(space) and config.replay else 1,
        )
        last_rate = 0.0 if config.learning_rate_schedule == "linear" else config.learning_rate
        rates = (config.learning_rate, last_rate, config.learning_rate_decay_steps)
        self._learning_rate = Linear(*rates)
        decay = (config.epsilon_start, config.epsilon_end, config.epsilon_decay_steps)
        self._epsilon = Linear(*decay)

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return self._epsilon(self.num_steps) if self.config.explore else 0.0

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
        if not self.config.bootstrap:
            return batch.reward
        chooser = self.q if self.config.double else self.q_target
        next_action = chooser(batch.next_obs).argmax(dim=1, keepdim=True)  # [B, 1]
        next_q: Tensor = self.q_target(batch.next_obs).gather(1, next_action).squeeze(1)  # [B]
        return batch.reward + self.config.gamma * next_q * ~batch.terminated

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
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.param_groups[0]["lr"] = self._learning_rate(self.num_steps)
        self.optimizer.step()
        self.num_updates += 1
        if self.config.target_network and self.num_updates % self.config.target_update_period == 0:
            self.q_target.load_state_dict(self.q.state_dict())
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/epsilon` and `charts/replay_size` (transitions)."""
        return {"charts/epsilon": self.epsilon, "charts/replay_size": float(len(self.replay))}
