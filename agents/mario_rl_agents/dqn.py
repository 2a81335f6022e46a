"""DQN: deep Q-learning with replay and a target network (Mnih et al. 2015)."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.common import checkpoint
from mario_rl_agents.common.agent import Agent, Callback, select_device
from mario_rl_agents.common.networks import is_image, make_network
from mario_rl_agents.common.off_policy import OffPolicyLoop
from mario_rl_agents.common.replay import Batch, ReplayBuffer
from mario_rl_agents.common.schedules import Exponential, Linear, Schedule
from mario_rl_agents.common.seeding import (
    generator_state,
    make_generators,
    set_generator_state,
    torch_seed,
)


@dataclass(frozen=True)
class DQNConfig:
    """Settings of DQN and Double DQN.

    The defaults are those of the best-known Double DQN tutorial for Super Mario Bros in PyTorch,
    where not noted.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: float = 2.5e-4  # of Adam
    gamma: float = 0.9  # discount per environment step
    reward_scale: float = 1.0  # factor on rewards; errors above 1 count linearly in the Huber loss
    batch_size: int = 32  # transitions
    replay_capacity: int = 100_000  # transitions
    replay_dir: str | None = None  # map the frames to a file in this folder; None: keep them in RAM
    frame_stack: bool = True  # an image's first axis is a stack of frames: store each frame once
    learning_starts: int = 10_000  # transitions in memory (PyTorch's own Mario tutorial: "burnin")
    update_period: int = 1  # environment steps per gradient step
    target_update_period: int = 10_000  # gradient steps per copy to the target network
    epsilon_start: float = 1.0  # probability of a random action
    epsilon_end: float = 0.1
    epsilon_schedule: str = "exponential"  # or "linear"
    epsilon_factor: float = 0.99999975  # per environment step; for "exponential"
    epsilon_decay_steps: int = 1_000_000  # environment steps; for "linear" (Mnih et al. 2015)
    max_grad_norm: float | None = None  # L2 norm of all gradients; None: no clipping
    hidden_sizes: tuple[int, ...] = (64, 64)  # units, for vectors (Stable-Baselines3)
    overlap: bool = True  # step the environment while the gradient step runs; same results

    def __post_init__(self) -> None:
        """Check every field."""
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "a number > 0")
        _check("reward_scale", self.reward_scale, self.reward_scale > 0, "a number > 0")
        for name in ("gamma", "epsilon_start", "epsilon_end"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name in ("batch_size", "replay_capacity", "update_period", "target_update_period"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, int) and value >= 1, "a whole number >= 1")
        starts, capacity = self.learning_starts, self.replay_capacity
        limit = f"between 1 and replay_capacity = {capacity}, or learning never starts"
        _check("learning_starts", starts, 1 <= starts <= capacity, limit)
        kind, kinds = self.epsilon_schedule, ("exponential", "linear")
        _check("epsilon_schedule", kind, kind in kinds, f"one of {kinds}")
        steps = self.epsilon_decay_steps
        _check("epsilon_decay_steps", steps, steps >= 1, "a whole number >= 1")
        _check("epsilon_factor", self.epsilon_factor, 0 < self.epsilon_factor <= 1, "in (0, 1]")
        if kind == "exponential":
            limit = f"at most epsilon_start = {self.epsilon_start}"
            _check("epsilon_end", self.epsilon_end, self.epsilon_end <= self.epsilon_start, limit)
        norm = self.max_grad_norm
        _check("max_grad_norm", norm, norm is None or norm > 0, "a number > 0 or None")
        sizes = self.hidden_sizes
        _check("hidden_sizes", sizes, all(size >= 1 for size in sizes), "whole numbers >= 1")

    def make_epsilon(self) -> Schedule:
        """Return the exploration schedule."""
        if self.epsilon_schedule == "linear":
            return Linear(self.epsilon_start, self.epsilon_end, self.epsilon_decay_steps)
        return Exponential(self.epsilon_start, self.epsilon_end, self.epsilon_factor)


class DQN(Agent):
    """Deep Q-network agent for discrete actions."""

    algorithm: ClassVar[str] = "dqn"
    config: DQNConfig

    def __init__(
        self, env: gym.Env[Any, Any], config: DQNConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        space, actions = env.observation_space, env.action_space
        if not isinstance(actions, gym.spaces.Discrete) or actions.start != 0:
            raise ValueError(f"DQN needs actions Discrete(n) from 0, the environment has {actions}")
        self.env, self.config, self.seed, self.device = env, config, seed, device
        self.num_steps = self.num_updates = self.num_episodes = 0
        self.num_actions = int(actions.n)
        self.generators = make_generators(seed, ("exploration", "replay"))
        with torch_seed(seed):
            self.q: nn.Module = make_network(space, self.num_actions, config.hidden_sizes)
        self.q.to(device)
        self.q_target = copy.deepcopy(self.q).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.q.parameters(), config.learning_rate, fused=True)
        assert isinstance(space, gym.spaces.Box)  # make_network accepts nothing else
        self.replay = ReplayBuffer(
            config.replay_capacity,
            space.shape,
            space.dtype,
            stack=space.shape[0] if is_image(space) and config.frame_stack else 1,
            directory=config.replay_dir,
        )
        self._epsilon = config.make_epsilon()
        self._loop = OffPolicyLoop(env, self.replay, config, self.generators["replay"], seed)

    @classmethod
    def create(
        cls,
        env: gym.Env[Any, Any],
        config: DQNConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
    ) -> Self:
        """Return an untrained agent; see `Agent.create`."""
        return cls(env, config or DQNConfig(), seed=seed, device=select_device(device))

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        return self._epsilon(self.num_steps)

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps and learn from them."""
        self._loop.run(self, self.update, total_steps, callbacks)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the best actions, or epsilon-greedy ones, shape [B]."""
        if greedy:
            return self._greedy(obs)
        generator = self.generators["exploration"]
        explore = generator.random(len(obs)) < self.epsilon  # [B]
        actions = generator.integers(self.num_actions, size=len(obs))  # [B]
        return actions if explore.all() else np.where(explore, actions, self._greedy(obs))

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) for every action, shape [B, A]."""
        shape = self.env.observation_space.shape
        if obs.shape[1:] != shape:
            raise ValueError(f"obs must be a batch of shape (B, *{shape}), got {obs.shape}")
        with torch.inference_mode():
            q = self.q(torch.as_tensor(obs, device=self.device))  # [B, A]
        values: NDArray[np.float32] = q.numpy(force=True)
        return values

    def td_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) max_a Q_target(s', a), shape [B] (Mnih et al. 2015)."""
        next_q: Tensor = self.q_target(batch.next_obs).amax(dim=1)  # [B]
        reward = self.config.reward_scale * batch.reward  # [B]
        return reward + self.config.gamma * next_q * ~batch.terminated

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the Huber loss of the TD error, a scalar, and Q(s, a), shape [B]."""
        with torch.no_grad():
            target = self.td_target(batch)  # [B]
        q = self.q(batch.obs).gather(1, batch.action.unsqueeze(1)).squeeze(1)  # [B]
        return F.smooth_l1_loss(q, target), q

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            `losses/td`, the loss, and `charts/q_mean`, the mean value of the actions in the batch.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are left as they were.
        """
        loss, q = self.loss(batch.to(self.device))
        # One transfer, so that the device is waited for once.
        td, q_mean = torch.stack((loss.detach(), q.detach().mean())).tolist()
        if not np.isfinite(td):
            raise FloatingPointError(
                f"the TD loss is {td} at gradient step {self.num_updates}, environment step "
                f"{self.num_steps}: check the rewards for NaN, or lower learning_rate"
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.q.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.num_updates += 1
        if self.num_updates % self.config.target_update_period == 0:
            self.q_target.load_state_dict(self.q.state_dict())
        return {"losses/td": td, "charts/q_mean": q_mean}

    def metrics(self) -> dict[str, float]:
        """Return `charts/epsilon` and `charts/replay_size` (transitions)."""
        return {"charts/epsilon": self.epsilon, "charts/replay_size": float(len(self.replay))}

    def save(self, path: str | PathLike[str], *, replay: bool = False) -> None:
        """Write a checkpoint; see `Agent.save`."""
        header = checkpoint.CheckpointHeader(
            algorithm=self.algorithm,
            config=asdict(self.config),
            **checkpoint.describe_env(self.env),
            seed=self.seed,
            num_steps=self.num_steps,
            num_updates=self.num_updates,
            num_episodes=self.num_episodes,
            generators={name: generator_state(g) for name, g in self.generators.items()},
            episode=self._loop.state(replay=replay),
        )
        tensors = {name: x.numpy(force=True) for name, x in self._tensors().items()}
        checkpoint.save(path, header, tensors, self.replay.state() if replay else None)

    @classmethod
    def load(
        cls, path: str | PathLike[str], env: gym.Env[Any, Any], *, device: str = "auto"
    ) -> Self:
        """Return the agent saved at `path`; see `Agent.load`."""
        header, tensors, replay = checkpoint.load(path, cls.algorithm, env)
        config = checkpoint.make_config(DQNConfig, header.config, path)
        agent = cls.create(env, config, seed=header.seed, device=device)
        agent.num_steps, agent.num_updates = header.num_steps, header.num_updates
        agent.num_episodes = header.num_episodes
        for name, state in header.generators.items():
            set_generator_state(agent.generators[name], state)
        agent._load_tensors({name: torch.from_numpy(x) for name, x in tensors.items()})
        agent._loop.load_state(header.episode)
        if replay is not None:
            agent.replay.load_state(replay)
        return agent

    def _greedy(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        actions: NDArray[np.int64] = self.action_values(obs).argmax(axis=1)
        return actions

    def _tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds: both networks, and Adam's state once it has one."""
        tensors = {f"q/{name}": x for name, x in self.q.state_dict().items()}
        tensors |= {f"q_target/{name}": x for name, x in self.q_target.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": x for key, x in state.items()}
        return tensors

    def _load_tensors(self, tensors: dict[str, Tensor]) -> None:
        for name, network in (("q/", self.q), ("q_target/", self.q_target)):
            network.load_state_dict(
                {key.removeprefix(name): x for key, x in tensors.items() if key.startswith(name)}
            )
        parameters = list(self.q.parameters())
        state: dict[int, dict[str, Tensor]] = {}
        for key, x in tensors.items():
            if key.startswith("optimizer/"):
                _, index, name = key.split("/")
                parameter = parameters[int(index)]
                if x.shape == parameter.shape:
                    # Fused Adam takes memory in the parameter's order, which is channels last.
                    x = torch.empty_like(parameter, device="cpu").copy_(x)
                state.setdefault(int(index), {})[name] = x
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def _check(name: str, value: object, accepted: bool, what: str) -> None:
    if not accepted:
        raise ValueError(f"{name} must be {what}, got {value!r}")
