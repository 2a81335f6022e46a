"""`mario-rl explore`, on the real game: a route is found, checked, written and drawn."""

import io
from pathlib import Path

import numpy as np
import pytest
from mario_rl_agents.cli import explore
from PIL import Image
from rich.console import Console
from support.commands import fail, run_command, succeed

from mario_rl_envs import routes


def test_a_route_is_found_and_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "new" / "routes"
    verified: list[routes.Route] = []
    monkeypatch.setattr(routes, "verify", verified.append)  # nes-py would take seconds
    [line] = succeed("explore", "1-4", "--actions", "right_only", "--out", out)
    route = routes.read(out / "1-4.json")
    assert line.startswith(f"{out / '1-4.json'}: {route.num_steps} steps, ")
    assert line.endswith(" cells reached, the same on nes-py")
    assert (route.stage, route.info["flag_get"]) == ("1-4", True)
    np.testing.assert_array_equal(routes.play("1-4", route.joypad).rewards, route.rewards)
    assert [each.joypad.tobytes() for each in verified] == [route.joypad.tobytes()]
    with Image.open(out / "1-4.png") as picture:
        assert picture.width > 2_000
    assert sorted(path.name for path in out.iterdir()) == ["1-4.json", "1-4.png"]
    assert "1-4.json exists: give another --out" in fail(2, "explore", "1-4", "--out", out)


def test_a_search_that_finds_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--actions", '[["left"]]', "--seconds", "0", "--out", str(tmp_path)]
    first, second, total, error = run_command(1, "explore", "2-1", "8-4", "2-1", *arguments)
    assert first.startswith("2-1: no route; ")
    assert second.startswith("8-4: no route; ")
    assert total.startswith("0 of 2 routes in ")
    assert error.startswith("error: no route through 2-1, 8-4 in 0 s: give more --seconds")
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr("mario_rl_envs.game.stages.STAGES", ("1-1", "1-2"))
    assert "through 1-1, 1-2 in 0 s" in run_command(1, "explore", "--all", *arguments)[-1]


def test_a_route_that_nes_py_refuses_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(route: routes.Route) -> None:
        raise ValueError(f"nes-py does not play the route through {route.stage}")

    monkeypatch.setattr(routes, "verify", refuse)
    message = fail(1, "explore", "1-4", "--actions", "right_only", "--out", tmp_path)
    assert message == "nes-py does not play the route through 1-4"
    assert list(tmp_path.iterdir()) == []


def test_a_video_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "_VIDEO", ".gif")  # needs no other package, and is smaller
    route = routes.play("1-1", routes.load("1-1").joypad[:20])
    explore._write(route, tmp_path, video=True)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif", ".json", ".png"]
    with Image.open(tmp_path / "1-1.gif") as video:
        assert getattr(video, "n_frames", 1) > 20
        assert video.width > video.height  # the joypad stands beside the game


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_has_a_map(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for period in ("_MAP_PERIOD", "_LINE_PERIOD"):
        monkeypatch.setattr(explore, period, 0.0)
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=60, height=30, color_system=None)
    search = routes.RouteSearch("1-1", num_threads=1)
    with explore.SearchDisplay(search, console) as display:
        search.explore()
        display.show()
        shown = file.getvalue()
    line = f"1-1: {search.num_decisions:,} decisions tried, {search.num_cells} cells reached"
    assert line in shown
    assert ("area 1 · x" in shown) == is_terminal
    assert ("█" in shown) == is_terminal


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for arguments, message in (
        ([], "give stages, as 1-1, or --all: one of them"),
        (["1-1", "--all"], "give stages, as 1-1, or --all: one of them"),
        (["1-1", "1-9"], "unknown stage '1-9'"),
        (["1-1", "--actions", "left"], "--actions unknown actions 'left'"),
        (["1-1", "--actions", '["left"]'], "an action is a list of buttons"),
        (["1-1", "--actions", "5"], "--actions actions is 5"),
    ):
        assert message in fail(2, "explore", *arguments, "--out", tmp_path)
    (tmp_path / "file").touch()  # before a search for nothing, and before its actions are read
    out = ["--actions", "left", "--out", str(tmp_path / "file")]
    assert "it is no folder" in fail(1, "explore", "1-1", *out)
