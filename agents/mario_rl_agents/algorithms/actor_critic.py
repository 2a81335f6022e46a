"""One-step actor-critic: learn from every step at once, and never look at it again.

Sutton and Barto 2018, "Reinforcement learning", section 13.5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.distributions import make_distribution
from mario_rl_agents.networks.encoders import MLP, is_image, make_encoder
from mario_rl_agents.schedules import Constant, Linear, Schedule
from mario_rl_agents.seeding import torch_seed


@dataclass(frozen=True)
class ActorCriticConfig:
    """Settings of the one-step actor-critic.

    The defaults are those of the best-known tutorial of it on CartPole; what it lacks is off.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: float = 1e-5  # of Adam
    gamma: float = 0.99  # discount per environment step
    hidden_sizes: tuple[int, ...] = (1024, 512)  # units of the trunk, for vectors
    value_coefficient: float = 1.0  # weight of the critic's loss
    entropy_coefficient: float = 0.0  # weight of the entropy bonus
    max_grad_norm: float | None = None  # L2 norm of all gradients; None: no clipping
    learning_rate_schedule: str = "constant"  # or "linear", to 0
    schedule_steps: int = 500_000  # environment steps, for "linear"

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("schedule_steps",):
            value = getattr(self, name)
            check(name, value, isinstance(value, int) and value >= 1, "a whole number >= 1")
        check("learning_rate", self.learning_rate, self.learning_rate > 0, "a number > 0")
        check("gamma", self.gamma, 0 <= self.gamma <= 1, "in [0, 1]")
        sizes = self.hidden_sizes
        check("hidden_sizes", sizes, all(size >= 1 for size in sizes), "whole numbers >= 1")
        for name in ("value_coefficient", "entropy_coefficient"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "a number >= 0")
        norm = self.max_grad_norm
        check("max_grad_norm", norm, norm is None or norm > 0, "a number > 0 or None")
        kind, kinds = self.learning_rate_schedule, ("constant", "linear")
        check("learning_rate_schedule", kind, kind in kinds, f"one of {kinds}")

    def make_learning_rate(self) -> Schedule:
        """Return Adam's learning rate over environment steps."""
        if self.learning_rate_schedule == "linear":
            return Linear(self.learning_rate, 0.0, self.schedule_steps)
        return Constant(self.learning_rate)


class ActorCritic(PolicyAgent):
    """A policy and a value on one trunk, for discrete and continuous actions.

    Both heads are rows of the network's last layer: the distribution's parameters first, V(s) last.
    """

    algorithm: ClassVar[str] = "actor_critic"
    config_class: ClassVar[type[Any]] = ActorCriticConfig
    config: ActorCriticConfig

    def __init__(
        self, env: Env | VecEnv, config: ActorCriticConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(env, config, seed=seed, device=device, generators=("exploration",))
        space = self.observation_space
        self.distribution = make_distribution(self.algorithm, self.action_space)
        hidden_sizes = () if is_image(space) else config.hidden_sizes
        with torch_seed(seed):
            encoder, num_features = make_encoder(space)
            heads = MLP(num_features, hidden_sizes, self.distribution.num_outputs + 1)
        self.network = nn.Sequential(encoder, heads)
        self.networks = {"network": self.network, "distribution": self.distribution}
        for network in self.networks.values():
            network.to(device)
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        self.optimizer = Adam(parameters, config.learning_rate)
        self.optimizers = {"optimizer": self.optimizer}
        self._learning_rate = config.make_learning_rate()
        self._heads = torch.empty(0)  # [N, P + 1], of the observation acted on, with its graph
        self._action: NDArray[Any] = np.empty(0)  # [N, ...]

    def policy_outputs(self, obs: Tensor) -> Tensor:
        """Return the actor's part of both heads for observations [B, ...], shape [B, P]."""
        heads: Tensor = self.network(obs)  # [B, P + 1]
        return heads[:, :-1]

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the likeliest actions, or drawn ones; what those were drawn from is kept."""
        if greedy:
            return super().act(obs, greedy=True)
        self._heads = self.network(self.to_batch(obs))  # [N, P + 1]
        outputs = self._heads.numpy(force=True)[:, :-1]  # [N, P]
        self._action = self.distribution.draw(outputs, self.generators["exploration"])
        return self.distribution.to_env(self._action)

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Take a gradient step on this one step of all sub-environments."""
        action = torch.from_numpy(self._action).to(self.device)
        yield self.update(self._heads, action, self.td_target(step))

    def td_target(self, step: Step) -> Tensor:
        """Return r + gamma (1 - terminated) V(s'), shape [N].

        A truncated episode goes on unseen: there s' is its true final observation, not the first
        of the next one.
        """
        with torch.no_grad():
            next_heads: Tensor = self.network(self.to_batch(step.next_obs))
        goes_on = torch.from_numpy(~step.terminated).to(self.device)  # [N]
        reward = torch.from_numpy(step.reward).to(next_heads)  # [N]
        return reward + self.config.gamma * next_heads[:, -1] * goes_on

    def loss(
        self, heads: Tensor, action: Tensor, td_target: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what is minimized, and its parts: E[- log pi(a|s) delta] and E[delta^2].

        delta = target - V(s) is a number to the actor: its gradient is left to the critic.

        Args:
            heads: The network's output for s, shape [B, P + 1].
            action: On the scale of the distribution, shape [B, ...].
            td_target: Shape [B].
        """
        outputs, value = heads[:, :-1], heads[:, -1]  # [B, P], [B]
        delta = td_target - value  # [B]
        actor_loss = -(self.distribution.log_prob(outputs, action) * delta.detach()).mean()
        critic_loss = delta.square().mean()
        loss = actor_loss + self.config.value_coefficient * critic_loss
        parts = {"losses/actor": actor_loss, "losses/critic": critic_loss}
        if self.config.entropy_coefficient > 0:
            entropy = self.distribution.entropy(outputs).mean()
            loss = loss - self.config.entropy_coefficient * entropy
            parts["charts/entropy"] = entropy
        return loss, parts

    def update(self, heads: Tensor, action: Tensor, td_target: Tensor) -> dict[str, float]:
        """Take one gradient step; the arguments are those of `loss`.

        Returns:
            `losses/actor`, `losses/critic`, and with an entropy bonus `charts/entropy`.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        loss, parts = self.loss(heads, action, td_target)
        losses = read_losses(self, parts)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.max_grad_norm is not None:
            self.optimizer.clip_gradients(self.config.max_grad_norm)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.step()
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` at the next step."""
        return {"charts/learning_rate": self.learning_rate}

    @property
    def learning_rate(self) -> float:
        """Adam's, at this step of the schedule."""
        return self._learning_rate(self.num_steps)
