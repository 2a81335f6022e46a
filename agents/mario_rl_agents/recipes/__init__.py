"""What the command line can name: the algorithms, and configurations to start from.

Each module but `recipe` is named after its algorithm, and has the class as `ALGORITHM` and its
recipes as `RECIPES`. It is found by its file and imported when it is asked for.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Final

import mario_rl_envs  # noqa: F401  registers the environments of Mario
from mario_rl_agents.agent import Agent
from mario_rl_agents.config import did_you_mean
from mario_rl_agents.recipes.recipe import ANY as ANY
from mario_rl_agents.recipes.recipe import EVALUATION_EPSILON, Recipe, Recipes
from mario_rl_agents.recipes.recipe import MARIO as MARIO


class Algorithms(Mapping[str, type[Agent]]):
    """The algorithms that have recipes, by name. Looking one up imports it."""

    def __init__(self) -> None:
        """Look at the files of this package."""
        modules = (module.name for module in pkgutil.iter_modules(__path__))
        self._names = sorted(name for name in modules if name != "recipe")

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
        return importlib.import_module(f"{__name__}.{name}")


ALGORITHMS: Final = Algorithms()


def recipes_of(algorithm: str) -> Recipes:
    """Return the recipes of an algorithm, by environment and name.

    Raises:
        KeyError: There is no such algorithm.
    """
    recipes: Recipes = ALGORITHMS.module(algorithm).RECIPES
    return recipes


def find_recipe(algorithm: str, env_id: str, name: str = "default") -> Recipe:
    """Return the recipe of that name: the environment's own, else its family's, else anyone's.

    Args:
        algorithm: A key of `ALGORITHMS`.
        env_id: A Gymnasium id.
        name: "default", "tutorial" or "demo".

    Raises:
        ValueError: There is none; the message names those there are.
    """
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
    return sorted({name for place, name in recipes_of(algorithm) if place in _places(env_id)})


def evaluation_epsilon(env_id: str) -> float:
    """Return the epsilon that makes a greedy agent's episodes differ, 0 where they do anyway."""
    return EVALUATION_EPSILON if is_mario(env_id) else 0.0


def is_mario(env_id: str) -> bool:
    """Return whether an id is one of Mario's."""
    return MARIO in _places(env_id)


def _places(env_id: str) -> tuple[str, ...]:
    """Return where to look for an environment's recipes, the most specific first."""
    name = env_id.rpartition(":")[2]  # "mario_rl_envs:MarioRL-1-1-v0" is an id as well
    return (name, MARIO, ANY) if name.startswith(f"{MARIO}-") else (name, ANY)
