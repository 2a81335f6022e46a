"""Running statistics that keep what a network sees, and what it has to predict, near size one."""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_CLIP: Final = 10.0  # standard deviations (OpenAI Baselines, VecNormalize)
_EPSILON: Final = 1e-8  # added to a variance


class RunningMeanStd(nn.Module):
    """Mean and variance of all numbers seen so far, for each place of an array.

    Buffers, so that a checkpoint holds them; float64, so that millions of numbers add up.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start with mean 0, variance 1, and nothing seen."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take over a state.

        Raises:
            ValueError: A variance or the count is below 0.
        """
        for name in ("variance", "count"):
            saved = state_dict.get(f"{prefix}{name}")
            if saved is not None and (saved < 0).any():
                raise ValueError(f"the {name} of what was seen is below 0")
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def update(self, values: Tensor) -> None:
        """Take in `values` of shape [B, ...] (Chan et al. 1983, eq. 1.5)."""
        values = values.to(self.mean.device, torch.float64)  # a rollout's are on the CPU
        count = len(values)
        total = self.count + count
        delta = values.mean(0) - self.mean
        squares = self.variance * self.count + values.var(0, correction=0) * count
        self.variance.copy_((squares + delta.square() * self.count * count / total) / total)
        self.mean += delta * count / total
        self.count += count


class ObservationNormalizer(RunningMeanStd):
    """Gives each number of an observation mean 0 and variance 1, and clips it to [-10, 10].

    The statistics stand still while a rollout is collected and learned from: they are of all
    rollouts before it. So the first one is not normalized.
    """

    def forward(self, obs: Tensor) -> Tensor:
        """Return normalized observations, shape [B, ...], in float32, which networks compute in."""
        normalized = (obs.to(self.mean.dtype) - self.mean) / (self.variance + _EPSILON).sqrt()
        return normalized.clamp(-_CLIP, _CLIP).to(torch.float32)


class RewardNormalizer(RunningMeanStd):
    """Divides rewards by the standard deviation of discounted returns, and clips to [-10, 10].

    A return here is what has been earned so far, discounted backwards in time: R = gamma R + r,
    from 0 at the start of each episode (Engstrom et al. 2020, "Implementation matters", section 3).
    """

    returns: Tensor

    def __init__(self, num_envs: int, gamma: float) -> None:
        """Follow the returns of `num_envs` sub-environments."""
        super().__init__(())
        self.register_buffer("returns", torch.zeros(num_envs, dtype=torch.float64))
        self._gamma = gamma

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take over a state; one of another number of sub-environments begins new returns."""
        name = f"{prefix}returns"
        if name in state_dict and state_dict[name].shape != self.returns.shape:
            state_dict[name] = torch.zeros_like(self.returns)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, reward: NDArray[np.float32], ended: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Take in the rewards of a rollout and return them scaled, both [T, N].

        Args:
            reward: As the environment gave them.
            ended: Whether an episode ended there, terminated or truncated.
        """
        running = self.returns.numpy(force=True)  # [N]
        returns = np.empty(reward.shape)  # [T, N]
        for step in range(len(reward)):
            running = self._gamma * running + reward[step]
            returns[step] = running
            running = running * ~ended[step]
        self.returns.copy_(torch.from_numpy(running))
        self.update(torch.from_numpy(returns.reshape(-1)))
        scale = 1 / np.sqrt(self.variance.item() + _EPSILON)
        scaled: NDArray[np.float32] = (reward * scale).clip(-_CLIP, _CLIP).astype(np.float32)
        return scaled
