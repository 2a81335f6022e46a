"""Algorithms: each is one file, read from top to bottom."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mario_rl_agents.agent import Agent


def load_algorithms() -> "dict[str, type[Agent]]":
    """Import every public module of this package and return the agents there by name."""
    agents = {}
    for module_info in pkgutil.walk_packages(__path__, f"{__name__}."):
        if module_info.name.rpartition(".")[2].startswith("_"):
            continue  # it may need a package that is not installed
        module = importlib.import_module(module_info.name)
        for member in vars(module).values():
            if isinstance(member, type) and member.__module__ == module.__name__:
                name = vars(member).get("algorithm")
                if isinstance(name, str):
                    agents[name] = member
    return agents
