"""Vector environments pickled, forked, in several threads, and of a thousand games."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from support.vectors import SEED, assert_same, play

from mario_rl_envs.vector_env import MarioVectorEnv

pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

ENV_ID = "MarioRL-1-1-v0"
MODES = [mode.value for mode in AutoresetMode]


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))]
)
def test_pickling_goes_on_alike(mode, duplicate):
    keywords = {"noop_max": 9, "sticky": 0.25, "autoreset_mode": mode, "max_episode_steps": 37}
    vector = gym.make_vec("MarioRL-Random-v0", num_envs=3, **keywords)
    vector.reset(seed=SEED)
    vector.action_space.seed(1)
    play(vector, 37)  # in the mode "NextStep" all wait for the next episode
    twin = duplicate(vector)
    assert twin.spec == vector.spec
    assert_same(play(twin, 80), play(vector, 80))
    assert_same(twin.action_space.sample(), vector.action_space.sample())
    assert_same(twin.reset(), vector.reset())
    vector.close()
    twin.close()


def test_pickling_before_the_first_reset():
    vector = gym.make_vec("MarioRL-Random-v0", num_envs=2)
    twin = pickle.loads(pickle.dumps(vector))
    with pytest.raises(ResetNeeded):
        twin.step([0, 0])
    assert_same(twin.reset(seed=1), vector.reset(seed=1))
    vector.close()
    twin.close()


@pytest.mark.parametrize("begun", [False, True])
def test_pickling_keeps_the_attributes_that_games_were_given(begun):
    vector = gym.make_vec(ENV_ID, num_envs=2)
    if begun:
        vector.reset(seed=SEED)
    vector.set_attr("level", [[1], [2]])
    for twin in (pickle.loads(pickle.dumps(vector)), copy.deepcopy(vector)):
        assert twin.get_attr("level") == ([1], [2])
        assert twin.get_attr("level")[0] is not vector.get_attr("level")[0]
        assert twin.get_attr("spec")[0] is twin.spec
        twin.close()
    vector.close()


class Named(MarioVectorEnv):
    def __init__(self, name):
        self.names = [name]
        super().__init__(2, stage="1-1")
        self.name = name


def test_pickling_keeps_what_a_subclass_has_added():
    vector = Named("mine")
    vector.reset(seed=SEED)
    vector.note = 3
    for twin in (pickle.loads(pickle.dumps(vector)), copy.deepcopy(vector)):
        assert (twin.names, twin.name, twin.note, twin.num_envs) == (["mine"], "mine", 3, 2)
        assert_same(copy.copy(twin).step([3, 3]), copy.copy(vector).step([3, 3]))
        twin.close()
    vector.close()


def play_pickled(pickled):
    return play(pickle.loads(pickled), 30)


def test_pickles_go_on_alike_in_another_process():
    vector = gym.make_vec(ENV_ID, num_envs=3, num_threads=2)
    vector.reset(seed=SEED)
    play(vector, 30)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        theirs = pool.submit(play_pickled, pickle.dumps(vector)).result()
    assert_same(play(vector, 30), theirs)
    vector.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_plays_on_with_threads_of_its_own(tmp_path):
    code = f"""
import os, pickle, sys
import gymnasium as gym, numpy as np, mario_rl_envs
vector = gym.make_vec({ENV_ID!r}, num_envs=4, num_threads=3)
vector.reset(seed=0)
rng = np.random.default_rng(0)
for _ in range(5): vector.step(rng.integers(5, size=4))
child = os.fork()
seen = [vector.step(rng.integers(5, size=4))[:2] for _ in range(20)]
path = {str(tmp_path)!r} + ("/child" if child == 0 else "/parent")
with open(path, "wb") as file: pickle.dump(seen, file)
vector.close()
if child == 0: os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    child, parent = [pickle.loads((tmp_path / name).read_bytes()) for name in ("child", "parent")]
    assert_same(child, parent)


def test_two_python_threads_are_told_to_take_turns():
    vector = gym.make_vec(ENV_ID, num_envs=64, num_threads=1, render_mode="rgb_array")
    vector.reset(seed=0)
    state = vector.save_state(0)
    uses = [
        lambda: vector.step(np.zeros(64, int)),
        vector.reset,
        vector.render,
        lambda: vector.ram,
        lambda: vector.call("render"),
        lambda: vector.save_state(0),
        lambda: vector.load_state(0, state),
        lambda: pickle.dumps(vector),
    ]
    inside, may_leave = threading.Event(), threading.Event()
    play_games = vector._games.step

    def play_slowly(*arguments):
        inside.set()
        may_leave.wait()
        play_games(*arguments)

    vector._games.step = play_slowly
    thread = threading.Thread(target=vector.step, args=(np.zeros(64, int),))
    thread.start()
    inside.wait()
    for use in uses:
        with pytest.raises(RuntimeError, match="another thread uses these games: one thread at a"):
            use()
    may_leave.set()
    thread.join()
    del vector._games.step
    for use in uses:
        use()
    vector.close()


def test_two_python_threads_step_at_once():
    vector = gym.make_vec(ENV_ID, num_envs=64, num_threads=1)
    vector.reset(seed=0)
    refused, played = [], []

    def step_many():
        for _ in range(15):
            try:
                vector.step(np.zeros(64, int))
                played.append(1)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=step_many) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert played
    assert len(played) + len(refused) == 30
    assert all("one thread at a time" in each for each in refused)
    vector.step(np.zeros(64, int))
    vector.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_in_the_middle_of_a_step_begins_anew():
    """The games of the child are as the fork found them; the thread that steps is not in it."""
    code = f"""
import os, sys, threading
import gymnasium as gym, numpy as np, mario_rl_envs
from gymnasium.error import ResetNeeded
vector = gym.make_vec({ENV_ID!r}, num_envs=256, num_threads=2, skip=50, observation="ram")
vector.reset(seed=0)
state = vector.save_state(0)
actions = np.zeros(256, np.int64)
is_over = False

def step_until_over():
    while not is_over: vector.step(actions)

def child():
    try: vector.step(actions)
    except ResetNeeded: pass
    else: return 3  # forked between two steps
    vector.reset(options={{"state": state}})
    vector.reset(seed=0)
    vector.step(actions)
    vector.close()
    return 0

thread = threading.Thread(target=step_until_over)
thread.start()
code = 3
while code == 3:
    while vector._games.is_ready: pass
    pid = os.fork()
    if pid == 0:
        code = 1
        try: code = child()
        finally: os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
is_over = True
thread.join()
vector.close()
sys.exit(code)
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr


def test_a_thousand_games():
    vector = gym.make_vec(ENV_ID, num_envs=1024)
    vector.reset(seed=0)
    obs, *_ = vector.step(np.arange(1024) % 5)
    assert obs.shape == (1024, 4, 84, 84)
    for action in range(5):
        alike = obs[action::5]
        assert (alike == alike[0]).all()
    assert len({obs[action].tobytes() for action in range(5)}) > 1
    vector.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory cannot be read here")
def test_memory_of_a_game():
    code = f"""
import os, gymnasium as gym, mario_rl_envs
def used(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
first = gym.make_vec({ENV_ID!r}, num_envs=1)
first.reset()
before = used()
many = gym.make_vec({ENV_ID!r}, num_envs=256)
many.reset()
many.step([0] * 256)
print((used() - before) / 256)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert float(result.stdout) < 500_000, result.stderr  # bytes


def wait_for_threads(count):
    """Return whether there are so many threads; an ended one may be listed for a while."""
    for _ in range(500):
        if len(os.listdir("/proc/self/task")) == count:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads cannot be counted here")
@pytest.mark.parametrize("end", ["close", "drop"])
def test_threads_end_with_the_environment(end):
    vector = gym.make_vec(ENV_ID, num_envs=4, num_threads=4)
    num_threads = len(os.listdir("/proc/self/task"))
    vector.reset(seed=0)
    assert wait_for_threads(num_threads + 3)
    if end == "close":
        vector.close()
    else:
        del vector
        gc.collect()
    assert wait_for_threads(num_threads)
