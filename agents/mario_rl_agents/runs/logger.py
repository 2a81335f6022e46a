"""Logs a training into its run's folder: episodes, metrics, and TensorBoard.

`metrics.csv` and TensorBoard hold the same numbers under the same keys; docs/training.md defines
each key. What is written depends on the steps taken alone (`charts/steps_per_second` apart), and
the files are cut back to the checkpoint when a run is resumed: a resumed run leaves the files that
an unbroken one would leave.
"""

from __future__ import annotations

import csv
import time
from collections import deque

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.errors import RunError
from mario_rl_agents.files import open_to_append
from mario_rl_agents.runs.metrics import (
    RUNNING_EPISODES,
    EpisodeRow,
    MetricRow,
    cells_of,
    clear_rate,
    read_rows,
    write_rows,
)
from mario_rl_agents.runs.run import Run


class RunLogger(Callback):
    """Logs a training into its run's folder."""

    def __init__(
        self,
        run: Run,
        *,
        resume_step: int | None = None,
        log_period: int = 100,
        loss_period: int = 100,
    ) -> None:
        """Open the files.

        Args:
            run: Where to write.
            resume_step: Environment steps of the checkpoint that the run is resumed from: later
                rows are dropped. None starts new files.
            log_period: Environment steps between two rows of agent metrics, rounded up to a step
                of all sub-environments.
            loss_period: Gradient steps between two rows of losses.

        Raises:
            FileNotFoundError: The run is resumed and a log is missing.
            RunError: The run is resumed and a log is damaged, or the folder of TensorBoard's logs
                is a link.
        """
        # Imported here: it takes a second.
        from torch.utils.tensorboard import SummaryWriter

        if run.tensorboard.is_symlink():
            raise RunError(
                f"{run.tensorboard} is a link, which may lead to somebody else's files: delete it"
            )
        self._log_period = log_period
        self._loss_period = loss_period
        episodes: list[EpisodeRow] = []
        metrics: list[MetricRow] = []
        if resume_step is not None:
            episodes = read_rows(run.episodes_path, EpisodeRow)
            metrics = read_rows(run.metrics_path, MetricRow)
            episodes = [row for row in episodes if row.step <= resume_step]
            metrics = [row for row in metrics if row.step <= resume_step]
        write_rows(run.episodes_path, EpisodeRow, episodes)
        write_rows(run.metrics_path, MetricRow, metrics)
        self._recent = deque(episodes, maxlen=RUNNING_EPISODES)
        self._episodes = open_to_append(run.episodes_path)
        self._metrics = open_to_append(run.metrics_path)
        self._tensorboard = SummaryWriter(
            run.tensorboard, purge_step=None if resume_step is None else resume_step + 1
        )

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock of steps per second and the counts that periods are told by."""
        self._clock = (time.monotonic(), agent.num_steps)
        self._num_steps, self._num_updates = agent.num_steps, agent.num_updates

    def on_step(self, agent: Agent) -> bool | None:
        """Log the agent's metrics and the speed every `log_period` environment steps."""
        # Several steps at once, of N sub-environments or of a whole rollout, rarely end on a
        # multiple.
        before, self._num_steps = self._num_steps, agent.num_steps
        if _ends_a_period(before, agent.num_steps, self._log_period):
            now, (then, steps_then) = time.monotonic(), self._clock
            speed = (agent.num_steps - steps_then) / max(now - then, 1e-9)
            self._clock = (now, agent.num_steps)
            self.record(agent.num_steps, {"charts/steps_per_second": speed, **agent.metrics()})
        return None

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        """Log losses every `loss_period` gradient steps."""
        # Of gradient steps that were due at once, or are reported as one, the first report is
        # logged. It is no average over the period: that would need a memory that outlives a resume.
        before, self._num_updates = self._num_updates, agent.num_updates
        if _ends_a_period(before, agent.num_updates, self._loss_period):
            named = {k if "/" in k else f"losses/{k}": v for k, v in losses.items()}
            self.record(agent.num_steps, named)

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Log a finished episode."""
        row = EpisodeRow.of(episode)
        self._recent.append(row)
        csv.writer(self._episodes).writerow(cells_of(row))
        self._episodes.flush()
        metrics = {
            "charts/episodic_return": row.episodic_return,
            "charts/episodic_length": float(row.episodic_length),
        }
        if row.x_pos is not None:
            metrics["charts/x_pos"] = float(row.x_pos)
        cleared = clear_rate(self._recent)
        if cleared is not None:
            metrics["charts/clear_rate"] = cleared
        self.record(row.step, metrics)

    def on_training_end(self, agent: Agent) -> None:
        """Flush and close every file."""
        self._episodes.close()
        self._metrics.close()
        self._tensorboard.close()

    def record(self, step: int, metrics: dict[str, float]) -> None:
        """Write values by key to `metrics.csv` and to TensorBoard.

        Args:
            step: Environment steps of the whole run.
            metrics: The values, such as `{"charts/epsilon": 0.4}`.
        """
        writer = csv.writer(self._metrics)
        for metric, value in metrics.items():
            writer.writerow(cells_of(MetricRow(step, metric, float(value))))
            self._tensorboard.add_scalar(metric, float(value), step)
        self._metrics.flush()


def _ends_a_period(before: int, now: int, period: int) -> bool:
    """Return whether a count has come to a multiple of `period`, or passed one."""
    return now // period > before // period
