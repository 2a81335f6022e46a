"""Stable-Baselines3's `VecEnv` of the native core equals its `DummyVecEnv` of `gym.make`."""

import csv
import functools
import importlib
import json
import pickle
import sys
import warnings

import cv2
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit
from support.vectors import assert_same, sample

pytest.importorskip(
    "stable_baselines3", reason="needs the extra 'sb3' (PyTorch is not installed everywhere)"
)
pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

import stable_baselines3
from stable_baselines3.common import env_util
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor, get_monitor_files
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
    VecVideoRecorder,
    is_vecenv_wrapped,
)

from mario_rl_envs.sb3 import INFOS_OF, MarioVecEnv, make_vec_env
from mario_rl_envs.vector_env import MarioVectorEnv

ENV_ID = "MarioRL-1-1-v0"
SEED = 7
NUM_ENVS = 3
TERMINAL, TRUNCATED = "terminal_observation", "TimeLimit.truncated"
BY_LOT = {"noop_max": 20, "sticky": 0.25, "actions": "complex"}


def make_theirs(env_id=ENV_ID, **keywords):
    return DummyVecEnv([lambda: gym.make(env_id, **keywords)] * NUM_ENVS)


def make_ours(env_id=ENV_ID, infos_of="all", **keywords):
    games = gym.make_vec(env_id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **keywords)
    return MarioVecEnv(games, infos_of)


def reset_both(ours, theirs):
    assert_same(ours.seed(SEED), theirs.seed(SEED))
    assert_same(ours.reset(), theirs.reset(), "reset:")


def play_both(ours, theirs, num_steps, right=0.8):
    """Step both alike; return the number of ends."""
    rng = np.random.default_rng(SEED)
    num_ends = 0
    for index in range(num_steps):
        actions = sample(ours.action_space, ours.num_envs, rng, right)
        result = ours.step(actions)
        assert_same(result, theirs.step(actions), f"step {index}:")
        assert_same(ours.reset_infos, theirs.reset_infos, f"reset at step {index}:")
        num_ends += int(result[2].sum())
    return num_ends


def close(*envs):
    for each in envs:
        each.close()


# Steps


@pytest.mark.parametrize(
    ("env_id", "keywords", "num_steps", "num_ends"),
    [
        (ENV_ID, {}, 250, 3),
        (ENV_ID, {"info": ["x_pos", "flag_get"], "channels": "last"}, 150, 1),
        (ENV_ID, {"info": []}, 150, 1),
        (ENV_ID, {"grayscale": False, "stack": 2, "max_episode_steps": 13}, 60, 12),
        (ENV_ID, {"observation": "tiles", "stall": 6}, 150, 8),
        (ENV_ID, {"observation": "ram", "actions": "joypad", "skip": 1, "stall": 30}, 200, 6),
        (ENV_ID, {"actions": "continuous", "size": 42, "max_episode_steps": 30}, 150, 12),
        ("MarioRL-Random-v0", {"stages": ["1-1", "8-1", "3-4"], **BY_LOT}, 250, 3),
        ("MarioRL-v0", {**BY_LOT, "reward": "shaped", "stall": 8}, 150, 6),
    ],
    ids=str,
)
def test_equals_single_environments(env_id, keywords, num_steps, num_ends):
    ours, theirs = make_ours(env_id, **keywords), make_theirs(env_id, **keywords)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert (ours.metadata, ours.render_mode) == (theirs.metadata, theirs.render_mode)
    reset_both(ours, theirs)
    assert play_both(ours, theirs, num_steps) >= num_ends
    assert_same(ours.reset(), theirs.reset(), "once more:")  # seeds are used once
    play_both(ours, theirs, 10)
    close(ours, theirs)


def test_death_is_no_truncation_and_the_limit_is_one():
    ours = make_ours(max_episode_steps=90)
    ours.seed(SEED)
    ours.reset()
    seen = set()
    for _ in range(90):
        _, _, dones, infos = ours.step(np.array([3, 1, 0]))  # the first two die
        for done, info in zip(dones, infos, strict=True):
            assert (TERMINAL in info) == done
            seen |= {(info[TRUNCATED], info["state"] in (6, 11))} if done else set()
    assert seen == {(True, False), (False, True)}
    close(ours)


def test_death_at_the_limit_is_no_truncation():
    ours = make_ours()
    ours.seed(SEED)
    ours.reset()
    num_steps = 0
    dones = np.zeros(NUM_ENVS, np.bool_)
    while not dones.any():
        *_, dones, _ = ours.step(np.array([3, 3, 3]))
        num_steps += 1
    close(ours)
    ours, theirs = (make(max_episode_steps=num_steps) for make in (make_ours, make_theirs))
    reset_both(ours, theirs)
    for _ in range(num_steps):
        result = ours.step(np.array([3, 1, 0]))
        assert_same(result, theirs.step(np.array([3, 1, 0])))
    *_, dones, infos = result
    assert dones.tolist() == [True, True, True]
    assert [info[TRUNCATED] for info in infos] == [False, True, True]
    close(ours, theirs)


def test_infos_are_of_ended_games_by_default():
    ended, of_all = make_ours(infos_of="ended"), make_ours()
    for each in (ended, of_all):
        each.seed(SEED)
        each.reset()
    rng = np.random.default_rng(0)
    num_ends = 0
    for _ in range(120):
        actions = sample(ended.action_space, NUM_ENVS, rng, right=0.8)
        *_, dones, infos = ended.step(actions)
        *_, all_infos = of_all.step(actions)
        expected = [
            info if done else {TRUNCATED: False}
            for info, done in zip(all_infos, dones, strict=True)
        ]
        assert_same(infos, expected)
        assert_same(ended.reset_infos, of_all.reset_infos)
        num_ends += int(dones.sum())
    assert num_ends >= 3
    close(ended, of_all)


def test_what_was_returned_does_not_change():
    ours = make_ours(max_episode_steps=2)
    returned = [ours.reset()]
    for _ in range(4):
        obs, rewards, dones, infos = ours.step(np.array([1, 2, 3]))
        returned += [obs, rewards, dones, *(info[TERMINAL] for info in infos if TERMINAL in info)]
    kept = [each.copy() for each in returned]
    ours.step(np.array([1, 2, 3]))
    ours.reset()
    for each, before in zip(returned, kept, strict=True):
        np.testing.assert_array_equal(each, before)
    close(ours)


def test_pickled_in_the_middle_of_an_episode():
    ours = make_ours(**BY_LOT)
    ours.seed(SEED)
    ours.reset()
    for _ in range(20):
        ours.step(np.array([1, 2, 3]))
    copy = pickle.loads(pickle.dumps(ours))
    assert play_both(copy, ours, 150) >= 1
    close(ours, copy)


# Seeds and options


def test_options_are_of_the_next_reset_alone():
    ours, theirs = make_ours("MarioRL-v0"), make_theirs("MarioRL-v0")
    for options in (
        {"stage": "4-2"},
        [{"stage": "1-2"}, {}, {"stage": "1-1", "route_fraction": 0.5}],
        None,
    ):
        for each in (ours, theirs):
            each.set_options(options)
        reset_both(ours, theirs)
        assert_same(ours.reset_infos, theirs.reset_infos)
        worlds = [info["world"] for info in ours.reset_infos]
        assert_same(ours.reset(), theirs.reset(), "once more:")
        assert [info["world"] for info in ours.reset_infos] == [1, 1, 1]
        assert worlds == [4 if options == {"stage": "4-2"} else 1] * NUM_ENVS
    close(ours, theirs)


def test_a_refused_reset_keeps_seeds_and_options():
    ours = make_ours()
    ours.seed(SEED)
    ours.set_options([{"stage": "1-1"}, {}, {"stge": "1-1"}])
    with pytest.raises(ValueError, match="did you mean 'stage'"):
        ours.reset()
    assert ours._seeds == [SEED, SEED + 1, SEED + 2]
    ours.set_options([{"stage": "1-1"}])
    with pytest.raises(ValueError, match="'stage' is a list of 1"):
        ours.reset()
    close(ours)


# Games one by one


def test_attributes_and_methods_are_those_of_single_environments():
    ours, theirs = make_ours(**BY_LOT), make_theirs(**BY_LOT)
    reset_both(ours, theirs)
    play_both(ours, theirs, 5)
    for name in ("ram", "action_space", "observation_space", "render_mode", "np_random_seed"):
        assert_same(ours.get_attr(name), theirs.get_attr(name), name)
    assert_same(ours.env_method("get_action_meanings"), theirs.env_method("get_action_meanings"))
    for indices in (None, 1, -1, [0, 2], range(2)):
        assert_same(ours.get_attr("ram", indices), theirs.get_attr("ram", indices))
        assert ours.env_is_wrapped(Monitor, indices) == theirs.env_is_wrapped(Monitor, indices)
    close(ours, theirs)


@pytest.mark.parametrize("make", [make_ours, make_theirs])
def test_games_are_given_attributes(make):
    envs = make()
    assert not envs.has_attr("dummy")
    envs.set_attr("dummy", 12)
    assert envs.has_attr("dummy")
    envs.set_attr("dummy", 3, indices=[0, -1])
    assert envs.get_attr("dummy") == [3, 12, 3]
    assert envs.env_method("has_wrapper_attr", "other") == [False] * NUM_ENVS
    assert envs.env_method("set_wrapper_attr", "other", 2, force=False) == [False] * NUM_ENVS
    assert envs.env_method("set_wrapper_attr", "other", 2, indices=0) == [True]
    assert envs.env_method("has_wrapper_attr", "other") == [True, False, False]
    assert envs.env_method("get_wrapper_attr", "other", indices=[0]) == [2]
    with pytest.raises(AttributeError, match="'other'"):
        envs.get_attr("other")
    close(envs)


def test_a_method_is_called_of_the_games_that_are_named():
    ours = make_ours()
    ours.reset()
    state = ours.env_method("save_state", indices=1)[0]
    for _ in range(10):
        ours.step(np.array([1, 1, 1]))
    before = ours.get_attr("ram")
    ours.env_method("load_state", state, indices=[0])
    after = ours.get_attr("ram")
    assert [(one != other).any() for one, other in zip(before, after, strict=True)] == [
        True,
        False,
        False,
    ]
    close(ours)


# Pictures


def test_render_equals():
    ours, theirs = make_ours(render_mode="rgb_array"), make_theirs(render_mode="rgb_array")
    reset_both(ours, theirs)
    play_both(ours, theirs, 30)
    assert_same(ours.get_images(), theirs.get_images())
    assert_same(ours.render(), theirs.render())
    assert_same(ours.render("rgb_array"), theirs.render("rgb_array"))
    with pytest.warns(UserWarning, match="render mode"):
        assert ours.render("ansi") is None
    close(ours, theirs)


@pytest.mark.parametrize("render_mode", [None, "rgb_array_list"])
def test_there_are_no_pictures_in_other_modes(render_mode):
    ours = make_ours(render_mode=render_mode)
    ours.reset()
    with pytest.warns(UserWarning, match="pictures need render_mode"):
        assert ours.get_images() == [None] * NUM_ENVS
    close(ours)


def test_a_video_is_recorded(tmp_path):
    pytest.importorskip("moviepy", reason="needs the extra 'video'")
    envs = make_vec_env(ENV_ID, 2, SEED)
    envs = VecVideoRecorder(envs, str(tmp_path), lambda step: step == 0, video_length=5)
    assert envs.frames_per_sec == 15
    envs.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moviepy's
        for _ in range(6):
            envs.step(np.array([1, 3]))
    close(envs)
    (path,) = tmp_path.glob("*.mp4")
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FRAME_HEIGHT) == 480  # one game above the other
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 5
    video.release()


# Stable-Baselines3's wrappers and algorithms


@pytest.mark.parametrize(
    ("wrap", "keywords"),
    [
        (functools.partial(VecFrameStack, n_stack=4), {"stack": 1}),
        (functools.partial(VecNormalize, norm_obs=False), {}),
        (VecNormalize, {"observation": "tiles"}),
        (VecTransposeImage, {"channels": "last"}),
        (VecMonitor, {}),
        (VecCheckNan, {}),
    ],
)
def test_wrappers_of_theirs_equal(wrap, keywords):
    keywords = {**keywords, "max_episode_steps": 17}
    ours, theirs = (wrap(make(**keywords)) for make in (make_ours, make_theirs))
    assert ours.observation_space == theirs.observation_space
    assert_same(ours.seed(SEED), theirs.seed(SEED))
    assert_same(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    num_ends = 0
    for _ in range(60):
        actions = sample(ours.action_space, NUM_ENVS, rng)
        results = [each.step(actions) for each in (ours, theirs)]
        for *_, infos in results:
            for info in infos:
                info.pop("episode", {}).pop("t", None)  # seconds
        assert_same(*results)
        num_ends += int(results[0][2].sum())
    assert num_ends == NUM_ENVS * 3
    close(ours, theirs)


def make_agent(algorithm, envs):
    create = getattr(stable_baselines3, algorithm)
    settings = {
        "A2C": {"n_steps": 8},
        "PPO": {"n_steps": 16, "batch_size": 16, "n_epochs": 2},
        "DQN": {"learning_starts": 20, "buffer_size": 200},
        "SAC": {"learning_starts": 20, "buffer_size": 200},
    }[algorithm]
    return create("MlpPolicy", envs, seed=SEED, device="cpu", **settings)


@pytest.mark.parametrize("algorithm", ["A2C", "PPO", "DQN", "SAC"])
def test_training_leads_to_the_same_weights(algorithm):
    keywords = {"observation": "tiles", "max_episode_steps": 11, "noop_max": 10}
    if algorithm == "SAC":
        keywords["actions"] = "continuous"
    ours = make_vec_env(ENV_ID, 2, SEED, **keywords)
    theirs = env_util.make_vec_env(ENV_ID, 2, SEED, env_kwargs=keywords)
    agents = [make_agent(algorithm, envs).learn(64) for envs in (ours, theirs)]
    assert all(agent._n_updates > 0 for agent in agents)
    assert all(len(agent.ep_info_buffer) == 4 for agent in agents)
    weights, expected = (agent.policy.state_dict() for agent in agents)
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        assert weight.equal(expected[name]), name
    close(ours, theirs)


def test_images_reach_a_network_of_images():
    envs = make_vec_env(ENV_ID, 2, SEED, channels="last")
    agent = stable_baselines3.A2C("CnnPolicy", envs, n_steps=2, device="cpu")
    assert is_vecenv_wrapped(agent.env, VecTransposeImage)
    assert agent.learn(4).num_timesteps == 4
    close(envs)


def test_evaluation_equals(tmp_path):
    keywords = {"observation": "tiles", "max_episode_steps": 25}
    ours = make_vec_env(ENV_ID, 2, SEED, **keywords)
    theirs = env_util.make_vec_env(ENV_ID, 2, SEED, env_kwargs=keywords)
    agent = make_agent("PPO", ours)
    results = []
    for envs in (ours, theirs):
        envs.seed(SEED)
        results.append(evaluate_policy(agent, envs, 4, return_episode_rewards=True))
    returns, expected = results
    np.testing.assert_allclose(returns, expected)
    assert len(returns[0]) == 4
    callback = EvalCallback(ours, eval_freq=16, n_eval_episodes=2, log_path=tmp_path, verbose=0)
    make_agent("PPO", make_vec_env(ENV_ID, 2, SEED, **keywords)).learn(32, callback=callback)
    assert np.load(tmp_path / "evaluations.npz")["results"].shape == (1, 2)
    close(ours, theirs)


# make_vec_env


def test_make_vec_env_equals_theirs():
    keywords = {"max_episode_steps": 9, "size": 42, "noop_max": 30}
    ours = make_vec_env(ENV_ID, NUM_ENVS, SEED, infos_of="all", num_threads=1, env_kwargs=keywords)
    theirs = env_util.make_vec_env(ENV_ID, NUM_ENVS, SEED, env_kwargs=keywords)
    assert ours.render_mode == theirs.render_mode == "rgb_array"
    assert ours.metadata == theirs.metadata
    assert_same(ours.reset(), theirs.reset())
    for _ in range(20):
        actions = [ours.action_space.sample() for _ in range(NUM_ENVS)]
        assert actions == [theirs.action_space.sample() for _ in range(NUM_ENVS)]
        *result, infos = ours.step(np.array(actions))
        *expected, expected_infos = theirs.step(np.array(actions))
        assert_same(result, expected)
        for info, other in zip(infos, expected_infos, strict=True):
            episode, theirs_says = info.pop("episode", {}), other.pop("episode", {})
            assert [episode.get(key) for key in "rl"] == [theirs_says.get(key) for key in "rl"]
        assert_same(infos, expected_infos)
        assert_same(ours.reset_infos, theirs.reset_infos)
    close(ours, theirs)


def test_episodes_are_written_down(tmp_path):
    envs = make_vec_env(
        ENV_ID,
        2,
        SEED,
        monitor_dir=tmp_path,
        monitor_kwargs={"info_keywords": ("x_pos",)},
        max_episode_steps=5,
    )
    envs.reset()
    for _ in range(10):
        envs.step(np.array([0, 1]))
    close(envs)
    (path,) = get_monitor_files(str(tmp_path))
    with open(path, newline="") as file:
        assert json.loads(file.readline()[1:])["env_id"] == ENV_ID
        rows = list(csv.DictReader(file))
    assert [row["l"] for row in rows] == ["5"] * 4
    assert [row["x_pos"] == "40" for row in rows] == [True, False, True, False]


@pytest.mark.parametrize("env_id", [f"mario_rl_envs:{ENV_ID}", gym.spec(ENV_ID)], ids=str)
def test_an_id_may_have_a_module_or_be_a_spec(env_id):
    envs = make_vec_env(env_id, stages=iter(["1-2"]), stage=None)
    assert isinstance(envs.venv, MarioVecEnv)
    assert envs.venv.spec.id == ENV_ID
    envs.reset()
    assert envs.reset_infos[0]["stage"] == 2
    close(envs)


# Without the native core


def test_another_console_equals():
    keywords = {"max_episode_steps": 4, "stack": 2}
    theirs = make_vec_env(
        ENV_ID, 2, SEED, emulator="nes-py", actions=iter([["right"], []]), num_threads=2, **keywords
    )
    assert isinstance(theirs.venv, DummyVecEnv)
    assert theirs.env_is_wrapped(TimeLimit) == [True, True]
    ours = make_vec_env(ENV_ID, 2, SEED, actions=[["right"], []], **keywords)
    assert isinstance(ours.venv, MarioVecEnv)
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(), theirs.reset())
    for _ in range(9):
        results = [each.step(np.array([0, 1])) for each in (ours, theirs)]
        for *_, infos in results:
            for info in infos:
                info.pop("episode", {}).pop("t", None)  # seconds
        assert_same(*results)
        assert_same(ours.reset_infos, theirs.reset_infos)
    close(ours, theirs)


@pytest.mark.parametrize("infos_of", INFOS_OF)
def test_large_pictures_are_made_one_by_one(infos_of):
    envs = make_vec_env(ENV_ID, 2, size=300, max_episode_steps=2, infos_of=infos_of)
    assert isinstance(envs.venv, DummyVecEnv)
    assert envs.reset().shape == (2, 4, 300, 300)
    says = [["x_pos" in info for info in envs.step(np.array([0, 1]))[3]] for _ in range(2)]
    assert says == [[infos_of == "all"] * 2, [True, True]]
    close(envs)


def test_without_the_native_core(monkeypatch):
    monkeypatch.setitem(sys.modules, "mario_rl_envs.emulators.native", None)
    envs = make_vec_env(ENV_ID, emulator="nes-py")
    assert isinstance(envs.venv, DummyVecEnv)
    assert envs.reset().shape == (1, 4, 84, 84)
    close(envs)


# Errors


def test_without_stable_baselines3_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    monkeypatch.delitem(sys.modules, "mario_rl_envs.sb3")
    with pytest.raises(ImportError, match=r'pip install "mario-rl-envs\[sb3\]"'):
        importlib.import_module("mario_rl_envs.sb3")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"env_id": "MarioRL-1-2"}, gym.error.Error, "MarioRL-1-2"),
        ({"env_id": "CartPole-v1"}, ValueError, "'CartPole-v1'.*mario_rl_envs.ENV_IDS"),
        ({"env_id": gym.Env}, TypeError, "accepted is an id, as 'MarioRL"),
        ({"n_envs": 0}, ValueError, "n_envs is 0; accepted is an integer, 1 or more"),
        ({"seed": -1}, gym.error.Error, "-1"),
        ({"num_envs": 2}, TypeError, "'num_envs'.*did you mean 'n_envs'"),
        ({"autoreset_mode": "NextStep"}, TypeError, "unexpected keyword argument 'autoreset_mode'"),
        ({"wrapper_class": TimeLimit}, TypeError, "unexpected keyword argument 'wrapper_class'"),
        ({"env_kwargs": {"size": 42}, "size": 42}, TypeError, "size given twice, in env_kwargs"),
        ({"infos_of": "al"}, ValueError, "unknown infos_of 'al'.*did you mean 'all'"),
        ({"infos_of": "al", "size": 300}, ValueError, "did you mean 'all'"),
        ({"num_threads": 0}, ValueError, "num_threads is 0"),
    ],
    ids=str,
)
def test_make_vec_env_says_what_is_accepted(arguments, error, message):
    with pytest.raises(error, match=message):
        make_vec_env(**{"env_id": ENV_ID, **arguments})


def test_a_vector_of_another_kind_is_refused():
    games = MarioVectorEnv(2)
    with pytest.raises(ValueError, match=r"mode 'NextStep'.*'SameStep'"):
        MarioVecEnv(games)
    games.close()
    games = MarioVectorEnv(2, autoreset_mode="SameStep", copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        MarioVecEnv(games)
    games.close()
    games = gym.make_vec("CartPole-v1", num_envs=2)
    with pytest.raises(TypeError, match="accepted is a MarioVectorEnv"):
        MarioVecEnv(games)
    games.close()
