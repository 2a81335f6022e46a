"""Observations without pixels: the console's memory, and the level as a grid of blocks."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.wrappers.advance import AdvancingObservation, advancing

_NUM_ROWS: Final = 13
_NUM_COLUMNS: Final = 16
_BLOCK_SIZE: Final = 16  # pixels
_FIRST_ROW_Y: Final = 32  # pixels; the two rows of blocks above show the score
_NUM_PAGES: Final = 2
_NUM_OBJECTS: Final = 6  # slots for what moves

EMPTY: Final = 0
SOLID: Final = 1
ITEM: Final = 2
ENEMY: Final = 3
MARIO: Final = 4

# Blocks that do not stop the player: what can be taken or held, and hidden blocks.
_ITEM_BLOCKS: Final = (0x24, 0x25, 0x26, 0xC2, 0xC3, 0xC5)  # flagpole, vine, coins, axe
_HIDDEN_BLOCKS: Final = (0x5F, 0x60)
_TILE_OF_BLOCK: Final = np.full(256, SOLID, np.uint8)
_TILE_OF_BLOCK[[0, *_HIDDEN_BLOCKS]] = EMPTY
_TILE_OF_BLOCK[list(_ITEM_BLOCKS)] = ITEM

# The slots of enemies hold other things too, by type.
_LARGE_LIFTS: Final = range(0x24, 0x2B)
_SMALL_LIFTS: Final = (0x2B, 0x2C)
_SPRINGBOARD: Final = 0x32
_ITEM_OBJECTS: Final = (0x2E, 0x2F, 0x30, 0x31)  # power-up, vine, flags
_UNSEEN_OBJECTS: Final = (
    0x16,
    0x18,
    0x34,
    0x35,
)  # fireworks, signals, warp zone, who waits at the end
_LARGE_LIFT_BLOCKS: Final = 3  # wide


def _check_has_ram(env: gym.Env[Any, Any], wrapper: str) -> None:
    if not hasattr(env.unwrapped, "ram"):
        raise ValueError(
            f"{wrapper} needs an environment with a `ram` property, as SuperMarioBrosEnv; got "
            f"{env.unwrapped}"
        )


class RamObservation(AdvancingObservation, RecordConstructorArgs):
    """Observe the console's RAM: uint8, [2048].

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import RamObservation
        >>> env = RamObservation(SuperMarioBrosEnv("1-1"))
        >>> env.reset(seed=0)[0].shape
        (2048,)
        >>> env.close()
    """

    sees_screen = False

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        """Wrap an environment whose `unwrapped.ram` is the RAM.

        Raises:
            ValueError: It has none.
        """
        _check_has_ram(env, "RamObservation")
        RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self.observation_space = gym.spaces.Box(0, 255, (ram.SIZE,), np.uint8)
        self.inner = advancing(env)

    def observe(self) -> Any:
        """Return the observation as it is now."""
        return self.observation(None)

    def observation(self, observation: Any) -> NDArray[np.uint8]:
        """Return the RAM, uint8, [2048], whatever was observed."""
        memory: NDArray[np.uint8] = self.env.unwrapped.get_wrapper_attr("ram")
        return memory


class TileObservation(AdvancingObservation, RecordConstructorArgs):
    """Observe the visible level as a grid of blocks: uint8, [13, 16].

    0 empty, 1 solid, 2 item (coin, power-up, flagpole, vine, axe), 3 enemy, 4 Mario; a later kind
    covers an earlier one. Rows are from the top of the level (below the score) to its bottom;
    columns from the block at the screen's left edge.

    Example:
        >>> from mario_rl_envs.env import SuperMarioBrosEnv
        >>> from mario_rl_envs.wrappers import TileObservation
        >>> env = TileObservation(SuperMarioBrosEnv("1-1"))
        >>> tiles, info = env.reset(seed=0)
        >>> int(tiles[10, 3])  # Mario
        4
        >>> env.close()
    """

    sees_screen = False

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        """Wrap an environment whose `unwrapped.ram` is the RAM of Super Mario Bros.

        Raises:
            ValueError: It has none.
        """
        _check_has_ram(env, "TileObservation")
        RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self.observation_space = gym.spaces.Box(EMPTY, MARIO, (_NUM_ROWS, _NUM_COLUMNS), np.uint8)
        self.inner = advancing(env)

    def observe(self) -> Any:
        """Return the observation as it is now."""
        return self.observation(None)

    def observation(self, observation: Any) -> NDArray[np.uint8]:
        """Return the grid, uint8, [13, 16], whatever was observed."""
        raw = self.env.unwrapped
        if isinstance(raw, SuperMarioBrosEnv) and raw.viewer is not None:
            return raw.viewer.tiles()
        return decode_tiles(raw.get_wrapper_attr("ram"))


def _tiles_of_object(kind: int) -> list[tuple[int, int, int]]:
    """Return what an object shows: tiles, and how far right and down of its position, in pixels."""
    if kind in _UNSEEN_OBJECTS:
        return []
    if kind in _LARGE_LIFTS:
        return [(SOLID, i * _BLOCK_SIZE, 0) for i in range(_LARGE_LIFT_BLOCKS)]
    if kind in (*_SMALL_LIFTS, _SPRINGBOARD):
        return [(SOLID, 0, 0)]
    # Other things are 24 pixels high: their feet are a block below their position.
    return [(ITEM if kind in _ITEM_OBJECTS else ENEMY, 0, _BLOCK_SIZE)]


def decode_tiles(memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grid of the visible level, uint8, [13, 16], from RAM, uint8, [2048]."""
    data = memory.tobytes()
    left = data[ram.SCREEN_LEFT_PAGE] * 256 + data[ram.SCREEN_LEFT_X]  # pixels
    # The game keeps two screens of blocks, the even pages of the level in the first and the odd in
    # the second.
    end = ram.BLOCK_BUFFER + _NUM_PAGES * _NUM_ROWS * _NUM_COLUMNS
    pages = memory[ram.BLOCK_BUFFER : end].reshape(_NUM_PAGES, _NUM_ROWS, _NUM_COLUMNS)
    level = np.concatenate(pages, axis=1)  # [13, 32]
    columns = (left // _BLOCK_SIZE + np.arange(_NUM_COLUMNS)) % level.shape[1]
    grid = _TILE_OF_BLOCK[level[:, columns]]

    def put(tile: int, x: int, y: int) -> None:
        # Positions are a sprite's upper left corner; its middle says in which block it is.
        column = x // _BLOCK_SIZE - left // _BLOCK_SIZE
        row = (y - _FIRST_ROW_Y) // _BLOCK_SIZE
        if 0 <= row < _NUM_ROWS and 0 <= column < _NUM_COLUMNS:
            grid[row, column] = tile

    half = _BLOCK_SIZE // 2
    for slot in range(_NUM_OBJECTS):
        if data[ram.ENEMY_ACTIVE + slot]:
            x = data[ram.ENEMY_X_PAGE + slot] * 256 + data[ram.ENEMY_X + slot] + half
            y = data[ram.ENEMY_Y + slot]
            for tile, dx, dy in _tiles_of_object(data[ram.ENEMY_TYPES + slot]):
                put(tile, x + dx, y + dy)
    if data[ram.PLAYER_VIEWPORT] == 1:
        # A small player's position is that of the 32 pixels high tall one: the feet are what both
        # share.
        put(MARIO, ram.x_position(data) + half, data[ram.PLAYER_Y_LEVEL] + half + _BLOCK_SIZE)
    return grid
