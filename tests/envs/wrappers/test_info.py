"""Infos of a few keys, on any environment."""

import pytest
from support.recorder import Recorder, start

import mario_rl_envs.wrappers as wrappers
from mario_rl_envs.env import SuperMarioBrosEnv


def test_keys_that_an_info_lacks_are_left_out():
    env = wrappers.SelectInfo(Recorder(), ["nothing"])
    _, info = env.reset()
    assert info == {}
    assert env.step(0)[4] == {}


def test_steps_without_observation_are_selected_too():
    env = start(wrappers.SkipFrame(wrappers.SelectInfo(SuperMarioBrosEnv("1-1"), ["time"]), 4))
    assert env.step(0)[4] == {"time": 400}
    env.close()


@pytest.mark.parametrize("keys", ["x_pos", 5])
def test_keys_must_be_a_list(keys):
    with pytest.raises(ValueError, match="keys is"):
        wrappers.SelectInfo(Recorder(), keys)
