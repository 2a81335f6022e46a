"""What a video shows over time, as a chart to scrub the video through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mario_rl_agents.reports.html.charts import style_of

MAX_LINES: Final = 12  # of a chart; more are not told apart

Number = float | None  # None where there is none
Column = Sequence[Number | str]  # [T]


@dataclass(frozen=True)
class Track:
    """Numbers that change at certain moments of a video, such as the probabilities of actions.

    Attributes:
        label: What the numbers are.
        names: Of the numbers, [A].
        seconds: When each of T moments begins in the video, [T], in rising order.
        frame_seconds: How long a picture of the video is seen.
        numbers: [T, A].
        chosen: The number that was chosen at each moment, [T].
        facts: What else is told of a moment, by name; numbers or texts, [T].
        are_shares: Whether the numbers of a moment add up to 1: they are drawn on top of each
            other, and told in per cent.
        note: Below the chart.
    """

    label: str
    names: Sequence[str]
    seconds: Sequence[float]
    frame_seconds: float
    numbers: Sequence[Sequence[Number]]
    chosen: Sequence[int | None]
    facts: Mapping[str, Column]
    are_shares: bool
    note: str = ""

    @property
    def content(self) -> str:
        """What the script of the page draws, as JSON: at most `MAX_LINES` of the numbers."""
        shown = self._shown()
        places = {index: place for place, index in enumerate(shown)}
        rows = [[row[index] for index in shown] for row in self.numbers]
        names = [self.names[index] for index in shown]
        if self.are_shares and len(shown) < len(self.names):
            names.append(f"{len(self.names) - len(shown)} others")
            rows = [[*row, 1.0 - sum(share or 0.0 for share in row)] for row in rows]
        styles = [style_of(place)._asdict() for place in range(len(names))]
        return json.dumps(
            {
                "label": self.label,
                "names": names,
                "styles": styles,
                "seconds": list(self.seconds),
                "frameSeconds": self.frame_seconds,
                "numbers": rows,
                "chosen": [None if x is None else places.get(x) for x in self.chosen],
                "facts": {name: list(column) for name, column in self.facts.items()},
                "areShares": self.are_shares,
            },
            separators=(",", ":"),
        )

    def _shown(self) -> list[int]:
        """Return the numbers that are drawn: those chosen most often, then the largest ones."""
        if len(self.names) <= MAX_LINES:
            return list(range(len(self.names)))

        def weight(index: int) -> tuple[int, float]:
            times = sum(chosen == index for chosen in self.chosen)
            return times, sum(row[index] or 0.0 for row in self.numbers)

        return sorted(sorted(range(len(self.names)), key=weight, reverse=True)[:MAX_LINES])
