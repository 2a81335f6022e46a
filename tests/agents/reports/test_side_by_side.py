"""Two shows in one picture: they begin together, and the one that ends first stands still."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.reports.drawing import banner
from mario_rl_agents.reports.panel import Panel
from mario_rl_agents.reports.show import Decision, Show
from mario_rl_agents.reports.side_by_side import SideBySide

import mario_rl_envs  # noqa: F401  registers MarioRL-1-1-v0
from mario_rl_envs.game.actions import joypad_byte


class Always:
    """Takes one action, again and again."""

    def __init__(self, *buttons: str) -> None:
        self._action = joypad_byte(list(buttons))

    def decide(self, obs: Any) -> Decision:
        return Decision(self._action)


@pytest.fixture
def shows() -> Iterator[list[Show]]:
    """Return shows of one who stands for 60 frames, and of one who runs into the first enemy."""
    keywords: dict[str, Any] = {"actions": "joypad", "observation": "ram"}
    keywords["render_mode"] = "rgb_array_list"
    made = [
        gym.make("MarioRL-1-1-v0", max_episode_steps=15, **keywords),
        gym.make("MarioRL-1-1-v0", **keywords),
    ]
    yield [
        Show(env, player, Panel(env, title="t", subtitle="s"))
        for env, player in zip(made, (Always(), Always("right")), strict=True)
    ]
    for env in made:
        env.close()


def test_each_is_as_it_is_alone_and_the_first_to_end_stands_still(shows: list[Show]) -> None:
    both = SideBySide({"before": shows[0], "after": shows[1]})
    assert (both.result, both.length, both.fps) == ("", 0, 60.0)
    frames = list(both.frames(0))
    assert shows[0].result == "truncated"
    assert shows[1].result == "killed by an enemy"
    assert both.result == "before: truncated; after: killed by an enemy"
    assert (both.episodic_return, both.length, both.info) == (
        shows[1].episodic_return,
        shows[1].length,
        shows[1].info,
    )
    # The longer of the two, and the second for which its last picture is held.
    assert len(frames) == max(show.num_frames for show in shows) + 60
    height, width, _ = shows[1].frame().shape
    assert {frame.shape for frame in frames} == {(height + 36, 2 * width + 8, 3)}
    assert np.array_equal(frames[-1][36:, :width], shows[0].frame())
    assert np.array_equal(frames[-1][36:, width + 8 :], shows[1].frame())
    assert not np.array_equal(frames[0][:36, :width], frames[0][:36, width + 8 :])  # captions
    assert not np.array_equal(both.frame(banner("paused")), both.frame())


def test_panels_are_turned_on_and_off_together(shows: list[Show]) -> None:
    both = SideBySide({"before": shows[0], "after": shows[1]})
    assert not both.shows_panel
    narrow = next(both.frames(0)).shape[1]
    both.shows_panel = True
    assert [show.shows_panel for show in shows] == [True, True]
    assert both.frame().shape[1] > narrow
