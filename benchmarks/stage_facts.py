"""What a stage is like, read from the game's memory along the package's route through it.

Addresses and numbers: the community's SMB1 disassembly and RAM map, as in `mario_rl_envs.game.ram`.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import ACTION_SETS, action_meaning, buttons_of, joypad_byte
from mario_rl_envs.routes import Route

ATHLETIC: Final = "athletic"
CASTLE: Final = "castle"
OVERWORLD: Final = "overworld"
UNDERGROUND: Final = "underground"
WATER: Final = "water"

_AREA_TYPE: Final = 0x074E
_AREA_KINDS: Final = {0: WATER, 1: OVERWORLD, 2: UNDERGROUND, 3: CASTLE}
_LOOP_COMMAND: Final = 0x0745  # other than 0 from where a maze is entered to where it is judged
_ENEMY_Y_HIGH: Final = 0x00B6  # of each slot; 1: on the screen
_NUM_ENEMIES: Final = 5  # slots; the sixth holds power-ups
_IN_USE: Final = 1  # of an enemy's slot; other values are second slots of large objects
_PIPES: Final = {2: "into a pipe", 3: "down a pipe"}  # by the player's state

# By the number of the object in an enemy's slot. What is no enemy (lifts, flags) is left out.
_ENEMIES: Final = {
    0x00: "green Koopa Troopa",
    0x01: "red Koopa Troopa",
    0x02: "Buzzy Beetle",
    0x03: "red Koopa Troopa",
    0x04: "green Koopa Troopa",
    0x05: "Hammer Brother",
    0x06: "Goomba",
    0x07: "Blooper",
    0x08: "Bullet Bill",
    0x09: "green Koopa Paratroopa",
    0x0A: "gray Cheep Cheep",
    0x0B: "red Cheep Cheep",
    0x0C: "Podoboo",
    0x0D: "Piranha Plant",
    0x0E: "green Koopa Paratroopa",
    0x0F: "red Koopa Paratroopa",
    0x10: "green Koopa Paratroopa",
    0x11: "Lakitu",
    0x12: "Spiny",
    0x14: "flying Cheep Cheep",
    0x15: "Bowser's flame",
    **dict.fromkeys(range(0x1B, 0x20), "fire bar"),
    0x2D: "Bowser",
    0x33: "Bullet Bill",
}

_SCREEN: Final = 256  # pixels, the width
_BLOCK: Final = 16  # pixels
_ROWS, _COLUMNS = 13, 16  # blocks of a page of the block buffer


class Area(NamedTuple):
    """An area as far as the route goes through it."""

    kind: str
    first: int  # x in pixels, Mario's leftmost
    last: int  # likewise, his rightmost


class Pipe(NamedTuple):
    """A pipe that the route takes."""

    how: str  # as "down a pipe"
    x: int  # pixels, where Mario enters it
    x_after: int  # where he can move again


class MazeCheck(NamedTuple):
    """Where the game judges which way Mario took through a maze."""

    x: int  # pixels
    x_after: int  # after it; far to the left if he is led back

    @property
    def leads_back(self) -> bool:
        """Whether it was the wrong way."""
        return self.x_after < self.x


@dataclass(frozen=True)
class StageFacts:
    """What a stage is like."""

    stage: str  # as "1-1"
    kind: str  # of its largest area
    areas: tuple[Area, ...]  # in the order in which they are entered
    x_end: int  # pixels, where the flag or the axe is reached, from the start of its area
    time_limit: int  # ticks of 24 frames
    time_left: int  # likewise, at the end of the route
    num_frames: int  # of the route, those that no player controls left out
    num_decisions: int  # of four frames each
    total_reward: int  # "progress"
    joypad: tuple[tuple[str, int], ...]  # what is pressed, and for how many decisions
    action_set: str  # the smallest that has all of it
    pipes: tuple[Pipe, ...]
    maze: tuple[MazeCheck, ...]  # empty: there is none
    enemies: tuple[str, ...]  # on the screen along the route, those seen first first

    @property
    def length(self) -> int:
        """Return the way in pixels: in the first area from its left edge, then what is added."""
        return self.areas[0].last + sum(area.last - area.first for area in self.areas[1:])

    @property
    def goal(self) -> str:
        """Return what is to be reached: "flag" or "axe"."""
        return "axe" if self.kind == CASTLE else "flag"


@dataclass
class _AreaSeen:
    kind: str
    first: int
    last: int
    floor: dict[int, bool] = field(default_factory=dict)  # by column of blocks, at the bottom

    @property
    def width(self) -> int:
        return self.last - self.first

    @property
    def named(self) -> str:
        """The kind, athletic where most of an overworld has no floor."""
        is_athletic = self.kind == OVERWORLD and 2 * sum(self.floor.values()) < len(self.floor)
        return ATHLETIC if is_athletic else self.kind


class _Walk:
    """Notes what the memory says, frame by frame."""

    def __init__(self, memory: bytes) -> None:
        self.areas: dict[int, _AreaSeen] = {}
        self.pipes: list[Pipe] = []
        self.maze: list[MazeCheck] = []
        self.enemies: dict[str, None] = {}  # in order
        self._before = memory
        self._see_area(memory)

    def go(self, memory: bytes, info: dict[str, Any]) -> None:
        """Take a step: the info is the frame's, the memory that of when Mario can move again."""
        self._see_area(memory)
        self._see_enemies(memory)
        x = ram.x_position(memory)
        pipe = _PIPES.get(info["state"])
        if pipe is not None:
            self.pipes.append(Pipe(pipe, info["x_pos"], x))
        elif self._before[_LOOP_COMMAND] and not memory[_LOOP_COMMAND]:
            self.maze.append(MazeCheck(ram.x_position(self._before), x))
        self._before = memory

    def _see_area(self, memory: bytes) -> None:
        x = ram.x_position(memory)
        kind = _AREA_KINDS[memory[_AREA_TYPE]]
        area = self.areas.setdefault(ram.area_key(memory), _AreaSeen(kind, x, x))
        area.first, area.last = min(area.first, x), max(area.last, x)
        left = ram.screen_left(memory)
        for column in range(left // _BLOCK, (left + _SCREEN - 1) // _BLOCK):
            area.floor[column] = _has_floor(memory, column)

    def _see_enemies(self, memory: bytes) -> None:
        left = ram.screen_left(memory)
        for slot in range(_NUM_ENEMIES):
            x = memory[ram.ENEMY_X_PAGE + slot] * 256 + memory[ram.ENEMY_X + slot]
            is_seen = left <= x < left + _SCREEN and memory[_ENEMY_Y_HIGH + slot] == 1
            name = _ENEMIES.get(memory[ram.ENEMY_TYPES + slot])
            if name and is_seen and memory[ram.ENEMY_ACTIVE + slot] == _IN_USE:
                self.enemies[name] = None


def facts_of(stage: str) -> StageFacts:
    """Return what a stage is like.

    Args:
        stage: As "1-1".

    Raises:
        ValueError: There is no such stage.
    """
    route = routes.load(stage)
    with contextlib.closing(SuperMarioBrosEnv(stage)) as env:
        _, start = env.reset()
        walk = _Walk(env.ram.tobytes())
        num_frames, info = 0, start
        for joypad in route.frames.tolist():
            _, _, terminated, _, info = env.step(joypad)
            num_frames += 1
            walk.go(env.ram.tobytes(), info)
            if terminated:
                break
    seen = list(walk.areas.values())
    return StageFacts(
        stage=stage,
        kind=max(seen, key=lambda area: area.width).named,
        areas=tuple(Area(area.named, area.first, area.last) for area in seen),
        x_end=info["x_pos"],
        time_limit=start["time"],
        time_left=info["time"],
        num_frames=num_frames,
        num_decisions=route.num_steps,
        total_reward=route.total_reward,
        joypad=_pressed(route),
        action_set=_action_set(route),
        pipes=tuple(walk.pipes),
        maze=tuple(walk.maze),
        enemies=tuple(walk.enemies),
    )


def _has_floor(memory: bytes, column: int) -> bool:
    """Return whether a column of blocks, counted from the start of the area, has a lowest one."""
    page, inside = divmod(column % (2 * _COLUMNS), _COLUMNS)
    return memory[ram.BLOCK_BUFFER + (page * _ROWS + _ROWS - 1) * _COLUMNS + inside] != 0


def _pressed(route: Route) -> tuple[tuple[str, int], ...]:
    """Return what a route presses and how often, the most frequent first."""
    counts = Counter(route.joypad.tolist()).most_common()
    return tuple((action_meaning(buttons_of(byte)), count) for byte, count in counts)


def _action_set(route: Route) -> str:
    """Return the name of the smallest set of actions that a route can be played with.

    Raises:
        ValueError: There is none.
    """
    pressed = set(route.joypad.tolist())
    for name, actions in ACTION_SETS.items():
        if pressed <= {joypad_byte(buttons) for buttons in actions}:
            return name
    raise ValueError(f"the route through {route.stage} presses what no set of actions has")
