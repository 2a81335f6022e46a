"""The plan of a comparison: its sides, and the environment, steps, seeds, evaluations of all."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from mario_rl_agents.config import Count, check, convert, convert_fields, plain, read, replaced
from mario_rl_agents.demonstrations.games import Demonstrations
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.protocol import MAX_TRAINING_SEED, Protocol, usual_protocol
from mario_rl_agents.experiments.tables import (
    Entry,
    read_json_file,
)
from mario_rl_agents.files import write_json
from mario_rl_agents.recipes import LIKE, counterpart_of, evaluation_epsilon, like
from mario_rl_agents.recipes.recipe import Recipe
from mario_rl_agents.runs.loading import (
    check_trusted_demonstrations,
    find_algorithm,
    open_env,
    recipe_for,
)
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.trust import check_trusted

_PLAN: Final = "plan.json"
_JOBS: Final = "jobs"  # the folder of the jobs' folders
_FORMAT: Final = 1
_NUM_EVALUATIONS: Final = 10  # along a training, where no period is given


@dataclass(frozen=True)
class Plan:
    """What is compared: as data, so that a comparison that was killed goes on with the same.

    Raises:
        ValueError: A field is not accepted; the message names it.
    """

    env_id: str
    env_kwargs: dict[str, Any]  # of gym.make, the same for all sides
    total_steps: Count  # environment steps of each run
    num_seeds: Count
    protocol: Protocol
    entries: tuple[Entry, ...]
    command: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Check the fields."""
        convert_fields(self)
        limit = f"at most {MAX_TRAINING_SEED + 1}: larger seeds are for tuning and evaluation"
        check("num_seeds", self.num_seeds, self.num_seeds <= MAX_TRAINING_SEED + 1, limit)
        labels = [entry.label for entry in self.entries]
        check("algorithms", labels, bool(labels), "at least one")
        names = [file_name(label) for label in labels]
        check("algorithms", labels, len(set(names)) == len(names), "named once each")

    @classmethod
    def make(
        cls,
        algorithms: Sequence[str],
        env_id: str,
        *,
        total_steps: int,
        num_seeds: int,
        period: int | None = None,
        num_envs: int | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        command: Sequence[str] = (),
        **protocol: Any,
    ) -> Self:
        """Return the plan of a comparison, with every setting written out.

        Args:
            algorithms: Of each side its name in recipes, or MODULE:CLASS; with /RECIPE behind it
                for another recipe than the default.
            env_id: A Gymnasium id.
            total_steps: Environment steps of each run.
            num_seeds: Runs of each side, with the seeds 0, 1, ...
            period: Environment steps from one evaluation to the next; None: a tenth of all.
            num_envs: Sub-environments that every side is trained in; None: the recipes'.
            env_kwargs: Keywords of gym.make, beside those that the recipes have.
            changes: By side, as in `algorithms`, fields of the configuration that differ from the
                recipe's; those under "" are for every side that has them. A side ALGO/like of SB3
                is like the side of ours as it is then, if that is compared too.
            command: The command line, for the record.
            **protocol: Fields of the protocol.

        Raises:
            ValueError: There is no such algorithm, recipe, side or field, a value is not accepted,
                or the recipes are for different environments.
        """
        total_steps = convert(Count, total_steps, "total_steps")
        if period is None:
            period = max(total_steps // _NUM_EVALUATIONS, 1)
        changes = dict(changes or {})
        unknown = sorted(set(changes) - set(algorithms) - {""})
        check("settings", unknown, not unknown, f"of one of {', '.join(algorithms)}")
        recipes = {label: _recipe_of(label, env_id, total_steps, num_envs) for label in algorithms}
        common = changes.get("", {})
        changed = {
            label: _changed(recipe, common, changes.get(label, {}))
            for label, recipe in recipes.items()
        }
        _check_used(common, changed)
        for label in changed:
            ours = _side_it_is_like(label, changed)
            if ours is not None:
                mapped = like(changed[ours], ours)
                passed_on = _field_names(changed[ours])  # what they were changed to is in `mapped`
                rest = {name: x for name, x in common.items() if name not in passed_on}
                changed[label] = _changed(mapped, rest, changes.get(label, {}))
        entries = [_entry(label, recipe) for label, recipe in changed.items()]
        check("algorithms", list(algorithms), len(entries) == len(algorithms), "named once each")
        return cls(
            env_id=env_id,
            env_kwargs=_common_keywords(changed, env_kwargs or {}),
            total_steps=total_steps,
            num_seeds=num_seeds,
            protocol=usual_protocol(env_id, period, **protocol),
            entries=tuple(entries),
            command=tuple(command),
        )

    def check_trusted(self, folder: str | Path, *, trust: bool = False) -> None:
        """Check that the plan, as files have it, runs no code that the user has not named.

        Args:
            folder: Of the comparison.
            trust: Whether the user says that its code may run.

        Raises:
            UntrustedError: It does.
        """
        for name in (self.env_id, *(entry.algorithm for entry in self.entries)):
            check_trusted(name, folder, trust=trust)
        for job in self.jobs():
            run = Run(JobFolder(jobs_folder(folder), job.name).run, job.spec)
            check_trusted_demonstrations(run, trust=trust)

    def _completed_entries(self) -> list[Entry]:
        """Return the sides with every field of their configurations that there is by now."""
        return [
            dataclasses.replace(entry, config=self.job(entry, 0).spec.config)
            for entry in self.entries
        ]

    def check_environment(self) -> None:
        """Check that the environment can be made, under all conditions, and suits every side.

        And that what sides begin by imitating is there.

        Raises:
            ValueError: It cannot, or it does not; the message says what is wrong.
            FileNotFoundError: A file of demonstrations is missing.
            DemonstrationsError: One is damaged.
        """
        for entry in self.entries:
            for path in entry.config.get("demonstrations", ()):
                Demonstrations.load(path)
        for condition in self.protocol.conditions:
            env = open_env(self.env_id, {**self.env_kwargs, **condition.env_kwargs})
            with contextlib.closing(env):
                for entry in self.entries:
                    find_algorithm(entry.algorithm).check_spaces(env)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of each side's runs."""
        return tuple(range(self.num_seeds))

    def jobs(self) -> list[Job]:
        """Return the trainings: the first seed of every side, then the second, and so on."""
        return [self.job(entry, seed) for seed in self.seeds for entry in self.entries]

    def job(self, entry: Entry, seed: int) -> Job:
        """Return the training of one side with one seed."""
        spec = RunSpec(
            algorithm=entry.algorithm,
            env_id=self.env_id,
            env_kwargs=self.env_kwargs,
            config=entry.config,
            seed=seed,
            total_steps=self.total_steps,
            evaluation_epsilon=evaluation_epsilon(self.env_id),
            num_envs=entry.num_envs,
        )
        return Job(spec, protocol=self.protocol, name=f"{file_name(entry.label)}-seed{seed}")

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Return the plan of the comparison in a folder.

        Raises:
            JobError: There is none, or its file is damaged, or of another format.
        """
        path = Path(folder).expanduser() / _PLAN
        if not path.is_file():
            raise JobError(f"there is no comparison at {folder}: no {_PLAN} in it")
        content = read_json_file(path, _FORMAT)
        try:
            return read(cls, content)
        except ValueError as error:
            raise JobError(
                f"{path} is damaged ({error}): restore it from a copy, or compare anew in another "
                "folder (--out)"
            ) from error

    def write(self, folder: str | Path) -> None:
        """Write the plan into a folder, which is made; the same one may be there already.

        Raises:
            JobError: The folder holds another comparison.
        """
        folder = Path(folder).expanduser()
        if (folder / _PLAN).is_file():
            before = type(self).read(folder)
            names = [x.name for x in dataclasses.fields(self) if x.compare and x.name != "entries"]
            differing = [name for name in names if getattr(before, name) != getattr(self, name)]
            if before._completed_entries() != self._completed_entries():
                differing.append("entries")
            if differing:
                raise JobError(
                    f"{folder} holds another comparison, which differs in {', '.join(differing)}: "
                    "go on with it (--resume), or choose another folder (--out)"
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _PLAN, {"format": _FORMAT, **plain(dataclasses.asdict(self))})


def jobs_folder(folder: str | Path) -> Path:
    """Return where the jobs of the comparison in a folder are kept."""
    return Path(folder).expanduser() / _JOBS


def file_name(label: str) -> str:
    """Return a side's label as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", label)


def _recipe_of(label: str, env_id: str, total_steps: int, num_envs: int | None) -> Recipe:
    algorithm, _, name = label.partition("/")
    recipe = recipe_for(
        algorithm, env_id, name or "default", total_steps=total_steps, num_envs=num_envs
    )
    return dataclasses.replace(
        recipe, total_steps=total_steps, num_envs=num_envs or recipe.num_envs
    )


def _side_it_is_like(label: str, recipes: Mapping[str, Recipe]) -> str | None:
    """Return the side whose settings another one takes over, with all changes to them."""
    algorithm, _, name = label.partition("/")
    counterpart = counterpart_of(algorithm) if name == LIKE else None
    return counterpart if counterpart in recipes else None


def _field_names(recipe: Recipe) -> set[str]:
    return {field.name for field in dataclasses.fields(recipe.config)}


def _changed(recipe: Recipe, common: Mapping[str, Any], own: Mapping[str, Any]) -> Recipe:
    """Return a recipe with fields of its configuration replaced: of `common` those that it has."""
    names = _field_names(recipe)
    changes = {**{name: x for name, x in common.items() if name in names}, **own}
    if not changes:
        return recipe
    said = f"{recipe.tuning or 'as its recipe'}, but for {', '.join(changes)}"
    return dataclasses.replace(recipe, config=replaced(recipe.config, changes), tuning=said)


def _check_used(common: Mapping[str, Any], recipes: Mapping[str, Recipe]) -> None:
    """Check that each setting for all sides is a field of one of them.

    Raises:
        ValueError: It is of none.
    """
    known = {name for recipe in recipes.values() for name in _field_names(recipe)}
    unknown = sorted(set(common) - known)
    check(
        "settings", unknown, not unknown, f"fields of a configuration: {', '.join(sorted(known))}"
    )


def _entry(label: str, recipe: Recipe) -> Entry:
    algorithm, _, name = label.partition("/")
    remarks = list(recipe.remarks)
    if not find_algorithm(algorithm).resumes_exactly:
        remarks.append("a run that is interrupted begins again: it cannot be resumed exactly")
    return Entry(
        label=label,
        algorithm=algorithm,
        recipe=name or "default",
        config=plain(dataclasses.asdict(recipe.config)),
        num_envs=recipe.num_envs,
        tuning=recipe.tuning,
        remarks=tuple(remarks),
    )


def _common_keywords(recipes: Mapping[str, Recipe], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of gym.make: those given, and those that all recipes have alike.

    Raises:
        ValueError: Recipes differ in others.
    """
    keywords = dict(given)
    for name in dict.fromkeys(name for recipe in recipes.values() for name in recipe.env_kwargs):
        if name in given:
            continue
        values = {label: recipe.env_kwargs.get(name) for label, recipe in recipes.items()}
        first, *others = values.values()
        if any(value != first for value in others):
            each = ", ".join(f"{label}: {value!r}" for label, value in values.items())
            raise ValueError(
                f"the recipes are for different environments, {name} is {each}: give one value for "
                f"all sides (--env-kwarg {name}=...)"
            )
        keywords[name] = first
    return keywords
