"""What every agent offers: create, learn, act, save, load; and callbacks to watch it learn."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Self

import gymnasium as gym
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episode:
    """A finished training episode."""

    index: int  # finished episodes before this one
    step: int  # environment steps the agent had taken when it ended
    episodic_return: float  # sum of rewards, not discounted
    length: int  # environment steps
    terminated: bool
    truncated: bool
    info: dict[str, Any]  # the info of the last step


class Callback:
    """Watches an agent learn. Override what you need.

    The calls for one environment step come in this order, once the step is recorded: `on_update`
    if a gradient step was taken, `on_episode_end` if an episode ended, `on_step`. The agent may be
    saved in each of them.
    """

    def on_training_start(self, agent: "Agent") -> None:
        """Run before the first step of `learn`."""

    def on_step(self, agent: "Agent") -> bool | None:
        """Run after each environment step; return False to end `learn` here."""

    def on_update(self, agent: "Agent", losses: dict[str, float]) -> None:
        """Run after each gradient step with what `update` returned."""

    def on_episode_end(self, agent: "Agent", episode: Episode) -> None:
        """Run after each episode."""

    def on_training_end(self, agent: "Agent") -> None:
        """Run when `learn` ends, also when an exception or Ctrl-C ends it."""


class Agent(ABC):
    """A learner bound to one environment.

    Attributes:
        algorithm: The name stored in checkpoints and used on the command line.
        config: The frozen dataclass of the algorithm.
        num_steps: Environment steps taken over the whole life of the agent.
        num_updates: Gradient steps taken over the whole life of the agent.
        num_episodes: Episodes finished over the whole life of the agent.
    """

    algorithm: ClassVar[str]
    config: Any
    env: gym.Env[Any, Any]
    device: torch.device
    seed: int
    num_steps: int
    num_updates: int
    num_episodes: int

    @classmethod
    @abstractmethod
    def create(
        cls, env: gym.Env[Any, Any], config: Any = None, *, seed: int = 0, device: str = "auto"
    ) -> Self:
        """Return an untrained agent.

        Args:
            env: A single Gymnasium environment.
            config: The algorithm's config; its defaults when None.
            seed: Decides the weights, exploration, sampling and the environment's first reset.
            device: `"auto"` or a torch device such as `"cpu"` or `"cuda:0"`.

        Raises:
            ValueError: If the spaces do not suit the algorithm, or the device is not there.
        """

    @abstractmethod
    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps and learn from them."""

    @abstractmethod
    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return one action for each observation of a batch.

        Args:
            obs: Observations, shape [B, ...].
            greedy: Whether to act without exploration.
        """

    @abstractmethod
    def save(self, path: str | PathLike[str], *, replay: bool = False) -> None:
        """Write a checkpoint, all of it or nothing.

        Args:
            path: The checkpoint, one `.safetensors` file.
            replay: Whether to save the replay memory beside it, which makes a resumed run exact.

        Raises:
            OSError: If it cannot be written; a checkpoint already at `path` is kept.
        """

    @classmethod
    @abstractmethod
    def load(
        cls, path: str | PathLike[str], env: gym.Env[Any, Any], *, device: str = "auto"
    ) -> Self:
        """Return the agent saved at `path`, ready to act and to go on learning.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If the file is damaged, of another algorithm, or does not fit `env`.
        """

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Return what a log wants to know besides losses and returns, such as `charts/epsilon`."""


def select_device(name: str) -> torch.device:
    """Return the torch device called `name`, or the fastest one present for `"auto"`.

    Raises:
        ValueError: If the name is no device or that device is not on this machine.
    """
    if name == "auto":
        return torch.device(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'device {name!r} cannot be used here ({reason}); use "auto", "cpu", "cuda" or "mps"'
        ) from error
    return device
