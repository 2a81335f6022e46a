"""What the shell completes: algorithms, environments, recipes, and the keys of --set and --env.

A shell asks each time its key is pressed. So nothing here imports torch where it can do without,
what cannot be answered has no answer, rather than a traceback on the prompt, and nothing asks: a
run of others that names a module has no answer either.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path

import typer


def complete_algorithm(incomplete: str) -> list[str]:
    """Complete the name of an algorithm."""
    return _beginning(incomplete, _algorithms)


def complete_env_id(incomplete: str) -> list[str]:
    """Complete the id of an environment: of Mario, and any that Gymnasium knows."""
    return _beginning(incomplete, _env_ids)


def complete_mario_id(incomplete: str) -> list[str]:
    """Complete the id of an environment of Mario."""
    return _beginning(incomplete, _mario_ids)


def complete_route(incomplete: str) -> list[str]:
    """Complete the stage of a route; of a file nothing."""
    return _beginning(incomplete, _stages_with_route)


def complete_recipe(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a recipe, of the algorithm and environment before it if there are."""
    return _beginning(incomplete, lambda: _recipes(ctx))


def complete_setting(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the key of --set: a field of the algorithm's configuration."""
    return _beginning(incomplete, lambda: _fields(_argument(ctx, "algorithm")))


def complete_keyword(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the key of --env: a keyword of the environment, or of that of a checkpoint."""
    return _beginning(incomplete, lambda: _keywords(ctx))


def _beginning(incomplete: str, find: Callable[[], Iterable[str]]) -> list[str]:
    """Return the words that go on from what is typed."""
    words: list[str] = []
    with contextlib.suppress(Exception):  # of a damaged run, or a module that is not there
        words = [word for word in find() if word.startswith(incomplete)]
    return words


def _argument(ctx: typer.Context, name: str) -> str:
    """Return a positional argument of the line so far.

    Where the line ends in an option without its value, click gives up before it names them.
    """
    if ctx.params.get(name) is not None:
        return str(ctx.params[name])
    names = [x.name for x in ctx.command.params if x.param_type_name == "argument"]
    return ctx.args[names.index(name)]


def _algorithms() -> Iterable[str]:
    spec = importlib.util.find_spec("mario_rl_agents.recipes")  # finds it, and imports nothing
    assert spec is not None
    modules = pkgutil.iter_modules(spec.submodule_search_locations)
    names = (module.name for module in modules if module.name != "recipe")
    return sorted(x.replace("sb3_", "sb3-", 1) if x.startswith("sb3_") else x for x in names)


def _env_ids() -> Iterable[str]:
    import gymnasium

    import mario_rl_envs

    others = sorted(set(gymnasium.registry) - set(mario_rl_envs.ENV_IDS))
    return [*mario_rl_envs.ENV_IDS, *others]


def _mario_ids() -> Iterable[str]:
    from mario_rl_envs import ENV_IDS

    return ENV_IDS


def _stages_with_route() -> Iterable[str]:
    from mario_rl_envs import routes

    return routes.stages()


def _recipes(ctx: typer.Context) -> Iterable[str]:
    from mario_rl_agents.recipes import recipe_names

    return recipe_names(_argument(ctx, "algorithm"), _argument(ctx, "env_id"))


def _fields(algorithm: str) -> Iterable[str]:
    from mario_rl_agents.recipes import ALGORITHMS

    return [f"{field.name}=" for field in dataclasses.fields(ALGORITHMS[algorithm].config_class)]


def _keywords(ctx: typer.Context) -> Iterable[str]:
    import mario_rl_envs  # noqa: F401  registers its environments
    from mario_rl_agents.envs import keywords_of

    if "checkpoint" in ctx.params:
        from mario_rl_agents.runs.run import Run
        from mario_rl_agents.trust import check_trusted

        path = Path(_argument(ctx, "checkpoint"))
        env_id = Run.open(path if path.is_dir() else path.parent).spec.env_id
        check_trusted(env_id, path)
    else:
        env_id = _argument(ctx, "env_id")
    return [f"{name}=" for name in (*keywords_of(env_id), "max_episode_steps")]
