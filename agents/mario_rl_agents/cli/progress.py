"""Progress of a training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.cli.terminal import duration
from mario_rl_agents.runs.metrics import RUNNING_EPISODES, EpisodeRow, clear_rate, mean_return
from mario_rl_agents.runs.run import Run

_SEPARATOR: Final = " · "
_BAR: Final = 12  # columns that the bar has at least, with the spaces around it


class ProgressDisplay(Callback):
    """Shows a progress bar on a terminal, and elsewhere a line every ten seconds."""

    def __init__(self, console: Console, run: Run, minutes: float | None) -> None:
        """Take what is shown.

        Args:
            console: Where it is shown.
            run: What is trained.
            minutes: Time budget of this training; None is no limit.
        """
        self._console = console
        self._run = run
        self._total_steps = run.spec.total_steps
        self._seconds = None if minutes is None else 60.0 * minutes
        self._period = 0.2 if console.is_terminal else 10.0  # seconds
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock and the bar."""
        # On resumption the logger has cut the log back to the checkpoint.
        self._recent = deque(self._run.episodes(), maxlen=RUNNING_EPISODES)
        self._start = self._shown = time.monotonic()
        self._first_step = agent.num_steps
        # The speed is that of the last ten seconds or so, since it changes when learning starts.
        self._clocks = deque([(self._start, agent.num_steps)], maxlen=int(10 / self._period) + 1)
        if self._console.is_terminal:
            self._progress = Progress(
                BarColumn(bar_width=None),
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
                console=self._console,
                expand=True,
                auto_refresh=False,
            )
            self._task = self._progress.add_task(self._describe_beside_bar(agent), total=1.0)
            self._progress.start()

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Count the episode in the averages."""
        self._recent.append(EpisodeRow.of(episode))

    def on_step(self, agent: Agent) -> bool | None:
        """Show the progress when it is time."""
        now = time.monotonic()
        if now - self._shown >= self._period:
            self._shown = now
            self._clocks.append((now, agent.num_steps))
            self._show(agent)
        return None

    def on_training_end(self, agent: Agent) -> None:
        """Show the last state."""
        self._clocks.append((time.monotonic(), agent.num_steps))
        self._show(agent)
        if self._progress is not None:
            self._progress.stop()

    def _show(self, agent: Agent) -> None:
        if self._progress is None:
            self._console.print(self._describe(agent), soft_wrap=True)
            return
        share, _ = self._share_and_seconds_left(agent)
        text = self._describe_beside_bar(agent)
        self._progress.update(self._task, completed=share, description=text)
        self._progress.refresh()

    def _speed(self) -> float:
        (then, steps_then), (now, steps) = self._clocks[0], self._clocks[-1]
        return (steps - steps_then) / max(now - then, 1e-9)

    def _share_and_seconds_left(self, agent: Agent) -> tuple[float, float | None]:
        """Return how much of the tighter budget is used, in [0, 1], and the seconds left of it."""
        steps = self._total_steps - self._first_step
        share = (agent.num_steps - self._first_step) / max(steps, 1)
        speed = self._speed()
        # The last rollout may take more steps than are left.
        steps_left = max(self._total_steps - agent.num_steps, 0)
        left = steps_left / speed if speed > 0 else None
        if self._seconds is not None:
            used = time.monotonic() - self._start
            share = max(share, used / max(self._seconds, 1e-9))
            left = min(max(self._seconds - used, 0.0), math.inf if left is None else left)
        return min(share, 1.0), left

    def _describe(self, agent: Agent) -> str:
        """Return everything in a line, for a log."""
        steps = f"step {agent.num_steps:,} of {self._total_steps:,}"
        return _SEPARATOR.join([steps, *self._facts(agent)])

    def _describe_beside_bar(self, agent: Agent) -> str:
        """Return what fits beside the bar, the most important first."""
        steps = f"step {agent.num_steps:,} of {self._total_steps:,}"
        text, *others = [*self._facts(agent), steps]
        for other in others:
            longer = f"{text}{_SEPARATOR}{other}"
            if len(longer) + _BAR > self._console.width:
                break
            text = longer
        return text

    def _facts(self, agent: Agent) -> list[str]:
        """Return time left, clear rate, speed, return and epsilon, as far as they are known."""
        _, left = self._share_and_seconds_left(agent)
        average, cleared = mean_return(self._recent), clear_rate(self._recent)
        returned = None if average is None else f"return {average:,.1f}"
        clears = None if cleared is None else f"clear {cleared:.0%}"
        epsilon = agent.metrics().get("charts/epsilon")
        facts = [
            None if left is None else f"{duration(left)} left",
            clears or returned,
            f"{self._speed():,.0f} steps/s",
            returned if clears else None,
            None if epsilon is None else f"epsilon {epsilon:.2f}",
        ]
        return [fact for fact in facts if fact is not None]
