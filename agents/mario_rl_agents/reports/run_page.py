"""The page of a run: what it is, how it learned, what it scored, what it was made with."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from mario_rl_agents.errors import RunError
from mario_rl_agents.reports.html.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Files,
    Notice,
    Section,
    Switch,
    Table,
    Text,
)
from mario_rl_agents.reports.html.charts import LineChart, Points, Series
from mario_rl_agents.reports.html.page import Page
from mario_rl_agents.reports.video_block import video_of
from mario_rl_agents.runs.evaluation import Evaluation, policy_name
from mario_rl_agents.runs.metrics import (
    RUNNING_EPISODES,
    EpisodeRow,
    MetricRow,
    clear_rate,
    mean_return,
    running_average,
)
from mario_rl_agents.runs.run import Run

# Of each episode, which the learning curves show already.
_OF_EPISODES: Final = frozenset(
    ("charts/episodic_return", "charts/episodic_length", "charts/x_pos", "charts/clear_rate")
)


def run_page(run: Run) -> Page:
    """Return the page of a run, whether it is finished or not.

    Raises:
        RunError: A file of the run is damaged.
    """
    spec = run.spec
    episodes = run.episodes()
    sections = [
        Section("Result", list(_result(run, episodes))),
        Section("Learning curves", list(_curves(episodes))),
        Section("Video", list(video_of("the best evaluated episode", run.video))),
        Section("Metrics", list(_metrics(run.metrics()))),
        Section("Configuration", [Facts({k: _plain(v) for k, v in spec.config.items()})]),
        Section("Where it comes from", list(_provenance(run))),
    ]
    return Page(
        title=f"{spec.algorithm} on {spec.env_id}",
        summary=f"One run, seed {spec.seed}: {run.folder}",
        sections=[section for section in sections if section.blocks],
    )


def _result(run: Run, episodes: Sequence[EpisodeRow]) -> Iterator[Block]:
    if not episodes:
        yield Notice("No training episode is finished yet.")
    else:
        taken = episodes[-1].step
        recent = episodes[-RUNNING_EPISODES:]
        facts = {
            "training": f"{taken:,} of {run.spec.total_steps:,} steps at the end of the last "
            f"episode, {len(episodes):,} episodes",
            "return": f"{mean_return(recent):,.1f}, mean of the last {len(recent)} training "
            "episodes, exploration included",
        }
        rate = clear_rate(recent)
        if rate is not None:
            facts["clear rate"] = f"{rate:.0%} of the last {len(recent)} training episodes"
        yield Facts(facts)
    evaluations = run.evaluations()
    if evaluations:
        with contextlib.suppress(RunError):  # there is no checkpoint
            if not run.evaluations(run.best_or_latest()):
                yield Notice(
                    "The evaluation is of earlier weights: mario-rl evaluate makes one of those "
                    "that are there now."
                )
        yield _table_of(evaluations)
    else:
        yield Text("It has not been evaluated.")


def _table_of(evaluations: Sequence[Evaluation]) -> Block:
    rows = []
    for evaluation in evaluations:
        again = "all episodes are equal: they count as one" if evaluation.repeats_itself else ""
        x_pos = "" if evaluation.x_pos_mean is None else f"{evaluation.x_pos_mean:,.0f}"
        rows.append(
            [
                Cell(policy_name(evaluation.epsilon, sampled=evaluation.sampled), again),
                Cell(f"{evaluation.num_episodes:,}", f"from seed {evaluation.seed:,}"),
                Cell(f"{evaluation.return_mean:,.1f}", f"± {evaluation.return_std:,.1f}"),
                Cell(f"{evaluation.length_mean:,.1f}", f"± {evaluation.length_std:,.1f}"),
                Cell(x_pos),
                _clear_cell(evaluation),
            ]
        )
    heads = ["policy", "episodes", "return", "steps", "final x (pixels)", "clear rate"]
    return Table(
        "Evaluation: means over episodes, ± the standard deviation of a sample; of the clear rate "
        "Wilson's 95 % interval. One seed of training: there is no interval over seeds.",
        [Cell(head) for head in heads],
        rows,
    )


def _clear_cell(evaluation: Evaluation) -> Cell:
    if evaluation.clear_rate is None or evaluation.clear_rate_interval is None:
        return Cell("")
    low, high = evaluation.clear_rate_interval
    return Cell(f"{evaluation.clear_rate:.0%}", f"{100 * low:.0f} to {100 * high:.0f} %")


def _curves(episodes: Sequence[EpisodeRow]) -> Iterator[Block]:
    """Return a view of each column that has values: every episode, and the running average."""
    if not episodes:
        return
    columns: dict[str, tuple[Callable[[EpisodeRow], float | None], str]] = {
        "return": (lambda row: row.episodic_return, "episodic return"),
        "clear rate": (lambda row: row.cleared and 100.0, "clear rate (%)"),
        "final x": (lambda row: row.x_pos, "final x position (pixels)"),
        "length": (lambda row: row.episodic_length, "episodic length (steps)"),
    }
    choices: dict[str, Sequence[Block]] = {}
    for name, (value_of, label) in columns.items():
        rows = [(row.step, value_of(row)) for row in episodes]
        known = [(step, float(value)) for step, value in rows if value is not None]
        if known:
            steps, values = zip(*known, strict=True)
            choices[name] = [_curve(name, label, steps, values)]
    yield Switch("Which curve", choices)


def _curve(name: str, label: str, steps: Sequence[int], values: Sequence[float]) -> Block:
    average = f"mean of the last {RUNNING_EPISODES} episodes"
    return LineChart(
        alt=f"{label} of training episodes over environment steps",
        caption=f"Training episodes, exploration included: {len(values):,} of them.",
        x_label="environment steps",
        y_label=label,
        series=[
            Series(
                average,
                style=0,
                line=Points(steps, running_average(values)),
                cloud=Points(steps, values) if name != "clear rate" else None,
            )
        ],
    )


def _metrics(rows: Sequence[MetricRow]) -> Iterator[Block]:
    """Return a view of each metric that is not one of the learning curves."""
    names = [name for name in dict.fromkeys(row.metric for row in rows) if name not in _OF_EPISODES]
    choices: dict[str, Sequence[Block]] = {}
    for name in names:
        points = [(row.step, row.value) for row in rows if row.metric == name]
        steps, values = (np.asarray(column, np.float64) for column in zip(*points, strict=True))
        choices[name] = [
            LineChart(
                alt=f"{name} over environment steps",
                caption=f"{len(values):,} values, from {values.min():,.4g} to {values.max():,.4g}.",
                x_label="environment steps",
                y_label=name,
                series=[Series(name, style=0, line=Points(steps, values))],
            )
        ]
    if choices:
        yield Switch("Which metric", choices)


def _provenance(run: Run) -> Iterator[Block]:
    spec, record = run.spec, run.record()
    if record.command:
        yield Code(shlex.join(record.command))
    keywords = ", ".join(f"{name}={_plain(value)}" for name, value in spec.env_kwargs.items())
    made_by = {
        "begins with the weights of": spec.begins_with,
        "commit": record.commit,
        "machine": record.machine,
    }
    yield Facts(
        {
            "environment": f"{spec.env_id} ({keywords})" if keywords else spec.env_id,
            "sub-environments": f"{spec.num_envs}",
            "seed": f"{spec.seed}",
            **{name: text for name, text in made_by.items() if text},
            **record.versions,
        }
    )
    yield Text("The raw data that everything here is made from:")
    yield Files(run.raw_files(), {})


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
