"""`mario-rl envs`: the environments of Super Mario Bros."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mario_rl_agents.cli.terminal import make_console, one_line_errors

if TYPE_CHECKING:
    from rich.table import Table


def envs() -> None:
    """List the environments of Super Mario Bros, ready for gym.make."""
    with one_line_errors():
        make_console(stderr=False).print(environments_table())


def environments_table() -> Table:
    """Return a table of the environments of Super Mario Bros."""
    import gymnasium as gym
    from rich.box import SIMPLE
    from rich.table import Table

    import mario_rl_envs

    table = Table(
        box=SIMPLE,
        caption='Any of them takes keywords, e.g. gym.make("MarioRL-1-1-v0", actions="simple") or '
        "--env actions=simple. There are right_only (5), simple (7), complex (12), joypad (256) "
        "and continuous.",
        caption_justify="left",
    )
    table.add_column("id", no_wrap=True)
    table.add_column("what it plays", overflow="fold")
    for column in ("lives", "actions", "observation"):
        table.add_column(column, justify="right", overflow="fold")
    for env_id in mario_rl_envs.ENV_IDS:
        with contextlib.closing(gym.make(env_id)) as env:
            what, lives = _what_it_plays(env_id)
            assert isinstance(env.action_space, gym.spaces.Discrete)
            shape = str(env.observation_space.shape)
            table.add_row(env_id, what, str(lives), str(env.action_space.n), shape)
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
