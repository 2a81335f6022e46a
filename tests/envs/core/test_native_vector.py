"""The native core's vectors: the stack of observations, and the columns of the infos."""

import numpy as np
import pytest

from mario_rl_envs.core import _core
from mario_rl_envs.game import rom
from mario_rl_envs.game.skipping import skip_start_screen

SKIP, STACK, NUM_GAMES = 4, 3, 2
SHAPE = (STACK, 2048)  # of the stack of a game; what is observed is the RAM


class Played:
    """Two games of 1-1 in a vector, and what was written last."""

    def __init__(self):
        cartridge = _core.Cartridge(rom.find_rom().read_bytes())
        self.games = [_core.Game(cartridge) for _ in range(NUM_GAMES)]
        for game in self.games:
            skip_start_screen(game, "1-1")
            game.set_rules({"velocity": 1.0}, True)
            game.begin()
        self.start = self.games[0].snapshot()
        self.vector = _core.Vector(self.games, None, "ram", SKIP, STACK, "frames", 1)
        self.obs = np.zeros((NUM_GAMES, *SHAPE), np.uint8)
        self.columns = np.zeros((len(_core.INFO_COLUMNS), NUM_GAMES), np.int64)
        self.flags = np.ones((len(_core.INFO_FLAGS), NUM_GAMES), np.bool_)
        self.num_frames = np.zeros(NUM_GAMES, np.int32)

    def play(self, *orders, num_noops=(0, 0), buttons=128):
        self.vector.play(
            np.array(orders, np.uint8),
            np.full(NUM_GAMES, buttons, np.uint8),
            None,
            np.array(num_noops, np.int32),
            self.obs,
            np.zeros(NUM_GAMES),
            np.zeros(NUM_GAMES, np.bool_),
            self.num_frames,
            self.columns,
            self.flags,
            np.zeros((1, NUM_GAMES)),
        )
        return self.obs

    def ram(self, index):
        return np.frombuffer(self.games[index].ram, np.uint8)


@pytest.fixture
def played():
    return Played()


@pytest.fixture
def history():
    return np.random.default_rng(0).integers(256, size=SHAPE, dtype=np.uint8)


def test_an_episode_begins_with_a_full_stack(played):
    obs = played.play(_core.BEGIN, _core.BEGIN, num_noops=(0, 5))
    for index in range(NUM_GAMES):
        assert (obs[index] == played.ram(index)).all()
    assert played.num_frames.tolist() == [0, 5]


def test_a_stack_is_shown_as_it_was_set(played, history):
    played.play(_core.BEGIN, _core.BEGIN)
    played.play(_core.STEP, _core.STEP)
    others = played.obs[0].copy()
    played.vector.set_stack(1, history)
    obs = played.play(_core.NOTHING, _core.NOTHING)
    np.testing.assert_array_equal(obs, [others, history])


def test_steps_push_the_oldest_out_of_a_stack(played, history):
    played.play(_core.BEGIN, _core.BEGIN)
    played.vector.set_stack(1, history)
    obs = played.play(_core.NOTHING, _core.STEP)
    np.testing.assert_array_equal(obs[1], [history[1], history[2], played.ram(1)])
    obs = played.play(_core.NOTHING, _core.STEP)
    np.testing.assert_array_equal(obs[1, 0], history[2])


@pytest.mark.parametrize("num_noops", [0, 7])
def test_an_episode_begins_on_a_stack(played, history, num_noops):
    """The newest observation alone is replaced, by the one after the no-ops."""
    played.play(_core.BEGIN, _core.BEGIN)
    played.play(_core.STEP, _core.STEP)  # the ring of observations begins somewhere else now
    played.vector.set_stack(1, history)
    for _ in range(2):  # beginning again needs no new stack
        played.games[1].restore(played.start)
        orders = (_core.BEGIN, _core.BEGIN_ON_STACK)
        obs = played.play(*orders, num_noops=(0, num_noops))
        np.testing.assert_array_equal(obs[1], [history[0], history[1], played.ram(1)])
        assert (obs[0] == played.ram(0)).all()
        assert played.num_frames[1] == num_noops
    first = played.ram(1).copy()
    obs = played.play(_core.STEP, _core.STEP)
    np.testing.assert_array_equal(obs[1], [history[1], first, played.ram(1)])


def test_a_stack_leaves_the_last_buttons(played, history):
    played.play(_core.BEGIN, _core.BEGIN)
    played.play(_core.STEP, _core.STEP, buttons=129)
    played.vector.set_stack(0, history)
    played.vector.restore(1, 5, history)
    assert [played.vector.last_buttons(index) for index in range(NUM_GAMES)] == [129, 5]
    obs = played.play(_core.NOTHING, _core.NOTHING)
    np.testing.assert_array_equal(obs, [history, history])


def test_columns_and_flags_are_those_of_the_info(played):
    played.games[1].steps(131, 50, False)
    played.play(_core.BEGIN, _core.BEGIN)
    for index, game in enumerate(played.games):
        info = game.info()
        info["status"] = _core.POWERS.index(info["status"])
        names = (*_core.INFO_COLUMNS, *_core.INFO_FLAGS)
        values = [*played.columns[:, index], *played.flags[:, index]]
        assert values == [info[name] for name in names]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), TypeError, r"set_stack\(\) takes 2 to 2 arguments; got 1"),
        ((2, np.zeros(SHAPE, np.uint8)), ValueError, "the index of an environment is 2; accepted"),
        ((-1, np.zeros(SHAPE, np.uint8)), ValueError, "the index of an environment is -1"),
        ((0, np.zeros((2, 2048), np.uint8)), ValueError, "has 4096 bytes, 1 an item; accepted are"),
        ((0, np.zeros(SHAPE, np.float32)), ValueError, "4 an item"),
        ((0, None), TypeError, "bytes-like object"),
    ],
)
def test_bad_stacks_change_nothing(played, arguments, error, message):
    before = played.play(_core.BEGIN, _core.BEGIN).copy()
    with pytest.raises(error, match=message):
        played.vector.set_stack(*arguments)
    np.testing.assert_array_equal(played.play(_core.NOTHING, _core.NOTHING), before)
