"""Uniformly random actions: the score that every algorithm is measured against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.config import Config
from mario_rl_agents.loops.off_policy import OffPolicyLoop
from mario_rl_agents.spaces import ARRAY, UNIFORM, Accepts


@dataclass(frozen=True)
class RandomConfig(Config):
    """There is nothing to set; the loop is told never to ask for a gradient step."""

    @property
    def batch_size(self) -> int:
        """Transitions in a gradient step, of which there is none."""
        return 1

    @property
    def learning_starts(self) -> int:
        """Transitions in memory before the first gradient step: more than it holds."""
        return 2

    @property
    def update_period(self) -> int:
        """Environment steps for each gradient step."""
        return 1

    @property
    def overlap(self) -> bool:
        """Whether the environment steps during a gradient step."""
        return False


class RandomAgent(Agent):
    """Acts at random and learns nothing."""

    algorithm: ClassVar[str] = "random"
    config_class: ClassVar[type[Any]] = RandomConfig
    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (UNIFORM,))
    config: RandomConfig
    replay: ReplayBuffer
    loop: OffPolicyLoop

    def __init__(
        self, env: gym.Env[Any, Any], config: RandomConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build the agent; `create` is the usual way in."""
        super().__init__(env, config, seed=seed, device=device, generators=("actions",))
        observations, actions = env.observation_space, env.action_space
        assert observations.shape is not None
        assert observations.dtype is not None
        assert actions.shape is not None
        assert actions.dtype is not None
        self.replay = ReplayBuffer(
            1,
            observations.shape,
            observations.dtype,
            action_shape=actions.shape,
            action_dtype=actions.dtype,
        )
        self.loop = OffPolicyLoop(env, self.replay, config, self.generators["actions"], seed)

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps."""
        self.loop.run(self, self.update, total_steps, callbacks)

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return one random action for each observation, `greedy` or not, shape [B, ...]."""
        space, generator = self.env.action_space, self.generators["actions"]
        assert space.shape is not None
        shape = (len(obs), *space.shape)  # [B, ...]
        actions: NDArray[Any]
        if isinstance(space, spaces.Discrete):
            actions = space.start + generator.integers(space.n, size=shape)
        elif isinstance(space, spaces.MultiDiscrete):
            actions = space.start + generator.integers(space.nvec, size=shape)
        elif isinstance(space, spaces.MultiBinary):
            actions = generator.integers(2, size=shape)
        else:
            assert isinstance(space, spaces.Box)
            if np.issubdtype(space.dtype, np.floating):
                actions = generator.uniform(space.low, space.high, size=shape)
            else:
                actions = generator.integers(space.low, space.high, size=shape, endpoint=True)
        return actions.astype(space.dtype)

    def update(self, batch: Batch) -> dict[str, float]:
        """Return no losses: there is nothing to learn."""
        return {}

    def metrics(self) -> dict[str, float]:
        """Return nothing."""
        return {}
