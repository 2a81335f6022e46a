"""What `mario-rl envs` and `mario-rl recipes` print."""

from __future__ import annotations

import contextlib

import gymnasium as gym
from rich.box import SIMPLE
from rich.table import Table

import mario_rl_envs
from mario_rl_agents.cli.opening import check_known
from mario_rl_agents.recipes import ALGORITHMS, ANY, MARIO, recipes_of


def environments_table() -> Table:
    """Return a table of the environments of Super Mario Bros."""
    table = Table(
        box=SIMPLE,
        caption='Any of them takes keywords, e.g. gym.make("MarioRL-1-1-v0", actions="simple") or '
        "--env actions=simple. There are right_only (5), simple (7), complex (12), joypad (256) "
        "and continuous.",
        caption_justify="left",
    )
    for column in ("id", "what it plays"):
        table.add_column(column, no_wrap=True)
    for column in ("lives", "actions", "observation"):
        table.add_column(column, justify="right", no_wrap=True)
    for env_id in mario_rl_envs.ENV_IDS:
        with contextlib.closing(gym.make(env_id)) as env:
            what, lives = _what_it_plays(env_id)
            assert isinstance(env.action_space, gym.spaces.Discrete)
            shape = str(env.observation_space.shape)
            table.add_row(env_id, what, str(lives), str(env.action_space.n), shape)
    return table


def recipes_table(algorithm: str | None = None) -> Table:
    """Return a table of the recipes.

    Args:
        algorithm: Only those of this one; None is all.

    Raises:
        UsageError: There is no such algorithm.
    """
    if algorithm is not None:
        check_known(algorithm)
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
    for name in ALGORITHMS if algorithm is None else (algorithm,):
        rows = [(*key, recipe) for key, recipe in recipes_of(name).items()]
        # Environments of their own come before families.
        for env_id, recipe_name, recipe in sorted(
            rows, key=lambda row: (row[0] == ANY, row[0] == MARIO, row[0], row[1])
        ):
            shown = families.get(env_id, env_id)
            table.add_row(name, shown, recipe_name, f"{recipe.total_steps:,}")
        table.add_section()
    return table


def _what_it_plays(env_id: str) -> tuple[str, int]:
    """Return a description and the number of lives."""
    name = env_id.removeprefix("MarioRL-").removesuffix("-v0")
    if name == "Random":
        return "a random stage", 1
    if name == "v0":
        return "the whole game", 3
    world, stage = name.split("-")
    return f"world {world}, stage {stage}", 1
