"""Agents that one claim needs and the package does not have; each is `MODULE:CLASS` to a job.

mario-rl train benchmarks.claim_agents:ReplayedActorCritic CartPole-v1 --steps 5000
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.off_policy import replay_settings
from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.config import Count, Fraction, NonNegative
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.critics import Critics, soft_update
from mario_rl_agents.networks.encoders import MLP, num_features
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.seeding import make_generators, torch_seed
from mario_rl_agents.spaces import CONTINUOUS, DISCRETE, VECTOR, Accepts
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

_VECTORS: Final = Accepts((VECTOR,), (DISCRETE,))


@dataclass(frozen=True)
class ReplayedActorCriticConfig(ActorCriticConfig):
    """Settings of an actor-critic with a replay memory."""

    batch_size: Count = 64  # transitions
    replay_capacity: Count = 50_000  # transitions
    replay_dir: str | None = None  # as DQN's
    frame_stack: bool = True  # as DQN's
    replacement: bool = True  # as DQN's


class ReplayedActorCritic(ActorCritic):
    """One-step actor-critic that learns from batches of a replay memory, as DQN does.

    Its loss is the actor-critic's, with nothing to correct that older policies chose the actions.
    """

    algorithm: ClassVar[str] = "replayed_actor_critic"
    config_class: ClassVar[type[Any]] = ReplayedActorCriticConfig
    accepts: ClassVar[Accepts | None] = _VECTORS
    config: ReplayedActorCriticConfig

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the agent and its memory."""
        super().__init__(env, config, seed=seed, device=device)
        self.generators = make_generators(seed, ("exploration", "replay"))
        self.memory = ReplayBuffer(**replay_settings(config, self.observation_space, self.num_envs))
        self.replay = self.memory

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Store the step; take a gradient step on a batch once there is one."""
        self.memory.add(
            step.obs, step.action, step.reward, step.terminated, step.truncated, step.next_obs
        )
        if len(self.memory) >= self.config.batch_size:
            batch = self.memory.sample(self.config.batch_size, self.generators["replay"])
            batch = batch.to(self.device)
            yield self.update(self.network(batch.obs), batch.action, self.batch_target(batch))

    def batch_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) V(s'), shape [B]; a constant unless `detach` is off."""
        with torch.set_grad_enabled(not self.config.detach):
            next_value: Tensor = self.network(batch.next_obs)[:, -1]  # [B]
        reward = self.config.reward_scale * batch.reward  # [B]
        return reward + self.config.gamma * next_value * ~batch.terminated

    def reset(self) -> None:
        """End the episodes in progress."""
        self.memory.end_episodes()


class SideBySide(nn.Module):
    """Two networks that share nothing, with their outputs in one row: the actor's, then V(s)."""

    def __init__(self, actor: nn.Module, critic: nn.Module) -> None:
        """Take both."""
        super().__init__()
        self.actor, self.critic = actor, critic

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, P + 1]."""
        return torch.cat((self.actor(obs), self.critic(obs)), dim=1)


class SeparateActorCritic(ActorCritic):
    """One-step actor-critic whose actor and critic are two networks of the same hidden layers."""

    algorithm: ClassVar[str] = "separate_actor_critic"
    accepts: ClassVar[Accepts | None] = _VECTORS

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the agent."""
        super().__init__(env, config, seed=seed, device=device)
        shape, sizes = self.observation_space.shape, config.hidden_sizes
        assert shape is not None
        with torch_seed(seed):
            actor = MLP(shape[0], sizes, self.distribution.num_params)
            critic = MLP(shape[0], sizes, 1)
            initialize(actor, config.initialization, POLICY_GAIN)
            initialize(critic, config.initialization, VALUE_GAIN)
        network = SideBySide(actor, critic).to(device)
        self.network = nn.Sequential(network)
        self.networks["network"] = self.network
        self.optimizer = Adam(network.parameters(), self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers["optimizer"] = self.optimizer


class Layers(nn.Module):
    """A network of two hidden layers that are named one by one, without `nn.Sequential`."""

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_outputs: int) -> None:
        """Build the layers, in their order."""
        super().__init__()
        first, second = hidden_sizes
        self.layer1 = nn.Linear(num_inputs, first)
        self.layer2 = nn.Linear(first, second)
        self.layer3 = nn.Linear(second, num_outputs)

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for vectors of shape [B, num_inputs]."""
        x = F.relu(self.layer1(obs))  # [B, H]
        x = F.relu(self.layer2(x))  # [B, H]
        output: Tensor = self.layer3(x)
        return output


class LayersPPO(PPO):
    """PPO whose actor and critic are `Layers`, drawn as PPO draws its `nn.Sequential`."""

    algorithm: ClassVar[str] = "layers_ppo"
    accepts: ClassVar[Accepts | None] = _VECTORS

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the agent."""
        super().__init__(env, config, seed=seed, device=device)
        size = num_features(self.encoder)
        with torch_seed(seed):
            self.actor = Layers(size, config.hidden_sizes, self.distribution.num_params)
            self.critic = Layers(size, config.hidden_sizes, 1)
        self.networks |= {"actor": self.actor.to(device), "critic": self.critic.to(device)}
        parameters = [x for network in self.networks.values() for x in network.parameters()]
        self.optimizer = Adam(parameters, self.learning_rate, epsilon=config.adam_epsilon)
        self.optimizers["optimizer"] = self.optimizer


class OrnsteinUhlenbeck(nn.Module):
    """Noise x that drifts back to 0: x <- x - theta x + sigma n, n standard normal.

    Uhlenbeck and Ornstein 1930, in steps of 1. Its state is a buffer, which a checkpoint holds.
    """

    state: Tensor

    def __init__(self, num_envs: int, num_actions: int, theta: float, sigma: float) -> None:
        """Begin at 0, one row a sub-environment."""
        super().__init__()
        self.theta, self.sigma = theta, sigma
        self.register_buffer("state", torch.zeros(num_envs, num_actions))

    def draw(self, generator: np.random.Generator) -> NDArray[np.float32]:
        """Take a step and return where it leads, shape [N, A]."""
        normal = generator.standard_normal(tuple(self.state.shape), dtype=np.float32)
        self.state += self.sigma * torch.from_numpy(normal) - self.theta * self.state
        return self.state.numpy().copy()

    def forget(self, where: NDArray[np.bool_]) -> None:
        """Go back to 0 in some sub-environments, shape [N]."""
        self.state[torch.from_numpy(where)] = 0.0


@dataclass(frozen=True)
class OrnsteinUhlenbeckConfig(DDPGConfig):
    """Settings of DDPG with correlated noise; `exploration_noise` does nothing.

    The defaults are those of Lillicrap et al. (2016), section 7. Actions are in [-1, 1].
    """

    theta: Fraction = 0.15  # of x that drifts back in a step
    sigma: NonNegative = 0.2  # standard deviation of what is added in a step


class OrnsteinUhlenbeckDDPG(DDPG):
    """DDPG that explores by an Ornstein-Uhlenbeck process, which begins anew with each game."""

    algorithm: ClassVar[str] = "ornstein_uhlenbeck_ddpg"
    config_class: ClassVar[type[Any]] = OrnsteinUhlenbeckConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR,), (CONTINUOUS,))
    config: OrnsteinUhlenbeckConfig

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the agent."""
        super().__init__(env, config, seed=seed, device=device)
        self.noise = OrnsteinUhlenbeck(self.num_envs, self.num_actions, config.theta, config.sigma)
        self.networks["noise"] = self.noise  # which stays on the CPU, where actions are made

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the actor's actions, or noisy ones, within the environment's bounds, [B, A]."""
        if greedy or self.num_steps < self.config.random_steps:
            return super().act(obs, greedy=greedy)
        with torch.inference_mode():
            action = self.actor(self.to_batch(obs)).numpy(force=True)
        return self.scale.to_env(action + self.noise.draw(self.generators["exploration"]))

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Begin the noise anew where a game ended, and learn as DDPG does."""
        self.noise.forget(step.terminated | step.truncated)
        return super().observe(step)

    def reset(self) -> None:
        """Begin the noise anew everywhere."""
        self.noise.forget(np.ones(self.num_envs, np.bool_))
        super().reset()


class NormalizedActor(nn.Module):
    """An actor with batch normalization of the observation and of every hidden layer."""

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_actions: int) -> None:
        """Build the layers, in their order."""
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(num_inputs)]
        for size in hidden_sizes:
            layers += [nn.Linear(num_inputs, size), nn.BatchNorm1d(size), nn.ReLU()]
            num_inputs = size
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, num_actions), nn.Tanh())

    def forward(self, obs: Tensor) -> Tensor:
        """Return actions in [-1, 1], shape [B, A]."""
        action: Tensor = self.layers(obs)
        return action


class NormalizedCritic(nn.Module):
    """A critic with batch normalization of what it has without the action: the observation."""

    def __init__(self, critic: Critics, num_inputs: int) -> None:
        """Take the critic of normalized observations."""
        super().__init__()
        self.norm, self.critic = nn.BatchNorm1d(num_inputs), critic

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Return the values of actions in [-1, 1], shape [1, B]."""
        values: Tensor = self.critic(self.norm(obs), action)
        return values


class BatchNormDDPG(DDPG):
    """DDPG with batch normalization (Ioffe and Szegedy 2015), where Lillicrap et al. 2016 have it.

    That is before the action enters: here it enters the critic's first layer. Batches normalize
    the losses; whoever acts, and the target networks, take the running means and variances, which
    the targets follow as they follow the weights.
    """

    algorithm: ClassVar[str] = "batch_norm_ddpg"
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR,), (CONTINUOUS,))

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the agent."""
        super().__init__(env, config, seed=seed, device=device)
        space, sizes = self.observation_space, config.hidden_sizes
        assert isinstance(space, gym.spaces.Box)
        with torch_seed(seed):
            actor = NormalizedActor(space.shape[0], sizes, self.num_actions)
            critics = Critics(space, self.num_actions, sizes, num_critics=1)
            critic = NormalizedCritic(critics, space.shape[0])
        # As `update` leaves them: only there the batch normalizes.
        normalized: dict[str, nn.Module] = {"actor": actor, "critic": critic}
        for name, network in normalized.items():
            self.networks[name] = network.to(device).eval()
            self.networks[f"{name}_target"] = copy.deepcopy(network).requires_grad_(False)
            setattr(self, name, network)
            setattr(self, f"{name}_target", self.networks[f"{name}_target"])
        self.actor_optimizer = Adam(
            actor.parameters(), self.actor_learning_rate, epsilon=config.adam_epsilon
        )
        self.critic_optimizer = Adam(
            critic.parameters(), self.critic_learning_rate, epsilon=config.adam_epsilon
        )
        self.optimizers = {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
        self._actor_parameters = list(actor.parameters())
        targets = [self.networks[f"{name}_target"] for name in normalized]
        self._sources = [*actor.parameters(), *critic.parameters()]
        self._targets = [x for target in targets for x in target.parameters()]
        self._running = [*_running(actor), *_running(critic)]
        self._target_running = [x for target in targets for x in _running(target)]

    def update(self, batch: Batch) -> dict[str, float]:
        """Take the gradient steps of DDPG, normalized by the batch."""
        for network in (self.actor, self.critic):
            network.train()
        losses = super().update(batch)
        for network in (self.actor, self.critic):
            network.eval()
        soft_update(self._target_running, self._running, self.config.tau)
        return losses


def _running(network: nn.Module) -> list[Tensor]:
    """Return the running means and variances of a network."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]


RATED_PERIOD: Final = 1_000  # environment steps from one rating to the next
ESTIMATE: Final = "values/estimate"  # metrics of agents that are rated
TRUTH: Final = "values/truth"
_NUM_RATED_GAMES: Final = 5
_RATED_SEED: Final = 3_000_000  # of their first game, away from those of trainings and tests
_GAME_STEPS: Final = 1_000  # at which these games are cut
_HORIZON: Final = 500  # steps whose rewards a return needs: 0.99^500 is 0.7 %


def rate(agent: DQN, env_id: str = "CartPole-v1") -> dict[str, float]:
    """Return what an agent expects of its greedy games, and what these give.

    Both are means over all states of five games without exploration: the highest value of an
    action, and the discounted return from there on. A game that is cut counts up to where 500
    rewards still follow.
    """
    envs = [gym.make(env_id, max_episode_steps=_GAME_STEPS) for _ in range(_NUM_RATED_GAMES)]
    games = [_Game(env, _RATED_SEED + i) for i, env in enumerate(envs)]
    while running := [game for game in games if not game.is_over]:
        values = agent.action_values(np.stack([game.obs for game in running]))  # [G, A]
        for game, value in zip(running, values, strict=True):
            game.step(int(value.argmax()), float(value.max()))
    estimates, truths = [], []
    for game, env in zip(games, envs, strict=True):
        env.close()
        size = len(game.rewards) if game.has_terminated else len(game.rewards) - _HORIZON
        estimates += game.values[:size]
        truths += discounted_returns(game.rewards, agent.config.gamma)[:size]
    scale = agent.config.reward_scale
    return {ESTIMATE: float(np.mean(estimates)) / scale, TRUTH: float(np.mean(truths))}


class _Game:
    """A game in progress: its rewards, and the values of the actions taken."""

    def __init__(self, env: gym.Env[Any, Any], seed: int) -> None:
        self._env = env
        self.obs, _ = env.reset(seed=seed)
        self.rewards: list[float] = []
        self.values: list[float] = []
        self.has_terminated = self.is_over = False

    def step(self, action: int, value: float) -> None:
        """Take an action of that value."""
        self.obs, reward, self.has_terminated, truncated, _ = self._env.step(action)
        self.is_over = self.has_terminated or truncated
        self.rewards.append(float(reward))
        self.values.append(value)


def discounted_returns(rewards: Sequence[float], gamma: float) -> list[float]:
    """Return r_t + gamma r_t+1 + gamma^2 r_t+2 + ... of every t."""
    returns: list[float] = []
    total = 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
        returns.append(total)
    return returns[::-1]


class RatedDQN(DQN):
    """DQN on CartPole that logs estimates of values and what they should be."""

    algorithm: ClassVar[str] = "rated_dqn"

    def metrics(self) -> dict[str, float]:
        """Return DQN's, and every 1,000 steps those of `rate`, which uses no generator of its."""
        rated = rate(self) if self.num_steps and self.num_steps % RATED_PERIOD == 0 else {}
        return super().metrics() | rated


class RatedDoubleDQN(DoubleDQN):
    """Double DQN that logs the same."""

    algorithm: ClassVar[str] = "rated_double_dqn"

    def metrics(self) -> dict[str, float]:
        """Return DQN's, and every 1,000 steps those of `rate`, which uses no generator of its."""
        rated = rate(self) if self.num_steps and self.num_steps % RATED_PERIOD == 0 else {}
        return super().metrics() | rated
