"""The native core is nes-py, bit for bit: a short part of what benchmarks/exactness.py compares."""

import re

import numpy as np
import pytest

from benchmarks import exactness
from benchmarks.exactness import Difference, Twins
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.game.skipping import skip_start_screen

# Overworld, underground, water, at night, castle and the end of a world.
REPLAYS = (
    "1-1",
    "2-2",
    "4-4",
    "6-2",
    *(pytest.param(x, marks=pytest.mark.slow) for x in ("1-2", "3-1")),
)
STAGES = ("1-3", "2-2", "4-2", "5-1", "7-4", "8-3")


@pytest.mark.parametrize("stage", REPLAYS)
def test_routes(stage):
    count = exactness.compare_routes("native", [stage], seed=0)
    assert count.flags == 1
    assert count.frames > 1_000
    assert count.shown > 300


@pytest.mark.parametrize("stage", STAGES)
def test_random_play(stage):
    count = exactness.compare_random("native", [stage], 1_200, seed=STAGES.index(stage))
    assert count.frames >= 1_200
    assert count.loads >= 3
    assert count.saves >= 2
    assert count.pokes >= 30


def test_an_unbroken_run():
    count = exactness.compare_unbroken("native", 2_500, seed=1)
    assert count.frames == 2_500
    assert count.deaths >= 2
    assert count.loads == 0


def test_environments():
    count = exactness.compare_environments("native", ["1-1", "8-2"], 2_000, seed=2)
    assert count.deaths >= 2


@pytest.fixture
def twins():
    twins = Twins("native", find_rom(), np.random.default_rng(0))
    twins.place = "here"
    twins.power_on()
    skip_start_screen(twins, "1-1")
    yield twins
    twins.close()


def test_a_byte_that_differs_is_found(twins):
    value = twins.ram[ram.COINS]
    twins._subject.poke(ram.COINS, value + 1)
    expected = f"here, after a frame .* 0x07ed: 0x{value + 1:02x} instead of 0x{value:02x}"
    with pytest.raises(Difference, match=expected):
        twins.advance(0)


def test_a_picture_that_differs_is_found(twins):
    for _ in range(30):
        twins._reference.advance(BUTTONS["right"])
    with pytest.raises(Difference, match=r"here, after a frame .*: \d+ pixels differ, on lines"):
        twins.screen()


def test_a_pixel_that_differs_is_described():
    expected = np.zeros((240, 256, 3), np.uint8)
    actual = expected.copy()
    actual[7, 9] = (1, 2, 3)
    message = "1 pixels differ, on lines [7]: line 7, column 9: [1, 2, 3] instead of [0, 0, 0]"
    assert exactness.describe_pixels(actual, expected) == message


def test_a_state_that_differs_is_found(twins):
    state = twins.save_state()
    twins.advance(0)
    twins._saved = twins._subject.save_state()
    with pytest.raises(Difference, match=re.escape("here, after load_state")):
        twins.load_state(twins._saved)
    assert state != twins._saved
