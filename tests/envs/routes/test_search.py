"""The search finds inputs that clear a stage, the same for one seed."""

import numpy as np
import pytest

from mario_rl_envs import routes
from mario_rl_envs.routes import playing
from mario_rl_envs.routes.search import Place, RouteSearch, _Found

STAGE = "1-4"  # found soonest


def find(**options):
    search = RouteSearch(STAGE, **{"actions": "right_only", "num_threads": 1, **options})
    while not search.explore():
        assert search.num_decisions < 200_000, "many times as many as it takes"
    search.close()
    return search


@pytest.fixture(scope="module")
def found():
    return find()


def test_what_is_found_clears_the_stage(found):
    route = routes.play(STAGE, found.joypad)
    assert route.info["flag_get"]
    assert (route.info["world"], route.info["stage"]) == (1, 4)
    assert route.num_steps == len(found.joypad)
    assert set(found.joypad.tolist()) <= {0, 128, 129, 130, 131}


def test_it_is_the_same_with_several_threads(found):
    other = find(num_threads=3)
    np.testing.assert_array_equal(other.joypad, found.joypad)
    assert other.num_decisions == found.num_decisions
    assert other.places() == found.places()


def test_another_seed_finds_another_route(found):
    assert find(seed=1).joypad.tobytes() != found.joypad.tobytes()


def test_places_are_where_the_search_has_been(found):
    places = found.places()
    route = routes.play(STAGE, found.joypad)
    assert len(set(places)) == len(places) <= found.num_cells
    assert places[0][1:] == (32, 64)  # where Mario falls into the castle
    assert {place.area for place in places} == {places[0].area}
    assert max(place.x for place in places) >= route.info["x_pos"] - 32
    assert all(place.x % 16 == place.y % 32 == 0 for place in places)


def test_actions_are_all_that_is_pressed():
    search = RouteSearch("1-1", actions=[["right", "B"], ["down"]], num_threads=1)
    for joypad in search._draw_inputs():
        assert set(joypad) <= {130, 32}
    assert not search.explore()
    assert search.joypad is None
    assert search.num_decisions > 0


def discovery(search, *keys, is_cleared=False):
    """Return what an exploration through these cells from the first one would have found."""
    [first, *_] = search._index
    snapshot = search._cells[0].snapshot
    return _Found(
        b"".join([first, *keys]), [snapshot] * len(keys), is_cleared, is_cleared=is_cleared
    )


def test_a_cell_is_kept_as_it_is_reached_soonest():
    search = RouteSearch("1-1", num_threads=1)
    [first] = search._index
    start = search._cells[0]
    cells = [first[:3] + bytes([number]) + first[4:] for number in range(1, 4)]
    search._learn(start, b"abc", discovery(search, *cells))
    search._learn(search._cells[2], b"d", discovery(search, cells[2]))  # as soon as before
    assert search._cells[3].inputs.joined() == b"abc"
    search._learn(start, b"e", discovery(search, cells[2]))
    assert [cell.length for cell in search._cells] == [0, 1, 2, 1]
    assert [cell.inputs.joined() for cell in search._cells] == [b"", b"a", b"ab", b"e"]
    assert search.num_decisions == 5


def test_another_stage_is_out_of_bounds():
    """The pipes of a warp zone lead to one."""
    search = RouteSearch("4-2", num_threads=1)
    [first] = search._index
    elsewhere = bytes([5]) + first[1:]
    search._learn(search._cells[0], b"ab", discovery(search, elsewhere, is_cleared=True))
    assert search.num_cells == 1
    assert search.joypad is None
    search._learn(search._cells[0], b"ab", discovery(search, first, is_cleared=True))
    assert bytes(search.joypad) == b"ab"


def test_inputs_that_hang_the_game_are_dropped(monkeypatch):
    search = RouteSearch("1-1", num_threads=1)
    game = search._games.get()

    class Hanging:
        restore = game.restore

        def explore(self, *_):
            raise RuntimeError("the game gave no control back")

    search._games.put(Hanging())
    assert not search.explore()
    assert (search.num_cells, search.num_decisions) == (1, 0)


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("9-1", {}, "unknown stage '9-1'"),
        ("1-1", {"actions": "all"}, "unknown actions 'all'"),
        ("1-1", {"actions": []}, "actions is empty"),
        ("1-1", {"actions": [["jump"]]}, "unknown button 'jump'"),
        ("1-1", {"seed": -1}, "seed is -1; accepted is an integer, 0 or more"),
        ("1-1", {"num_threads": 0}, "num_threads is 0; accepted is an integer, 1 or more"),
        ("1-1", {"num_threads": 33}, "num_threads is 33; accepted is an integer, 32 or less"),
    ],
)
def test_bad_arguments(stage, options, message):
    with pytest.raises(ValueError, match=message):
        RouteSearch(stage, **options)


def test_the_native_core_is_needed(monkeypatch):
    from mario_rl_envs.emulators.nes_py import NesPyEmulator

    monkeypatch.setattr(playing, "create_emulator", lambda _, path: NesPyEmulator(path))
    with pytest.raises(ImportError, match="needs the native core"):
        RouteSearch("1-1", num_threads=1)


def test_a_place_above_the_screen_is_negative():
    search = RouteSearch("1-1", num_threads=1)
    [first] = search._index
    above = first[:6] + bytes([0, 0xE0]) + first[8:]
    search._learn(search._cells[0], b"a", discovery(search, above))
    assert search.places()[1] == Place(search.places()[0].area, 32, -32)
