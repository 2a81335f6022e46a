"""`mario-rl recipes`: the algorithms, and the configurations that training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mario_rl_agents.cli.terminal import make_console, one_line_errors, usage_errors

if TYPE_CHECKING:
    from rich.table import Table


def recipes(
    algorithm: Annotated[
        str | None,
        typer.Argument(metavar="ALGO", help="Only those of this one.", show_default=False),
    ] = None,
) -> None:
    """List the algorithms, and the configurations that training starts from."""
    with one_line_errors():
        from mario_rl_agents.recipes import ALGORITHMS
        from mario_rl_agents.runs.loading import find_algorithm

        if algorithm is not None:
            with usage_errors():
                find_algorithm(algorithm)
        names = list(ALGORITHMS) if algorithm is None else [algorithm]
        make_console(stderr=False).print(recipes_table(names))


def recipes_table(algorithms: list[str]) -> Table:
    """Return a table of the recipes of these algorithms."""
    from rich.box import SIMPLE
    from rich.table import Table

    from mario_rl_agents.recipes import ANY, MARIO, recipes_of

    table = Table(
        box=SIMPLE,
        caption="Train with one by mario-rl train ALGO ENV_ID --recipe NAME; without --recipe the "
        "default is taken. An environment without a recipe of its own takes that of its family.",
        caption_justify="left",
    )
    for column in ("algorithm", "environment", "recipe"):
        table.add_column(column, no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    families = {MARIO: "any MarioRL-...", ANY: "any other"}
    for name in algorithms:
        rows = [(*key, recipe) for key, recipe in recipes_of(name).items()]
        # Environments of their own come before families.
        for env_id, recipe_name, recipe in sorted(
            rows, key=lambda row: (row[0] == ANY, row[0] == MARIO, row[0], row[1])
        ):
            shown = families.get(env_id, env_id)
            table.add_row(name, shown, recipe_name, f"{recipe.total_steps:,}")
        table.add_section()
    return table
