"""`mario-rl play`, on the real game: keys on SDL's dummy screen, a route, and its replay."""

import sys
from pathlib import Path

import numpy as np
import pytest
from support.commands import fail, succeed
from support.windows import Viewer

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.actions import joypad_byte


@pytest.fixture
def games(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collect the memory of each game when it is closed."""
    memories: list[bytes] = []
    close = SuperMarioBrosEnv.close

    def closing(env: SuperMarioBrosEnv) -> None:
        memories.append(env.ram.tobytes())
        close(env)

    monkeypatch.setattr(SuperMarioBrosEnv, "close", closing)
    return memories


def test_a_game_is_played_and_its_route_replays_to_the_same_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, games: list[bytes]
) -> None:
    path = tmp_path / "new" / "mine.json"
    # The keys stay on the screen until one is pressed; Mario then runs, and jumps twice.
    script = {3: ["right"], 20: ["x"], 40: ["-x", "left shift"], 60: ["k"], 75: ["-k"]}
    viewer = Viewer(monkeypatch, script, last=100)
    summary, recorded = succeed("play", "--record", path)
    assert summary.endswith("steps, stopped")
    assert recorded == f"recorded, watch with  mario-rl watch --route {path}"
    assert viewer.frames[0].shape == (480, 512, 3)  # the agent's view is not there yet
    route = routes.read(path)
    assert (route.stage, route.frames_per_step) == ("1-1", 1)
    pressed = {joypad_byte(buttons) for buttons in ([], ["right"], ["right", "A"])}
    assert pressed < set(route.joypad.tolist())
    assert route.joypad[-1] == joypad_byte(["right", "B"])
    assert route.info["x_pos"] > 100

    Viewer(monkeypatch, {}, last=10_000)
    _, line = succeed("watch", "--route", path, "--video", tmp_path / "mine.gif")
    assert f"{route.num_steps} steps, end of the route" in line
    assert len(games) == 2
    assert games[0] == games[1]


def test_a_death_waits_for_another_game_and_says_what_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Right into the first goomba, a second for its picture, then again, and out.
    viewer = Viewer(monkeypatch, {1: ["right"], 240: ["r"], 250: ["escape"]}, last=300)
    first, second = succeed("play", "--env", "observation=ram")
    assert first.endswith("killed by an enemy")
    assert second.endswith("stopped")
    assert len(viewer.frames) == 251
    assert np.array_equal(viewer.frames[238], viewer.frames[239])  # it waits


def test_the_agents_view_is_on_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {1: ["x"], 4: ["v"], 8: ["v"]}, last=12)
    succeed("play", "MarioRL-1-2-v0", "--env", "observation=tiles")
    assert [frame.shape[1] for frame in viewer.frames[3:11]] == [512] * 2 + [912] * 4 + [512] * 2


def test_the_latest_cleared_game_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mario_rl_agents.reports import human
    from mario_rl_agents.reports.show import Decision

    frames = iter(routes.load("1-1").frames.tolist())
    monkeypatch.setattr(human.Person, "decide", lambda self, obs: Decision(next(frames, 0)))
    monkeypatch.setattr("mario_rl_agents.reports.show.beside", lambda *_: np.zeros((8, 8, 3), "u1"))
    path = tmp_path / "mine.json"
    Viewer(monkeypatch, {1: ["x"], 1_900: ["r"]}, last=1_910)
    first, second, _ = succeed("play", "--record", path)
    assert first.endswith("stage cleared")
    assert second.endswith("stopped")
    route = routes.read(path)
    assert route.info["flag_get"]
    assert route.total_reward == routes.load("1-1").total_reward


def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "there.json"
    path.write_text("mine")
    for arguments, message in (
        (["CartPole-v1"], "'CartPole-v1' is none of Super Mario Bros"),
        (["MarioRL-1-1"], "did you mean MarioRL-1-1-v0"),
        (["--env", "sticky=0.25"], "sticky cannot be chosen here"),
        (["--env", "observation=smell"], "smell"),
        (["--record", path], "exists: give another name"),
    ):
        assert message in fail(2, "play", *arguments)
    # Before a game is played for nothing, and before anything else that is wrong.
    message = fail(1, "play", "CartPole-v1", "--record", path / "route.json")
    assert message.endswith(f"it is no folder: '{path}'")
    assert path.read_text() == "mine"
    monkeypatch.delenv("SDL_VIDEODRIVER")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert "there is no screen to open a window on" in fail(1, "play")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setitem(sys.modules, "pygame", None)  # what a failed import leaves
    assert 'pip install "mario-rl-envs[human]"' in fail(1, "play")
