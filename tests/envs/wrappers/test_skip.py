"""One decision for several frames."""

import gymnasium as gym
import numpy as np
import pytest
from support.recorder import Recorder, start

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.wrappers import SkipFrame


def test_skip_frame_sums_rewards_and_returns_the_last_frame():
    env = start(SkipFrame(Recorder(), 4))
    obs, reward, terminated, _, info = env.step(7)
    assert (obs.item(), reward, terminated) == (4, 4.0, False)
    assert info == {"x_pos": 7, "reward_terms": {"alive": 4.0}}
    assert env.unwrapped.actions == [7] * 4


def test_skip_frame_stops_at_the_end_of_an_episode():
    env = start(SkipFrame(Recorder(length=6), 4))
    env.step(0)
    obs, reward, terminated, _, info = env.step(0)
    assert (obs.item(), reward, terminated) == (6, 2.0, True)
    assert info["reward_terms"] == {"alive": 2.0}


def test_skip_frame_on_any_environment():
    env, plain = SkipFrame(gym.make("CartPole-v1"), 2), gym.make("CartPole-v1")
    start(env, seed=3)
    start(plain, seed=3)
    plain.step(1)
    expected, *_ = plain.step(1)
    obs, reward, *_ = env.step(1)
    np.testing.assert_array_equal(obs, expected)
    assert reward == 2.0


@pytest.mark.parametrize("skip", [1_000, 1_001])
def test_a_skip_to_the_end_of_an_episode(skip):
    """So many frames are not run in one call: nothing could interrupt it."""
    env = SkipFrame(SuperMarioBrosEnv("1-1"), skip)
    raw = SuperMarioBrosEnv("1-1")
    env.reset()
    raw.reset()
    terminated, total = False, 0.0
    while not terminated:
        expected, reward, terminated, _, _ = raw.step(128)
        total += reward
    obs, reward, terminated, *_ = env.step(128)
    np.testing.assert_array_equal(obs, expected)
    assert (reward, terminated) == (total, True)
    env.close()
    raw.close()
