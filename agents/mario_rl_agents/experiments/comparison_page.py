"""The page of a comparison, made from its raw data alone; docs/reports.md tells what it shows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.experiments.comparison_curves import curves
from mario_rl_agents.experiments.comparison_results import (
    better,
    costs,
    every_run,
    results,
    threshold,
    warnings,
)
from mario_rl_agents.experiments.comparison_view import count, labels_of, trainings_at_once
from mario_rl_agents.experiments.tables import HEADER, TABLES, Comparison, ComparisonHeader
from mario_rl_agents.experiments.videos import video_path
from mario_rl_agents.reports.html.blocks import (
    Block,
    Code,
    Details,
    Facts,
    Files,
    Items,
    Section,
    Text,
)
from mario_rl_agents.reports.html.page import Page
from mario_rl_agents.reports.video_block import video_of

REPORT: Final = "report.html"


def write_page(folder: str | Path, path: Path | None = None) -> Path:
    """Write the page of the comparison in a folder, and return where it is.

    Args:
        folder: Where the raw data lies.
        path: The page; None: `report.html` in the folder.

    Raises:
        JobError: There is no comparison, or a file is missing or damaged.
    """
    folder = Path(folder).expanduser()
    comparison, differing = Comparison.read(folder)
    path = path or folder / REPORT
    comparison_page(comparison, folder, differing).write(path)
    return path


def comparison_page(comparison: Comparison, folder: Path, differing: Sequence[str] = ()) -> Page:
    """Return the page of a comparison.

    Args:
        comparison: Its raw data.
        folder: Where that lies, and its videos.
        differing: The tables whose hash is not the header's.
    """
    header = comparison.header
    sections = [
        Section("Result", [*warnings(comparison, differing), *results(comparison)]),
        Section("Learning curves", list(curves(comparison))),
        Section("Steps and seconds to the threshold", list(threshold(comparison))),
        Section("Which is better", list(better(comparison))),
        Section("What it took", list(costs(comparison))),
        Section("Videos", list(_videos(comparison, folder))),
        Section("How each side was tuned", list(_tuning(header))),
        Section("Every run", list(every_run(comparison))),
        Section("Settings", list(_settings(header))),
        Section("Where it comes from", list(_provenance(header, folder, differing))),
    ]
    return Page(
        title=f"Comparison on {header.env_id}",
        summary=f"{count(len(header.algorithms), 'side')}, {count(len(header.seeds), 'seed')} "
        f"each, {header.total_steps:,} environment steps a run: "
        f"{', '.join(labels_of(comparison))}.",
        sections=[section for section in sections if section.blocks],
        footer=f"{header.date}, commit {', '.join(header.commits) or 'unknown'}",
    )


def _videos(comparison: Comparison, folder: Path) -> Iterator[Block]:
    for label in labels_of(comparison):
        yield from video_of(label, video_path(folder, label))


def _tuning(header: ComparisonHeader) -> Iterator[Block]:
    yield Facts({entry.label: entry.tuning or "not told" for entry in header.algorithms})
    remarks = [
        f"{entry.label}: {remark}" for entry in header.algorithms for remark in entry.remarks
    ]
    if remarks:
        yield Text("What could not be made alike, and what cannot be resumed:")
        yield Items(remarks)


def _settings(header: ComparisonHeader) -> Iterator[Block]:
    protocol = header.protocol
    yield Facts(
        {
            "environment": _with_keywords(header.env_id, header.env_kwargs),
            "environment steps": f"{header.total_steps:,} a run",
            "training seeds": ", ".join(map(str, header.seeds)),
            "evaluations": f"every {protocol.period:,} steps {protocol.num_episodes} episodes, "
            f"after training {protocol.num_final_episodes}",
            "conditions": "; ".join(
                _with_keywords(each.name, each.env_kwargs) for each in protocol.conditions
            ),
            "policies": ", ".join(protocol.policies),
        }
    )
    for entry in header.algorithms:
        facts = {
            "algorithm": entry.algorithm,
            "recipe": entry.recipe,
            "sub-environments": f"{entry.num_envs}",
            **{name: _plain(value) for name, value in entry.config.items()},
        }
        yield Details(f"Configuration of {entry.label}", [Facts(facts)])


def _provenance(
    header: ComparisonHeader, folder: Path, differing: Sequence[str]
) -> Iterator[Block]:
    yield Code(shlex.join(header.command))
    yield Facts(
        {
            "date": header.date,
            "hardware": header.hardware,
            "load as trainings ended": (
                "unknown" if header.load is None else f"{header.load:.1f} processes on average"
            ),
            "trainings at once": trainings_at_once(header),
            "commit": ", ".join(header.commits) or "unknown",
            **header.versions,
        }
    )
    yield Text("The raw data that everything here is made from:")
    notes = {
        name: f"{'does not fit' if name in differing else 'fits'} the SHA-256 in {HEADER}: {digest}"
        for name, digest in header.files.items()
    }
    yield Files([folder / name for name in (HEADER, *(f"{name}.csv" for name in TABLES))], notes)


def _with_keywords(name: str, keywords: Mapping[str, Any]) -> str:
    told = ", ".join(f"{key}={_plain(value)}" for key, value in keywords.items())
    return f"{name} ({told})" if told else name


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
