"""Episodes that get nowhere are truncated."""

import gymnasium as gym
import pytest
from support.recorder import Recorder, start

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.wrappers import TruncateOnStall


def test_truncates_after_steps_without_a_new_best():
    env = start(TruncateOnStall(Recorder(), num_steps=3))
    flags = [env.step(x)[3] for x in (1, 2, 2, 1, 3, 3, 2, 3)]
    assert flags == [False, False, False, False, False, False, False, True]


def test_a_new_episode_stalls_anew():
    env = start(TruncateOnStall(Recorder(), num_steps=2))
    env.step(200)
    env.step(200)
    env.reset()
    assert [env.step(1)[3] for _ in range(3)] == [False, False, True]


def test_the_end_of_an_episode_is_no_stall():
    env = start(TruncateOnStall(Recorder(length=3), num_steps=3))
    for _ in range(3):
        _, _, terminated, truncated, _ = env.step(0)
    assert (terminated, truncated) == (True, False)


def test_another_life_or_area_stalls_anew():
    """In 1-2 a pipe leads back to a smaller x, which is no stall."""
    env = start(TruncateOnStall(gym.make("MarioRL-v0"), num_steps=40))
    lives = []
    terminated = truncated = False
    while not (terminated or truncated):
        *_, terminated, truncated, info = env.step(1)
        lives.append(info["life"])
    # Each life walks the same way again; without starting anew the second would stall at once.
    assert terminated
    assert {2, 1, 0} <= set(lives)
    env.close()


def test_stall_of_mario_at_a_wall():
    env = start(TruncateOnStall(gym.make("MarioRL-1-1-v0", actions=[["NOOP"]]), num_steps=5))
    assert [env.step(0)[3] for _ in range(5)] == [False] * 4 + [True]
    env.close()


def test_stall_needs_its_key():
    env = TruncateOnStall(gym.make("CartPole-v1"), num_steps=2)
    with pytest.raises(ValueError, match="the info has no 'x_pos' to watch; it has nothing"):
        env.reset()
