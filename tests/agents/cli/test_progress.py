"""Progress of a training: times, and averages that a resumed run goes on with."""

import io
import re
import time
from pathlib import Path

import gymnasium as gym
import pytest
from mario_rl_agents.agent import Episode
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.cli.progress import GamesPrinter, ProgressDisplay
from mario_rl_agents.cli.terminal import duration, make_printable
from mario_rl_agents.envs import make_vec_env
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
    assert capture.get().startswith("step 0 of 200 · clear 50% · 0 steps/s · return 2.5")


def test_games_are_shown_where_they_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    spec = RunSpec("random", "CartPole-v1", {}, {}, seed=0, total_steps=10**6, total_games=50)
    run = Run.create(tmp_path / "run", spec)
    rows = [EpisodeRow(i, 9, 5.0, 9, True, False, None, None) for i in range(10)]
    write_rows(run.episodes_path, EpisodeRow, rows)
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    agent.num_episodes, agent.num_steps = 10, 90
    console = Console(width=120, force_terminal=False)
    progress = ProgressDisplay(console, run, minutes=None)
    with console.capture() as capture:
        progress.on_training_start(agent)
        clock[0] += 60.0
        agent.num_episodes, agent.num_steps = 20, 180
        progress.on_training_end(agent)
    agent.env.close()
    # Ten games a minute, and thirty are left.
    text = "game 20 of 50 · step 180 of 1,000,000 · 3:00 left · return 5.0 ·"
    assert capture.get().startswith(text)


def test_a_line_is_printed_for_each_game(tmp_path: Path) -> None:
    spec = RunSpec("random", "CartPole-v1", {}, {}, seed=0, total_steps=10**6, num_envs=2)
    run = Run.create(tmp_path / "run", spec)
    write_rows(run.episodes_path, EpisodeRow, [EpisodeRow(0, 9, 30.0, 9, True, False, None, None)])
    console = Console(width=120, force_terminal=False)
    agent = RandomAgent.create(make_vec_env("CartPole-v1", 2), device="cpu")
    printer = GamesPrinter(console, run)
    with console.capture() as capture:
        printer.on_training_start(agent)
        printer.on_episode_end(agent, Episode(1, 40, 10.0, 9, True, False, {}, worker=1))
        infos = {"x_pos": 1204, "flag_get": False}
        printer.on_episode_end(agent, Episode(2, 90, 50.0, 1_000, True, False, infos))
        infos = {"x_pos": 3161, "flag_get": True}
        printer.on_episode_end(agent, Episode(3, 99, 40.0, 300, True, False, infos))
    agent.env.close()
    assert capture.get().splitlines() == [
        "game 2 · return 10.0 · mean 20.0 · best 30.0 · worker 1 · 9 steps",
        "game 3 · return 50.0 · mean 30.0 · best 50.0 · x 1,204 · worker 0 · 1,000 steps",
        "game 4 · return 40.0 · mean 32.5 · best 50.0 · cleared · worker 0 · 300 steps",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, ["1:12:00 left", "clear 80%", "120 steps/s"]),
        (80, ["1:12:00 left", "clear 80%", "120 steps/s", "return 2,900.5"]),
        (
            120,
            [
                "1:12:00 left",
                "clear 80%",
                "120 steps/s",
                "return 2,900.5",
                "epsilon 0.25",
                "step 1,482,400 of 2,000,800",
            ],
        ),
        (20, ["1:12:00 left"]),
    ],
)
def test_what_matters_is_beside_the_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, expected: list[str], encoding: str
) -> None:
    """A bar that is seen, then what fits of the line, in order, on one line."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    spec = RunSpec("random", "CartPole-v1", {}, {}, seed=0, total_steps=2_000_800)
    run = Run.create(tmp_path / "run", spec)
    rows = [EpisodeRow(i, 9, 2900.5, 9, True, False, None, i < 8) for i in range(10)]
    write_rows(run.episodes_path, EpisodeRow, rows)
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    monkeypatch.setattr(agent, "metrics", lambda: {"charts/epsilon": 0.25})
    agent.num_steps = 1_481_200
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    make_printable(file)
    console = Console(file=file, width=width, force_terminal=True, color_system="standard")
    progress = ProgressDisplay(console, run, minutes=None)
    progress.on_training_start(agent)
    clock[0] += 10.0
    agent.num_steps += 1_200
    progress.on_training_end(agent)
    agent.env.close()
    file.seek(0)
    drawn = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", file.read()).replace("\r", "\n").split("\n")
    [line] = {line for line in drawn if "120 steps/s" in line or (width == 20 and "1:12" in line)}
    separator = "·" if encoding == "utf-8" else "-"
    bar, text = re.fullmatch(r"([━╺╸-]+)\s+(.*?)\s*", line).groups()  # type: ignore[union-attr]
    assert text.split(f" {separator} ") == expected
    assert len(bar) >= (5 if width == 20 else 10)
    assert len(line) <= width
