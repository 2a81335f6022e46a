"""Agents that Stable-Baselines3 and sb3-contrib train, by their own code.

SB3's `learn` runs as it is, on the agent's environments: with the same seed and settings a plain
script of SB3 trains the same weights. What is added lies around it: checkpoints that run no code
when they are loaded, exact resumption, callbacks between two rollouts.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.algorithms.sb3.configs import (
    SB3A2CConfig,
    SB3DDPGConfig,
    SB3DQNConfig,
    SB3PPOConfig,
    SB3QRDQNConfig,
    SB3RecurrentPPOConfig,
    SB3SACConfig,
    SB3TD3Config,
)
from mario_rl_agents.algorithms.sb3.loop import SB3Loop
from mario_rl_agents.algorithms.sb3.randomness import Randomness, forked
from mario_rl_agents.algorithms.sb3.replay import ReplayMemory
from mario_rl_agents.checkpoint import CheckpointHeader, model_path
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.files import replacing
from mario_rl_agents.networks.acting import (
    Acting,
    Continuous,
    Likeliest,
    Normal,
    SquashedNormal,
    acting_by_value,
)
from mario_rl_agents.networks.encoders import EncoderFactory
from mario_rl_agents.spaces import (
    ARRAY,
    CONTINUOUS,
    DISCRETE,
    GRID,
    IMAGE,
    VECTOR,
    Accepts,
    box_actions,
)

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

_STATE: Final = "model"  # the group of a checkpoint's tensors that holds SB3's counters
_RANDOM: Final = "random/"  # before the names of its generators
_DTYPES: Final = {int: torch.int64, float: torch.float64}  # of counters
_LOG_STD_RANGE: Final = (-20.0, 2.0)  # of SB3's SAC
_MOST_SEED: Final = 2**32  # of NumPy's global generator

# What SB3 logs of gradient steps, under the names of docs/sb3.md.
_LOGGED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "train/policy_loss": "losses/policy",
        "train/policy_gradient_loss": "losses/policy",
        "train/value_loss": "losses/value",
        "train/actor_loss": "losses/actor",
        "train/critic_loss": "losses/critic",
        "train/ent_coef_loss": "losses/temperature",
        "train/ent_coef": "charts/temperature",
        "train/entropy_loss": "charts/entropy",
        "train/approx_kl": "charts/approx_kl",
        "train/clip_fraction": "charts/clip_fraction",
        "train/explained_variance": "charts/explained_variance",
        "train/std": "charts/action_std",
    }
)


def import_model_class(algorithm: str, path: str) -> type[BaseAlgorithm]:
    """Return a class of Stable-Baselines3 or sb3-contrib.

    Args:
        algorithm: Who needs it, for the message.
        path: Module and name, as `stable_baselines3.PPO`.

    Raises:
        ImportError: Its package is not installed.
    """
    package, _, name = path.rpartition(".")
    # SB3 imports the old gym where that is installed, which prints a page on its own end.
    with contextlib.suppress(ImportError), contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module("gym")
    try:
        model_class: type[BaseAlgorithm] = getattr(importlib.import_module(package), name)
    except ModuleNotFoundError as error:
        if error.name not in ("stable_baselines3", "sb3_contrib"):
            raise
        raise ImportError(
            f"{algorithm} needs {error.name}, which is not installed: "
            'pip install "mario-rl-envs[sb3]"',
            name=error.name,
        ) from error
    return model_class


class SB3Agent(Agent):
    """An agent around a model of SB3.

    A subclass names the model's class and says what its optimizers are called.

    Attributes:
        model: SB3's own; its `learn` is called by that of the agent.
    """

    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (DISCRETE, CONTINUOUS))
    model_class: ClassVar[str]
    optimizer_paths: ClassVar[Mapping[str, str]] = {"optimizer": "policy.optimizer"}
    loss_name: ClassVar[str] = "losses/total"  # of what SB3 calls "train/loss"
    model: Any  # a BaseAlgorithm; what its subclasses have differs
    loop: SB3Loop

    def __init__(
        self,
        env: Env | VecEnv,
        config: Any,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        if encoder is not None:
            raise ValueError(f"{self.algorithm} reads with SB3's own networks: leave encoder out")
        check("seed", seed, seed < _MOST_SEED, f"below {_MOST_SEED}, as NumPy's global generator")
        model_class = import_model_class(self.algorithm, self.model_class)
        from stable_baselines3.common.logger import Logger

        from mario_rl_agents.algorithms.sb3._bridge import Bridge
        from mario_rl_agents.algorithms.sb3._models import make_model, schedules_of

        super().__init__(env, config, seed=seed, device=device)
        self.loop = SB3Loop(self.envs, seed)
        self.check_envs()
        self._randomness = Randomness(device)
        with self._randomness.taken():
            self.model = make_model(
                model_class, Bridge(self, config.reward_scale), config, seed=seed, device=device
            )
        self.model.set_logger(Logger(folder=None, output_formats=[]))
        self._schedules = schedules_of(self.model)
        self.generators["actions"] = self.model.action_space.np_random
        self.networks = {"policy": self.model.policy}
        self.optimizers = {
            name: _attribute(self.model, path) for name, path in self.optimizer_paths.items()
        }
        self._num_new_updates = 0  # gradient steps since SB3 was last between two rollouts
        *_, counted = self.optimizers.values()
        counted.register_step_post_hook(self._count_update)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Refuse: SB3 observes by itself.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self.algorithm} learns in SB3's own loop: call learn(total_steps)")

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return the policy's actions, or ones that explore as in training, [B] or [B, A]."""
        if greedy:
            return self._predict(obs, greedy=True)
        return self._explore(obs, self.generators["exploration"])

    def reset(self) -> None:
        """Have SB3 begin with new episodes."""
        self.model._last_obs = None

    def save(
        self, path: str | PathLike[str], *, replay: bool = False, overwrite: bool = True
    ) -> None:
        """Write a checkpoint, and beside it SB3's own file, NAME.sb3.zip.

        That is for `PPO.load` and the like, which run code that is in it; nothing here reads it.

        Args:
            path: See `Agent.save`.
            replay: See `Agent.save`.
            overwrite: See `Agent.save`.

        Raises:
            FileExistsError: See `Agent.save`.
            OSError: If one cannot be written; a checkpoint already at `path` is kept.
            CheckpointError: See `Agent.save`.
        """
        super().save(path, replay=replay, overwrite=overwrite)
        with replacing(model_path(Path(path).expanduser())) as new:
            self.model.save(new)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds: also SB3's counters and the generators it draws from."""
        state = {
            name: torch.tensor(getattr(self.model, name), dtype=_DTYPES[kind])
            for name, kind in self._counters().items()
        }
        generators = {f"{_RANDOM}{name}": x for name, x in self._randomness.tensors().items()}
        own = {f"{_STATE}/{name}": x for name, x in (state | generators).items()}
        return super().tensors() | own

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` returned.

        Raises:
            ValueError: If they are of another agent, or not finite.
        """
        own = {
            name.removeprefix(f"{_STATE}/"): x
            for name, x in tensors.items()
            if name.startswith(f"{_STATE}/")
        }
        others = {name: x for name, x in tensors.items() if not name.startswith(f"{_STATE}/")}
        generators = {
            name.removeprefix(_RANDOM): own.pop(name) for name in [*own] if name.startswith(_RANDOM)
        }
        if own.keys() != self._counters().keys():
            raise ValueError(f"it counts {sorted(own)} instead of {sorted(self._counters())}")
        for name, x in own.items():
            kind = self._counters()[name]
            is_one = x.shape == () and x.dtype == _DTYPES[kind] and bool(torch.isfinite(x))
            if not is_one or (kind is int and x < 0):
                raise ValueError(f"{name} must be a number of type {kind.__name__}, got {x}")
        super().load_tensors(others)
        self._randomness.load(generators)
        for name, x in own.items():
            setattr(self.model, name, x.item())

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` of the latest gradient step."""
        return {"charts/learning_rate": self.model.lr_schedule(self._progress_remaining)}

    def run_model(self, total_steps: int, between: Callable[[], None]) -> None:
        """Have SB3 take and learn from `total_steps` more steps, rounded up to a rollout.

        Args:
            total_steps: Environment steps.
            between: Called after each rollout that was learned from.

        Raises:
            FloatingPointError: The weights are not finite.
        """
        from mario_rl_agents.algorithms.sb3._bridge import Between

        self.model.num_timesteps = self.num_steps
        with self._randomness.taken():
            try:
                self.model.learn(
                    total_steps,
                    Between(self._begin, between),
                    log_interval=sys.maxsize,  # what it logs is read between rollouts
                    reset_num_timesteps=False,
                )
            # PyTorch's distributions check what they are made of until something is compiled or
            # exported in the process; from then on the draw fails.
            except (ValueError, RuntimeError) as error:
                self._check_weights(error)
                raise

    def read_losses(self) -> dict[str, float]:
        """Return what SB3 has logged of the gradient steps since the last call, and count these.

        Raises:
            FloatingPointError: A loss is not finite.
        """
        logged = self.model.logger.name_to_value
        losses = {
            name: -float(logged[key]) if key == "train/entropy_loss" else float(logged[key])
            for key, name in (("train/loss", self.loss_name), *_LOGGED.items())
            if key in logged
        }
        logged.clear()
        for name, value in losses.items():
            if name.startswith("losses/") and not math.isfinite(value):
                raise self._not_finite(name, value)
        self.num_updates += self._num_new_updates
        self._num_new_updates = 0
        # SB3's explained variance is NaN where the returns have none.
        return {name: value for name, value in losses.items() if math.isfinite(value)}

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return what SB3 remembers of the episodes in progress, by name, with an axis N."""
        return {}

    def load_memory(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `memory` returned of those episodes that go on."""

    @abstractmethod
    def _explore(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return actions as in training, drawn from `generator`."""

    def _predict(self, obs: NDArray[Any], *, greedy: bool) -> NDArray[Any]:
        actions, _ = self.model.policy.predict(obs, deterministic=greedy)
        return np.asarray(actions, self.action_space.dtype)

    def _draw(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return actions drawn from the policy's distribution."""
        with forked(self.device, int(generator.integers(2**63))):
            return self._predict(obs, greedy=False)

    def _counters(self) -> dict[str, type[int] | type[float]]:
        """Return what SB3 counts beside the steps, and of which type it is."""
        return {"_n_updates": int, "_episode_num": int, "_current_progress_remaining": float}

    def _load(self, header: CheckpointHeader, tensors: Mapping[str, NDArray[Any]]) -> None:
        super()._load(header, tensors)
        own, saved = self.memory(), self.loop.kept_memory
        if saved and {name: (x.shape, x.dtype) for name, x in saved.items()} != {
            name: (x.shape, x.dtype) for name, x in own.items()
        }:
            raise ValueError(f"it remembers {sorted(saved)} of its episodes, not {sorted(own)}")
        if not all(np.isfinite(x).all() for x in saved.values()):
            raise ValueError("what it remembers of its episodes is not finite")

    @property
    def _progress_remaining(self) -> float:
        return float(self.model._current_progress_remaining)

    def _begin(self) -> None:
        """Complete what SB3 sets up for training."""
        for schedule in self._schedules:
            schedule.total_steps = self.model._total_timesteps
        self.model._last_episode_starts = self.loop.begins
        if self.loop.kept_memory:
            self.load_memory(self.loop.kept_memory)

    def _count_update(self, *_: Any) -> None:
        self._num_new_updates += 1

    def _check_weights(self, error: Exception) -> None:
        """Raise if weights are why something went wrong: distributions refuse their numbers."""
        for name, x in self.model.policy.named_parameters():
            if not torch.isfinite(x).all():
                raise self._not_finite(f"a weight of {name}", math.nan) from error

    def _not_finite(self, what: str, value: float) -> FloatingPointError:
        return FloatingPointError(
            f"{what} is {value} at gradient step {self.num_updates}, environment step "
            f"{self.num_steps}: lower learning_rate, or scale the rewards down; the weights are "
            "spoiled, so load those of a checkpoint"
        )


class OnPolicySB3Agent(SB3Agent):
    """An agent whose model learns from each rollout and forgets it."""

    is_stochastic: ClassVar[bool] = True

    def check_envs(self) -> None:
        """Check that advantages can be normalized.

        Raises:
            ValueError: If not.
        """
        size, config = self.num_envs * self.config.n_steps, self.config
        is_enough = size >= 2 or not config.normalize_advantage
        check("n_steps", config.n_steps, is_enough, ">= 2 to normalize advantages")

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate`, and where it has one `charts/clip_range`."""
        metrics = super().metrics()
        if hasattr(self.model, "clip_range"):
            metrics["charts/clip_range"] = self.model.clip_range(self._progress_remaining)
        return metrics

    def action_probabilities(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return pi(a|s) of every action, shape [B, A].

        Raises:
            TypeError: If actions are continuous: they have densities.
        """
        if not isinstance(self.action_space, spaces.Discrete):
            raise TypeError("continuous actions have no probabilities; act(obs) gives their means")
        with torch.inference_mode():
            probabilities: NDArray[Any] = self._distribution(obs).probs.numpy(force=True)
        return probabilities

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s), shape [B]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            value: Tensor = policy.predict_values(batch).squeeze(1)  # [B]
        values: NDArray[np.float32] = value.numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the likeliest action, and the distribution that it is the likeliest of."""
        from mario_rl_agents.algorithms.sb3._acting import Policy

        policy = self.model.policy
        network = Policy(policy, self.observation_space)
        if isinstance(self.action_space, spaces.Discrete):
            return Likeliest(network)
        return Normal(network, self.action_space, policy.log_std, scaled=False)

    def _distribution(self, obs: NDArray[Any]) -> Any:
        policy = self.model.policy
        policy.set_training_mode(False)
        batch, _ = policy.obs_to_tensor(obs)
        return policy.get_distribution(batch).distribution

    def _explore(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        return self._draw(obs, generator)


class OffPolicySB3Agent(SB3Agent):
    """An agent whose model learns from a replay memory."""

    replay: ReplayMemory

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(*args, **kwargs)
        self.replay = ReplayMemory(self.model.replay_buffer)

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate` and `charts/replay_size` (transitions)."""
        return {**super().metrics(), "charts/replay_size": float(len(self.replay))}

    def _explore(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        if self.num_steps < self.config.learning_starts:
            return self._random_actions(len(obs), generator)
        return self._explore_by_policy(obs, generator)

    @abstractmethod
    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return actions as in training, once the first ones, which are random, are taken."""

    def _random_actions(self, num_rows: int, generator: np.random.Generator) -> NDArray[Any]:
        actions: NDArray[Any]
        if isinstance(self.action_space, spaces.Discrete):
            actions = generator.integers(self.action_space.n, size=num_rows)
        else:
            space = box_actions(self.action_space)
            actions = generator.uniform(space.low, space.high, (num_rows, *space.shape))
        return actions.astype(self.action_space.dtype)


class ValueSB3Agent(OffPolicySB3Agent):
    """An agent that takes the action of the highest value, or any with chance epsilon."""

    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (DISCRETE,))
    loss_name: ClassVar[str] = "losses/td"
    network_name: ClassVar[str] = "q_net"

    def metrics(self) -> dict[str, float]:
        """Return `charts/learning_rate`, `charts/replay_size` and `charts/epsilon`."""
        return {**super().metrics(), "charts/epsilon": float(self.model.exploration_rate)}

    def action_values(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """Return Q(s, a) for every action, shape [B, A]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            values: NDArray[np.float32] = self._values(batch).numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the action of the highest value, and the value of each, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import Values

        policy = self.model.policy
        network = getattr(policy, self.network_name)
        return acting_by_value(Values(network, policy.observation_space, self.observation_space))

    @abstractmethod
    def _values(self, batch: Tensor) -> Tensor:
        """Return Q(s, a) for every action, shape [B, A]."""

    def _counters(self) -> dict[str, type[int] | type[float]]:
        return {**super()._counters(), "_n_calls": int, "exploration_rate": float}

    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        explore = generator.random(len(obs)) < self.model.exploration_rate  # [B]
        actions = self._random_actions(len(obs), generator)  # [B]
        if explore.all():
            return actions
        return np.where(explore, actions, self._predict(obs, greedy=True))


class ContinuousSB3Agent(OffPolicySB3Agent):
    """An agent with an actor and critics, for continuous actions."""

    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (CONTINUOUS,))
    optimizer_paths: ClassVar[Mapping[str, str]] = {
        "actor_optimizer": "actor.optimizer",
        "critic_optimizer": "critic.optimizer",
    }

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return min_i Q_i(s, actor(s)), shape [B]."""
        policy = self.model.policy
        policy.set_training_mode(False)
        with torch.inference_mode():
            batch, _ = policy.obs_to_tensor(obs)
            action = policy._predict(batch, deterministic=True)  # [B, A], in [-1, 1]
            q = torch.cat(policy.critic(batch, action), dim=1)  # [B, critics]
        values: NDArray[np.float32] = q.amin(dim=1).numpy(force=True)
        return values

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import Actor

        policy = self.model.policy
        network = Actor(policy.actor, policy.observation_space, self.observation_space)
        return Continuous(network, self.action_space)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return the noise of each sub-environment that the next noise follows on, [N, A]."""
        if self.config.action_noise != "ornstein-uhlenbeck":
            return {}
        noises = getattr(self.model.action_noise, "noises", [self.model.action_noise])
        kept = [np.asarray(noise.noise_prev, np.float64) for noise in noises]
        return {"noise": np.stack(kept * (self.num_envs // len(kept)))}

    def load_memory(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Take over the noise where episodes go on."""
        noises = getattr(self.model.action_noise, "noises", [self.model.action_noise])
        for index in np.flatnonzero(~self.loop.begins):
            noises[index].noise_prev = memory["noise"][index].copy()

    def _explore_by_policy(self, obs: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        actions = self._draw(obs, generator)  # [B, A]
        std = self._noise_std
        if std == 0.0:
            return actions
        policy = self.model.policy
        scaled = policy.scale_action(actions) + std * generator.standard_normal(actions.shape)
        noisy = policy.unscale_action(scaled.clip(-1, 1).astype(np.float32))
        return np.asarray(noisy, self.action_space.dtype)

    @property
    def _noise_std(self) -> float:
        """The standard deviation of the noise; of a process that goes on, in the long run."""
        if self.config.action_noise is None:
            return 0.0
        if self.config.action_noise == "normal":
            return float(self.config.noise_std)
        noise = getattr(self.model.action_noise, "base_noise", self.model.action_noise)
        decay = 1.0 - noise._theta * noise._dt
        return float(self.config.noise_std) * math.sqrt(noise._dt / (1.0 - decay**2))


class SB3DQN(ValueSB3Agent):
    """Stable-Baselines3's DQN."""

    algorithm: ClassVar[str] = "sb3-dqn"
    config_class: ClassVar[type[Any]] = SB3DQNConfig
    model_class: ClassVar[str] = "stable_baselines3.DQN"

    def _values(self, batch: Tensor) -> Tensor:
        values: Tensor = self.model.q_net(batch)
        return values


class SB3QRDQN(ValueSB3Agent):
    """sb3-contrib's QR-DQN, which learns quantiles of returns; their mean is the value."""

    algorithm: ClassVar[str] = "sb3-qrdqn"
    config_class: ClassVar[type[Any]] = SB3QRDQNConfig
    model_class: ClassVar[str] = "sb3_contrib.QRDQN"
    network_name: ClassVar[str] = "quantile_net"

    def _values(self, batch: Tensor) -> Tensor:
        quantiles: Tensor = self.model.quantile_net(batch)  # [B, quantiles, A]
        return quantiles.mean(dim=1)


class SB3A2C(OnPolicySB3Agent):
    """Stable-Baselines3's A2C."""

    algorithm: ClassVar[str] = "sb3-a2c"
    config_class: ClassVar[type[Any]] = SB3A2CConfig
    model_class: ClassVar[str] = "stable_baselines3.A2C"


class SB3PPO(OnPolicySB3Agent):
    """Stable-Baselines3's PPO."""

    algorithm: ClassVar[str] = "sb3-ppo"
    config_class: ClassVar[type[Any]] = SB3PPOConfig
    model_class: ClassVar[str] = "stable_baselines3.PPO"


class SB3RecurrentPPO(OnPolicySB3Agent):
    """sb3-contrib's PPO with an LSTM: it acts by all it has seen of an episode."""

    algorithm: ClassVar[str] = "sb3-recurrent_ppo"
    config_class: ClassVar[type[Any]] = SB3RecurrentPPOConfig
    # sb3-contrib's LSTM refuses the sizes of other arrays.
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE, CONTINUOUS))
    model_class: ClassVar[str] = "sb3_contrib.RecurrentPPO"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(*args, **kwargs)
        self._states: tuple[NDArray[Any], ...] | None = None  # of the LSTM, each [L, B, H]
        self._begins = np.ones(0, np.bool_)  # [B]

    def begin_episodes(self, mask: NDArray[np.bool_]) -> None:
        """Forget what `act` remembers of earlier observations, where episodes begin.

        Args:
            mask: For each observation of the next batch, whether it begins an episode, [B].
        """
        self._remember(len(mask))
        self._begins = self._begins | mask

    def acting(self) -> Acting:
        """Refuse: it acts by all it has seen of an episode.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"{self.algorithm} acts by all it has seen of an episode, not by one observation "
            "alone: it cannot be exported"
        )

    def action_probabilities(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return pi(a|s) of every action after what `act` remembers, shape [B, A].

        Raises:
            TypeError: If actions are continuous: they have densities.
        """
        return super().action_probabilities(obs)

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return None: the critic's LSTM has states of its own, which `act` does not follow."""
        return None

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return the states of both LSTMs, each [L, N, H]."""
        states = [x for pair in self.model._last_lstm_states for x in pair]
        return {f"lstm{index}": x.numpy(force=True) for index, x in enumerate(states)}

    def load_memory(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Take over the states; SB3 sets those of episodes that begin to 0."""
        states = [torch.tensor(memory[f"lstm{i}"], device=self.device) for i in range(4)]
        kind = type(self.model._last_lstm_states)
        self.model._last_lstm_states = kind(tuple(states[:2]), tuple(states[2:]))

    def _remember(self, num_rows: int) -> None:
        """Begin with empty states where there are none for so many rows."""
        if self._states is None or self._states[0].shape[1] != num_rows:
            num_layers, _, num_units = self.model.policy.lstm_hidden_state_shape
            empty = np.zeros((num_layers, num_rows, num_units), np.float32)
            self._states, self._begins = (empty, empty), np.ones(num_rows, np.bool_)

    def _predict(self, obs: NDArray[Any], *, greedy: bool) -> NDArray[Any]:
        self._remember(len(obs))
        actions, self._states = self.model.policy.predict(
            obs, self._states, self._begins, deterministic=greedy
        )
        self._begins = np.zeros(len(obs), np.bool_)
        return np.asarray(actions, self.action_space.dtype)

    def _distribution(self, obs: NDArray[Any]) -> Any:
        self._remember(len(obs))
        assert self._states is not None
        policy = self.model.policy
        policy.set_training_mode(False)
        batch, _ = policy.obs_to_tensor(obs)
        states = tuple(torch.as_tensor(x, device=self.device) for x in self._states)
        begins = torch.as_tensor(self._begins, dtype=torch.float32, device=self.device)
        distribution, _ = policy.get_distribution(batch, states, begins)
        return distribution.distribution


class SB3DDPG(ContinuousSB3Agent):
    """Stable-Baselines3's DDPG."""

    algorithm: ClassVar[str] = "sb3-ddpg"
    config_class: ClassVar[type[Any]] = SB3DDPGConfig
    model_class: ClassVar[str] = "stable_baselines3.DDPG"


class SB3TD3(ContinuousSB3Agent):
    """Stable-Baselines3's TD3."""

    algorithm: ClassVar[str] = "sb3-td3"
    config_class: ClassVar[type[Any]] = SB3TD3Config
    model_class: ClassVar[str] = "stable_baselines3.TD3"


class SB3SAC(ContinuousSB3Agent):
    """Stable-Baselines3's SAC."""

    algorithm: ClassVar[str] = "sb3-sac"
    config_class: ClassVar[type[Any]] = SB3SACConfig
    is_stochastic: ClassVar[bool] = True
    model_class: ClassVar[str] = "stable_baselines3.SAC"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(*args, **kwargs)
        if self.model.ent_coef_optimizer is not None:
            self.networks["temperature"] = _Temperature(self.model.log_ent_coef)
            self.optimizers["temperature_optimizer"] = self.model.ent_coef_optimizer

    def acting(self) -> Acting:
        """Return the actor, with actions as the environment takes them, as one network."""
        from mario_rl_agents.algorithms.sb3._acting import RandomActor

        policy = self.model.policy
        network = RandomActor(policy.actor, policy.observation_space, self.observation_space)
        return SquashedNormal(network, self.action_space, lambda x: x.clamp(*_LOG_STD_RANGE).exp())


class _Temperature(nn.Module):
    """The logarithm of SAC's learned weight of the entropy, in the memory of SB3's tensor."""

    def __init__(self, log: Tensor) -> None:
        super().__init__()
        self.register_buffer("log", log.detach())


def _attribute(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return model
