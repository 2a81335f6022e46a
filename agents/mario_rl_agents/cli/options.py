"""Options and arguments that several commands share, and how KEY=VALUE is read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mario_rl_agents.cli.terminal import UsageError

EVALUATION_EPISODES: Final = 10
EVALUATION_SEED: Final = 10_000  # far from the seeds that training starts from

Checkpoint = Annotated[
    Path,
    typer.Argument(help="A .safetensors checkpoint, or a run's folder (its best is taken)."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the first episode; the next has the next seed.")]
EnvChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="KEY=VALUE",
        help="Change a keyword of gym.make, e.g. --env sticky=0.25.",
    ),
]
Sample = Annotated[
    bool, typer.Option("--sample", help="Draw actions as in training instead of the best ones.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def read_pairs(option: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return KEY=VALUE options as a dict; a value is JSON where it can be, else text.

    Args:
        option: The option's name, for the message.
        texts: The options; None is none.

    Raises:
        UsageError: One has no key or no equals sign.
    """
    pairs: dict[str, Any] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} takes KEY=VALUE, received {text!r}")
        pairs[key] = _value(value)
    return pairs


def replace_fields(config: Any, changes: dict[str, Any]) -> Any:
    """Return a configuration with fields replaced, each of the type that it has now.

    Raises:
        ValueError: There is no such field, or its value is not accepted.
    """
    from mario_rl_agents.runs.loading import did_you_mean

    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    converted = {}
    for name, value in changes.items():
        if name not in fields:
            raise ValueError(
                f"{name}: {type(config).__name__} has no such field{did_you_mean(name, fields)}; "
                f"its fields are {', '.join(fields)}"
            )
        converted[name] = _as_type_of(fields[name], value)
    try:
        return dataclasses.replace(config, **converted)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for read in (int, float, json.loads):  # int and float take 50_000 and 1e-4 too
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def _as_type_of(old: Any, value: Any) -> Any:
    """Return a value as the type of the one it replaces where nothing is lost, else as it is."""
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return tuple(value)
    return value
