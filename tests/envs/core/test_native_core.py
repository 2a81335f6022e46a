"""The native core as a Python module: it answers whatever it is given, if need be with an error."""

import gc
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest

from mario_rl_envs.core import _core
from mario_rl_envs.emulators.native import NativeEmulator
from mario_rl_envs.game import ram, rom
from mario_rl_envs.game.rewards import REWARDS
from mario_rl_envs.game.skipping import skip_start_screen

PROGRESS = dict(REWARDS["progress"])


@pytest.fixture(scope="module")
def cartridge():
    return _core.Cartridge(rom.find_rom().read_bytes())


@pytest.fixture
def game(cartridge):
    """Return a game on the first frame of 1-1."""
    game = _core.Game(cartridge)
    skip_start_screen(game, "1-1")
    game.set_rules(PROGRESS, True)
    game.begin()
    return game


def everything(game):
    """Return all of a game that can be read."""
    picture = np.empty((240, 256, 3), np.uint8)
    game.rgb(picture)
    return game.save(), game.reward_state(), game.info(), picture.tobytes(), game.num_recorded


@pytest.mark.parametrize("name", ["Cartridge", "Game", "Resizer"])
def test_types_cannot_be_subclassed_or_made_without_arguments(name):
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (getattr(_core, name),), {})
    with pytest.raises(TypeError, match=r"required argument|missing"):
        getattr(_core, name)()


def test_cartridge_refuses_what_is_none(cartridge):
    content = rom.find_rom().read_bytes()
    for wrong in (b"", b"NES\x1a", content[:-1], b"PK" + content[2:]):
        with pytest.raises(ValueError, match=r"\S"):
            _core.Cartridge(wrong)
    with pytest.raises(TypeError):
        _core.Cartridge("path")
    for wrong in (None, b"", _core.Resizer(84), _core.Cartridge):
        with pytest.raises(TypeError, match="a game needs a Cartridge"):
            _core.Game(wrong)


@pytest.mark.parametrize("size", [0, -1, 241, 2**80])
def test_resizer_refuses_sizes(size):
    with pytest.raises(ValueError, match=rf"size is {size}; accepted is an integer, 1 to 240"):
        _core.Resizer(size)
    with pytest.raises(TypeError):
        _core.Resizer("84")


BAD_CALLS = [
    ("advance", (256,), ValueError, "a joypad byte is 256; accepted is an integer, 0 to 255"),
    ("advance", (-1,), ValueError, "a joypad byte is -1"),
    ("advance", (2**70,), ValueError, "a joypad byte is 1180591620717411303424"),
    ("advance", ("A",), TypeError, "'str' object cannot be interpreted as an integer"),
    ("advance", (), TypeError, r"advance\(\) takes 1 to 2 arguments; got 0"),
    ("poke", (2048, 0), ValueError, "an address of RAM is 2048; accepted is an integer, 0 to 2047"),
    ("poke", (-1, 0), ValueError, "an address of RAM is -1"),
    ("poke", (0, 256), ValueError, "a byte is 256"),
    ("step", (0,), TypeError, "takes 2 to 2 arguments; got 1"),
    ("step", (256, True), ValueError, "a joypad byte is 256"),
    ("step", (0, np.zeros(2)), ValueError, "truth value of an array"),
    ("steps", (0, 0, True), ValueError, "num_frames is 0; accepted is an integer, 1 to 1000"),
    ("steps", (0, 1_001, True), ValueError, "num_frames is 1001"),
    ("set_rules", ("progress", True), TypeError, "weights are a dict of floats by term"),
    ("set_rules", ({"speed": 1.0}, True), ValueError, "unknown reward term 'speed'"),
    ("set_rules", ({5: 1.0}, True), ValueError, "unknown reward term 5"),
    ("set_rules", ({"flag": 1}, True), TypeError, "reward term 'flag' is 1; accepted is a float"),
    ("set_rules", ({"flag": float("nan")}, True), ValueError, "'flag' cannot be nan"),
    ("set_rules", ({"flag": float("inf")}, True), ValueError, "'flag' cannot be inf"),
    ("set_rules", ({"flag": 1.0, "clip": 0.0}, True), ValueError, "'clip' cannot be 0.0"),
    ("rgb", (np.empty((240, 256), np.uint8),), ValueError, "has 61440 bytes, 1 an item; accepted"),
    ("rgb", (np.empty((240, 256, 3), np.int8)[::-1],), ValueError, "not C-contiguous"),
    ("rgb", (np.empty((60, 256, 3), np.uint32),), ValueError, "4 an item"),
    ("rgb", (bytes(240 * 256 * 3),), BufferError, "not writable"),
    ("rgb", (None,), TypeError, "bytes-like object is required"),
    ("rgb", (np.empty((84, 84, 3), np.uint8), 84), TypeError, "by a Resizer or None; got 84"),
    ("rgb", (np.empty((84, 84), np.uint8), _core.Resizer(84)), ValueError, "accepted are 21168"),
    ("gray", (np.empty((83, 84), np.uint8), _core.Resizer(84)), ValueError, "accepted are 7056"),
    ("gray", (np.empty((240, 256, 3), np.uint8),), ValueError, "accepted are 61440"),
    ("tiles", (np.empty((13, 15), np.uint8),), ValueError, "accepted are 208"),
    ("load", (b"",), ValueError, "the save state of the native console is damaged"),
    ("load", ("state",), TypeError, "bytes-like object is required"),
    ("record_screen", (), RuntimeError, r"call record_frames\(True\) first"),
]


@pytest.mark.parametrize(("method", "arguments", "error", "message"), BAD_CALLS)
def test_bad_calls_change_nothing(game, method, arguments, error, message):
    before = everything(game)
    with pytest.raises(error, match=message):
        getattr(game, method)(*arguments)
    assert everything(game) == before
    assert game.step(128, True)[1] is False


BAD_MEMORIES: list[tuple[dict[str, Any] | None, str]] = [
    (None, "it is None"),
    ({}, "has no x"),
    ({"x": -1}, "x is -1; accepted is an integer, 0 to 65535"),
    ({"x": 65_536}, "x is 65536"),
    ({"x": True}, "x is True"),
    ({"score": 2**63}, "score is 9223372036854775808"),
    ({"clock": 1.5}, "clock is 1.5"),
    ({"dead": 0}, "dead is 0; accepted are True and False"),
    ({"area": 5}, "its area 5 is none of its frontiers"),
    ({"area": 2**32}, "area is 4294967296"),
    ({"frontiers": []}, "is none of its frontiers"),
    ({"frontiers": None}, r"frontiers is no list of \[area, x\]"),
    ({"frontiers": [[1, 2, 3]]}, r"a frontier is \[1, 2, 3\]"),
    ({"frontiers": [[1, 2], 3]}, "a frontier is 3"),
    ({"frontiers": [[1, -2]]}, "a frontier's x is -2"),
]


@pytest.mark.parametrize(("change", "message"), BAD_MEMORIES)
def test_damaged_memories_are_refused(game, change, message):
    machine, memory = game.save(), game.reward_state()
    bad = {**memory, **change} if change else change
    for _ in range(10):
        game.step(128, False)
    before = everything(game)
    with pytest.raises(ValueError, match=message):
        game.load(machine, bad)
    assert everything(game) == before


def test_damaged_machines_are_refused(game):
    machine, memory = game.save(), game.reward_state()
    game.step(128, False)
    before = everything(game)
    impossible = bytes([machine[0], *[0xFF] * (len(machine) - 1)])
    for bad, message in (
        (b"", "it is from another version of the native console"),
        (b"\2" + machine[1:], "it is from another version of the native console"),
        (machine[:-1], "it has the wrong size"),
        (machine + b"x", "it has the wrong size"),
        (impossible, "it holds a number that the machine cannot have"),
    ):
        with pytest.raises(ValueError, match=f"is damaged: {message}; give what save_state"):
            game.load(bad, memory)
        assert everything(game) == before
    game.load(machine, memory)
    assert (game.save(), game.reward_state()) == (machine, memory)


def test_a_snapshot_is_the_episode_again(game):
    game.steps(130, 60, False)
    game.record_frames(True)
    snapshot = game.snapshot()
    before = everything(game)
    outcomes = [game.steps(131, 4, True) for _ in range(20)]
    num_recorded = game.num_recorded
    for _ in range(2):  # nothing that follows changes it
        game.restore(snapshot)
        assert everything(game) == (*before[:-1], num_recorded)
        assert [game.steps(131, 4, True) for _ in range(20)] == outcomes
        num_recorded = game.num_recorded


def test_a_snapshot_of_another_game_is_restored_as_a_save_state_is(game, cartridge):
    game.steps(130, 60, False)
    snapshot, machine, memory = game.snapshot(), game.save(), game.reward_state()
    del game
    others = [_core.Game(cartridge), _core.Game(cartridge)]
    for other in others:
        other.set_rules({"clip": 1.0, "score": 0.1, "velocity": 1.0}, False)
    others[0].restore(snapshot)
    del snapshot
    others[1].load(machine, memory)
    assert everything(others[0]) == everything(others[1])
    assert others[0].steps(129, 100, False) == others[1].steps(129, 100, False)
    assert everything(others[0]) == everything(others[1])


def test_a_snapshot_with_more_and_with_fewer_areas(game):
    few = game.snapshot()
    memory = game.reward_state()
    frontiers = [[area, area % 100] for area in range(1, 40)] + memory["frontiers"]
    game.load(game.save(), {**memory, "frontiers": frontiers})
    many = game.snapshot()
    for snapshot, expected in ((few, memory["frontiers"]), (many, frontiers)) * 2:
        game.restore(snapshot)
        assert game.reward_state()["frontiers"] == expected


def test_a_game_is_restored_from_its_own_kind_alone(game):
    before = everything(game)
    for wrong in (None, game.save(), game):
        with pytest.raises(TypeError, match="a game is restored from a Snapshot; got"):
            game.restore(wrong)
    for place in (16, -1):  # the first byte of the code, the last of the pictures
        changed = bytearray(rom.find_rom().read_bytes())
        changed[place] ^= 1
        other = _core.Game(_core.Cartridge(changed))
        other.begin()
        with pytest.raises(ValueError, match="a game with another ROM"):
            game.restore(other.snapshot())
        assert everything(game) == before
    with pytest.raises(TypeError, match="cannot create"):
        _core.Snapshot()
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(game.snapshot())


def test_a_snapshot_passes_to_another_cartridge_with_the_same_rom(game):
    """As the compiled and the interpreted console have."""
    other = _core.Game(_core.Cartridge(rom.find_rom().read_bytes()))
    other.set_rules({"progress": 1.0}, True)
    other.begin()
    other.restore(game.snapshot())
    assert other.save() == game.save()
    game.restore(other.snapshot())


def test_snapshots_are_freed(game, cartridge):
    before = sys.getrefcount(cartridge)
    snapshots = [game.snapshot() for _ in range(20)]
    assert sys.getrefcount(cartridge) == before + 20
    del snapshots
    assert sys.getrefcount(cartridge) == before


def test_no_step_before_an_episode(cartridge):
    game = _core.Game(cartridge)
    for call in (
        lambda: game.step(0, True),
        lambda: game.steps(0, 4, True),
        game.reward_state,
        game.snapshot,
    ):
        with pytest.raises(RuntimeError, match="no episode has begun"):
            call()
    game.begin()
    assert game.step(0, True)[2]["reward_terms"] == {}


def test_ram_is_live_only_read_and_outlives_its_game(cartridge):
    game = _core.Game(cartridge)
    memory = game.ram
    assert (memory.nbytes, memory.readonly, memory.format) == (2048, True, "B")
    skip_start_screen(game, "1-1")
    assert ram.x_position(memory) == 40
    with pytest.raises(TypeError, match="read-only"):
        memory[0] = 1
    del game
    gc.collect()
    assert ram.x_position(memory) == 40


def test_a_game_keeps_its_cartridge():
    game = _core.Game(_core.Cartridge(rom.find_rom().read_bytes()))
    gc.collect()
    assert skip_start_screen(game, "1-1") > 100


def test_games_are_freed(cartridge):
    emulator = NativeEmulator(rom.find_rom())
    before = sys.getrefcount(cartridge)
    games = [_core.Game(cartridge) for _ in range(20)]
    assert sys.getrefcount(cartridge) == before + 20
    del games
    assert sys.getrefcount(cartridge) == before
    emulator.close()


def test_steps_are_the_sum_of_single_steps(game):
    machine, memory = game.save(), game.reward_state()
    rewards, sums = 0.0, dict.fromkeys(PROGRESS, 0.0)
    ended = False
    expected = []
    for frame in range(400):
        reward, ended, info = game.step(128, False)
        rewards += reward
        for term in info["reward_terms"]:
            sums[term] += info["reward_terms"][term]
        if ended or frame % 7 == 6:
            expected.append((rewards, ended, {**info, "reward_terms": sums}))
            rewards, sums = 0.0, dict.fromkeys(sums, 0.0)
        if ended:
            break
    assert ended, "walking right meets the first goomba"
    game.load(machine, memory)
    assert [game.steps(128, 7, False) for _ in expected] == expected


def test_pictures_can_be_had_later(game):
    """A picture that nobody has asked for is drawn when somebody does."""
    machine, memory = game.save(), game.reward_state()
    pictures = []
    for draw in (True, False):
        game.load(machine, memory)
        out = np.zeros((240, 256, 3), np.uint8)
        for joypad in [130] * 40 + [128] * 20:
            game.step(joypad, draw)
        game.rgb(out)
        pictures.append(out)
    np.testing.assert_array_equal(*pictures)
    game.load(game.save(), game.reward_state())
    game.rgb(out)
    np.testing.assert_array_equal(out, pictures[0])


def test_every_frame_is_recorded(game):
    game.step(128, False)
    game.record_frames(True)
    game.record_screen()
    out = np.zeros((240, 256, 3), np.uint8)
    game.rgb(out)
    expected = [out.tobytes()]
    for _ in range(5):
        game.step(130, False)
        game.rgb(out)
        expected.append(out.tobytes())
    assert game.num_recorded == 6
    assert [bytes(frame) for frame in game.take_frames()] == expected
    assert (game.num_recorded, game.take_frames()) == (0, [])
    game.steps(130, 9, False)
    assert game.num_recorded == 9
    game.record_frames(False)
    game.step(130, False)
    assert game.num_recorded == 0


def test_two_threads_in_one_game(game):
    """One of them is told to wait, the game goes on; the other threads of Python run meanwhile."""
    errors = []
    refusals = []
    snapshot = game.snapshot()
    stop = threading.Event()

    def play():
        try:
            while not stop.is_set():
                game.steps(0, 1000, False)
                game.power_on()
        except RuntimeError as error:
            if "another thread is running this game" not in str(error):
                errors.append(error)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    calls = (
        lambda: game.step(0, True),
        lambda: game.advance(0),
        game.save,
        lambda: game.restore(snapshot),
        game.info,
        game.begin,
        lambda: game.poke(0, 0),
        lambda: game.set_rules({}, True),
        lambda: game.tiles(np.empty((13, 16), np.uint8)),
        lambda: game.record_frames(False),
    )
    for _ in range(200):
        for call in calls:
            try:
                call()
            except RuntimeError as error:
                refusals.append(str(error))
    stop.set()
    thread.join()
    assert errors == []
    assert set(refusals) == {"another thread is running this game: one thread at a time"}
    game.power_on()
    assert not any(game.ram)


def test_a_frame_is_saved_alike_drawn_or_not(game, cartridge):
    other = _core.Game(cartridge)
    other.load(game.save())
    generator = np.random.default_rng(0)
    for _ in range(600):
        buttons = int(generator.integers(256))
        game.advance(buttons, True)
        other.advance(buttons, False)
        assert game.save() == other.save()
