"""The raw data of a comparison: a JSON header and CSV tables in one folder.

Everything that a report shows is made from these files. The header holds the SHA-256 of each table.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import (
    Any,
    Final,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from mario_rl_agents.config import Count, NonNegative, Whole, read
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.protocol import Protocol
from mario_rl_agents.files import digest_of_file, read_json, replacing, write_json

FORMAT: Final = 1
HEADER: Final = "comparison.json"
_MAX_CELL: Final = 2**31 - 1  # characters; the largest C long that all systems have


class RunRow(NamedTuple):
    """One training."""

    algorithm: str  # the label of its entry
    seed: int
    state: str  # "finished", "unfinished" or "failed"
    num_steps: int  # environment steps
    num_episodes: int
    num_updates: int  # gradient steps
    seconds: float  # of training, without evaluations
    cpu_seconds: float  # of training, without evaluations, over all threads
    evaluation_seconds: float
    peak_memory: float  # 10^6 bytes, of its process
    num_processes: int  # that worked at it; 1: it was never interrupted
    num_restarts: int  # how often it began again, since it could not be resumed
    error: str  # why it failed


class EvaluationRow(NamedTuple):
    """One evaluation of one run under one condition, with one policy."""

    algorithm: str
    seed: int
    step: int  # environment steps of training before it
    seconds: float  # of training before it, without evaluations
    cpu_seconds: float  # likewise
    condition: str
    policy: str  # "greedy" or "sampled"
    is_final: bool  # whether it is the one after training
    num_episodes: int
    num_distinct: int  # episodes that differ; each of them counts once in what follows
    return_mean: float
    return_std: float  # of a sample
    length_mean: float  # environment steps
    x_pos_mean: float | None  # pixels; None where infos do not say
    clear_rate: float | None  # None where infos do not say


class GameRow(NamedTuple):
    """One episode of an evaluation after training."""

    algorithm: str
    seed: int
    condition: str
    policy: str
    episode_seed: int
    episodic_return: float
    length: int  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels
    cleared: bool | None
    digest: str  # of actions and rewards: equal for identical games


class CurveRow(NamedTuple):
    """A point of a run's training curve."""

    algorithm: str
    seed: int
    step: int  # environment steps
    return_mean: float  # of the last 100 training episodes


class SpeedRow(NamedTuple):
    """One turn of one side in a measurement of speed, in which the sides alternate."""

    round: int
    algorithm: str
    num_steps: int  # environment steps of the turn, the same for all sides
    num_updates: int  # gradient steps of the turn
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Entry:
    """One side of a comparison: an algorithm with its settings.

    Attributes:
        label: What it is called in all tables, such as "ppo" or "sb3-ppo/like".
        algorithm: Its name in recipes, or MODULE:CLASS.
        recipe: The name of the recipe.
        config: Every field of its configuration.
        num_envs: Sub-environments that it is trained in.
        tuning: How the settings were found, with how many trials.
        remarks: What could not be made alike, and what cannot be resumed.
    """

    label: str
    algorithm: str
    recipe: str
    config: dict[str, Any]
    num_envs: Count
    tuning: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparisonHeader:
    """What was compared, and what it was measured with."""

    env_id: str
    env_kwargs: dict[str, Any]
    total_steps: Count  # environment steps of each run
    seeds: tuple[Whole, ...]
    protocol: Protocol
    algorithms: tuple[Entry, ...]
    command: tuple[str, ...]
    versions: Mapping[str, str]  # of Python and of packages
    hardware: str
    load: NonNegative | None  # processes that wanted a core as a training ended; None: unknown
    num_jobs: Count | None  # most trainings at once; None: unknown, as on a cluster
    commits: tuple[str, ...]  # of this package
    date: str  # ISO 8601, UTC
    files: dict[str, str] = field(default_factory=dict)  # the SHA-256 of each table


@dataclass(frozen=True)
class Comparison:
    """A comparison as its raw data has it."""

    header: ComparisonHeader
    runs: tuple[RunRow, ...]
    evaluations: tuple[EvaluationRow, ...]
    games: tuple[GameRow, ...]
    training: tuple[CurveRow, ...]
    speeds: tuple[SpeedRow, ...] = ()  # empty: speeds were not measured

    @classmethod
    def read(cls, folder: str | Path) -> tuple[Self, list[str]]:
        """Return the comparison in a folder, and the tables whose hash is not the header's.

        Raises:
            JobError: There is none, or a file is missing or damaged.
        """
        folder = Path(folder).expanduser()
        path = folder / HEADER
        if not path.is_file():
            raise JobError(
                f"there is no comparison at {folder}: no {HEADER} in it, which belongs to its CSV "
                "files; give the folder that `mario-rl compare` wrote"
            )
        content = read_json_file(path, FORMAT)
        try:
            header = read(ComparisonHeader, content)
        except ValueError as error:
            raise JobError(f"{path} is damaged ({error}): use a copy that is whole") from error
        tables = {
            name: read_table(folder / table_name(name), kind) for name, kind in TABLES.items()
        }
        files = [table_name(name) for name in TABLES]
        differing = [
            file for file in files if digest_of_file(folder / file) != header.files.get(file)
        ]
        return cls(header, **tables), differing

    def write(self, folder: str | Path) -> None:
        """Write all files; the header, which names the others' hashes, is the last."""
        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for name, kind in TABLES.items():
            path = folder / table_name(name)
            write_table(path, kind, getattr(self, name))
            files[path.name] = digest_of_file(path)
        header = dataclasses.replace(self.header, files=files)
        write_json(folder / HEADER, {"format": FORMAT, **dataclasses.asdict(header)})


TABLES: Final[Mapping[str, type[Any]]] = {
    "runs": RunRow,
    "evaluations": EvaluationRow,
    "games": GameRow,
    "training": CurveRow,
    "speeds": SpeedRow,
}

RowT = TypeVar("RowT", bound=tuple[Any, ...])


def table_name(name: str) -> str:
    """Return the name of a table's file."""
    return f"{name}.csv"


def read_json_file(path: Path, file_format: int) -> dict[str, Any]:
    """Return the object that a JSON file of a comparison holds, without its format.

    Args:
        path: The file.
        file_format: The format that it must have.

    Raises:
        JobError: The file is damaged, or of another format.
    """
    try:
        content = read_json(path)
        if "format" not in content:
            raise ValueError("it has no format")
    except ValueError as error:
        raise JobError(f"{path} is damaged ({error}): use a copy that is whole") from error
    found = content.pop("format")
    if found != file_format:
        raise JobError(
            f"{path} has format {found!r}, this version reads {file_format}: use the version of "
            "mario-rl-envs that wrote it, or compare anew in another folder (--out)"
        )
    return content


def read_table(path: Path, kind: type[RowT]) -> tuple[RowT, ...]:
    """Return the rows of a CSV file.

    Args:
        path: The file; its first line names the columns.
        kind: A NamedTuple, whose fields they are.

    Raises:
        JobError: The file is missing or damaged.
    """
    hints = get_type_hints(kind)
    if not path.is_file():
        raise JobError(f"{path} is missing: it belongs to the {HEADER} beside it")
    rows: list[RowT] = []
    with path.open(newline="", encoding="utf-8") as file, _cells_of_any_length():
        lines = csv.reader(file)
        try:
            columns = next(lines, [])
            if columns != list(hints):
                raise ValueError(f"its columns are {columns}, not {list(hints)}")
            for cells in lines:
                pairs = zip(hints.values(), cells, strict=True)
                rows.append(kind(*(_parse(hint, cell) for hint, cell in pairs)))
        except (ValueError, csv.Error) as error:
            raise JobError(
                f"{path} is damaged in line {lines.line_num} ({error}): use a copy that is whole"
            ) from error
    return tuple(rows)


@contextlib.contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Let csv read a cell of more than 131,072 characters inside the block, as it writes them."""
    before = csv.field_size_limit(_MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def write_table(path: Path, kind: type[RowT], rows: Sequence[RowT]) -> None:
    """Write rows as a CSV file, whole or not at all; floats are exact, None is an empty cell."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(get_type_hints(kind))
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _parse(hint: Any, cell: str) -> Any:
    """Return what a cell of a column of that type holds.

    Raises:
        ValueError: It holds no such value.
    """
    kinds = get_args(hint) if get_origin(hint) is Union or get_args(hint) else (hint,)
    if NoneType in kinds:
        if not cell:
            return None
        kinds = tuple(kind for kind in kinds if kind is not NoneType)
    (kind,) = kinds
    return bool(int(cell)) if kind is bool else kind(cell)
