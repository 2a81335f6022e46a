"""Same seed, same actions: the same everything, wherever the environment is."""

import copy
import hashlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.stages import STAGES

NUM_STEPS = 24  # of four frames
SEED = 11


def make(stage):
    return gym.make(f"MarioRL-{stage}-v0", noop_max=8, sticky=0.25, actions="simple")


def actions(count=NUM_STEPS):
    return np.random.default_rng(SEED).integers(7, size=count)


def play(env, moves):
    """Return a digest of every observation, reward, flag and info."""
    digest = hashlib.sha256()
    for action in moves:
        obs, reward, terminated, truncated, info = env.step(action)
        digest.update(obs.tobytes())
        digest.update(repr((reward, terminated, truncated, sorted(info.items()))).encode())
        if terminated:
            obs, info = env.reset()
            digest.update(obs.tobytes())
    return digest.hexdigest()


def play_from_seed(stage):
    import mario_rl_envs  # noqa: F401 (registers, in the new process)

    env = make(stage)
    obs, _ = env.reset(seed=SEED)
    digest = play(env, actions())
    env.close()
    return hashlib.sha256(obs.tobytes()).hexdigest() + digest


@pytest.fixture(scope="module")
def second_process():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        yield pool


@pytest.mark.parametrize("stage", STAGES)
def test_same_seed_same_actions(stage, second_process):
    elsewhere = second_process.submit(play_from_seed, stage)
    here = play_from_seed(stage)
    assert elsewhere.result() == here


@pytest.mark.parametrize("stage", STAGES)
def test_pickling_and_save_states_go_on_alike(stage):
    env = make(stage)
    env.reset(seed=SEED)
    play(env, actions()[: NUM_STEPS // 2])
    twin = pickle.loads(pickle.dumps(env))
    state = env.unwrapped.save_state()
    assert play(twin, actions()) == play(env, actions())
    env.close()
    twin.close()

    loaded, saver = SuperMarioBrosEnv(stage), SuperMarioBrosEnv(stage)
    loaded.load_state(state)
    saver.load_state(state)
    play(saver, actions())
    state = saver.save_state()
    expected = play(saver, actions())
    loaded.load_state(state)
    assert play(loaded, actions()) == expected
    loaded.close()
    saver.close()


def test_a_loaded_state_goes_on_as_the_environment_that_saved_it():
    env = SuperMarioBrosEnv("1-1", reward="shaped")
    env.reset()
    play(env, [128] * 150)
    state = env.save_state()
    rest = [128, 129, 131] * 60
    expected = play(env, rest)
    for _ in range(2):  # the second time it comes out of the emulator's own backup
        env.load_state(state)
        assert play(env, rest) == expected
    env.close()


def test_deepcopy_is_independent():
    env = SuperMarioBrosEnv("1-1")
    env.reset(seed=1)
    twin = copy.deepcopy(env)
    env.step(128)
    before = twin.ram
    env.step(128)
    np.testing.assert_array_equal(twin.ram, before)
    env.close()
    twin.close()


def test_pickling_keeps_the_generators_of_the_spaces():
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    env.action_space.seed(0)
    twin = pickle.loads(pickle.dumps(env))
    samples = [[each.action_space.sample() for _ in range(5)] for each in (env, twin)]
    assert samples[0] == samples[1]
    env.close()
    twin.close()


class Bonus(SuperMarioBrosEnv):
    def __init__(self, stage, bonus):
        self.before = [bonus]
        super().__init__(stage)
        self.bonus = bonus


@pytest.mark.parametrize("begun", [False, True])
def test_pickling_keeps_what_a_subclass_has_added(begun):
    env = Bonus("1-2", 5)
    if begun:
        env.reset(seed=3)
    env.note = "mine"
    for twin in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert (twin.bonus, twin.before, twin.note, twin.stage) == (5, [5], "mine", "1-2")
        assert twin.before is not env.before
        assert pickle.loads(pickle.dumps(twin)).bonus == 5
        twin.close()
    env.close()


def test_a_finished_episode_stays_finished_in_a_pickle():
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    terminated = False
    while not terminated:
        *_, terminated, _, _ = env.step(128)
    twin = pickle.loads(pickle.dumps(env))
    with pytest.raises(ResetNeeded):
        twin.step(0)
    twin.reset()
    twin.step(0)
    env.close()
    twin.close()


def test_different_seeds_differ():
    env = gym.make("MarioRL-Random-v0")
    stages = set()
    for seed in range(6):
        _, info = env.reset(seed=seed)
        stages.add((info["world"], info["stage"]))
    assert len(stages) >= 3
    env.close()


def test_random_stages_are_drawn_from_those_given():
    env = gym.make("MarioRL-Random-v0", stages=["1-1", "1-4"])
    seen = [env.reset(seed=seed)[1]["stage"] for seed in range(8)]
    assert set(seen) == {1, 4}
    assert seen == [env.reset(seed=seed)[1]["stage"] for seed in range(8)]
    env.close()
