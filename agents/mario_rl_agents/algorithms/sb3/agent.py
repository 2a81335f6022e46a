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
from numpy.typing import NDArray
from torch import Tensor

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.algorithms.sb3.loop import SB3Loop
from mario_rl_agents.algorithms.sb3.randomness import Randomness, forked
from mario_rl_agents.checkpoint import CheckpointHeader, model_path
from mario_rl_agents.config import check
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.files import replacing
from mario_rl_agents.networks.encoders import EncoderFactory
from mario_rl_agents.spaces import (
    ARRAY,
    CONTINUOUS,
    DISCRETE,
    Accepts,
)

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

_STATE: Final = "model"  # the group of a checkpoint's tensors that holds SB3's counters
_RANDOM: Final = "random/"  # before the names of its generators
_DTYPES: Final = {int: torch.int64, float: torch.float64}  # of counters
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


def _attribute(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return model
