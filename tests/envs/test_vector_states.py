"""States of games in a vector environment: saved, loaded, passed on, refused."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from support.vectors import SEED, assert_same, make_both, play, play_both

pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

ENV_ID = "MarioRL-1-1-v0"


def test_states_pass_between_single_and_vector_environments():
    vector = gym.make_vec(ENV_ID, num_envs=2, skip=1, stack=1, reward="shaped")
    single = gym.make(ENV_ID, skip=1, stack=1, reward="shaped")
    vector.reset(seed=0)
    single.reset(seed=0)
    for _ in range(120):
        vector.step([1, 3])
    state = vector.save_state(1)
    single.reset(options={"state": state})
    assert single.unwrapped.save_state() == state
    for action in [3, 4, 4, 4, 2] * 10:
        _, rewards, *_, infos = vector.step([0, action])
        _, reward, *_, info = single.step(action)
        assert rewards[1] == reward
        assert infos["x_pos"][1] == info["x_pos"]
        np.testing.assert_array_equal(vector.ram[1], single.unwrapped.ram)
    back = single.unwrapped.save_state()
    vector.load_state(0, back)
    assert vector.save_state(0) == back
    obs, *_ = vector.step([4, 4])
    expected, *_ = single.step(4)
    np.testing.assert_array_equal(obs[0], expected)
    vector.close()
    single.close()


def test_reset_to_a_state_equals_the_single_environment():
    ours, theirs = make_both(ENV_ID, 2, noop_max=10, sticky=0.25)
    assert_same(ours.reset(seed=SEED), theirs.reset(seed=SEED))
    play_both(ours, theirs, 15)
    state = ours.save_state(0)
    assert state == theirs.envs[0].get_wrapper_attr("save_state")()
    play_both(ours, theirs, 15)
    assert_same(ours.reset(options={"state": state}), theirs.reset(options={"state": state}))
    play_both(ours, theirs, 40)
    ours.close()
    theirs.close()


def test_loading_a_state_goes_on_from_it_each_time_alike():
    vector = gym.make_vec(ENV_ID, num_envs=2, max_episode_steps=60)
    vector.reset(seed=0)
    for _ in range(50):
        vector.step([4, 0])
    state = vector.save_state(0)
    seen = []
    for _ in range(2):
        vector.load_state(0, state)
        vector.load_state(1, state)
        seen.append([vector.step([3, 3]) for _ in range(20)])
    assert_same(seen[0], seen[1])
    for obs, rewards, _, truncated, _ in seen[0]:
        np.testing.assert_array_equal(obs[0], obs[1])
        assert rewards[0] == rewards[1]
        assert not truncated.any(), "the limit counts from the state"
    vector.close()


def test_loading_a_state_takes_the_place_of_an_autoreset():
    vector = gym.make_vec(ENV_ID, num_envs=2, max_episode_steps=3)
    vector.reset(seed=0)
    state = vector.save_state(0)
    for _ in range(3):
        *_, truncated, _ = vector.step([0, 0])
    assert truncated.all()
    vector.load_state(0, state)
    *_, infos = vector.step([3, 3])
    assert vector._limits.num_steps.tolist() == [1, 0]
    assert infos["x_pos"][1] == 40
    vector.close()


def test_bad_states_and_indices_change_nothing():
    vector = gym.make_vec(ENV_ID, num_envs=2)
    vector.reset(seed=0)
    vector.step([1, 2])
    before = pickle.dumps(vector.save_state(0) + vector.save_state(1))
    good = vector.save_state(0)
    bad = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(ValueError, match="truncated or corrupted"):
        vector.load_state(0, bad)
    with pytest.raises(ValueError, match="truncated or corrupted"):
        vector.reset(seed=3, options={"state": [good, bad]})
    with pytest.raises(TypeError, match="a save state is bytes"):
        vector.load_state(0, "state")
    for env in (2, -1, "first", True):
        with pytest.raises(ValueError, match="env is "):
            vector.load_state(env, good)
        with pytest.raises(ValueError, match="env is "):
            vector.save_state(env)
    assert pickle.dumps(vector.save_state(0) + vector.save_state(1)) == before
    assert vector.np_random_seed == (0, 1)
    vector.close()


def test_a_state_for_one_game_leaves_the_others_alone():
    vector = gym.make_vec(ENV_ID, num_envs=3)
    vector.reset(seed=0)
    play(vector, 10)
    state = vector.save_state(1)
    play(vector, 3)
    before, others = vector.ram, [vector.save_state(env) for env in (0, 1)]
    vector.load_state(2, state)
    np.testing.assert_array_equal(vector.ram[:2], before[:2])
    assert [vector.save_state(env) for env in (0, 1)] == others
    assert vector.save_state(2) == state
    vector.close()


def test_states_before_the_first_episode():
    """Then no game has anything yet that it could go back to."""
    vector, other = (gym.make_vec(ENV_ID, num_envs=2) for _ in range(2))
    other.reset(seed=0)
    play(other, 10)
    state = other.save_state(1)
    obs, _ = vector.reset(options={"state": [None, state]})
    assert vector.save_state(1) == state
    np.testing.assert_array_equal(obs[0], other.reset()[0][0])
    vector.close()
    other.close()


def test_an_ended_episode_is_not_saved():
    vector = gym.make_vec(ENV_ID, num_envs=2, autoreset_mode="Disabled")
    vector.reset(seed=0)
    terminated = np.zeros(2, bool)
    while not terminated.any():
        _, _, terminated, _, _ = vector.step([1, 0])
    assert terminated.tolist() == [True, False]
    with pytest.raises(ResetNeeded, match="no episode to save in environment 0"):
        vector.save_state(0)
    vector.save_state(1)
    with pytest.raises(ResetNeeded, match=r"the episodes of environments \[0\] have ended"):
        vector.step([0, 0])
    vector.reset(options={"reset_mask": terminated})
    vector.step([0, 0])
    vector.close()
