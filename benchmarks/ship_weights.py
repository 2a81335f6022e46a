"""Make a policy that comes with the package out of runs, and write the tables of all stages.

    python benchmarks/ship_weights.py RUN [RUN ...] [--episodes 100] [--note TEXT]
    python benchmarks/ship_weights.py [--check]

With runs, their folders or checkpoints, all of one environment: every checkpoint that they offer is
rated on seeds of its own, greedy and sampled; the best one is measured on other seeds, under every
condition of the protocol; and its weights are written in half precision into
`agents/mario_rl_agents/weights/`, with how they were made and what they reach. A policy that is
there for that environment is replaced if the new one is better, or with --replace. In any case the
tables between the markers of README.md and docs/policies.md are written anew, from the files alone.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Literal

from mario_rl_agents.checkpoint import CheckpointHeader, read_header
from mario_rl_agents.weights import policies
from mario_rl_agents.weights.making import MAX_BYTES, Settings, checkpoints_of, make_policy
from mario_rl_agents.weights.record import PolicyRecord, Rate, known_record

from mario_rl_envs.game.stages import STAGES

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
PAGE: Final = ROOT / "docs" / "policies.md"
MAX_TOTAL_BYTES: Final = 50_000_000  # of all files
MARKERS: Final = re.compile(r"(<!-- (\w+) of policies -->\n).*?(<!-- end of policies -->)", re.S)
NONE: Final = "none"  # in place of a policy, or of a rate
# Of the columns of a policy: those that are left out where all policies have the same, and those
# that hold no number.
COMMON: Final = ("algorithm", "actions")
TEXTS: Final = (*COMMON, "plays")
DEFAULT_ACTIONS: Final = "right_only"  # of gym.make


def main(arguments: list[str] | None = None) -> None:
    """Ship what is given, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs, or checkpoints")
    parser.add_argument("--episodes", type=int, default=100, help="a condition and policy")
    parser.add_argument("--choice-episodes", type=int, default=100, help="likewise, to choose by")
    parser.add_argument("--commit", default="", help="of the training, if its run does not say")
    parser.add_argument("--note", default="", help="what else the training took")
    parser.add_argument("--replace", action="store_true", help="a better policy, too")
    parser.add_argument("--check", action="store_true", help="write no table, fail if one differs")
    options = parser.parse_args(arguments)
    if options.runs:
        settings = Settings(options.choice_episodes, options.episodes, options.commit, options.note)
        ship(options.runs, settings, replace=options.replace)
    write_tables(check=options.check)


def ship(runs: list[Path], settings: Settings, *, replace: bool) -> None:
    """Make a policy and put it into the package, unless the one there is better."""
    checkpoints = [checkpoint for run in runs for checkpoint in checkpoints_of(run)]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, f"policy{policies.SUFFIX}")
        record = make_policy(checkpoints, made, settings, partial(print, flush=True))
        env_id = read_header(made).env_id
        path = policies.FOLDER / f"{env_id}{policies.SUFFIX}"
        if path.is_file() and not replace and score(known_record(path)) >= score(record):
            print(f"{path.name} is as good or better: kept")
            return
        others = sum(each.stat().st_size for each in files() if each != path)
        if others + made.stat().st_size > MAX_TOTAL_BYTES:
            sys.exit(f"all policies together would have more than {MAX_TOTAL_BYTES:,} bytes")
        path.write_bytes(made.read_bytes())
    print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size:,} of {MAX_BYTES:,} bytes")


def score(record: PolicyRecord) -> float:
    """Return the mean clear rate of a policy as it plays, over the conditions that vary games."""
    rates = [record.rate(condition) for condition in ("no-ops", "sticky")]
    return sum(rate.clear_rate or 0.0 for rate in rates if rate is not None)


def files() -> list[Path]:
    """Return the files of all policies."""
    return [policies.policy_path(env_id) for env_id in policies.policy_ids()]


def write_tables(*, check: bool) -> None:
    """Write the tables into the pages, or fail if they differ."""
    for page in (README, PAGE):
        text = page.read_text(encoding="utf-8")
        new = with_tables(text)
        if new != text and check:
            sys.exit(f"{page.name} differs: run python benchmarks/ship_weights.py")
        page.write_text(new, encoding="utf-8")


def with_tables(text: str) -> str:
    """Return the text of a page with its tables as they should be."""
    return MARKERS.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)


def grid() -> str:
    """Return a row a world: what the policies of its four stages clear, as they play."""
    rows = ["| world | stage 1 | stage 2 | stage 3 | stage 4 |", "|---|---|---|---|---|"]
    found = records()
    for world in range(1, 9):
        cells = [_grid_cell(found.get(f"MarioRL-{world}-{stage}-v0")) for stage in range(1, 5)]
        rows.append(f"| {world} | {' | '.join(cells)} |")
    return "\n".join(rows)


def table() -> str:
    """Return a row a policy, what all policies have in common, and the stages that have none."""
    found = records()
    cells = [_cells(env_id, *each) for env_id, each in found.items()]
    columns = {name: [row[name] for row in cells] for name in cells[0]}
    common = {name: columns.pop(name)[0] for name in COMMON if len(set(columns[name])) == 1}
    rows = [
        f"| {' | '.join(columns)} |",
        "|---|" + "".join("---|" if name in TEXTS else "---:|" for name in [*columns][1:]),
        *(f"| {' | '.join(row)} |" for row in zip(*columns.values(), strict=True)),
    ]
    parts = ["\n".join(rows)]
    if common:
        same = ", ".join(f"{name} `{value}`" for name, value in common.items())
        parts.append(f"All of them: {same}.")
    if missing := [stage for stage in STAGES if f"MarioRL-{stage}-v0" not in found]:
        parts.append(f"No policy yet ({len(missing)} of {len(STAGES)}): {', '.join(missing)}.")
    return "\n\n".join(parts)


def details() -> str:
    """Return how each policy was made, a paragraph each."""
    paragraphs = []
    for env_id, (header, record) in records().items():
        distinct = [rate for rate in record.rates if rate.num_distinct < rate.num_episodes]
        repeated = ", ".join(
            f"{rate.condition} {rate.policy} {rate.num_distinct}" for rate in distinct
        )
        lines = [
            f"**{env_id}**: {header.algorithm}, seed {header.seed}, {header.num_steps:,} steps in "
            f"{record.num_envs} games at once, commit {record.commit}; the best of "
            f"{record.num_candidates} checkpoints and of greedy and sampled on seeds from "
            f"{record.choice_seed:,}, measured on seeds from {record.rates_seed:,} on.",
            f"Measured {record.date[:10]} at commit {record.measured_commit}, {record.machine}.",
            *([record.note] if record.note else []),
            *([f"Games that differ: {repeated}."] if repeated else []),
        ]
        paragraphs.append("\n".join(lines))
        if record.command:
            paragraphs.append(f"<!-- long -->\n```bash\n{_shell(record.command)}\n```")
    return "\n\n".join(paragraphs)


TABLES: Final[dict[str, Callable[[], str]]] = {"grid": grid, "table": table, "details": details}


def records() -> dict[str, tuple[CheckpointHeader, PolicyRecord]]:
    """Return header and record of every policy, by the id of its environment."""
    return {path.stem: (read_header(path), known_record(path)) for path in files()}


def _grid_cell(found: tuple[CheckpointHeader, PolicyRecord] | None) -> str:
    if found is None:
        return NONE
    record = found[1]
    return f"{_percent(record.rate('no-ops'))} / {_percent(record.rate('sticky'))}"


def _cells(env_id: str, header: CheckpointHeader, record: PolicyRecord) -> dict[str, str]:
    """Return what stands in the columns of a policy."""
    actions = header.env_kwargs.get("actions", DEFAULT_ACTIONS)
    ways: tuple[Literal["greedy", "sampled"], ...] = ("greedy", "sampled")
    return {
        "environment": f"`{env_id}`",
        "algorithm": header.algorithm,
        "actions": actions if isinstance(actions, str) else f"{len(actions)} of its own",
        "steps": f"{header.num_steps:,}",
        "plays": record.policy,
        "plain": _percent(record.rate("plain", "greedy")),
        **{
            f"{condition}, {way}": _percent(record.rate(condition, way))
            for condition in ("no-ops", "sticky")
            for way in ways
        },
    }


def _percent(rate: Rate | None) -> str:
    return NONE if rate is None or rate.clear_rate is None else f"{rate.clear_rate:.1%}"


def _shell(command: tuple[str, ...]) -> str:
    """Return a command line, wrapped before its options."""
    return shlex.join(command).replace(" --", " \\\n  --")


if __name__ == "__main__":
    main()
