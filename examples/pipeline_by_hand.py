"""Build the pipeline of `MarioRL-1-1-v0` by hand, and see that it is the same.

Every layer is an ordinary wrapper: leave one out, swap one, put your own between.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, ResizeObservation

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.wrappers import JoypadSpace, SkipFrame

NUM_STEPS = 100

env: gym.Env[Any, Any] = SuperMarioBrosEnv("1-1")  # one joypad byte a frame, the whole screen
env = JoypadSpace(env, "right_only")  # five combinations of buttons
env = SkipFrame(env, 4)  # a decision every four frames, rewards summed
env = GrayscaleObservation(env)  # [240, 256]
env = ResizeObservation(env, (84, 84))  # [84, 84]
env = FrameStackObservation(env, 4)  # [4, 84, 84]

registered = gym.make("MarioRL-1-1-v0")
assert env.observation_space == registered.observation_space
assert env.action_space == registered.action_space

obs, info = env.reset(seed=0)
expected_obs, expected_info = registered.reset(seed=0)
actions = np.random.default_rng(0).integers(5, size=NUM_STEPS)
for action in actions:
    assert np.array_equal(obs, expected_obs)
    assert info == expected_info
    obs, reward, terminated, truncated, info = env.step(action)
    expected_obs, *expected, expected_info = registered.step(action)
    assert [reward, terminated, truncated] == expected
    if terminated or truncated:
        obs, info = env.reset()
        expected_obs, expected_info = registered.reset()
env.close()
registered.close()
print(f"equal for {NUM_STEPS} steps: observations, rewards, ends and infos")
