"""Values that change with the number of environment steps, such as the epsilon of exploration."""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A value for every environment step."""

    def __call__(self, step: int) -> float:
        """Return the value at `step`, counted from 0 in environment steps."""


@dataclass(frozen=True)
class Constant:
    """The same value at every step.

    Raises:
        ValueError: If `value` is not finite.
    """

    value: float

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_finite("value", self.value)

    def __call__(self, step: int) -> float:
        """Return `value`."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """A straight line from `start` to `end` over `num_steps` steps, then `end` (Mnih et al. 2015).

    Raises:
        ValueError: If an end is not finite or `num_steps` is below 1.
    """

    start: float
    end: float
    num_steps: int  # environment steps

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_finite("start", self.start)
        _check_finite("end", self.end)
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1 environment step, got {self.num_steps}")

    def __call__(self, step: int) -> float:
        """Return the point of the line at `step`."""
        fraction = min(step / self.num_steps, 1.0)
        return self.start + fraction * (self.end - self.start)


@dataclass(frozen=True)
class Exponential:
    """`start` times `factor` once per step, never below `end`.

    Raises:
        ValueError: If `factor` is outside (0, 1], or not 0 <= `end` <= `start`, both finite.
    """

    start: float
    end: float
    factor: float  # per environment step

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_finite("start", self.start)
        _check_finite("end", self.end)
        if not 0.0 < self.factor <= 1.0:
            raise ValueError(f"factor must be in (0, 1], got {self.factor}")
        if not 0.0 <= self.end <= self.start:
            raise ValueError(f"end must be in [0, start = {self.start}], got {self.end}")

    def __call__(self, step: int) -> float:
        """Return start * factor ** step, or `end` once that is larger."""
        return max(self.start * self.factor**step, self.end)


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")
