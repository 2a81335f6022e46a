"""A show: what ends it is told, and an agent that stands still does not stand for minutes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.envs import Env
from mario_rl_agents.reports.mario import frame_by_frame, how_it_ended
from mario_rl_agents.reports.panel import Panel
from mario_rl_agents.reports.show import (
    Decision,
    NoPicturesError,
    RoutePlayer,
    Show,
    _Stall,
)

import mario_rl_envs  # noqa: F401  registers MarioRL-1-1-v0
from mario_rl_envs import routes
from mario_rl_envs.game.actions import joypad_byte

RIGHT = joypad_byte(["right"])
JUMP = joypad_byte(["A"])


class Always:
    """Takes the actions of a list, again and again."""

    def __init__(self, *actions: Any) -> None:
        self._actions = actions
        self._count = 0

    def decide(self, obs: Any) -> Decision:
        self._count += 1
        return Decision(self._actions[self._count % len(self._actions)])


def play(env: Env, player: Any, **keywords: Any) -> Show:
    show = Show(env, player, Panel(env, title="t", subtitle="s"), **keywords)
    show.shows_panel = False
    for _ in show.frames(0):
        pass
    return show


@pytest.fixture
def mario() -> Any:
    env = gym.make(
        "MarioRL-1-1-v0", actions="joypad", observation="ram", render_mode="rgb_array_list"
    )
    yield env
    env.close()


@pytest.mark.parametrize(
    ("stage", "result"),
    [("1-1", "killed by an enemy"), ("1-3", "fell to his death"), ("1-4", "fell to his death")],
)
def test_a_death_says_what_killed(stage: str, result: str) -> None:
    env = gym.make(
        f"MarioRL-{stage}-v0", actions="joypad", observation="ram", render_mode="rgb_array_list"
    )
    assert play(env, Always(RIGHT)).result == result
    env.close()


def test_the_clock_kills_who_waits(mario: Env) -> None:
    mario.reset()
    terminated = False
    while not terminated:
        _, _, terminated, *_ = mario.step(0)
    assert how_it_ended(mario) == "time ran out"


def test_a_game_that_is_over_names_no_death() -> None:
    env = gym.make("MarioRL-v0", observation="ram")
    env.reset()
    assert how_it_ended(env) == "game over"
    env.close()
    other = gym.make("CartPole-v1")
    assert how_it_ended(other) is None
    other.close()


def test_a_cleared_stage_and_the_end_of_a_route() -> None:
    env = frame_by_frame("MarioRL-1-1-v0", {"observation": "ram"})
    route = routes.load("1-1")
    silent = gym.make(
        "MarioRL-1-1-v0",
        actions="joypad",
        observation="ram",
        skip=1,
        info=[],
        render_mode="rgb_array_list",
    )
    assert play(silent, RoutePlayer(route)).result == "stage cleared"
    silent.close()
    half = routes.Route("1-1", route.joypad[:20], route.rewards[:20], {})
    show = play(env, RoutePlayer(half), stall_seconds=0)
    assert (show.result, show.length) == ("end of the route", 80)
    nothing = routes.Route("1-1", route.joypad[:0], route.rewards[:0], {})
    assert play(env, RoutePlayer(nothing)).length == 0
    env.close()


@pytest.mark.parametrize("player", [Always(0), Always(JUMP), Always(*[RIGHT] * 8, *[64] * 8)])
def test_who_stands_still_is_not_watched_for_minutes(mario: Env, player: Always) -> None:
    show = play(mario, player, stall_seconds=2)
    assert show.result == "stood still for 2 s"
    assert 2 * 60 <= show.num_frames <= 4 * 60


def test_who_moves_on_is_not_cut(mario: Env) -> None:
    assert play(mario, Always(RIGHT), stall_seconds=1).result == "killed by an enemy"


def test_a_scene_that_no_player_controls_is_no_stall() -> None:
    stall = _Stall(100, num_frames_of_a_scene=30)
    assert not stall.is_reached(7, 4)
    assert not any(stall.is_reached(7, 4) for _ in range(24))
    assert not stall.is_reached(7, 700)  # a pipe: it begins anew
    assert [stall.is_reached(7, 4) for _ in range(25)] == [False] * 24 + [True]
    assert not stall.is_reached(40, 4)


class Blind(gym.Env):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  as in gym.Env
    observation_space = gym.spaces.Box(-1, 1, (3,))
    action_space = gym.spaces.Discrete(2)
    render_mode = "rgb_array_list"

    def reset(self, **_: Any) -> Any:
        return np.zeros(3, np.float32), {}


class Black(Blind):
    def render(self) -> Any:
        return None


@pytest.mark.parametrize("env", [Blind(), Black()])
def test_an_environment_that_draws_nothing_is_named(env: Env) -> None:
    with pytest.raises(NoPicturesError, match=f"{type(env).__name__} draws no pictures"):
        play(env, Always(0))


def test_pictures_are_those_of_the_agent_that_decides_now() -> None:
    env = frame_by_frame("MarioRL-1-1-v0", {"stack": 3, "skip": 5})
    every = gym.make("MarioRL-1-1-v0", actions="joypad", skip=1, stack=1)
    seen = [every.reset()[0][0]]
    obs, _ = env.reset()
    for _ in range(20):
        obs, *_ = env.step(RIGHT)
        seen.append(every.step(RIGHT)[0][0])
    assert obs.shape == env.observation_space.shape == (3, 84, 84)
    np.testing.assert_array_equal(obs, [seen[10], seen[15], seen[20]])
    env.close()
    every.close()


def test_a_game_frame_by_frame_is_mario_as_it_is() -> None:
    with pytest.raises(ValueError, match="'CartPole-v1' is none of Super Mario Bros"):
        frame_by_frame("CartPole-v1", {})
    with pytest.raises(ValueError, match="did you mean MarioRL-1-1-v0"):
        frame_by_frame("MarioRL-1-1", {})
    with pytest.raises(ValueError, match="sticky, reward cannot be chosen here"):
        frame_by_frame("MarioRL-1-1-v0", {"sticky": 0.5, "reward": "score", "size": 32})
