"""What was decided in a video and how it came to that: a JSON file beside it, for reports."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from mario_rl_agents.config import Positive, Whole, check, convert_fields, read
from mario_rl_agents.errors import RunError
from mario_rl_agents.files import read_json, replacing

# Of each action its probability or its value; or the numbers of a continuous action.
Kind = Literal["probabilities", "values", "numbers"]


def decisions_path(video: Path) -> Path:
    """Return where the decisions of a video lie."""
    return video.with_suffix(".decisions.json")


@dataclass(frozen=True)
class Decisions:
    """What was decided in a video of one episode; T decisions, in order."""

    kind: Kind  # what `numbers` are
    fps: Positive  # frames of the video a second
    names: tuple[str, ...]  # [A], of the actions, or of the numbers of a continuous one
    frames: tuple[Whole, ...]  # [T], the first frame of the video that shows it
    numbers: tuple[tuple[float | None, ...], ...]  # [T, A]; None: no finite number
    chosen: tuple[Whole | None, ...]  # [T], the action; None where it is continuous
    is_random: tuple[bool, ...]  # [T], by an epsilon
    values: tuple[float | None, ...]  # [T], the expected return; None: the agent has no critic
    x_pos: tuple[int | None, ...]  # [T], pixels, before the step; None where infos do not say
    rewards: tuple[float | None, ...]  # [T], of the step

    def __post_init__(self) -> None:
        """Check that everything is there of each decision, and of each action.

        Raises:
            ValueError: If not.
        """
        convert_fields(self)
        count, size = len(self.frames), len(self.names)
        columns = {
            "numbers": self.numbers,
            "chosen": self.chosen,
            "is_random": self.is_random,
            "values": self.values,
            "x_pos": self.x_pos,
            "rewards": self.rewards,
        }
        check("frames", self.frames, count > 0, "those of at least one decision")
        is_rising = all(a <= b for a, b in zip(self.frames, self.frames[1:], strict=False))
        check("frames", self.frames, is_rising, "in rising order")
        for name, column in columns.items():
            check(name, column, len(column) == count, f"{count} entries, as many as frames")
        sizes = {len(row) for row in self.numbers}
        check("numbers", sizes, sizes == {size}, f"rows of {size} entries, as many as names")
        known = [action for action in self.chosen if action is not None]
        check("chosen", known, all(action < size for action in known), f"actions below {size}")

    @classmethod
    def beside(cls, video: Path) -> Self | None:
        """Return the decisions of a video; None where none are kept.

        Raises:
            RunError: The file is damaged.
        """
        path = decisions_path(video)
        if not path.is_file():
            return None
        try:
            return read(cls, read_json(path))
        except ValueError as error:
            raise RunError(
                f"{path} is damaged ({error}): delete it, and the video is shown without it"
            ) from error

    def write(self, path: Path) -> None:
        """Write them in place of `path`; a crash leaves the old file."""
        with replacing(path) as new:
            new.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


class DecisionLog:
    """Collects the decisions of an episode while it is played."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kind: Kind | None = None
        self._rows: list[tuple[Any, ...]] = []

    def add(
        self,
        kind: Kind,
        *,
        frame: int,
        numbers: ArrayLike,
        chosen: int | None,
        is_random: bool,
        value: float | None,
        x_pos: int | None,
        reward: float,
    ) -> None:
        """Note a decision; what each argument is, `Decisions` says."""
        self._kind = kind
        row = tuple(_finite(np.asarray(numbers, np.float64).tolist()))
        [value, reward_or_none] = _finite([value, reward])
        self._rows.append((frame, row, chosen, is_random, value, x_pos, reward_or_none))

    def decisions(self, names: Sequence[str], fps: float) -> Decisions | None:
        """Return what was noted; None if that is nothing.

        Args:
            names: Of the actions, or of the numbers of a continuous one, [A].
            fps: Frames a second.
        """
        if self._kind is None:
            return None
        return Decisions(self._kind, fps, tuple(names), *zip(*self._rows, strict=True))


def _finite(numbers: Sequence[float | None]) -> Iterator[float | None]:
    """Yield numbers with six significant digits, and None where one is not finite."""
    for number in numbers:
        is_finite = number is not None and math.isfinite(number)
        yield float(f"{number:.6g}") if is_finite else None
