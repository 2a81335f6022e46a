"""Progress of a training: a bar on a terminal, a line now and then elsewhere, a line a game."""

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
        self._spec = run.spec
        self._seconds = None if minutes is None else 60.0 * minutes
        self._period = 0.2 if console.is_terminal else 10.0  # seconds
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock and the bar."""
        # On resumption the logger has cut the log back to the checkpoint.
        self._recent = deque(self._run.episodes(), maxlen=RUNNING_EPISODES)
        self._start = self._shown = time.monotonic()
        self._first_step, self._first_game = agent.num_steps, agent.num_episodes
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
        total_steps, total_games = self._spec.total_steps, self._spec.total_games
        steps = total_steps - self._first_step
        share = (agent.num_steps - self._first_step) / max(steps, 1)
        speed = self._speed()
        # The last rollout may take more steps than are left.
        left = max(total_steps - agent.num_steps, 0) / speed if speed > 0 else math.inf
        used = time.monotonic() - self._start
        if total_games is not None:
            played = agent.num_episodes - self._first_game
            of_games = played / max(total_games - self._first_game, 1)
            share = max(share, of_games)
            left = min(left, used * max(1 / of_games - 1, 0.0) if played else math.inf)
        if self._seconds is not None:
            share = max(share, used / max(self._seconds, 1e-9))
            left = min(left, max(self._seconds - used, 0.0))
        return min(share, 1.0), left if left < math.inf else None

    def _describe(self, agent: Agent) -> str:
        """Return everything in a line, for a log."""
        return _SEPARATOR.join([*self._counts(agent), *self._facts(agent)])

    def _describe_beside_bar(self, agent: Agent) -> str:
        """Return what fits beside the bar, the most important first."""
        text, *others = [*self._facts(agent), *self._counts(agent)]
        for other in others:
            longer = f"{text}{_SEPARATOR}{other}"
            if len(longer) + _BAR > self._console.width:
                break
            text = longer
        return text

    def _counts(self, agent: Agent) -> list[str]:
        """Return the numbers of games, if they are a budget, and of steps."""
        total_games = self._spec.total_games
        steps = f"step {agent.num_steps:,} of {self._spec.total_steps:,}"
        if total_games is None:
            return [steps]
        return [f"game {agent.num_episodes:,} of {total_games:,}", steps]

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


class GamesPrinter(Callback):
    """Prints a line for each game, as the tutorials do: its return, the mean, the best so far."""

    def __init__(self, console: Console, run: Run) -> None:
        """Take where it is printed, and what is trained."""
        self._console = console
        self._run = run

    def on_training_start(self, agent: Agent) -> None:
        """Read the games before a resumption."""
        rows = self._run.episodes()
        self._recent = deque(rows, maxlen=RUNNING_EPISODES)
        self._best = max((row.episodic_return for row in rows), default=-math.inf)
        self._has_workers = agent.num_envs > 1 or hasattr(agent.config, "num_workers")

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Print the game."""
        row = EpisodeRow.of(episode)
        self._recent.append(row)
        self._best = max(self._best, row.episodic_return)
        place = None if row.x_pos is None else f"x {row.x_pos:,}"
        if row.cleared is not None:
            place = "cleared" if row.cleared else place
        facts = [
            f"game {row.episode + 1:,}",
            f"return {row.episodic_return:,.1f}",
            f"mean {mean_return(self._recent):,.1f}",
            f"best {self._best:,.1f}",
            place,
            f"worker {episode.worker}" if self._has_workers else None,
            f"{row.episodic_length:,} steps",
        ]
        self._console.print(
            _SEPARATOR.join(fact for fact in facts if fact is not None), soft_wrap=True
        )
