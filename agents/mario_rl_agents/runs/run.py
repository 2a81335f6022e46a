"""A run: a folder with all that one training leaves. No other module names a file in it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from mario_rl_agents.errors import RunError
from mario_rl_agents.files import write_json
from mario_rl_agents.runs.evaluation import Evaluation, evaluations_json
from mario_rl_agents.runs.metrics import EpisodeRow, MetricRow, read_rows

_CONFIG: Final = "config.json"
FORMAT: Final = 1  # of config.json

_VERSIONED: Final = (
    "mario-rl-envs",
    "torch",
    "gymnasium",
    "numpy",
    "nes-py",
    "gym-super-mario-bros",
)


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's result."""

    algorithm: str  # its name in recipes and checkpoints
    env_id: str
    env_kwargs: dict[str, Any]  # keywords of gym.make, JSON values
    config: dict[str, Any]  # of the algorithm, JSON values
    seed: int
    total_steps: int  # environment steps, over all resumptions
    evaluation_epsilon: float = 0.0  # probability of a random action in the evaluation at the end
    num_envs: int = 1  # environments stepped side by side

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("total_steps", 1), ("seed", 0), ("num_envs", 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, received {value}")


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
            overwrite: Whether a run that is already there is deleted.

        Raises:
            RunError: The folder is not empty, and it is not a run or `overwrite` is False.
        """
        folder = Path(folder)
        run = cls(folder, spec)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not run._config_path.is_file():
                raise RunError(f"{folder} exists and is not a run: choose another folder (--out)")
            if not overwrite:
                raise RunError(
                    f"{folder} already holds a run: resume it (--resume), replace it "
                    "(--overwrite), or choose another folder (--out)"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        run._write_config({"command": list(command), "versions": versions()})
        return cls.open(folder)  # as JSON has it: lists for tuples

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Return the run in a folder.

        Raises:
            RunError: The folder holds no run, or its `config.json` is damaged.
        """
        folder = Path(folder)
        path = folder / _CONFIG
        if not path.is_file():
            raise RunError(f"there is no run at {folder}: no {path.name} in it")
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["format"] != FORMAT:
                raise RunError(
                    f"{path} has format {saved['format']}, this version reads {FORMAT}: use the "
                    "version of mario-rl-envs that wrote it"
                )
            names = [field.name for field in dataclasses.fields(RunSpec)]
            # A field that the run is older than has its default.
            return cls(folder, RunSpec(**{name: saved[name] for name in names if name in saved}))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} is damaged ({error!r}): restore it from a copy, or train anew"
            ) from error

    def extended_to(self, total_steps: int) -> Self:
        """Return the run with another number of total steps, written to `config.json`."""
        saved = json.loads(self._config_path.read_text(encoding="utf-8"))
        spec = dataclasses.replace(self.spec, total_steps=total_steps)
        run = dataclasses.replace(self, spec=spec)
        run._write_config({key: saved[key] for key in ("command", "versions")})
        return run

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint, with the replay memory: what a run is resumed from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The weights at the best mean return of 100 episodes; no file before the first 100."""
        return self.folder / "best.safetensors"

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

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations at the end of training; none before they are made.

        Raises:
            RunError: The file is damaged.
        """
        path = self.evaluation_path
        if not path.is_file():
            return []
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            return [Evaluation.from_json(content) for content in saved["evaluations"]]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} is damaged ({error!r}): delete it and evaluate again"
            ) from error

    def write_evaluations(self, checkpoint: Path, evaluations: Sequence[Evaluation]) -> None:
        """Write evaluations of one of the run's checkpoints, in place of earlier ones."""
        write_json(self.evaluation_path, evaluations_json(checkpoint, evaluations))

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

    def _write_config(self, record: dict[str, Any]) -> None:
        content = {"format": FORMAT, **dataclasses.asdict(self.spec), **record}
        write_json(self._config_path, content)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _VERSIONED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
