"""Vector environments truncate as the wrappers of single ones do."""

import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from support.vectors import SEED, assert_same, check_equal, make_both, play_both

from mario_rl_envs.limits import Limits
from mario_rl_envs.wrappers import TruncateOnStall

ENV_ID = "MarioRL-1-1-v0"
MODES = [mode.value for mode in AutoresetMode]


def truncations(env, num_steps, action=0):
    return [env.step(action)[3] for _ in range(num_steps)]


class Scripted(gym.Env):
    """Says what it is told to: infos, and which steps terminate."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(1)

    def __init__(self, infos, terminated):
        self.steps = iter(zip(infos, terminated, strict=True))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, next(self.steps)[0]

    def step(self, action):
        info, terminated = next(self.steps)
        return 0, 0.0, terminated, False, info


@pytest.mark.parametrize("max_episode_steps", [None, 9])
@pytest.mark.parametrize("stall", [None, 1, 2, 5])
def test_limits_are_those_of_the_wrappers(stall, max_episode_steps):
    """On made-up places, which change more often than any game's, and ends of some episodes."""
    num_envs, num_steps = 6, 400
    rng = np.random.default_rng(0)
    columns = {
        key: 1 + (rng.random((num_steps, num_envs)) < 0.03).cumsum(axis=0)
        for key in ("world", "stage", "area", "life")
    }
    columns["x_pos"] = rng.integers(0, 6, (num_steps, num_envs))
    terminated = rng.random((num_steps, num_envs)) < 0.05
    envs = []
    for env in range(num_envs):
        infos = [{key: column[step, env] for key, column in columns.items()} for step in range(400)]
        scripted = Scripted(infos, terminated[:, env].tolist())
        wrapped = scripted if stall is None else TruncateOnStall(scripted, stall)
        envs.append(wrapped if max_episode_steps is None else gym.wrappers.TimeLimit(wrapped, 9))
        envs[-1].reset()
    limits = Limits(num_envs, max_episode_steps, stall, tuple(columns))
    rows = np.array(list(columns.values()))  # [C, T, N]
    limits.begin(list(range(num_envs)), rows[:, 0])
    ended = np.zeros(num_envs, bool)
    for step in range(1, num_steps):
        truncated = limits.step(terminated[step], rows[:, step])
        limits.begin(np.flatnonzero(ended).tolist(), rows[:, step])
        for index, env in enumerate(envs):
            if ended[index]:
                env.reset()
            else:
                assert truncated[index] == env.step(0)[3], f"step {step} of {index}"
        ended = (terminated[step] | truncated) & ~ended
    if stall is None and max_episode_steps is None:
        assert not truncated.any()


@pytest.mark.parametrize("mode", MODES)
def test_a_stall_truncates_as_in_single_environments(mode):
    assert check_equal(ENV_ID, 4, 90, mode, right=0.0, stall=3, actions="complex") >= 20


@pytest.mark.parametrize("mode", MODES)
def test_stalls_beside_a_limit_of_steps_and_deaths(mode):
    keywords = {"stall": 5, "max_episode_steps": 24, "noop_max": 9, "sticky": 0.25}
    stages = ["1-1", "3-4", "8-1"]
    assert check_equal("MarioRL-Random-v0", 4, 150, mode, stages=stages, **keywords) >= 20


def test_another_life_or_area_stalls_anew_in_the_vector_too():
    """The way through 1-2 leads through a pipe, back to a smaller position."""
    keywords = {"stall": 40, "actions": "simple"}
    ours, theirs = make_both("MarioRL-v0", 2, **keywords)
    for each in (ours, theirs):
        each.reset(seed=SEED, options={"stage": "1-2"})
    assert play_both(ours, theirs, 200, right=0.8) >= 1
    ours.close()
    theirs.close()


@pytest.mark.parametrize("observation", ["pixels", "ram", "tiles"])
def test_the_keyword_is_the_wrapper(observation):
    env = gym.make(ENV_ID, stall=4, observation=observation)
    wrapped = TruncateOnStall(gym.make(ENV_ID, observation=observation), num_steps=4)
    rng = np.random.default_rng(0)
    num_truncated = 0
    for each in (env, wrapped):
        each.reset()
    for _ in range(60):
        action = int(rng.choice([0, 3], p=[0.8, 0.2]))
        result, expected = env.step(action), wrapped.step(action)
        assert_same(result, expected)
        num_truncated += result[3]
        if result[2] or result[3]:
            assert_same(env.reset(), wrapped.reset())
    assert num_truncated >= 1
    env.close()
    wrapped.close()


def test_without_the_keyword_nothing_is_truncated():
    env, vector = gym.make(ENV_ID), gym.make_vec(ENV_ID, num_envs=1)
    env.reset()
    vector.reset()
    assert not any(truncations(env, 200))
    assert not any(vector.step([0])[3][0] for _ in range(200))
    env.close()
    vector.close()


def test_a_reset_by_mask_stalls_anew():
    ours, theirs = make_both(ENV_ID, 3, "Disabled", stall=6)
    for each in (ours, theirs):
        each.reset(seed=SEED)
        for _ in range(4):
            each.step(np.array([0, 0, 3]))
    mask = np.array([True, False, False])
    reset, expected = (each.reset(options={"reset_mask": mask.copy()}) for each in (ours, theirs))
    assert_same(reset, expected)
    for _ in range(2):
        result, expected = (each.step(np.array([0, 0, 3])) for each in (ours, theirs))
        assert_same(result, expected)
    assert result[3].tolist() == [False, True, False]
    ours.close()
    theirs.close()


def test_a_loaded_state_stalls_anew():
    vector = gym.make_vec(ENV_ID, num_envs=2, stall=5)
    vector.reset(seed=0)
    state = vector.save_state(0)
    for _ in range(3):
        vector.step([0, 0])
    vector.load_state(1, state)
    flags = [vector.step([0, 0])[3].tolist() for _ in range(5)]
    assert flags[:2] == [[False, False], [True, False]]
    assert flags[4] == [False, True]
    vector.close()


@pytest.mark.parametrize("mode", MODES[:2])
def test_a_pickle_goes_on_counting(mode):
    vector = gym.make_vec(ENV_ID, num_envs=3, stall=7, autoreset_mode=mode)
    vector.reset(seed=SEED)
    for _ in range(4):
        vector.step([0, 3, 0])
    twin = pickle.loads(pickle.dumps(vector))
    for _ in range(20):
        result, expected = vector.step([0, 0, 1]), twin.step([0, 0, 1])
        assert_same(result, expected)
    vector.close()
    twin.close()


@pytest.mark.parametrize("stall", [0, -3, 2.5, True, "long"])
def test_a_stall_is_a_number_of_steps(stall):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=r"stall is .*; accepted is an integer, 1 or more"):
            make(ENV_ID, stall=stall)


def test_the_keyword_survives_json():
    env = gym.make(ENV_ID, **json.loads(json.dumps({"stall": 3})))
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    again.reset()
    assert truncations(again, 3) == [False, False, True]
    env.close()
    again.close()
