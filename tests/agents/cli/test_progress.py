"""Progress of a training: times, and averages that a resumed run goes on with."""

from pathlib import Path

import gymnasium as gym
import pytest
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.cli.progress import ProgressDisplay, duration
from mario_rl_agents.runs.metrics import EpisodeRow, write_rows
from mario_rl_agents.runs.run import Run, RunSpec
from rich.console import Console


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (727, "12:07"), (10800, "3:00:00")]
)
def test_duration_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_resumed_run_shows_the_average_of_the_episodes_before(tmp_path: Path) -> None:
    spec = RunSpec("random", "CartPole-v1", {}, {}, seed=0, total_steps=200)
    run = Run.create(tmp_path / "run", spec)
    rows = [EpisodeRow(i, 10 * i + 10, 5.0 * i, 10, True, False, None, i == 1) for i in range(2)]
    write_rows(run.episodes_path, EpisodeRow, rows)
    console = Console(width=120, force_terminal=False)
    env = gym.make("CartPole-v1")
    agent = RandomAgent.create(env, device="cpu")
    progress = ProgressDisplay(console, run, minutes=None)
    with console.capture() as capture:
        progress.on_training_start(agent)
        progress.on_training_end(agent)
    env.close()
    assert capture.get().startswith("step 0 of 200 · 0 steps/s · return 2.5 · clear 50%")
