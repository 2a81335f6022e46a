"""The report on the tutorials: a table over seeds, and a picture of each row's learning."""

from __future__ import annotations

import json
import os
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from mario_rl_agents.recipes import find_recipe, make_env
from mario_rl_agents.runs.metrics import EpisodeRow, read_episodes, running_average
from mario_rl_agents.runs.training import write_json

from benchmarks.throughput import ROOT, save
from benchmarks.tutorial_jobs import (
    NUM_STOP_GAMES,
    job_folder,
    load_ladder,
    read_json,
    read_progress,
    read_result,
    read_rung,
)
from benchmarks.tutorial_rows import LADDER, MEASURES, Row

RESULTS: Final = ROOT / "benchmarks" / "results.md"
CURVES: Final = ROOT / "benchmarks" / "curves"
MARK: Final = "tutorials"
NUM_RANDOM_GAMES: Final = 100
_GRID_POINTS: Final = 300
_TITLE_WIDTH: Final = 76  # characters of a line
_COLOR, _TEST_COLOR, _RANDOM_COLOR, _TARGET_COLOR = "#2f6fde", "#e4572e", "#888888", "#2a9d5c"


def write_report(
    rows: Sequence[Row], out: Path, page: Path = RESULTS, curves: Path = CURVES
) -> None:
    """Write the table of all rows between the page's marks, and the pictures.

    Args:
        rows: the table's rows; those without a finished seed are said to be so.
        out: where the jobs' folders are.
        page: the page with the marks.
        curves: where the pictures go.
    """
    found = {row.id: results(row, out) for row in rows}
    pictures = []
    for row in rows:
        if row.algorithm == LADDER:
            if found[row.id]:
                draw_ladder(row, out, curves / f"{row.id}.png")
                pictures.append(link(row, curves, page))
            continue
        folders = [folder for _, folder in job_folders(row, out)]
        histories = [games for games in map(read_games, folders) if games]
        if histories:
            tests = [read_stop_tests(folder) for folder in folders]
            draw(row, histories, tests, random_play(row, out), curves / f"{row.id}.png")
            pictures.append(link(row, curves, page))
    parts = [
        table(rows, found, out),
        other_measures(rows, found),
        ladder(rows, found),
        footnote([result for each in found.values() for result in each]),
        "\n".join(pictures),
    ]
    save(page, "\n\n".join(part for part in parts if part), MARK)


def job_folders(row: Row, out: Path) -> list[tuple[int, Path]]:
    """Return the seeds that were begun and their folders, in order."""
    prefix = job_folder(out, row, 0).name.removesuffix("0")
    seeds = [
        int(folder.name.removeprefix(prefix))
        for folder in out.glob(f"{prefix}*/")
        if folder.name.removeprefix(prefix).isdigit()
    ]
    return [(seed, job_folder(out, row, seed)) for seed in sorted(seeds)]


def unfinished_folders(row: Row, out: Path) -> list[tuple[int, Path]]:
    """Return the seeds that were begun and are not finished, and their folders."""
    folders = job_folders(row, out)
    return [(seed, folder) for seed, folder in folders if not (folder / "result.json").is_file()]


def results(row: Row, out: Path) -> list[dict[str, Any]]:
    """Return what the finished jobs of a row found, by seed."""
    found = [read_result(out, row, seed) for seed, _ in job_folders(row, out)]
    return [result for result in found if result is not None]


def table(rows: Sequence[Row], found: dict[str, list[dict[str, Any]]], out: Path) -> str:
    """Return the table in Markdown."""
    lines = [
        "| row | system | environment | measured | target | author | here: mean ± s.d. (seeds) "
        "| reached | steps | games | minutes |",
        "|---|---|---|---|---:|---|---|---|---:|---:|---:|",
    ]
    for row in rows:
        done = found[row.id]
        cells = [row.id, row.title, row.env_id, MEASURES[row.measure], number(row.target)]
        cells += [row.author]
        if done:
            values = [result["value"] for result in done if result["value"] is not None]
            reached = sum(result["reached"] for result in done)
            early = sum(result["stopped_early"] for result in done)
            unfinished = f"; {state(row, out)}" * bool(unfinished_folders(row, out))
            cells += [
                with_seeds(values) + unfinished,
                f"{reached} of {len(done)}",
                mean_and_range([r["steps"] for r in done]) + ", stopped early" * bool(early),
                mean_and_range([r["games"] for r in done if r["games"] is not None]),
                mean_and_range([result["minutes"] for result in done], digits=1),
            ]
        else:
            cells += [state(row, out), "", "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def state(row: Row, out: Path) -> str:
    """Return how far the seeds of a row are that are not finished."""
    parts = []
    for seed, folder in unfinished_folders(row, out):
        progress, games = read_progress(folder), read_games(folder)
        text = f"seed {seed}: {progress['steps']:,} of {row.budget}"
        if row.steps is None:
            text = f"seed {seed}: {progress['games']:,} of {row.budget}"
        text += f" in {progress['seconds'] / 60:,.0f} minutes"
        if games:
            last = [game.episodic_return for game in games[-100:]]
            text += f", last {len(last)} games {number(statistics.mean(last))}"
        if games and games[-1].x_pos is not None:
            xs = [game.x_pos or 0 for game in games]
            flags = sum(bool(game.cleared) for game in games)
            text += f", x {statistics.mean(xs[-100:]):,.0f}, furthest {max(xs):,}, {flags} flags"
        so_far = read_json(folder / "so_far.json")
        if so_far is not None and so_far["value"] is not None:
            text += f"; {MEASURES[row.measure]}: {number(so_far['value'])}"
        parts.append(text)
    return "unfinished: " + "; ".join(parts) if parts else "not run"


def other_measures(rows: Sequence[Row], found: dict[str, list[dict[str, Any]]]) -> str:
    """Return the same runs seen in every way, in Markdown."""
    names = [name for name in MEASURES if name not in ("cleared", "ladder")]
    lines = [
        f"| row | {' | '.join(MEASURES[name] for name in names)} | after reloading |",
        f"|---|{'---:|' * (len(names) + 1)}",
    ]
    for row in rows:
        cells = []
        for name in names:
            values = [result["measures"][name] for result in found[row.id]]
            known = [value for value in values if value is not None]
            cells.append(mean_and_deviation(known) if known else "")
        again = [r for r in found[row.id] if r["reloaded"] is not None]
        same = sum(result["reloaded"] == result["measures"]["test"] for result in again)
        cells.append(f"the same, {same} of {len(again)} seeds" if again else "")
        if found[row.id]:
            lines.append(f"| {row.id} | {' | '.join(cells)} |")
    return "The same runs, seen in every way:\n\n" + "\n".join(lines) if len(lines) > 2 else ""


def ladder(rows: Sequence[Row], found: dict[str, list[dict[str, Any]]]) -> str:
    """Return the scores of all rungs of the ladder, in Markdown."""
    lines: list[str] = []
    for result in (each for row in rows if row.algorithm == LADDER for each in found[row.id]):
        rungs: dict[str, float] = result["rungs"]
        if not lines:
            lines += [f"| rung | {' | '.join(rungs)} |", f"|---|{'---:|' * len(rungs)}"]
        scores = " | ".join(number(score) for score in rungs.values())
        lines.append(f"| seed {result['seed']} | {scores} |")
    return "The rungs of T3, 100 test games each:\n\n" + "\n".join(lines) if lines else ""


def footnote(done: list[dict[str, Any]]) -> str:
    """Return one paragraph on what was measured where, with which versions."""
    if not done:
        return ""
    commits = sorted({commit.removeprefix("commit ") for r in done for commit in r["commits"]})
    hardware = sorted({result["hardware"] for result in done})
    versions = {f"{name} {r['versions'][name]}" for r in done for name in ("python", "torch")}
    gymnasium = {f"gymnasium {result['versions']['gymnasium']}" for result in done}
    dates = sorted({result["date"][:10] for result in done})
    return (
        "The value of each seed is in brackets, in the order of the seeds; ± is the standard "
        "deviation over them. The kept agent is the one with the best running average of 100 "
        "training games (the final one where there were fewer games); training games are played "
        "with exploration, test games greedily, but on Mario with 5 % random actions. One torch "
        "thread a job, several jobs at once, so minutes are those of a shared machine. "
        f"{', '.join(dates)}; commits {', '.join(commits)}; {', '.join(hardware)}; "
        f"{', '.join(sorted(versions | gymnasium))}."
    )


def link(row: Row, curves: Path, page: Path) -> str:
    """Return the Markdown of a row's picture."""
    picture = curves / f"{row.id}.png"
    return f"![{row.id}: {row.title}]({os.path.relpath(picture, page.parent)})"


def draw_ladder(row: Row, out: Path, path: Path) -> None:
    """Draw the rungs as the example does, of the seeds that are finished."""
    example = load_ladder()
    folders = [f for _, f in job_folders(row, out) if (f / "result.json").is_file()]
    results = [read_rung(folder, rung) for folder in folders for rung in example.RUNGS]
    path.parent.mkdir(parents=True, exist_ok=True)
    example.draw(results, list(example.RUNGS), path)


def random_play(row: Row, out: Path) -> tuple[float, float]:
    """Return mean and standard deviation of random games in a row's environment, played once."""
    path = out / "random_play.json"
    known = read_json(path) or {}
    try:
        kwargs = dict(find_recipe(row.algorithm, row.env_id, row.recipe).env_kwargs)
    except ValueError:
        kwargs = {}
    key = f"{row.env_id} {json.dumps(kwargs, sort_keys=True)}"
    if key not in known:
        returns = play_at_random(make_env(row.env_id, kwargs))
        known[key] = [statistics.mean(returns), statistics.stdev(returns)]
        write_json(path, known)
    mean, deviation = known[key]
    return mean, deviation


def play_at_random(env: gym.Env[Any, Any], games: int = NUM_RANDOM_GAMES) -> list[float]:
    """Return the returns of games with uniformly random actions; the same ones each time."""
    env.action_space.seed(0)
    returns = []
    for game in range(games):
        env.reset(seed=game)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns


def read_games(folder: Path) -> list[EpisodeRow]:
    """Return the training games of a job; none before it began."""
    return read_episodes(folder) if (folder / "episodes.csv").is_file() else []


def read_stop_tests(folder: Path) -> list[dict[str, float]]:
    """Return the greedy tests that a job played on its way; none for rows without."""
    tests: list[dict[str, float]] = (read_json(folder / "stop_tests.json") or {"tests": []})[
        "tests"
    ]
    return tests


def draw(
    row: Row,
    histories: list[list[EpisodeRow]],
    tests: list[list[dict[str, float]]],
    random: tuple[float, float],
    path: Path,
) -> None:
    """Draw the running averages of all seeds, their mean and spread, random play and the target.

    Args:
        row: whose they are.
        histories: the training games of each seed, one or more.
        tests: the greedy tests of each seed on the way, for rows that have them.
        random: mean and standard deviation of random play.
        path: the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    by_game = row.steps is None
    curves = []
    for games in histories:
        averages = running_average([game.episodic_return for game in games])
        at = [game.episode + 1 if by_game else game.step for game in games]
        curves.append((np.asarray(at, dtype=np.float64), averages))
        axis.plot(*curves[-1], color=_COLOR, lw=0.7, alpha=0.4)
    grid, mean, deviation = mean_curve(curves)
    label = f"mean of {len(curves)} seeds ± 1 s.d." if len(curves) > 1 else "one seed"
    axis.plot(grid, mean, color=_COLOR, lw=1.8, label=label)
    axis.fill_between(grid, mean - deviation, mean + deviation, color=_COLOR, alpha=0.18, lw=0)
    if any(tests):
        steps = [test["step"] for each in tests for test in each]
        means = [test["mean"] for each in tests for test in each]
        label = f"{NUM_STOP_GAMES} greedy games"
        axis.plot(steps, means, "o", ms=4, mew=0, color=_TEST_COLOR, alpha=0.7, label=label)
    label = f"random play: {random[0]:,.0f} ± {random[1]:,.0f}"
    axis.axhline(random[0], color=_RANDOM_COLOR, ls=":", label=label)
    if row.measure != "cleared":
        label = f"target: {row.target:,g}"
        axis.axhline(row.target, color=_TARGET_COLOR, ls="--", lw=1, label=label)
    axis.set_xlabel("training games" if by_game else "environment steps")
    axis.set_ylabel("return, running average of 100", fontsize=8)
    axis.locator_params(axis="x", nbins=6)
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axis.legend(loc="best", frameon=False, fontsize=8)
    axis.grid(color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    title = textwrap.fill(f"{row.id}: {row.title}, {row.env_id}", _TITLE_WIDTH)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def mean_curve(
    curves: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return common points, mean and standard deviation there; as far as all curves reach."""
    first = max(float(at[0]) for at, _ in curves)
    last = min(float(at[-1]) for at, _ in curves)
    grid = np.linspace(min(first, last), last, _GRID_POINTS)
    values = np.stack([np.interp(grid, at, averages) for at, averages in curves])  # [seeds, grid]
    deviation = values.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros_like(grid)
    return grid, values.mean(axis=0), deviation


def number(value: float) -> str:
    """Return a figure with as many digits as matter."""
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return "198.2 ± 1.3", or the value alone where there is but one."""
    mean = number(statistics.mean(values))
    return f"{mean} ± {number(statistics.stdev(values))}" if len(values) > 1 else mean


def with_seeds(values: Sequence[float]) -> str:
    """Return mean, deviation and each value."""
    return f"{mean_and_deviation(values)} ({', '.join(number(value) for value in values)})"


def mean_and_range(values: Sequence[float], digits: int = 0) -> str:
    """Return "300", or "512,000 [480,000 to 550,000]" where they differ; nothing of nothing."""
    if not values:
        return ""
    mean, low, high = (
        f"{each:,.{digits}f}" for each in (statistics.mean(values), min(values), max(values))
    )
    return mean if low == high else f"{mean} [{low} to {high}]"
