"""The report on the tutorials: a table over seeds, and a picture of each row's learning."""

from __future__ import annotations

import functools
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
from mario_rl_agents.experiments import JobFolder, Progress, Score
from mario_rl_agents.experiments.curves import Curve, ReferenceLine, draw_seeds
from mario_rl_agents.experiments.seeds import (
    format_mean_and_deviation,
    format_mean_and_range,
    format_number,
    format_with_values,
)
from mario_rl_agents.runs.loading import open_env

from benchmarks.throughput import ROOT, save
from benchmarks.tutorial_results import KEPT, RowResult, read_kept
from benchmarks.tutorial_rows import LADDER, MEASURES, Row, load_ladder

RESULTS: Final = ROOT / "benchmarks" / "results.md"
CURVES: Final = ROOT / "benchmarks" / "curves"
MARK: Final = "tutorials"
NUM_RANDOM_GAMES: Final = 100
_TARGET_COLOR: Final = "#2a9d5c"

Found = Mapping[str, Sequence[RowResult]]  # by the row's id, what its finished seeds gave


def write_report(
    rows: Sequence[Row],
    out: Path,
    kept: Path = KEPT,
    page: Path = RESULTS,
    curves: Path = CURVES,
) -> None:
    """Write the table of all rows between the page's marks, and the pictures.

    Args:
        rows: the table's rows; those without a finished seed are said to be so.
        out: where the jobs' folders are: of seeds that are not finished, how far they are.
        kept: the folder of what the finished seeds came to.
        page: the page with the marks.
        curves: where the pictures go.
    """
    found = {row.id: read_kept(row, kept) for row in rows}
    pictures = [row for row in rows if draw(row, found[row.id], curves / f"{row.id}.png")]
    parts = [
        table(rows, found, out),
        other_measures(rows, found),
        ladder(rows, found),
        footnote([result for each in found.values() for result in each]),
        "\n".join(link(row, curves, page) for row in pictures),
    ]
    save(page, "\n\n".join(part for part in parts if part), MARK)


def begun_seeds(row: Row, out: Path) -> list[int]:
    """Return the seeds of a row that were begun, in order."""
    name = re.compile(rf"{re.escape(row.id)}-seed(\d+)(?:-\w+)?")
    found = [name.fullmatch(path.name) for path in out.glob(f"{row.id}-seed*/")]
    return sorted({int(match[1]) for match in found if match})


def table(rows: Sequence[Row], found: Found, out: Path) -> str:
    """Return the table in Markdown."""
    lines = [
        "| row | system | environment | its author | as the author measures | here, so measured: "
        "mean ± s.d. (seeds) | target | reached | here, 100 test games of the final agent | steps "
        "| games | minutes of one core |",
        "|---|---|---|---|---|---|---:|---|---|---:|---:|---:|",
    ]
    for row in rows:
        measured = MEASURES[row.measure].title
        cells = [row.id, row.title, row.env_id, row.author, measured]
        target, done = format_number(row.target), found[row.id]
        rest = state(row, out, [result.seed for result in done])
        if done:
            values = [value for each in done if (value := each.value(row)) is not None]
            early = any(result.stopped_early for result in done)
            cells += [
                format_with_values(values) + f"; {rest}" * bool(rest),
                target,
                f"{sum(result.has_reached(row) for result in done)} of {len(done)}",
                format_with_values([result.finals[-1] for result in done]),
                format_mean_and_range([r.num_steps for r in done]) + ", stopped early" * early,
                format_mean_and_range([result.num_games for result in done]),
                format_mean_and_range([result.cpu_minutes for result in done], digits=1),
            ]
        else:
            cells += [rest or "not run", target, "", "", "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def state(row: Row, out: Path, finished: Sequence[int] = ()) -> str:
    """Return how far the seeds of a row are that are begun and not finished; "" for none."""
    parts = []
    for seed in begun_seeds(row, out):
        if seed in finished:
            continue
        folders = [JobFolder(out, job.name) for job in row.jobs(seed)]
        steps, games, seconds = totals([folder.read_progress() for folder in folders])
        done = f"{steps:,}" if row.games is None else f"{games:,}"
        text = f"seed {seed}: {done} of {row.budget} in {seconds / 60:,.0f} minutes"
        episodes = folders[-1].read_episodes()
        if episodes:
            last = [episode.episodic_return for episode in episodes[-100:]]
            text += f", last {len(last)} games {format_number(statistics.mean(last))}"
        if episodes and episodes[-1].x_pos is not None:
            xs = [episode.x_pos or 0 for episode in episodes]
            flags = sum(bool(episode.cleared) for episode in episodes)
            text += f", x {statistics.mean(xs[-100:]):,.0f}, furthest {max(xs):,}, {flags} flags"
        so_far = folders[-1].read_so_far()
        value = None if so_far is None else MEASURES[row.measure].value(so_far)
        if value is not None:
            text += f"; {MEASURES[row.measure].title}: {format_number(value)}"
        parts.append(text)
    return "unfinished: " + "; ".join(parts) if parts else ""


def totals(progress: Sequence[Progress]) -> tuple[int, int, float]:
    """Return environment steps, games and seconds in all."""
    return (
        sum(each.num_steps for each in progress),
        sum(each.num_episodes for each in progress),
        sum(each.seconds for each in progress),
    )


def other_measures(rows: Sequence[Row], found: Found) -> str:
    """Return the same runs seen in every way, in Markdown."""
    measures = {name: each for name, each in MEASURES.items() if name not in ("cleared", LADDER)}
    lines = [
        f"| row | {' | '.join(each.title for each in measures.values())} | after reloading |",
        f"|---|{'---:|' * (len(measures) + 1)}",
    ]
    for row in rows:
        done = found[row.id]
        cells = []
        for name in measures:
            values = [result.measured[name] for result in done]
            known = [value for value in values if value is not None]
            # What is drawn in training says nothing of a ladder's single rung.
            cells.append(
                "" if row.measure == LADDER and name != "test" else format_mean_and_deviation(known)
            )
        again = [each.reloaded_same for each in done if each.reloaded_same is not None]
        cells.append(f"the same, {sum(again)} of {len(again)} seeds" if again else "")
        if done:
            lines.append(f"| {row.id} | {' | '.join(cells)} |")
    return "The same runs, seen in every way:\n\n" + "\n".join(lines) if len(lines) > 2 else ""


def ladder(rows: Sequence[Row], found: Found) -> str:
    """Return the scores of all rungs of the ladder, in Markdown."""
    done = [result for row in rows if row.measure == LADDER for result in found[row.id]]
    if not done:
        return ""
    rungs = list(load_ladder().RUNGS)
    lines = [f"| rung | {' | '.join(rungs)} |", f"|---|{'---:|' * len(rungs)}"]
    for result in done:
        scores = " | ".join(format_number(final) for final in result.finals)
        lines.append(f"| seed {result.seed} | {scores} |")
    return "The rungs of T3, 100 test games each:\n\n" + "\n".join(lines)


def footnote(done: Sequence[RowResult]) -> str:
    """Return one paragraph on what was measured where, with which versions."""
    if not done:
        return ""
    commits = sorted({commit for result in done for commit in result.commits})
    hardware = sorted({result.hardware for result in done})
    versions = {f"{name} {r.versions[name]}" for r in done for name in ("python", "torch")}
    gymnasium = {f"gymnasium {result.versions['gymnasium']}" for result in done}
    dates = sorted({result.date[:10] for result in done})
    return (
        "The value of each seed is in brackets, in the order of the seeds; ± is the standard "
        "deviation over them. The kept agent is the one with the best running average of 100 "
        "training games (the final one where there were fewer games); training games are played "
        "with exploration, test games greedily, but on Mario with 5 % random actions. One torch "
        "thread a process; minutes are the processor's, over all processes of a job. "
        f"{', '.join(dates)}; commits {', '.join(commits)}; {', '.join(hardware)}; "
        f"{', '.join(sorted(versions | gymnasium))}."
    )


def link(row: Row, curves: Path, page: Path) -> str:
    """Return the Markdown of a row's picture."""
    picture = curves / f"{row.id}.png"
    return f"![{row.id}: {row.title}]({os.path.relpath(picture, page.parent)})"


def draw(row: Row, done: Sequence[RowResult], path: Path) -> bool:
    """Draw a row's learning, of the seeds that are finished; return whether there are any."""
    if not done:
        return False
    if row.measure == LADDER:
        draw_ladder(done, path)
        return True
    mean, deviation = random_play(row)
    lines = [ReferenceLine(mean, f"random play: {mean:,.0f} ± {deviation:,.0f}")]
    if row.measure != "cleared":
        lines += [ReferenceLine(row.target, f"target: {row.target:,g}", _TARGET_COLOR, "--")]
    draw_seeds(
        [Curve(result.steps, result.returns) for result in done],
        path,
        title=f"{row.id}: {row.title}, {row.env_id}",
        by_episode=row.steps is None,
        scores=[score for result in done for scores in result.scores for score in scores],
        scores_label="20 greedy games",
        lines=lines,
    )
    return True


def draw_ladder(done: Sequence[RowResult], path: Path) -> None:
    """Draw the rungs as the example does."""
    example = load_ladder()
    drawn = [
        {"rung": rung, "seed": result.seed, "final_score": final, **test_scores(scores)}
        for result in done
        for rung, final, scores in zip(example.RUNGS, result.finals, result.scores, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    example.draw(drawn, list(example.RUNGS), path)


def test_scores(scores: Sequence[Score]) -> dict[str, Any]:
    """Return evaluations along a training as the example has them."""
    return {
        "test_steps": [score.step for score in scores],
        "test_scores": [score.return_mean for score in scores],
    }


@functools.cache
def random_play(row: Row) -> tuple[float, float]:
    """Return mean and standard deviation of random games in a row's environment."""
    [job] = row.jobs(0)
    returns = play_at_random(open_env(row.env_id, job.spec.env_kwargs))
    return statistics.mean(returns), statistics.stdev(returns)


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
