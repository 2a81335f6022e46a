"""`mario-rl recipes`: the algorithms, and the configurations that training starts from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mario_rl_agents.cli.completion import complete_algorithm, complete_env_id
from mario_rl_agents.cli.terminal import (
    UsageError,
    make_console,
    one_line_errors,
    titled,
    usage_errors,
)

if TYPE_CHECKING:
    from rich.console import Group

    from mario_rl_agents.recipes.recipe import Recipe

_CAPTION: Final = (
    "Train with one by mario-rl train ALGO ENV_ID --recipe NAME; without --recipe the default is "
    "taken. An environment without a recipe of its own takes that of its family.\n"
    "sees: of Mario; elsewhere what the environment shows.\n"
    "minutes, result: means of three or five seeds on two cores; the return of 100 test "
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
    env_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ENV_ID",
            help="Only those for this environment.",
            show_default=False,
            autocompletion=complete_env_id,
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="Every number of them, and what it is. Needs ALGO."),
    ] = False,
) -> None:
    """List the algorithms, and the configurations that training starts from.

    mario-rl recipes ppo MarioRL-1-1-v0 --show
    """
    with one_line_errors():
        from mario_rl_agents.recipes import ALGORITHMS, recipes_for
        from mario_rl_agents.runs.loading import find_algorithm

        if algorithm is not None:
            with usage_errors():
                find_algorithm(algorithm)
        if show and algorithm is None:
            raise UsageError("--show needs an algorithm, as in mario-rl recipes dqn --show")
        hint = None if env_id is None else _hint(env_id)
        if hint is not None:
            make_console().print(hint, soft_wrap=True)
        console = make_console(stderr=False)
        if algorithm is None or not show:
            names = list(ALGORITHMS) if algorithm is None else [algorithm]
            console.print(recipes_table(names, env_id))
            return
        for key, recipe in recipes_for(algorithm, env_id).items():
            console.print(settings_table(algorithm, *key, recipe))


def _hint(env_id: str) -> str | None:
    """Return which environment may be meant by an id that nothing registers; None: none is close.

    It may be one that a module of the user's own registers: its recipes are shown all the same.
    """
    import gymnasium as gym

    from mario_rl_agents.config import did_you_mean

    close = "" if ":" in env_id or env_id in gym.registry else did_you_mean(env_id, gym.registry)
    return f"nothing registers {env_id}{close} It would have these:" if close else None


def recipes_table(algorithms: list[str], env_id: str | None = None) -> Group:
    """Return a table of the recipes of these algorithms; it needs 80 columns.

    Args:
        algorithms: Their names.
        env_id: The environment that they are for; None: all that there are.
    """
    from rich.box import SIMPLE
    from rich.table import Table

    from mario_rl_agents.recipes import LIKE, MARIO, counterpart_of, recipes_for

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for column in ("environment", "recipe", "sees"):
        table.add_column(column, overflow="fold")
    for column in ("steps", "minutes"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    for name in algorithms:
        table.add_row(name, style="bold")
        for (place, recipe_name), recipe in recipes_for(name, env_id).items():
            sees = _observation(recipe) if place == MARIO else ""
            steps = f"{recipe.total_steps:,}"
            table.add_row(_named(place), recipe_name, sees, steps, *_measured(recipe))
        counterpart = counterpart_of(name)
        if counterpart is not None:
            table.add_row("all", LIKE, "", "", "", f"the settings of {counterpart}'s default")
        table.add_section()
    return titled(table, None, _CAPTION)


def settings_table(algorithm: str, place: str, name: str, recipe: Recipe) -> Group:
    """Return a table of all that a recipe says; it needs 80 columns.

    Args:
        algorithm: Its name.
        place: The environment, or the family of them.
        name: The recipe's.
        recipe: The recipe.
    """
    from rich.box import SIMPLE
    from rich.table import Table

    from mario_rl_agents.config import field_comments

    minutes, result = _measured(recipe)
    games = "environment" if recipe.num_envs == 1 else "sub-environments side by side"
    about = [f"{recipe.total_steps:,} steps in {recipe.num_envs} {games}"]
    about += [f"measured: {minutes} minutes, {result}" if result else "not measured"]
    about += [f"chosen: {recipe.tuning}"] if recipe.tuning else []
    about += [f"--env {key}={_option(value)}" for key, value in recipe.env_kwargs.items()]
    about += recipe.remarks
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("--set", no_wrap=True)
    for column in ("value", "default", ""):
        table.add_column(column, overflow="fold")
    for setting, (default, comment) in field_comments(type(recipe.config)).items():
        value = getattr(recipe.config, setting)
        differs = value != getattr(type(recipe.config)(), setting)
        cells = (setting, _option(value), default if differs else "", comment)
        table.add_row(*cells, style="bold" if differs else "")
    title = f"{algorithm} on {_named(place)}, recipe {name}"
    return titled(table, "\n".join([title, *about]), style="")


def _option(value: Any) -> str:
    """Return a value as an option of the command line has it."""
    from mario_rl_agents.config import plain

    return value if isinstance(value, str) else json.dumps(plain(value))


def _named(place: str) -> str:
    """Return an environment, or a family of them, as it is shown."""
    from mario_rl_agents.recipes import ANY, MARIO

    return {MARIO: "any MarioRL-...", ANY: "any other"}.get(place, place)


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
