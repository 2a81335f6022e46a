"""`mario-rl recipes`: the algorithms, and the configurations that training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from mario_rl_agents.cli.completion import complete_algorithm
from mario_rl_agents.cli.terminal import make_console, one_line_errors, usage_errors

if TYPE_CHECKING:
    from rich.table import Table

    from mario_rl_agents.recipes.recipe import Recipe

_CAPTION: Final = (
    "Train with one by mario-rl train ALGO ENV_ID --recipe NAME; without --recipe the default is "
    "taken. An environment without a recipe of its own takes that of its family.\n"
    "sees: of Mario; elsewhere what the environment shows.\n"
    "minutes, result: means of three seeds on two cores, several at once; the return of 100 test "
    "games, on Mario the share of games that reach the flag; empty: not measured "
    "(benchmarks/results.md)."
)


def recipes(
    algorithm: Annotated[
        str | None,
        typer.Argument(
            metavar="ALGO",
            help="Only those of this one.",
            show_default=False,
            autocompletion=complete_algorithm,
        ),
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
    """Return a table of the recipes of these algorithms; it needs 80 columns."""
    from rich.box import SIMPLE
    from rich.table import Table

    from mario_rl_agents.recipes import ANY, LIKE, MARIO, counterpart_of, recipes_of

    table = Table(box=SIMPLE, caption=_CAPTION, caption_justify="left", padding=(0, 1, 0, 0))
    for column in ("environment", "recipe", "sees"):
        table.add_column(column, overflow="fold")
    for column in ("steps", "minutes"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    families = {MARIO: "any MarioRL-...", ANY: "any other"}
    for name in algorithms:
        table.add_row(name, style="bold")
        rows = [(*key, recipe) for key, recipe in recipes_of(name).items()]
        # Environments of their own come before families.
        for env_id, recipe_name, recipe in sorted(
            rows, key=lambda row: (row[0] == ANY, row[0] == MARIO, row[0], row[1])
        ):
            sees = _observation(recipe) if env_id == MARIO else ""
            shown = families.get(env_id, env_id)
            table.add_row(shown, recipe_name, sees, f"{recipe.total_steps:,}", *_measured(recipe))
        counterpart = counterpart_of(name)
        if counterpart is not None:
            table.add_row("all", LIKE, "", "", "", f"the settings of {counterpart}'s default")
        table.add_section()
    return table


def _observation(recipe: Recipe) -> str:
    """Return what a recipe's agent sees of Mario."""
    kind = str(recipe.env_kwargs.get("observation", "pixels"))
    return f"{kind} {recipe.env_kwargs.get('size', 84)}" if kind == "pixels" else kind


def _measured(recipe: Recipe) -> tuple[str, str]:
    """Return the minutes and the result of a recipe, empty where it was not measured."""
    if recipe.measured is None:
        return "", ""
    steps = recipe.measured.steps
    after = "" if steps is None else f", {steps:,} steps"
    return f"{recipe.measured.minutes:.1f}", f"{recipe.measured.result}{after}"
