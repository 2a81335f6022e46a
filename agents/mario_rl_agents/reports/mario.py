"""What is drawn of Mario alone: tiles, memory, joypad, and how an episode ended."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import TransformObservation
from numpy.typing import NDArray
from PIL import ImageDraw

from mario_rl_agents.config import did_you_mean
from mario_rl_agents.envs import Env
from mario_rl_agents.reports.drawing import CHOSEN, FAINT, TEXT, TRACK, Area, write
from mario_rl_agents.reports.moment import Moment
from mario_rl_agents.runs.loading import open_env
from mario_rl_envs import ENV_IDS
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.make import make_mario

TILE_NAMES: Final = ("empty", "solid", "item", "enemy", "Mario")  # of `TileObservation`

_TILES: Final = (13, 16)
_MOST_TILE: Final = len(TILE_NAMES) - 1
_CAUSES: Final = {
    "fall": "fell to his death",
    "enemy": "killed by an enemy",
    "time": "time ran out",
}
# The x of Mario when he touches the flag, in pixels: where the recorded routes end. Castles have an
# axe, which is reached at several.
_FLAGS: Final = {
    **{"1-1": 3161, "1-2": 3161, "1-3": 2425, "2-1": 3193, "2-2": 3161, "2-3": 3593},
    **{"3-1": 3193, "3-2": 3337, "3-3": 2409, "4-1": 3593, "4-2": 3161, "4-3": 2345},
    **{"5-1": 3177, "5-2": 3193, "5-3": 2425, "6-1": 2969, "6-2": 3449, "6-3": 2665},
    **{"7-1": 2857, "7-2": 3161, "7-3": 3593, "8-1": 6009, "8-2": 3449, "8-3": 3417},
}
# Keywords of an id that say what is seen; a person plays the game itself as it is.
_SEEN: Final = ("observation", "grayscale", "size", "stack", "skip", "emulator", "rom_path")


def is_mario(env: gym.Env[Any, Any]) -> bool:
    """Return whether an environment is Super Mario Bros."""
    return isinstance(env.unwrapped, SuperMarioBrosEnv)


def is_tiles(env: gym.Env[Any, Any]) -> bool:
    """Return whether observations are Mario's tiles."""
    space = env.observation_space
    return is_mario(env) and space.shape == _TILES and _high(space) == _MOST_TILE


def is_memory(env: gym.Env[Any, Any]) -> bool:
    """Return whether observations are the console's memory."""
    space = env.observation_space
    return is_mario(env) and space.shape == (ram.SIZE,) and space.dtype == np.uint8


def decoded(memory: NDArray[np.uint8]) -> list[str]:
    """Return two lines of what a memory, uint8, [2048], means."""
    data = memory.tobytes()
    return [
        f"world {ram.world(data)}-{ram.stage(data)} · x {ram.x_position(data):,} · "
        f"y {ram.y_position(data)} · time {ram.clock(data)}",
        f"{ram.power(data)} · lives {ram.life(data)} · coins {ram.coins(data)} · "
        f"score {ram.score(data):,}",
    ]


def how_it_ended(env: gym.Env[Any, Any]) -> str | None:
    """Return what ended an episode of Mario; None for other environments.

    The memory says so, whatever the infos hold.
    """
    raw = env.unwrapped
    if not isinstance(raw, SuperMarioBrosEnv):
        return None
    memory = raw.ram.tobytes()
    cause = ram.death_cause(memory)
    if cause is not None:
        return _CAUSES[cause]
    return "stage cleared" if ram.is_flag_reached(memory) else "game over"


def frame_by_frame(env_id: str, kwargs: Mapping[str, Any]) -> Env:
    """Return Mario played by joypad bytes, a frame a step, seen as an agent sees it.

    The observation of a frame is that of an agent that decides at this frame: its stack holds
    pictures `skip` frames apart.

    Args:
        env_id: One of Mario's.
        kwargs: Keywords of the id that say what is seen.

    Raises:
        ValueError: It is none of Mario's, a keyword is another one, or its value is not accepted.
    """
    name = env_id.rpartition(":")[2]
    if name not in ENV_IDS:
        raise ValueError(
            f"{env_id!r} is none of Super Mario Bros{did_you_mean(name, ENV_IDS) or ':'} mario-rl "
            "envs lists those; gymnasium.utils.play plays others"
        )
    others = [name for name in kwargs if name not in _SEEN]
    if others:
        raise ValueError(
            f"{', '.join(others)} cannot be chosen here, where the game is played as it is, by "
            f"joypad; accepted are {', '.join(_SEEN)}"
        )
    kwargs = dict(kwargs)
    skip, stack = (kwargs.pop(name, _default(name)) for name in ("skip", "stack"))
    is_stacked = stack is not None and kwargs.get("observation", "pixels") == "pixels"
    if is_stacked:
        kwargs["stack"] = (stack - 1) * skip + 1
    env = open_env(name, {**kwargs, "actions": "joypad", "skip": 1}, "rgb_array_list")
    if not is_stacked:
        return env
    whole = env.observation_space
    assert isinstance(whole, gym.spaces.Box), "pixels"
    space = gym.spaces.Box(whole.low[::skip], whole.high[::skip], dtype=np.uint8)
    return TransformObservation(env, lambda obs: obs[::skip], space)


def flag_of(env_id: str) -> int | None:
    """Return where the flag of a stage is touched, in pixels.

    Args:
        env_id: One of Mario's, or any other.

    Returns:
        None where there is no flag or not one: castles, several stages, other environments.
    """
    match = re.fullmatch(r"(?:.*:)?MarioRL-(\d-\d)-v\d+", env_id)
    return None if match is None else _FLAGS.get(match[1])


class Joypad:
    """The joypad, with the buttons that are pressed."""

    def draw(self, draw: ImageDraw.ImageDraw, moment: Moment, area: Area) -> None:
        """Draw it for a joypad byte."""
        byte = int(moment.action)
        write(draw, (area.left, area.top), "joypad", size=12, width=area.width, color=FAINT)
        top = area.top + 24
        side = min(30, (area.bottom - top) // 3)
        for name, column, row in (
            ("up", 1, 0),
            ("left", 0, 1),
            ("right", 2, 1),
            ("down", 1, 2),
        ):
            left = area.left + column * side
            y = top + row * side
            fill = CHOSEN if byte & BUTTONS[name] else TRACK
            draw.rectangle((left, y, left + side - 2, y + side - 2), fill=fill)
        center = (area.left + side, top + side)
        draw.rectangle((*center, center[0] + side - 2, center[1] + side - 2), fill=TRACK)
        middle = top + 1.5 * side
        radius = 0.62 * side
        for name, meaning, x in (("B", "run", 6.2), ("A", "jump", 8.2)):
            is_pressed = bool(byte & BUTTONS[name])
            x = area.left + x * side
            circle = (x - radius, middle - radius, x + radius, middle + radius)
            draw.ellipse(circle, fill=CHOSEN if is_pressed else TRACK)
            color = TRACK if is_pressed else TEXT
            size = round(0.6 * side)
            place = (x, middle)
            write(draw, place, name, size=size, width=side, color=color, bold=True, anchor="mm")
            below = (x, middle + radius + 4)
            write(draw, below, meaning, size=12, width=2 * side, color=FAINT, anchor="ma")


def _high(space: gym.Space[Any]) -> Any:
    return space.high.max() if isinstance(space, gym.spaces.Box) else None


def _default(name: str) -> Any:
    return inspect.signature(make_mario).parameters[name].default
