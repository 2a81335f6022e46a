"""Observations of the memory: all of it, and the level as a grid of blocks."""

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.wrappers import RamObservation, TileObservation
from mario_rl_envs.wrappers.ram import EMPTY, ENEMY, ITEM, MARIO, SOLID, decode_tiles


def test_ram_observation_is_the_memory():
    raw = SuperMarioBrosEnv("1-1")
    env = RamObservation(raw)
    obs, info = env.reset()
    np.testing.assert_array_equal(obs, raw.ram)
    assert ram.x_position(obs.tobytes()) == info["x_pos"]
    env.close()


@pytest.mark.parametrize("wrapper", [RamObservation, TileObservation])
def test_memory_observations_need_memory(wrapper):
    with pytest.raises(ValueError, match=f"{wrapper.__name__} needs an environment with a `ram`"):
        wrapper(gym.make("CartPole-v1"))


def test_tiles_of_the_first_screen():
    """1-1 begins with two rows of ground, and Mario on it in the third column."""
    env = TileObservation(SuperMarioBrosEnv("1-1"))
    obs, _ = env.reset()
    assert obs.shape == (13, 16)
    assert (obs[11:] == SOLID).all()
    assert np.argwhere(obs == MARIO).tolist() == [[10, 3]]
    assert (np.delete(obs[:11].ravel(), 10 * 16 + 3) == EMPTY).all()
    env.close()


def test_tiles_show_what_meets_mario():
    """Walking right in 1-1: blocks are solid, and the first goomba comes along the ground."""
    env = TileObservation(SuperMarioBrosEnv("1-1"))
    env.reset()
    terminated = False
    grids = []
    while not terminated:
        obs, _, terminated, *_ = env.step(BUTTONS["right"])
        grids.append(obs)
    enemies = {tuple(place) for grid in grids for place in np.argwhere(grid == ENEMY).tolist()}
    assert {row for row, _ in enemies} == {10}
    assert {column for _, column in enemies} >= set(range(8, 15))
    assert any((grid[7] == SOLID).any() for grid in grids)
    # It dies on touching the goomba, which is then in Mario's block or the next.
    beside = [
        grid[10, max(0, column - 1) : column + 2]
        for grid in grids[-20:]
        for _, column in np.argwhere(grid == MARIO)
    ]
    assert any(ENEMY in blocks for blocks in beside)
    env.close()


def test_lifts_are_solid_and_springboards_too():
    """Lifts and springboards lie in the slots of enemies."""
    for kind, width in ((0x28, 3), (0x2B, 1), (0x32, 1)):
        memory = np.zeros(ram.SIZE, np.uint8)
        memory[ram.ENEMY_ACTIVE + 2], memory[ram.ENEMY_TYPES + 2] = 1, kind
        memory[ram.ENEMY_X + 2], memory[ram.ENEMY_Y + 2] = 64, 32 + 5 * 16
        expected = np.zeros((13, 16), np.uint8)
        expected[5, 4 : 4 + width] = SOLID
        np.testing.assert_array_equal(decode_tiles(memory), expected)


def test_signals_and_fireworks_are_not_seen():
    memory = np.zeros(ram.SIZE, np.uint8)
    for slot, kind in enumerate((0x16, 0x18, 0x34, 0x35)):
        memory[ram.ENEMY_ACTIVE + slot], memory[ram.ENEMY_TYPES + slot] = 1, kind
        memory[ram.ENEMY_X + slot], memory[ram.ENEMY_Y + slot] = 64, 100
    assert not decode_tiles(memory).any()


def test_tiles_of_made_up_memory():
    memory = np.zeros(ram.SIZE, np.uint8)
    memory[ram.SCREEN_LEFT_PAGE] = 1
    memory[ram.SCREEN_LEFT_X] = 0x20  # two blocks into the second page
    blocks = memory[ram.BLOCK_BUFFER : ram.BLOCK_BUFFER + 2 * 13 * 16].reshape(2, 13, 16)
    blocks[1, 5, 2] = 0xC2  # a coin, the first visible column
    blocks[0, 6, 1] = 0x54  # the ground, on the next page: the last visible column
    blocks[1, 7, 3] = 0x5F  # a hidden block
    memory[ram.ENEMY_ACTIVE + 5], memory[ram.ENEMY_TYPES + 5] = 1, 0x2E  # a power-up
    memory[ram.ENEMY_X_PAGE + 5] = 1
    memory[ram.ENEMY_X + 5] = 0x50
    memory[ram.ENEMY_Y + 5] = 32 + 3 * 16 - 8
    grid = decode_tiles(memory)
    expected = np.zeros((13, 16), np.uint8)
    expected[5, 0], expected[6, 15], expected[3, 3] = ITEM, SOLID, ITEM
    np.testing.assert_array_equal(grid, expected)
