"""The rules in C are those in Python: both are played side by side on the same machine."""

import re
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest

from mario_rl_envs import routes
from mario_rl_envs.core import _core
from mario_rl_envs.emulators.native import NativeEmulator, NativeGame
from mario_rl_envs.game import ram, rom
from mario_rl_envs.game.actions import BUTTONS
from mario_rl_envs.game.rewards import CLIP, REWARDS, TERMS, Reward
from mario_rl_envs.game.rules import Info, PythonGame
from mario_rl_envs.game.skipping import skip_start_screen
from mario_rl_envs.game.stages import STAGES

CORE = Path(__file__).parents[3] / "mario_rl_envs" / "core"
GAME_PAUSED = 0x0776  # in RAM
NUM_SPOILED = 300  # runs of up to seven frames
NO_PAUSE = BUTTONS["start"] | BUTTONS["select"]
# Weights that no binary fraction is equal to, so that the order of the sums can be seen.
ODD_WEIGHTS = {term: 0.1 * (index + 1) for index, term in enumerate(reversed(TERMS))}
SPECS = [
    *REWARDS,
    ODD_WEIGHTS,
    {**ODD_WEIGHTS, CLIP: 0.7},
    {CLIP: 2.5, "coins": 1.0 / 3.0, "velocity": -1.1},
    {"score": 1e300, "coins": -1e300, "death": 1e-300},
    {CLIP: 1.0, "score": 1.0},
]


class Pair:
    """The same episode twice, once by each rules."""

    def __init__(self, spec="progress", *, is_single_stage=True, stage="1-1"):
        path = rom.find_rom()
        self.emulators = NativeEmulator(path), NativeEmulator(path)
        native, other = self.emulators
        self.native = NativeGame(native, Reward(spec), is_single_stage=is_single_stage)
        self.python = PythonGame(other, Reward(spec), is_single_stage=is_single_stage)
        for emulator in self.emulators:
            skip_start_screen(emulator, stage)
        self.begin()

    def begin(self):
        self.native.begin()
        self.python.begin()
        self.compare()

    def poke(self, address, value):
        for emulator in self.emulators:
            emulator.poke(address, value)

    def step(self, joypad, num_frames=None):
        """Step both; return whether the episode is over, or None if both gave up skipping."""
        outcomes = []
        for game in (self.native, self.python):
            try:
                if num_frames is None:
                    outcomes.append(game.step(joypad, draw=False))
                else:
                    outcomes.append(game.steps(joypad, num_frames, draw=False))
            except RuntimeError as error:
                outcomes.append(str(error))
        self.compare()
        # As text, so that -0.0 is not 0.0, and the last bit and the order of the keys count.
        assert repr(outcomes[0]) == repr(outcomes[1])
        return None if isinstance(outcomes[0], str) else outcomes[0][1]

    def compare(self):
        native, other = self.emulators
        assert bytes(native.ram) == bytes(other.ram)
        assert repr(self.native.reward_state()) == repr(self.python.reward_state())
        assert repr(self.native.info()) == repr(self.python.info())

    def save(self):
        return self.emulators[0].save_state(), self.native.reward_state()

    def load(self, state):
        self.native.load(*state)
        self.python.load(*state)


def test_addresses_are_those_of_python():
    text = (CORE / "game" / "ram.h").read_text()
    in_c = {name: int(value, 16) for name, value in re.findall(r"RAM_(\w+) = (0x\w+),", text)}
    others = {"SIZE", "STATE_DEAD", "STATE_DYING"}
    in_python = {
        name: value
        for name, value in vars(ram).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int)
    }
    assert in_c == {name: value for name, value in in_python.items() if name not in others}


def test_the_info_has_the_documented_keys_in_order():
    assert list(Pair().native.info()) == list(Info.__annotations__)


def test_the_columns_are_the_numbers_of_the_info():
    flags = [name for name, kind in get_type_hints(Info).items() if kind is bool]
    numbers = [name for name, kind in get_type_hints(Info).items() if kind is int]
    assert tuple(flags) == _core.INFO_FLAGS
    assert (*numbers, "status") == _core.INFO_COLUMNS


def test_snapshots():
    """Both rules go on from their own as if nothing had been played since."""
    pair = Pair("shaped")
    pair.step(131, 100)
    snapshots = pair.native.snapshot(), pair.python.snapshot()
    before = pair.save()
    pair.step(129, 200)
    pair.native.restore(snapshots[0])
    pair.python.restore(snapshots[1])
    pair.compare()
    assert pair.save() == before
    pair.step(128, 100)


def test_info_of_random_memory():
    pair = Pair()
    rng = np.random.default_rng(0)
    state = pair.save()
    for sample in range(1_000):
        # Most samples are small numbers, as most bytes of the game's memory are.
        high = (2, 10, 64, 256)[sample % 4]
        for address, value in enumerate(rng.integers(high, size=ram.SIZE).tolist()):
            pair.poke(address, value)
        assert repr(pair.native.info()) == repr(pair.python.info())
        pair.begin()
    pair.load(state)
    pair.compare()


# What the rules look at, and values that mean something there.
WATCHED = {
    **{ram.SCORE + i: range(256) for i in range(6)},
    **{ram.COINS + i: range(12) for i in range(2)},
    **{ram.CLOCK + i: range(12) for i in range(3)},
    **{ram.AREA_DATA + i: range(256) for i in range(2)},
    **{ram.ENEMY_TYPES + i: (0x2D, 0x31, 0x06, 0x00) for i in range(6)},
    ram.PLAYER_STATE: (0x08, 0x0B, 0x06, 0x0C),
    ram.PLAYER_FLOAT_STATE: range(5),
    ram.PLAYER_X_PAGE: range(12),
    ram.PLAYER_X: range(256),
    ram.PLAYER_VIEWPORT: range(4),
    ram.PLAYER_Y_SCREEN: range(256),
    ram.AREA_CHANGE_TIMER: range(256),
    ram.SCREEN_LEFT_X: range(256),
    ram.POWER: range(4),
    ram.LIVES: (0, 1, 2, 0xFF),
    ram.STAGE: range(4),
    ram.WORLD: range(8),
    ram.AREA: range(4),
    ram.GAME_MODE: (1, 2),
}


@pytest.mark.parametrize("is_single_stage", [True, False])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_play_on_spoiled_memory(spec, is_single_stage):
    """Bytes that the rules look at are overwritten between frames: ends, jumps, other areas."""
    pair = Pair(spec, is_single_stage=is_single_stage)
    rng = np.random.default_rng([SPECS.index(spec), is_single_stage])
    state = pair.save()
    # In the whole game, a world that is over by a poke alone may wait for the next one for ever.
    addresses = [each for each in WATCHED if is_single_stage or each != ram.GAME_MODE]
    num_ends = 0
    for _ in range(NUM_SPOILED):
        pair.load(state)
        for _ in range(int(rng.integers(1, 8))):
            for address in rng.choice(addresses, size=rng.integers(1, 6)).tolist():
                pair.poke(address, int(rng.choice(WATCHED[address])))
            is_over = pair.step(int(rng.integers(256)) & ~NO_PAUSE)
            num_ends += is_over is True
            if is_over is not False:
                break
    assert num_ends >= 5


@pytest.mark.parametrize("stage", STAGES)
def test_random_play(stage):
    """In all stages, for a part of it along the route, with several frames a step."""
    index = STAGES.index(stage)
    rng = np.random.default_rng(index)
    pair = Pair(SPECS[index % len(SPECS)], is_single_stage=index % 3 > 0, stage=stage)
    start = pair.save()
    for _ in range(3):
        is_over = False
        for joypad in rng.choice([128, 129, 130, 131, 131, 1, 64, 32], size=120).tolist():
            is_over = pair.step(joypad, int(rng.integers(1, 12)))
            if is_over:
                break
        pair.load(start)


@pytest.mark.parametrize("stage", routes.stages())
@pytest.mark.parametrize("is_single_stage", [True, False])
def test_routes(stage, is_single_stage):
    """Flags, pipes and vines; the whole game goes on behind the flag."""
    spec = SPECS[routes.stages().index(stage) % len(SPECS)]
    pair = Pair(spec, is_single_stage=is_single_stage, stage=stage)
    ends = [pair.step(joypad, 4) for joypad in routes.load(stage).joypad.tolist()]
    is_last_of_game = stage == "8-4"
    assert ends == [False] * (len(ends) - 1) + [is_single_stage or is_last_of_game]


def test_three_lives():
    pair = Pair("shaped", is_single_stage=False)
    lives = [pair.native.info()["life"]]
    is_over = False
    while not is_over:
        is_over = pair.step(128)
        if pair.native.info()["life"] != lives[-1]:
            lives.append(pair.native.info()["life"])
    assert lives == [2, 1, 0, 255]


def test_skipping_gives_up_on_the_same_frame():
    """A paused game that moves the player by itself never gives control back."""
    pair = Pair()
    pair.poke(ram.PLAYER_STATE, 0x07)
    pair.poke(GAME_PAUSED, 1)
    assert pair.step(0) is None
