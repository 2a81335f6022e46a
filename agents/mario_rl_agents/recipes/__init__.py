"""What the command line can name: the algorithms, and configurations to start from.

Each module but `recipe` is named after its algorithm (sb3_ppo: `sb3-ppo`), and has the class as
`ALGORITHM` and its recipes as `RECIPES`. It is found by its file and imported when it is asked for.
One of Stable-Baselines3 may name an algorithm of ours as `LIKE`: it then has, for every
environment, a recipe "like" that is that algorithm's, in SB3's arguments.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any, Final

import mario_rl_envs  # noqa: F401  registers the environments of Mario
from mario_rl_agents.agent import Agent
from mario_rl_agents.config import did_you_mean, plain
from mario_rl_agents.recipes.recipe import ANY as ANY
from mario_rl_agents.recipes.recipe import EVALUATION_EPSILON, Recipe, Recipes
from mario_rl_agents.recipes.recipe import MARIO as MARIO

LIKE: Final = "like"  # the name of a recipe


def _name_of(module: str) -> str:
    """Return the name of the algorithm that a module of this package has."""
    return module.replace("sb3_", "sb3-", 1) if module.startswith("sb3_") else module


class Algorithms(Mapping[str, type[Agent]]):
    """The algorithms that have recipes, by name. Looking one up imports it."""

    def __init__(self) -> None:
        """Look at the files of this package."""
        modules = (module.name for module in pkgutil.iter_modules(__path__))
        self._modules = {_name_of(name): name for name in modules if name != "recipe"}
        self._names = sorted(self._modules)

    def __getitem__(self, name: str) -> type[Agent]:
        """Return the class of that name."""
        algorithm: type[Agent] = self.module(name).ALGORITHM
        return algorithm

    def __iter__(self) -> Iterator[str]:
        """Return the names in alphabetical order."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        """Return whether there is one of that name, without importing it."""
        return name in self._names

    def module(self, name: str) -> ModuleType:
        """Return the module of recipes of an algorithm.

        Raises:
            KeyError: There is none of that name.
        """
        if name not in self._names:
            raise KeyError(name)
        return importlib.import_module(f"{__name__}.{self._modules[name]}")


ALGORITHMS: Final = Algorithms()


def recipe_of(
    algorithm: str, env_id: str, config: Mapping[str, Any], env_kwargs: Mapping[str, Any]
) -> str | None:
    """Return the name of the recipe that settings are those of; None where they were changed.

    Args:
        algorithm: Its name.
        env_id: The environment.
        config: Every field of its configuration, as JSON values.
        env_kwargs: Keywords of the environment, as JSON values.
    """
    if algorithm not in ALGORITHMS:
        return None
    wanted = dict(config), dict(env_kwargs)
    for name in recipe_names(algorithm, env_id):
        recipe = find_recipe(algorithm, env_id, name)
        if (plain(asdict(recipe.config)), plain(recipe.env_kwargs)) == wanted:
            return name
    return None


def recipes_of(algorithm: str) -> Recipes:
    """Return the recipes of an algorithm, by environment and name.

    Raises:
        KeyError: There is no such algorithm.
    """
    recipes: Recipes = ALGORITHMS.module(algorithm).RECIPES
    return recipes


def recipes_for(algorithm: str, env_id: str | None = None) -> dict[tuple[str, str], Recipe]:
    """Return the recipes of an algorithm, environments of their own before families.

    Args:
        algorithm: A key of `ALGORITHMS`.
        env_id: The environment that they are for, by which each is the one that `find_recipe`
            finds; None: all that there are.

    Raises:
        KeyError: There is no such algorithm.
    """
    recipes = recipes_of(algorithm)
    order = sorted(recipes, key=lambda key: (key[0] == ANY, key[0] == MARIO, *key))
    if env_id is None:
        return {key: recipes[key] for key in order}
    found: dict[str, tuple[str, str]] = {}
    for place in _places(env_id):
        for key in order:
            if key[0] == place:
                found.setdefault(key[1], key)
    return {key: recipes[key] for key in found.values()}


def find_recipe(
    algorithm: str,
    env_id: str,
    name: str = "default",
    *,
    total_steps: int | None = None,
    num_envs: int | None = None,
) -> Recipe:
    """Return the recipe of that name: the environment's own, else its family's, else anyone's.

    Args:
        algorithm: A key of `ALGORITHMS`.
        env_id: A Gymnasium id.
        name: Such as "default", "tutorial", "demo" or "like".
        total_steps: Environment steps to be taken, which "like" depends on; None: the recipe's.
        num_envs: Sub-environments, which it depends on too; None: the recipe's.

    Raises:
        ValueError: There is none; the message names those there are.
    """
    counterpart = counterpart_of(algorithm)
    if name == LIKE and counterpart is not None:
        ours = find_recipe(counterpart, env_id)
        steps, envs = total_steps or ours.total_steps, num_envs or ours.num_envs
        return like(replace(ours, total_steps=steps, num_envs=envs), counterpart)
    recipes = recipes_of(algorithm)
    for place in _places(env_id):
        if (place, name) in recipes:
            return recipes[place, name]
    names = recipe_names(algorithm, env_id)
    raise ValueError(
        f"there is no recipe {name!r} for {algorithm} on {env_id}"
        f"{did_you_mean(name, names) or ':'} known are {', '.join(names)}"
    )


def recipe_names(algorithm: str, env_id: str) -> list[str]:
    """Return the names of an algorithm's recipes for an environment, in alphabetical order."""
    names = {name for place, name in recipes_of(algorithm) if place in _places(env_id)}
    return sorted(names if counterpart_of(algorithm) is None else {*names, LIKE})


def evaluation_epsilon(env_id: str) -> float:
    """Return the epsilon that makes a greedy agent's episodes differ, 0 where they do anyway."""
    return EVALUATION_EPSILON if is_mario(env_id) else 0.0


def is_mario(env_id: str) -> bool:
    """Return whether an id is one of Mario's."""
    return MARIO in _places(env_id)


def counterpart_of(algorithm: str) -> str | None:
    """Return the algorithm of ours whose recipes one of SB3 takes over by "like"; or None.

    Args:
        algorithm: A key of `ALGORITHMS`.
    """
    name: str | None = getattr(ALGORITHMS.module(algorithm), "LIKE", None)
    return name


def like(recipe: Recipe, counterpart: str) -> Recipe:
    """Return a recipe of an algorithm of ours in SB3's arguments, with remarks on what differs.

    Args:
        recipe: With its environment steps and sub-environments.
        counterpart: The name of that algorithm.
    """
    # Imported here: it imports every algorithm that has a counterpart.
    from mario_rl_agents.algorithms.sb3.like import sb3_config

    config, remarks = sb3_config(
        recipe.config, total_steps=recipe.total_steps, num_envs=recipe.num_envs
    )
    tuning = f"not tuned for SB3: like {counterpart} ({recipe.tuning or 'its recipe'})"
    return replace(recipe, config=config, measured=None, tuning=tuning, remarks=tuple(remarks))


def _places(env_id: str) -> tuple[str, ...]:
    """Return where to look for an environment's recipes, the most specific first."""
    name = env_id.rpartition(":")[2]  # "mario_rl_envs:MarioRL-1-1-v0" is an id as well
    return (name, MARIO, ANY) if name.startswith(f"{MARIO}-") else (name, ANY)
