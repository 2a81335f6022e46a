"""Sticky actions."""

import numpy as np
from gymnasium.spaces import Box
from support.recorder import Recorder, start

from mario_rl_envs.wrappers import StickyAction


def test_sticky_action_repeats_as_often_as_told():
    env = start(StickyAction(Recorder(length=10**6), 0.25), seed=4)
    num_steps = 4_000
    for action in range(num_steps):
        env.step(action)
    taken = np.array(env.unwrapped.actions)
    share = np.mean(taken != np.arange(num_steps))
    # Three standard deviations of a Bernoulli share of 0.25.
    assert abs(share - 0.25) < 3 * (0.25 * 0.75 / num_steps) ** 0.5
    previous = np.concatenate([[0], taken[:-1]])
    assert np.all((taken == np.arange(num_steps)) | (taken == previous))


def test_first_action_of_an_episode_is_taken():
    env = StickyAction(Recorder(), 0.99)
    for action in range(20):
        env.reset(seed=action)
        env.step(action)
        assert env.unwrapped.actions == [action]


def test_sticky_action_follows_the_seed():
    runs = []
    for _ in range(2):
        env = start(StickyAction(Recorder(), 0.5), seed=9)
        for action in range(50):
            env.step(action)
        runs.append(env.unwrapped.actions)
    assert runs[0] == runs[1]


def test_sticky_action_keeps_its_own_copy():
    """A caller may use one array for all actions."""

    class Buffers(Recorder):
        def __init__(self):
            super().__init__()
            self.action_space = Box(0, 1_000, (1,), np.float32)

        def step(self, action):
            return super().step(float(action[0]))

    env = start(StickyAction(Buffers(), 0.5), seed=0)
    buffer = np.zeros(1, np.float32)
    for step in range(50):
        buffer[0] = step
        env.step(buffer)
    assert env.unwrapped.actions != [float(step) for step in range(50)]
