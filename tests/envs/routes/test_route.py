"""The recorded inputs bring the recorded rewards, end and info."""

import gymnasium as gym
import numpy as np
import pytest

import mario_rl_envs
from mario_rl_envs import routes

STAGES = routes.stages()


def test_there_are_routes_through_24_stages():
    assert len(STAGES) == 24
    assert STAGES[0] == "1-1"


@pytest.mark.parametrize("stage", STAGES)
def test_route_brings_what_was_recorded(stage):
    route = routes.load(stage)
    env = gym.make(f"MarioRL-{stage}-v0", actions="joypad", size=84)
    env.reset(seed=0)
    for step, joypad in enumerate(route.joypad):
        _, reward, terminated, truncated, info = env.step(joypad)
        assert reward == route.rewards[step], f"step {step}"
        assert terminated == (step == route.num_steps - 1), f"step {step}"
        assert not truncated
    assert {key: info[key] for key in route.info} == route.info
    assert info["flag_get"]
    env.close()


def test_route_of_an_unknown_stage():
    with pytest.raises(ValueError, match=r"unknown stage '9-1'; accepted are '1-1' to '8-4'"):
        mario_rl_envs.routes.load("9-1")
    with pytest.raises(
        ValueError, match=r"there is no route through stage 2-3; there are routes through 1-1,"
    ):
        mario_rl_envs.routes.load("2-3")


@pytest.mark.parametrize("env_id", ["MarioRL-1-1-v0", "MarioRL-v0", "MarioRL-Random-v0"])
def test_route_fraction_starts_along_the_route(env_id):
    env = gym.make(env_id)
    _, info = env.reset(seed=5)
    obs, info = env.reset(seed=5, options={"route_fraction": 0.5, "stage": "1-1"})
    route = routes.load("1-1")
    raw = gym.make("MarioRL-1-1-v0", actions="joypad")
    raw.reset()
    for joypad in route.joypad[: int(0.5 * route.num_steps)]:
        expected, *_, expected_info = raw.step(joypad)
    assert info["x_pos"] == expected_info["x_pos"] > 1_500
    np.testing.assert_array_equal(obs[-1], expected[-1])
    again, _ = env.reset(options={"route_fraction": 0.5, "stage": "1-1"})
    np.testing.assert_array_equal(again, obs)
    env.close()
    raw.close()


def test_route_fraction_draws_a_stage_that_has_a_route():
    env = gym.make("MarioRL-Random-v0", stages=["2-3", "1-4"])
    for _ in range(3):
        _, info = env.reset(options={"route_fraction": 0.1})
        assert (info["world"], info["stage"]) == (1, 4)
    env.close()


def test_route_fraction_of_a_stage_without_a_route():
    env = gym.make("MarioRL-2-3-v0")
    with pytest.raises(ValueError, match="there is no route through stage 2-3"):
        env.reset(options={"route_fraction": 0.1})
    env.close()
