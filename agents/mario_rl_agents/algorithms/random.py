"""Uniformly random actions: the score that every algorithm is measured against."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.config import Config
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting
from mario_rl_agents.spaces import ARRAY, UNIFORM, Accepts


@dataclass(frozen=True)
class RandomConfig(Config):
    """There is nothing to set."""


class RandomAgent(Agent):
    """Acts at random and learns nothing.

    Example:
        >>> from mario_rl_agents import RandomAgent, evaluate
        >>> agent = RandomAgent.create("CartPole-v1", seed=0)
        >>> result = evaluate(agent, "CartPole-v1", num_episodes=3)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "random"
    config_class: ClassVar[type[Any]] = RandomConfig
    accepts: ClassVar[Accepts | None] = Accepts((ARRAY,), (UNIFORM,))

    def __init__(
        self, env: Env | VecEnv, config: RandomConfig, *, seed: int, device: torch.device
    ) -> None:
        """Build the agent; `create` is the usual way in."""
        super().__init__(env, config, seed=seed, device=device, generators=("actions",))

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return one random action for each observation, `greedy` or not, shape [B, ...]."""
        space, generator = self.action_space, self.generators["actions"]
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

    def acting(self) -> Acting:
        """Refuse: there is no network.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "random has no network: there is nothing to export, take an agent of another algorithm"
        )

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Learn nothing."""
        return ()
