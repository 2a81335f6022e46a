"""A stack of frames shows what led up to a start in the middle of a stage."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from support.vectors import SEED, assert_same, check_equal, make_both, play_both

from mario_rl_envs import routes, save_state
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.wrappers import (
    FrameStackObservation,
    GrayscaleObservation,
    ResizeObservation,
    SkipFrame,
    TileObservation,
)

ENV_ID = "MarioRL-1-1-v0"
FRACTION = {"route_fraction": 0.3}
KEYWORDS = [
    {},
    {"grayscale": False},
    {"grayscale": False, "size": None, "stack": 2},
    {"size": 42, "stack": 5, "skip": 3},
    {"skip": 1},
    {"skip": 7},
    {"stack": 1},
    {"stack": None},
    {"observation": "ram"},
    {"observation": "tiles"},
    {"sticky": 0.5, "noop_max": 12},
    {"size": np.int64(30), "stack": np.int64(3), "skip": np.int64(2)},
]


def play_along(env, stage, num_steps):
    """Return the observations of an environment of joypad bytes, before and after every frame."""
    seen = [env.reset(options={"stage": stage})[0]]
    for joypad in np.repeat(routes.load(stage).joypad[:num_steps], routes.FRAMES_PER_STEP):
        seen.append(env.step(joypad)[0])
    return seen


def is_repeated(obs):
    return all(np.array_equal(frame, obs[-1]) for frame in obs)


def with_its_stack(env):
    """Return the state of an environment, its stack too."""
    return env.get_wrapper_attr("save_state")()


def walk(env, num_steps, action=1):
    for _ in range(num_steps):
        obs, *_ = env.step(action)
    return obs


# Starts along a route


@pytest.mark.parametrize("skip", [1, 3, 4, 6])
@pytest.mark.parametrize("keywords", [{}, {"grayscale": False, "size": 30}], ids=str)
def test_a_route_start_shows_what_a_policy_would_have_seen(skip, keywords):
    env = gym.make(ENV_ID, skip=skip, **keywords)
    frames = gym.make(ENV_ID, skip=1, stack=None, actions="joypad", **keywords)
    obs, _ = env.reset(options=FRACTION)
    num_steps = int(0.3 * routes.load("1-1").num_steps)
    seen = play_along(frames, "1-1", num_steps)
    expected = [seen[len(seen) - 1 - age * skip] for age in (3, 2, 1, 0)]
    np.testing.assert_array_equal(obs, expected)
    assert not is_repeated(obs)
    np.testing.assert_array_equal(env.step(1)[0][:3], expected[1:])
    env.close()
    frames.close()


def test_where_a_route_is_shorter_than_the_stack_the_first_frame_repeats():
    env = gym.make("MarioRL-1-2-v0", skip=3)
    frames = gym.make("MarioRL-1-2-v0", skip=1, stack=None, actions="joypad")
    route = routes.load("1-2")
    seen = play_along(frames, "1-2", 2)
    for num_steps, ages in ((1, [4, 4, 3, 0]), (2, [8, 6, 3, 0])):
        obs, _ = env.reset(options={"route_fraction": (num_steps + 0.5) / route.num_steps})
        newest = 4 * num_steps
        np.testing.assert_array_equal(obs, [seen[newest - age] for age in ages])
    obs, _ = env.reset(options={"route_fraction": 0.0})
    np.testing.assert_array_equal(obs, [seen[0]] * 4)
    env.close()
    frames.close()


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
def test_vector_and_single_environments_agree_on_route_starts(keywords):
    check_equal(ENV_ID, 2, 12, options=FRACTION, **keywords)


def test_both_consoles_agree_on_route_starts():
    options = {"route_fraction": 0.1}
    native, other = (gym.make(ENV_ID, emulator=name) for name in ("native", "nes-py"))
    obs, _ = native.reset(options=options)
    for _ in range(2):
        np.testing.assert_array_equal(other.reset(options=options)[0], obs)
    assert not is_repeated(obs)
    np.testing.assert_array_equal(other.step(1)[0], native.step(1)[0])
    native.close()
    other.close()


def test_with_no_ops_the_newest_frame_is_the_one_after_them():
    env, still = gym.make(ENV_ID, noop_max=9), gym.make(ENV_ID)
    before, _ = still.reset(options=FRACTION)
    newest = set()
    for seed in range(6):
        obs, _ = env.reset(seed=seed, options=FRACTION)
        np.testing.assert_array_equal(obs[:3], before[:3])
        newest.add(obs[3].tobytes())
    assert len(newest) > 1
    env.close()
    still.close()


def test_a_stack_of_tiles():
    env = FrameStackObservation(SkipFrame(TileObservation(SuperMarioBrosEnv("1-1"))), 3)
    frames = TileObservation(SuperMarioBrosEnv("1-1"))
    obs, _ = env.reset(options=FRACTION)
    seen = play_along(frames, "1-1", int(0.3 * routes.load("1-1").num_steps))
    np.testing.assert_array_equal(obs, seen[-9::4])
    assert not is_repeated(obs)
    env.close()
    frames.close()


class Inverted(gym.ObservationWrapper):
    """A wrapper of somebody else."""

    def observation(self, observation):
        return 255 - observation


@pytest.mark.parametrize("place", ["below", "above"])
def test_with_a_wrapper_of_somebody_else_the_first_frame_repeats(place):
    env = SuperMarioBrosEnv("1-1")
    env = SkipFrame(Inverted(env)) if place == "below" else Inverted(SkipFrame(env))
    env = FrameStackObservation(ResizeObservation(GrayscaleObservation(env), (84, 84)), 4)
    obs, _ = env.reset(options=FRACTION)
    assert is_repeated(obs)
    walk(env, 3)
    assert save_state.unpack(with_its_stack(env), "native").frames is None
    env.close()


class Scaled(GrayscaleObservation):
    """A wrapper of somebody else, made of ours, whose observations are no bytes."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gym.spaces.Box(0, 1, (240, 256), np.float32)

    def observation(self, observation):
        return super().observation(observation) / np.float32(255)


class Shaded(gym.Wrapper):
    """A wrapper of somebody else, which can be advanced and observed."""

    def reset(self, *, seed=None, options=None):
        obs, info = self.env.reset(seed=seed, options=options)
        return obs // 2, info

    def step(self, action):
        obs, *rest = self.env.step(action)
        return obs // 2, *rest

    def advance(self, action, num_steps, *, draw):
        return self.env.advance(action, num_steps, draw=draw)

    def observe(self):
        return self.env.observe() // 2


def test_with_a_wrapper_of_somebody_else_that_can_be_observed_the_stack_shows_the_way():
    env = FrameStackObservation(
        Shaded(GrayscaleObservation(SkipFrame(SuperMarioBrosEnv("1-1")))), 3
    )
    plain = gym.make(ENV_ID, size=None, stack=3)
    obs, _ = env.reset(options=FRACTION)
    expected, _ = plain.reset(options=FRACTION)
    np.testing.assert_array_equal(obs, expected // 2)
    assert not is_repeated(obs)
    state = with_its_stack(env)
    np.testing.assert_array_equal(env.reset(options={"state": state})[0], obs)
    assert is_repeated(plain.reset(options={"state": state})[0]), "its own frames are brighter"
    env.close()
    plain.close()


def test_a_stack_of_numbers_that_are_no_bytes_repeats_the_first_frame():
    env = FrameStackObservation(Scaled(SkipFrame(SuperMarioBrosEnv("1-1"))), 3)
    obs, _ = env.reset(options=FRACTION)
    assert is_repeated(obs)
    newest = walk(env, 3)[-1]
    obs, _ = env.reset(options={"state": with_its_stack(env)})
    np.testing.assert_array_equal(obs, [newest] * 3)
    env.close()


def test_usual_starts_and_other_stages_repeat_the_first_frame():
    env = gym.make("MarioRL-Random-v0")
    for options in (None, {}, {"stage": "4-2"}):
        obs, _ = env.reset(seed=1, options=options)
        assert is_repeated(obs)
    env.close()


def test_a_start_after_a_route_start_shows_nothing_of_it():
    for env in (gym.make(ENV_ID), gym.make_vec(ENV_ID, num_envs=1)):
        env.reset(options=FRACTION)
        obs, _ = env.reset()
        assert is_repeated(obs.reshape(-1, 84, 84))
        env.close()


# Save states


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
def test_a_state_carries_its_stack(keywords):
    keywords = {name: value for name, value in keywords.items() if name != "sticky"}
    env, other = gym.make(ENV_ID, **keywords), gym.make(ENV_ID, **keywords)
    vector = gym.make_vec(ENV_ID, num_envs=2, **keywords)
    env.reset(seed=SEED)
    obs = walk(env, 12)
    state = with_its_stack(env)
    for each in (env, other):
        again, _ = each.reset(options={"state": state})
        np.testing.assert_array_equal(again, obs)
    batch, _ = vector.reset(options={"state": [None, state]})
    np.testing.assert_array_equal(batch[1], obs)
    assert vector.save_state(1) == state == with_its_stack(other)
    vector.load_state(0, state)
    batch, *_ = vector.step([3, 3])
    expected, *_ = other.step(3)
    for each in batch:
        np.testing.assert_array_equal(each, expected)
    for each in (env, other, vector):
        each.close()


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
def test_vector_and_single_environments_agree_on_states(keywords):
    ours, theirs = make_both(ENV_ID, 2, **keywords)
    reset, expected = (each.reset(seed=SEED, options=FRACTION) for each in (ours, theirs))
    assert_same(reset, expected)
    assert play_both(ours, theirs, 2) == 0
    states = [ours.save_state(env) for env in range(2)]
    assert tuple(states) == theirs.call("save_state")
    play_both(ours, theirs, 5)
    reset, expected = (each.reset(options={"state": states[1]}) for each in (ours, theirs))
    assert_same(reset, expected)
    play_both(ours, theirs, 10)
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "keywords", [{"stack": 3}, {"skip": 5}, {"grayscale": False}, {"size": 83}, {"size": None}]
)
def test_a_stack_of_another_format_repeats_the_picture(keywords):
    env, other = gym.make(ENV_ID), gym.make(ENV_ID, **keywords)
    vector = gym.make_vec(ENV_ID, num_envs=1, **keywords)
    env.reset()
    walk(env, 12)
    state = with_its_stack(env)
    for obs in (
        other.reset(options={"state": state})[0],
        vector.reset(options={"state": state})[0][0],
    ):
        assert is_repeated(obs)
    for each in (env, other, vector):
        each.close()


def test_the_state_of_the_raw_environment_repeats_its_picture():
    env, vector = gym.make(ENV_ID), gym.make_vec(ENV_ID, num_envs=1)
    env.reset()
    obs = walk(env, 12)
    state = env.unwrapped.save_state()
    again, _ = env.reset(options={"state": state})
    np.testing.assert_array_equal(again, [obs[-1]] * 4)
    np.testing.assert_array_equal(vector.reset(options={"state": state})[0][0], again)
    env.close()
    vector.close()


def test_a_state_of_a_stack_on_the_other_console():
    env = gym.make(ENV_ID, emulator="nes-py")
    env.reset()
    obs = walk(env, 6)
    state = with_its_stack(env)
    walk(env, 2)
    np.testing.assert_array_equal(env.reset(options={"state": state})[0], obs)
    env.close()


def test_states_are_saved_through_a_stack_of_what_has_them_only():
    env = FrameStackObservation(gym.make("CartPole-v1"), 2)
    env.reset()
    with pytest.raises(AttributeError, match="save_state"):
        env.save_state()
    mario = gym.make(ENV_ID)
    with pytest.raises(ResetNeeded):
        with_its_stack(mario)
    mario.close()


def test_damaged_frames_change_nothing():
    env, vector = gym.make(ENV_ID), gym.make_vec(ENV_ID, num_envs=2)
    env.reset()
    walk(env, 8)
    good = with_its_stack(env)
    saved = save_state.unpack(good, "native")
    frames = save_state.Frames(saved.frames.format, np.zeros((2, 84, 84), np.uint8))
    bad = save_state.pack(
        saved.machine, saved.reward, in_episode=True, emulator="native", frames=frames
    )
    with pytest.raises(ValueError, match="frames are damaged"):
        env.reset(seed=5, options={"state": bad})
    assert with_its_stack(env) == good
    vector.reset(seed=0)
    before = [vector.save_state(env) for env in range(2)]
    with pytest.raises(ValueError, match="frames are damaged"):
        vector.reset(seed=5, options={"state": [good, bad]})
    assert [vector.save_state(env) for env in range(2)] == before
    assert vector.np_random_seed == (0, 1)
    env.close()
    vector.close()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_starts_alike(duplicate):
    env = gym.make(ENV_ID)
    env.reset(options=FRACTION)
    twin = duplicate(env)
    assert with_its_stack(twin) == with_its_stack(env)
    np.testing.assert_array_equal(twin.step(1)[0], env.step(1)[0])
    np.testing.assert_array_equal(twin.reset(options=FRACTION)[0], env.reset(options=FRACTION)[0])
    env.close()
    twin.close()
