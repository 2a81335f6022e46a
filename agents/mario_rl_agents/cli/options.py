"""Options and arguments that several commands share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mario_rl_agents.cli.completion import complete_keyword
from mario_rl_agents.cli.terminal import usage_errors
from mario_rl_agents.config import parse_pairs

EVALUATION_EPISODES: Final = 10
EVALUATION_SEED: Final = 10_000  # far from the seeds that training starts from

Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A .safetensors checkpoint, a run's folder (its best is taken), or the id of a policy "
        "that comes with the package, as MarioRL-1-1-v0.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the first episode; the next has the next seed.")]
EnvChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="KEY=VALUE",
        autocompletion=complete_keyword,
        help="Change a keyword of gym.make, e.g. --env sticky=0.25.",
    ),
]
Sample = Annotated[
    bool, typer.Option("--sample", help="Draw actions as in training instead of the best ones.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Import the module of an environment MODULE:ID, or of an agent MODULE:CLASS, that a "
        "run or a file of demonstrations names, though you have not named it in a training of your "
        "own: that runs its code.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def finite(value: float | None) -> float | None:
    """Return the value of an option that is no infinity, which no clock comes to.

    Raises:
        BadParameter: It is one, or no number.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not finite; for no limit leave it out")
    return value


def read_pairs(option: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return KEY=VALUE options as a dict; a value is JSON where it can be, else text.

    Args:
        option: The option's name, for the message.
        texts: The options; None is none.

    Raises:
        UsageError: One has no key or no equals sign.
    """
    with usage_errors(option):
        return parse_pairs(texts or ())
