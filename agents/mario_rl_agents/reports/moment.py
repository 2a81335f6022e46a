"""One step of an episode, as it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Moment:
    """One environment step, as the panel shows it."""

    ratings: NDArray[Any] | None  # [A], values or probabilities; None where the player has none
    scale: tuple[float, float]  # the ends of the bars' axis
    action: Any
    is_random: bool
    obs: Any
    step: int
    episodic_return: float
    x_pos: int | None  # pixels
