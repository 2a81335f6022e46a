"""`Game.explore`: many decisions in a call are those taken one by one, with their cells."""

import gc
import sys

import numpy as np
import pytest

from mario_rl_envs import routes
from mario_rl_envs.core import _core
from mario_rl_envs.game import ram, rom
from mario_rl_envs.game.rewards import REWARDS
from mario_rl_envs.game.skipping import skip_start_screen

ADDRESSES = np.array([ram.PLAYER_X, ram.PLAYER_Y_LEVEL, ram.CLOCK + 2], np.uint16)
MASKS = b"\xf0\xe0\x01"


def new_game(stage="1-1"):
    game = _core.Game(_core.Cartridge(rom.find_rom().read_bytes()))
    skip_start_screen(game, stage)
    game.set_rules(dict(REWARDS["progress"]), True)
    game.begin()
    return game


def cell(game):
    return bytes(game.ram[address] & mask for address, mask in zip(ADDRESSES, MASKS, strict=True))


def test_decisions_and_cells_are_those_of_steps():
    game, other = new_game(), new_game()
    joypad = np.random.default_rng(0).choice([0, 64, 128, 129, 131], 60).astype(np.uint8)
    cells, snapshots, is_over, is_cleared = game.explore(joypad.tobytes(), 4, ADDRESSES, MASKS)
    assert (len(snapshots), is_over, is_cleared) == (60, False, False)
    assert (len(cells), cells[:3]) == (61 * 3, cell(other))
    resumed = new_game("8-4")
    num_new = 0
    for step, (buttons, snapshot) in enumerate(zip(joypad.tolist(), snapshots, strict=True)):
        before = cell(other)
        other.steps(buttons, 4, False)
        assert cells[3 * step + 3 : 3 * step + 6] == cell(other)
        assert (snapshot is not None) == (cell(other) != before)
        if snapshot is not None:
            num_new += 1
            resumed.restore(snapshot)
            assert resumed.save() == other.save()
            assert resumed.reward_state() == other.reward_state()
    assert 10 < num_new < 50
    assert game.save() == other.save()


def test_the_flag_ends_it():
    game, route = new_game(), routes.load("1-1").joypad
    for buttons in route[:-30].tolist():
        game.steps(buttons, 4, False)
    joypad = route[-30:].tobytes() + bytes(20)
    cells, snapshots, is_over, is_cleared = game.explore(joypad, 4, ADDRESSES, MASKS)
    assert (is_over, is_cleared) == (True, True)
    assert (len(snapshots), len(cells)) == (29, 30 * 3)  # the last decision is not among them
    assert ram.is_flag_reached(game.ram)


def test_a_death_ends_it():
    game = new_game()
    _, snapshots, is_over, is_cleared = game.explore(b"\x80" * 100, 4, ADDRESSES, MASKS)
    assert (is_over, is_cleared) == (True, False)
    assert 0 < len(snapshots) < 99
    assert ram.is_dying(game.ram)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((b"", 4, ADDRESSES, MASKS), ValueError, "0 decisions of 4 frames; accepted are at least"),
        ((bytes(251), 4, ADDRESSES, MASKS), ValueError, "251 decisions of 4 frames.* 1000 frames"),
        ((b"\0", 0, ADDRESSES, MASKS), ValueError, "skip is 0; accepted is an integer, 1 to 1000"),
        ((b"\0", 4, ADDRESSES, b""), ValueError, "a cell has 1 to 64 bytes"),
        ((b"\0", 4, ADDRESSES, MASKS[:2]), ValueError, "got 6 bytes of addresses and 2 of masks"),
        ((b"\0", 4, ADDRESSES.astype(int), MASKS), ValueError, "addresses of 16 bits"),
        ((b"\0", 4, np.zeros(65, np.uint16), bytes(65)), ValueError, "a cell has 1 to 64 bytes"),
        ((b"\0", 4, ADDRESSES, None), TypeError, "bytes-like"),
        (("right", 4, ADDRESSES, MASKS), TypeError, "bytes-like"),
        ((b"\0", 4, ADDRESSES), TypeError, r"explore\(\) takes 4 to 4 arguments; got 3"),
    ],
)
def test_bad_arguments_change_nothing(arguments, error, message):
    game = new_game()
    before = game.save()
    with pytest.raises(error, match=message):
        game.explore(*arguments)
    assert game.save() == before


def test_an_episode_has_to_begin():
    game = _core.Game(_core.Cartridge(rom.find_rom().read_bytes()))
    with pytest.raises(RuntimeError, match="no episode has begun"):
        game.explore(b"\0", 4, ADDRESSES, MASKS)


def test_addresses_wrap_as_the_ram_does():
    game = new_game()
    mirrored = (ADDRESSES + ram.SIZE).astype(np.uint16)
    cells, *_ = game.explore(b"\0", 1, mirrored, MASKS)
    assert cells[:3] == cell(new_game())


def test_snapshots_keep_their_cartridge_and_no_more():
    cartridge = _core.Cartridge(rom.find_rom().read_bytes())
    game = _core.Game(cartridge)
    skip_start_screen(game, "1-1")
    game.begin()
    before = sys.getrefcount(cartridge)
    _, snapshots, *_ = game.explore(b"\x80" * 40, 4, ADDRESSES, MASKS)
    num_snapshots = sum(snapshot is not None for snapshot in snapshots)
    assert sys.getrefcount(cartridge) == before + num_snapshots
    del snapshots
    gc.collect()
    assert sys.getrefcount(cartridge) == before
