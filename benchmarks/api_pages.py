"""The pages of the API reference: what stands where. The docstrings say the rest."""

from __future__ import annotations

import importlib
import inspect
from typing import Final, NamedTuple

import mario_rl_agents

from mario_rl_envs import routes, wrappers


class Group(NamedTuple):
    """Names of a module under one heading."""

    title: str
    intro: str
    module: str
    names: tuple[str, ...]


class Page(NamedTuple):
    """A page of the reference."""

    title: str
    intro: str
    groups: tuple[Group, ...]


_AGENTS: Final = (
    *("RandomAgent", "NaiveQ", "Sarsa", "DQN", "DoubleDQN", "PQN", "CEM", "Reinforce"),
    *("ActorCritic", "A3C", "PPO", "DDPG", "TD3", "SAC"),
)
_CONFIGS: Final = tuple(
    f"{name}Config" for name in _AGENTS if hasattr(mario_rl_agents, f"{name}Config")
)

PAGES: Final = {
    "environments": Page(
        "Environments",
        "`import mario_rl_envs` registers the ids; `gym.make` and `gym.make_vec` make "
        "what stands here. "
        "[The environments](../environments.md) explains it.",
        (
            Group(
                "The package",
                "",
                "mario_rl_envs",
                ("ENV_IDS", "native_info", "NativeInfo"),
            ),
            Group(
                "One game",
                "What `gym.make` calls with its keywords, and the environment inside of all "
                "wrappers, which is what `env.unwrapped` returns.",
                "mario_rl_envs",
                ("make.make_mario", "env.SuperMarioBrosEnv"),
            ),
            Group(
                "Many games",
                "What `gym.make_vec` makes. [Many games in parallel](../vector.md) explains it.",
                "mario_rl_envs",
                ("vector_env.MarioVectorEnv", "sub_environment.SubEnvironment"),
            ),
            Group(
                "For Stable-Baselines3",
                "[Use it from your library](../libraries.md#stable-baselines3-sb3-contrib-rl-zoo3) "
                "shows it.",
                "mario_rl_envs.sb3",
                ("make_vec_env", "MarioVecEnv"),
            ),
        ),
    ),
    "wrappers": Page(
        "Wrappers",
        "[The wrappers](../wrappers.md) says which of them `gym.make` puts where, and how to "
        "write one.",
        (Group("Of the package", "", "mario_rl_envs.wrappers", tuple(wrappers.__all__)),),
    ),
    "routes": Page(
        "Routes",
        "Recorded inputs that clear a stage, and the search for others.",
        (Group("Names of the module", "", "mario_rl_envs.routes", tuple(routes.__all__)),),
    ),
    "agents": Page(
        "Agents",
        "All agents have the methods of `Agent`. [The agents](../agents.md) has a page for each "
        "method.",
        (
            Group("What all have", "", "mario_rl_agents", ("Agent",)),
            Group("Algorithms", "", "mario_rl_agents", _AGENTS),
            Group(
                "Watching them learn",
                "",
                "mario_rl_agents",
                ("Callback", "Step", "Episode"),
            ),
        ),
    ),
    "configurations": Page(
        "Configurations",
        "Frozen dataclasses, all of whose fields have defaults. [The page of a "
        "method](../agents.md) has a table of them.",
        (
            Group("Of the algorithms", "", "mario_rl_agents", _CONFIGS),
            Group(
                "Schedules",
                "What a setting can be that changes while an agent learns.",
                "mario_rl_agents",
                ("linear", "piecewise", "exponential"),
            ),
        ),
    ),
    "running": Page(
        "Making, measuring, loading",
        "",
        (
            Group("Environments for agents", "", "mario_rl_agents", ("make_vec_env",)),
            Group("Measuring", "", "mario_rl_agents", ("evaluate",)),
            Group(
                "Trained agents",
                "",
                "mario_rl_agents",
                (
                    *("load_agent", "load_policy", "policy_ids", "policy_record"),
                    "export_onnx",
                ),
            ),
        ),
    ),
}

# What a constant is: Python would say what its type is.
CONSTANTS: Final = {
    "mario_rl_envs.ENV_IDS": "The ids of all environments, a tuple, as `gym.make` takes them.",
    "mario_rl_envs.routes.FRAMES_PER_STEP": "Frames a decision of the package's own routes: 4.",
}


def pages() -> dict[str, str]:
    """Return the text of each page by its name, and of "index"."""
    listed = "".join(f"- [{page.title}]({name}.md)\n" for name, page in PAGES.items())
    names = "\n".join(PAGES)
    index = (
        "# API reference\n\nThe public names of both packages, from their docstrings. The tests "
        "run the examples.\n\n"
        f"{listed}\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )
    return {"index": index, **{name: _text(page) for name, page in PAGES.items()}}


def documented(page: Page) -> dict[str, object]:
    """Return what a page documents, by the names it is imported by."""
    return {
        f"{group.module}.{name}": _find(f"{group.module}.{name}")
        for group in page.groups
        for name in group.names
    }


def _find(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _text(page: Page) -> str:
    parts = [f"# {page.title}", page.intro]
    for group in page.groups:
        parts += f"## {group.title}", group.intro
        for name in group.names:
            parts.append(_directive(f"{group.module}.{name}"))
    return "\n\n".join(filter(None, parts)) + "\n"


def _directive(name: str) -> str:
    """Return what has Sphinx write a docstring."""
    found = _find(name)
    if inspect.isclass(found):
        kind, options = "autoclass", "   :members:\n"
    elif inspect.isroutine(found):
        kind, options = "autofunction", ""
    else:
        kind, options = "py:data", f"\n   {CONSTANTS[name]}\n"
    return f"```{{eval-rst}}\n.. {kind}:: {name}\n{options}```"
