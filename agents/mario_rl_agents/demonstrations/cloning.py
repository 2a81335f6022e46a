"""Behavior cloning: a policy is fitted to what a teacher did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents.demonstrations.games import Demonstrations, digest_of
from mario_rl_agents.errors import DemonstrationsError
from mario_rl_agents.networks.adam import Adam

BATCH_SIZE: Final = 256  # decisions in a gradient step of cloning
BATCH_BESIDE: Final = 128  # and in one of reinforcement learning
LEARNING_RATE: Final = 1e-3  # at first; it falls to 0

Loss = Callable[[Tensor, Tensor], Tensor]


class DemonstrationDataset:
    """The decisions of files of demonstrations, to draw batches from.

    Attributes:
        obs: The observations, [M, ...].
        action: What was shown, [M] int64.
        digests: Of the decisions of each file.
    """

    def __init__(self, paths: Sequence[str | Path], device: torch.device) -> None:
        """Read files, and play what is in them.

        Raises:
            FileNotFoundError: There is none at a path.
            DemonstrationsError: One is damaged, their observations differ in shape, or an
                environment does not repeat them.
            ValueError: An environment cannot be made.
            UntrustedError: One names a module that the user has neither named in a training nor
                imported.
        """
        games = [Demonstrations.load(path) for path in paths]
        replays = [each.replay(where=path) for each, path in zip(games, paths, strict=True)]
        self._games = games
        shapes = sorted({obs.shape[1:] for obs, _ in replays})
        if len(shapes) != 1:
            raise DemonstrationsError(
                f"demonstrations must have observations of one shape, received {shapes}"
            )
        self.digests = tuple(
            each.digest or digest_of(replay) for each, replay in zip(games, replays, strict=True)
        )
        self.obs = torch.from_numpy(np.concatenate([obs for obs, _ in replays])).to(device)
        self.action = torch.from_numpy(np.concatenate([action for _, action in replays])).to(device)

    def check(self, shape: tuple[int, ...], num_actions: int) -> None:
        """Check that an agent can learn from them.

        Raises:
            DemonstrationsError: It has other observations, or fewer actions.
        """
        if self.obs.shape[1:] != shape:
            raise DemonstrationsError(
                f"the demonstrations have observations of shape {tuple(self.obs.shape[1:])}, the "
                f"agent's have {shape}: record them with the keywords of its environment"
            )
        if int(self.action.max()) >= num_actions:
            raise DemonstrationsError(
                f"the demonstrations have actions up to {int(self.action.max())}, the agent has "
                f"{num_actions}: record them with the actions of its environment"
            )

    def states(self) -> list[bytes]:
        """Return states along the way of the teacher, which episodes may begin in."""
        return [state for games in self._games for state in games.states()]

    def draw(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return some observations [B, ...] and actions [B], drawn with replacement."""
        indices = torch.from_numpy(generator.integers(len(self.action), size=BATCH_BESIDE))
        indices = indices.to(self.action.device)
        return self.obs.index_select(0, indices), self.action.index_select(0, indices)


def clone(
    dataset: DemonstrationDataset,
    loss: Loss,
    parameters: Sequence[nn.Parameter],
    *,
    num_epochs: int,
    generator: np.random.Generator,
) -> float:
    """Fit a policy to all decisions; return the mean loss of the last epoch.

    Args:
        dataset: At least one decision.
        loss: Of a policy on observations [B, ...] and actions [B], a scalar.
        parameters: Of the policy.
        num_epochs: Times that each decision is learned from, at least 1.
        generator: Draws the order.
    """
    optimizer = Adam(parameters, LEARNING_RATE)
    total = len(dataset.action)
    size = min(BATCH_SIZE, total)
    num_batches = total // size
    losses: list[float] = []
    for epoch in range(num_epochs):
        order: NDArray[Any] = generator.permutation(total)[: num_batches * size]
        batches = torch.from_numpy(order.reshape(num_batches, size)).to(dataset.action.device)
        losses = []
        for number, indices in enumerate(batches, start=epoch * num_batches):
            share = number / (num_epochs * num_batches)
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - share)
            obs = dataset.obs.index_select(0, indices)
            error = loss(obs, dataset.action.index_select(0, indices))
            optimizer.zero_grad()
            torch.autograd.backward(error)
            optimizer.step()
            losses.append(error.item())
    return float(np.mean(losses))
