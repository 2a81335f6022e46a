"""What agents with a replay memory share: what they store, and when they take gradient steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import gymnasium as gym

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.networks.compiling import check_compiler
from mario_rl_agents.spaces import num_stacked


class ReplayConfig(Protocol):
    """What a replay memory is made by."""

    @property
    def replay_capacity(self) -> int:
        """Transitions."""

    @property
    def replay_dir(self) -> str | None:
        """Where frames are mapped to a file; None keeps them in RAM."""

    @property
    def frame_stack(self) -> bool:
        """Whether an image's first axis is a stack of frames, each to be stored once."""

    @property
    def replacement(self) -> bool:
        """Whether a batch may hold a transition twice."""


def replay_settings(config: ReplayConfig, space: gym.Space[Any], num_envs: int) -> dict[str, Any]:
    """Return the arguments of a `ReplayBuffer` for observations of `space`."""
    assert space.shape is not None  # it is one array
    return {
        "capacity": config.replay_capacity,
        "obs_shape": space.shape,
        "obs_dtype": space.dtype,
        "num_envs": num_envs,
        "stack": num_stacked(space) if config.frame_stack else 1,
        "directory": config.replay_dir,
        "replacement": config.replacement,
    }


class OffPolicyAgent(Agent):
    """An agent that learns from batches of everything it has done.

    Its config has `batch_size` and `learning_starts` (transitions), `update_period` (environment
    steps from one update to the next) and `gradient_steps` (those of an update). Choosing an action
    needs no gradient step, so they are taken while the environments take the next step.
    """

    learns_while_stepping = True
    replay: ReplayBuffer

    def check_envs(self) -> None:
        """Check that losses can be compiled, if they are to be; any number of games is learned in.

        Raises:
            ValueError: If they cannot.
        """
        if getattr(self.config, "compile", False):
            check_compiler(self.device)

    @abstractmethod
    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step and return its losses."""

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Store the transitions of a step; iterating takes the gradient steps that are due."""
        self.replay.add(
            step.obs, step.action, step.reward, step.terminated, step.truncated, step.next_obs
        )
        return self.updates()

    def updates(self) -> Iterator[dict[str, float]]:
        """Take those due to the last step: `gradient_steps` for each `update_period` steps."""
        period = self.config.update_period
        if len(self.replay) >= min(self.config.learning_starts, self.replay.capacity):
            num_due = self.num_steps // period - (self.num_steps - self.num_envs) // period
            for _ in range(num_due * self.config.gradient_steps):
                yield self.update(
                    self.replay.sample(self.config.batch_size, self.generators["replay"])
                )

    def reset(self) -> None:
        """End the episodes in progress: what comes next does not follow on them."""
        self.replay.end_episodes()
