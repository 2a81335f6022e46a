"""The stack of frames, and the spaces of images."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from support.recorder import Recorder

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.image_space import image_space
from mario_rl_envs.wrappers import (
    FrameStackObservation,
    GrayscaleObservation,
    ResizeObservation,
)


@pytest.mark.parametrize("padding", ["reset", "zero", np.full(1, 7, np.float32)])
@pytest.mark.parametrize("stack", [1, 2, 5])
def test_stack_is_gymnasiums(stack, padding):
    env = FrameStackObservation(Recorder(), stack, padding_type=padding)
    plain = gym.wrappers.FrameStackObservation(Recorder(), stack, padding_type=padding)
    assert env.observation_space == plain.observation_space
    for _ in range(3):
        np.testing.assert_array_equal(env.reset()[0], plain.reset()[0])
        for action in range(2 * stack + 1):
            (obs, *rest), (expected, *expected_rest) = env.step(action), plain.step(action)
            np.testing.assert_array_equal(obs, expected)
            assert obs.dtype == expected.dtype
            assert rest == expected_rest
            obs[:] = -1  # is the caller's own


def test_a_stack_of_a_number_of_numpys():
    env = FrameStackObservation(SuperMarioBrosEnv("1-1"), np.int64(2))
    assert env.reset()[0].shape == (2, 240, 256, 3)
    env.close()


@pytest.mark.parametrize("shape", [84, (84,), (84, 84, 3)])
def test_a_shape_has_height_and_width(shape):
    env = SuperMarioBrosEnv("1-1")
    with pytest.raises(ValueError, match=r"shape is .*; accepted is \(height, width\) in pixels"):
        ResizeObservation(env, shape)
    env.close()


class Darker(GrayscaleObservation):
    def __init__(self, env, by):
        super().__init__(env)
        self.by = by
        self.observation_space = Box(0, 255 // by, (120, 128), np.uint8)

    def observation(self, observation):
        return super().observation(observation) // self.by


class Half(ResizeObservation):
    def __init__(self, env):
        self.name = "half"
        super().__init__(env, (120, 128))


def test_pickling_keeps_what_a_subclass_has_added():
    env = Darker(Half(SuperMarioBrosEnv("1-1")), 2)
    env.reset(seed=0)
    env.note = "mine"
    twins = pickle.loads(pickle.dumps(env)), copy.deepcopy(env)
    darker, *_ = env.step(128)
    assert darker.max() <= 127
    for twin in twins:
        assert (twin.by, twin.note, twin.env.name) == (2, "mine", "half")
        assert twin.observation_space == env.observation_space
        np.testing.assert_array_equal(twin.step(128)[0], darker)
        twin.close()
    env.close()


def test_stack_needs_arrays():
    with pytest.raises(ValueError, match="needs observations in a Box; got Discrete"):
        FrameStackObservation(gym.make("FrozenLake-v1"), 2)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))]
)
def test_bounds_of_images_are_made_when_asked_for_and_can_be_written_to(duplicate):
    space = image_space((4, 84, 84))
    assert not vars(space).keys() & {"low", "high"}  # most are never looked at
    again = duplicate(space)
    plain = Box(0, 255, (4, 84, 84), np.uint8)
    assert space == again == plain
    assert repr(again) == repr(plain)
    for name in ("low", "high", "bounded_below", "bounded_above"):
        np.testing.assert_array_equal(getattr(space, name), getattr(plain, name))
        assert getattr(space, name).dtype == getattr(plain, name).dtype
    space.high[0] = 7
    assert space != image_space((4, 84, 84)) == again
    assert space.high[0].max() == 7
    with pytest.raises(AttributeError, match="has no attribute 'middle'"):
        _ = space.middle


def test_spaces_of_images_have_their_own_generators():
    one, other = gym.make("MarioRL-1-1-v0"), gym.make("MarioRL-1-1-v0")
    spaces = [env.observation_space for env in (one, other)]
    assert spaces[0] == spaces[1] == Box(0, 255, (4, 84, 84), np.uint8)
    spaces[0].seed(1)
    spaces[1].seed(1)
    first = spaces[0].sample()
    spaces[0].sample()
    np.testing.assert_array_equal(spaces[1].sample(), first)
    one.close()
    other.close()


@pytest.mark.parametrize("keywords", [{}, {"observation": "ram"}, {"observation": "tiles"}])
def test_every_bound_can_be_written_to(keywords):
    env = gym.make("MarioRL-1-1-v0", **keywords)
    envs = gym.make_vec("MarioRL-1-1-v0", num_envs=2, **keywords)
    spaces = [env.unwrapped.observation_space, envs.single_observation_space]
    for space in (env.observation_space, envs.observation_space, *spaces):
        assert space.low.flags.writeable
        assert space.high.flags.writeable
    env.close()
    envs.close()


def test_a_stack_of_changed_bounds_keeps_them():
    env = gym.make("MarioRL-1-1-v0", stack=None)
    env.observation_space.high[:] = 99
    assert FrameStackObservation(env, 2).observation_space.high.max() == 99
    env.close()
