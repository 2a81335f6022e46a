"""A run: a folder with all that one training leaves. No other module names a file in it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from mario_rl_agents.checkpoint import is_file_of, read_header, remove_leftovers
from mario_rl_agents.config import Count, Fraction, Interval, Seed, convert, convert_fields, read
from mario_rl_agents.errors import CheckpointError, RunError
from mario_rl_agents.files import read_json, remove_abandoned, replacing, target_of, write_json
from mario_rl_agents.lock import is_locked, lock
from mario_rl_agents.runs.evaluation import Evaluation, evaluations_json
from mario_rl_agents.runs.metrics import EpisodeRow, MetricRow, read_rows
from mario_rl_agents.runs.provenance import describe_commit, describe_machine

if TYPE_CHECKING:
    from mario_rl_agents.agent import Agent

_CONFIG: Final = "config.json"
_LOCK: Final = "lock"  # held while the run is trained
_EVENTS: Final = "events.out.tfevents."  # TensorBoard's files begin with it
_DEMONSTRATIONS: Final = re.compile(r"demonstrations-\d+\.safetensors")
_KEPT: Final = re.compile(r"\.?step-(\d+)\b.*")
FORMAT: Final = 1  # of config.json
_BETWEEN_VERSIONS: Final = ", "  # of one package, where processes had several
_BETWEEN_MACHINES: Final = "; "

_VERSIONED: Final = (
    "mario-rl-envs",
    "torch",
    "gymnasium",
    "numpy",
    "nes-py",
    "gym-super-mario-bros",
    "stable-baselines3",
    "sb3-contrib",
)


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's result.

    Raises:
        ValueError: A value is not accepted; the message names it and what is accepted.
    """

    algorithm: str  # its name in recipes and checkpoints
    env_id: str
    env_kwargs: dict[str, Any]  # keywords of gym.make, JSON values
    config: dict[str, Any]  # of the algorithm, JSON values
    seed: Seed
    total_steps: Count  # environment steps, over all resumptions
    evaluation_epsilon: Fraction = (
        0.0  # probability of a random action in the evaluation at the end
    )
    num_envs: Annotated[int, Interval(1, 65_536)] = 1  # environments stepped side by side
    total_games: Count | None = None  # episodes that end it as well, over all resumptions
    begins_with: str | None = None  # the checkpoint whose weights it took over
    begins_with_sha256: str | None = None  # of that file, as it was then

    def __post_init__(self) -> None:
        """Check every field; NumPy's numbers, paths and tuples become JSON values."""
        convert_fields(self)

    @property
    def demonstrations(self) -> tuple[Path, ...]:
        """The files of demonstrations that the configuration names."""
        named = self.config.get("demonstrations")
        if not isinstance(named, list):  # an agent of one's own may call something else so
            return ()
        return tuple(Path(each) for each in named if isinstance(each, str))

    def is_finished(self, agent: Agent) -> bool:
        """Return whether an agent has taken all steps, or played all games."""
        has_played = self.total_games is not None and agent.num_episodes >= self.total_games
        return has_played or agent.num_steps >= self.total_steps

    def progress_of(self, agent: Agent) -> str:
        """Return how far an agent has come, as "1,000 of 5,000 steps, 12 of 300 games"."""
        steps = f"{agent.num_steps:,} of {self.total_steps:,} steps"
        if self.total_games is None:
            return steps
        return f"{steps}, {agent.num_episodes:,} of {self.total_games:,} games"


@dataclass(frozen=True)
class RunRecord:
    """What a run was made with; empty where its `config.json` does not say.

    What was resumed elsewhere, or with other packages, names all of them.
    """

    command: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)  # of Python and of packages
    commit: str = ""  # of this package; "0a1b2c3, 4d5e6f7"
    machine: str = ""  # the processor, and the number of its cores; several with a semicolon


_EVALUATED_STEPS: Final = "num_steps"  # of evaluation.json: of training before it
_RECORDED: Final = tuple(each.name for each in dataclasses.fields(RunRecord))


@dataclass(frozen=True)
class Run:
    """The folder of one training, and what was trained.

    Attributes:
        folder: Where everything lies.
        spec: What was trained, from `config.json`.
    """

    folder: Path
    spec: RunSpec

    @classmethod
    def create(
        cls,
        folder: str | Path,
        spec: RunSpec,
        *,
        command: Sequence[str] = (),
        overwrite: bool = False,
    ) -> Self:
        """Make the folder of a new run and write its `config.json`.

        Args:
            folder: Where; its parents are made too.
            spec: What is to be trained.
            command: The command line, for the record.
            overwrite: Whether the files of a run that is already there are deleted. Those that
                are not its own stay.

        Raises:
            RunError: The folder is not empty, and it is not a run or `overwrite` is False; or the
                run in it is being trained.
        """
        run = cls(Path(folder).expanduser(), spec)
        is_new = not run.folder.exists()
        if not is_new:
            run._check_free(overwrite=overwrite)
        run.folder.mkdir(parents=True, exist_ok=True)
        try:
            with run.locked():
                run._delete_files()
                # It takes the place of the old one, so that what a crash leaves is a run, too.
                run._write_config(dataclasses.asdict(_record_now(command)))
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):
                    run.folder.rmdir()
            raise
        return cls.open(folder)  # as JSON has it: lists for tuples

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Return the run in a folder.

        Raises:
            RunError: The folder holds no run, or its `config.json` is damaged.
        """
        folder = Path(folder).expanduser()
        path = folder / _CONFIG
        if not path.is_file():
            raise RunError(f"there is no run at {folder}: no {path.name} in it")
        names = [field.name for field in dataclasses.fields(RunSpec)]
        try:
            saved = read_json(path)
            if "format" not in saved:
                raise ValueError("it has no format")
            if saved["format"] != FORMAT:
                raise RunError(
                    f"{path} has format {saved['format']}, this version reads {FORMAT}: use "
                    "the version of mario-rl-envs that wrote it"
                )
            # A field that the run is older than has its default.
            spec = read(RunSpec, {name: saved[name] for name in names if name in saved})
            return cls(folder, spec)
        except ValueError as error:
            raise RunError(
                f"{path} is damaged ({error}): restore it from a copy, or train anew"
            ) from error

    def extended_to(
        self, total_steps: int | None = None, *, total_games: int | None = None
    ) -> Self:
        """Return the run with other numbers of steps and games, written to `config.json`.

        Args:
            total_steps: Environment steps; None: as they are.
            total_games: Episodes; None: as they are.

        Raises:
            RunError: The run is being trained, or its `config.json` is damaged.
        """
        spec = dataclasses.replace(
            self.spec,
            total_steps=total_steps or self.spec.total_steps,
            total_games=total_games or self.spec.total_games,
        )
        run = dataclasses.replace(self, spec=spec)
        with self.locked():
            type(self).open(self.folder)  # or there is nothing to go on from
            saved = read_json(self._config_path)
            run._write_config({key: saved[key] for key in _RECORDED if key in saved})
        return run

    def delete(self) -> None:
        """Delete the files of the run, and its folder if nothing else is in it.

        Raises:
            RunError: The run is being trained.
        """
        with self.locked():
            self._delete_files()
            self._config_path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from training the run inside the block, or from deleting it.

        Raises:
            RunError: Somebody else is at it.
        """
        with lock(self.folder / _LOCK) as is_free:
            if not is_free:
                raise self._busy()
            yield

    def check_unlocked(self) -> None:
        """Check that nobody is training the run.

        Raises:
            RunError: Somebody is.
        """
        if is_locked(self.folder / _LOCK):
            raise self._busy()

    def remove_leftovers(self) -> None:
        """Delete what killed processes have left: unfinished files, and unnamed replay memories."""
        remove_abandoned(self.folder, self._is_own)
        for path in (self.checkpoint, self.best, *self.all_kept().values()):
            remove_leftovers(path)

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint, with the replay memory: what a run is resumed from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The weights at the best mean return of 100 episodes; no file before the first 100.

        With `train(best_from=...)` it is there earlier.
        """
        return self.folder / "best.safetensors"

    def kept(self, num_steps: int) -> Path:
        """The weights after so many steps, of a training that keeps them now and then."""
        return self.folder / f"step-{num_steps:010}.safetensors"

    def all_kept(self) -> dict[int, Path]:
        """Return the weights that were kept along the training, by steps, the earliest first."""
        steps = {int(name[1]) for name in map(_KEPT.fullmatch, self._names()) if name is not None}
        return {each: self.kept(each) for each in sorted(steps) if self.kept(each).is_file()}

    def demonstrations(self, named: Sequence[Path]) -> tuple[Path, ...]:
        """Return the run's own copies of files of demonstrations.

        Args:
            named: The files, as the configuration names them: each where there is no copy, as of a
                run that an older version began.
        """
        copies = [self._demonstrations(number) for number in range(1, len(named) + 1)]
        return tuple(
            copy if copy.is_file() else path for copy, path in zip(copies, named, strict=True)
        )

    def keep_demonstrations(self, contents: Sequence[bytes]) -> tuple[Path, ...]:
        """Write copies of files of demonstrations, and return where they are.

        So a run goes on wherever it is called from and wherever its folder is taken, though the
        files that it began with are no more what they were.

        Args:
            contents: Of the files, in the order in which the configuration names them.
        """
        paths = [self._demonstrations(number) for number in range(1, len(contents) + 1)]
        for path, content in zip(paths, contents, strict=True):
            with replacing(path) as new:
                new.write_bytes(content)
        return tuple(paths)

    def _demonstrations(self, number: int) -> Path:
        return self.folder / f"demonstrations-{number}.safetensors"

    @property
    def episodes_path(self) -> Path:
        """The log of `episodes`."""
        return self.folder / "episodes.csv"

    @property
    def metrics_path(self) -> Path:
        """The log of `metrics`."""
        return self.folder / "metrics.csv"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's logs."""
        return self.folder / "tensorboard"

    @property
    def evaluation_path(self) -> Path:
        """The file of `evaluations`."""
        return self.folder / "evaluation.json"

    @property
    def learning_curve(self) -> Path:
        """The plot of returns over environment steps."""
        return self.folder / "learning_curve.png"

    @property
    def video(self) -> Path:
        """The video of the best evaluated episode."""
        return self.folder / "video.mp4"

    @property
    def decisions(self) -> Path:
        """What was decided in the video, and how it came to that."""
        return self.video.with_suffix(".decisions.json")

    @property
    def report(self) -> Path:
        """The page of `mario-rl report`."""
        return self.folder / "report.html"

    @property
    def _config_path(self) -> Path:
        return self.folder / _CONFIG

    def episodes(self) -> list[EpisodeRow]:
        """Return the finished training episodes, oldest first; none before training begins.

        Raises:
            RunError: The log is damaged.
        """
        return read_rows(self.episodes_path, EpisodeRow) if self.episodes_path.is_file() else []

    def metrics(self) -> list[MetricRow]:
        """Return the metrics in the order written; none before training begins.

        Raises:
            RunError: The log is damaged.
        """
        return read_rows(self.metrics_path, MetricRow) if self.metrics_path.is_file() else []

    def evaluations(self, checkpoint: Path | None = None) -> list[Evaluation]:
        """Return the evaluations at the end of training; none before they are made.

        Args:
            checkpoint: Only if they are of this file of the run, as it is now.

        Raises:
            RunError: The file is damaged.
        """
        path = self.evaluation_path
        if not path.is_file():
            return []
        try:
            content = read_json(path)
            saved = content.get("evaluations")
            evaluations: tuple[Evaluation, ...] = convert(
                tuple[Evaluation, ...], saved, "evaluations"
            )
        except ValueError as error:
            raise RunError(f"{path} is damaged ({error}): delete it and evaluate again") from error
        if checkpoint is None:
            return list(evaluations)
        is_of_it = Path(str(content.get("checkpoint"))).name == checkpoint.name
        num_steps = content.get(_EVALUATED_STEPS)  # of an older version's there are none
        if num_steps is not None:
            is_of_it = is_of_it and num_steps == _num_steps_of(checkpoint)
        return list(evaluations) if is_of_it else []

    def record(self) -> RunRecord:
        """Return what the run was made with.

        Raises:
            RunError: `config.json` is damaged.
        """
        try:
            saved = read_json(self._config_path)
            return read(RunRecord, {name: saved[name] for name in _RECORDED if saved.get(name)})
        except ValueError as error:
            raise RunError(
                f"{self._config_path} is damaged ({error}): restore it from a copy"
            ) from error

    def note_training(self) -> None:
        """Add to `config.json` what this process trains the run with, where that is new.

        It is called by who holds the lock.

        Raises:
            RunError: `config.json` is damaged.
        """
        before, now = self.record(), _record_now(())
        merged = RunRecord(
            command=before.command,
            versions=merged_versions([before.versions, now.versions]),
            commit=_merged(before.commit, now.commit, _BETWEEN_VERSIONS),
            machine=_merged(before.machine, now.machine, _BETWEEN_MACHINES),
        )
        if merged != before:
            self._write_config(dataclasses.asdict(merged))

    def raw_files(self) -> list[Path]:
        """Return the files that hold the run's numbers, of those that there are."""
        files = (self._config_path, self.episodes_path, self.metrics_path, self.evaluation_path)
        return [path for path in files if path.is_file()]

    @property
    def is_evaluated(self) -> bool:
        """Whether the latest checkpoint has been evaluated since it was saved."""
        if not self.evaluation_path.is_file() or not self.checkpoint.is_file():
            return False
        return self.evaluation_path.stat().st_mtime_ns >= self.checkpoint.stat().st_mtime_ns

    def write_evaluations(self, checkpoint: Path, evaluations: Sequence[Evaluation]) -> None:
        """Write evaluations of one of the run's checkpoints, in place of earlier ones."""
        content = evaluations_json(checkpoint, evaluations)
        content[_EVALUATED_STEPS] = _num_steps_of(checkpoint)
        write_json(self.evaluation_path, content)

    def best_or_latest(self) -> Path:
        """Return `best` if there is one, else `checkpoint`: what is evaluated and watched.

        Raises:
            RunError: There is neither yet.
        """
        for path in (self.best, self.checkpoint):
            if path.is_file():
                return path
        raise RunError(
            f"{self.folder} has no checkpoint yet: training saves one every minute and at its end"
        )

    def _check_free(self, *, overwrite: bool) -> None:
        """Check that a folder that exists may become this run's.

        Raises:
            RunError: It may not.
        """
        folder = self.folder
        if folder.is_dir() and all(self._is_leftover(path.name) for path in folder.iterdir()):
            return  # empty, or the making of a run did not get further
        try:
            Run.open(folder)
        except RunError as error:
            raise RunError(
                f"{folder} exists and is not a run: choose another folder (--out) ({error})"
            ) from error
        if not overwrite:
            what_to_do = "replace it (--overwrite), or choose another folder (--out)"
            if self.checkpoint.is_file():
                what_to_do = f"resume it (--resume), {what_to_do}"
            raise RunError(f"{folder} already holds a run: {what_to_do}")

    def _delete_files(self) -> None:
        """Delete the run's own files but `config.json`; links are deleted, not followed."""
        self.remove_leftovers()
        for path in self.folder.iterdir():
            is_folder = path.is_dir() and not path.is_symlink()
            if self._is_own(path.name) and path != self._config_path and not is_folder:
                path.unlink()
        if self.tensorboard.is_dir() and not self.tensorboard.is_symlink():
            for path in self.tensorboard.glob(f"{_EVENTS}*"):
                path.unlink()
            with contextlib.suppress(OSError):
                self.tensorboard.rmdir()

    def _is_own(self, name: str) -> bool:
        """Return whether training, evaluation or plots give a file in the folder that name."""
        files = (
            self._config_path,
            self.episodes_path,
            self.metrics_path,
            self.evaluation_path,
            self.learning_curve,
            self.video,
            self.decisions,
            self.report,
        )
        kept = _KEPT.fullmatch(name)
        checkpoints = (self.checkpoint, self.best, *([self.kept(int(kept[1]))] if kept else []))
        return (
            name in (path.name for path in files)
            or _DEMONSTRATIONS.fullmatch(name) is not None
            or any(is_file_of(path, name) for path in checkpoints)
        )

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]

    def _is_leftover(self, name: str) -> bool:
        """Return whether a file of that name is what a killed process leaves."""
        target = target_of(name)
        return name == _LOCK or (target is not None and self._is_own(target))

    def _busy(self) -> RunError:
        return RunError(
            f"{self.folder} is being trained by another process: wait until it ends, stop it, or "
            "choose another folder (--out)"
        )

    def _write_config(self, record: dict[str, Any]) -> None:
        content = {"format": FORMAT, **dataclasses.asdict(self.spec), **record}
        write_json(self._config_path, content)


def _num_steps_of(checkpoint: Path) -> int | None:
    """Return the steps after which a checkpoint was saved; None if it is missing or damaged."""
    try:
        return read_header(checkpoint).num_steps
    except (CheckpointError, FileNotFoundError):
        return None


def _record_now(command: Sequence[str]) -> RunRecord:
    """Return what a run is made with that begins now."""
    return RunRecord(tuple(command), versions(), describe_commit(), describe_machine())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _VERSIONED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _merged(before: str, now: str, separator: str) -> str:
    """Return what was told before, and what is told now where that is new."""
    told = [*before.split(separator), now] if before else [now]
    return separator.join(dict.fromkeys(told))


def merged_versions(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the versions of several processes as one: "2.9.0, 2.13.0" where they differ."""
    merged: dict[str, dict[str, None]] = {}
    for each in found:
        for name, told in each.items():  # several where that was merged, too
            merged.setdefault(name, {}).update(dict.fromkeys(told.split(_BETWEEN_VERSIONS)))
    return {name: _BETWEEN_VERSIONS.join(told) for name, told in merged.items()}
