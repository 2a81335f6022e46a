"""sb3-contrib's PPO with an LSTM, and what that remembers of an episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from mario_rl_agents.algorithms.sb3.configs import SB3RecurrentPPOConfig
from mario_rl_agents.algorithms.sb3.on_policy import OnPolicySB3Agent
from mario_rl_agents.networks.acting import Acting
from mario_rl_agents.spaces import CONTINUOUS, DISCRETE, GRID, IMAGE, VECTOR, Accepts


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
