"""The native emulator is the default; both play alike; where it is missing, nes-py stands in."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.actions import COMPLEX, joypad_byte
from mario_rl_envs.game.rewards import REWARDS

BYTES = [joypad_byte(buttons) for buttons in COMPLEX]


def same_info(info, other):
    """Compare infos as text: -0.0, the last bit and the order of keys count."""
    return repr(info) == repr(other)


def play_both(native, other, moves):
    """Step both; return how often an episode ended."""
    num_ends = 0
    for step, action in enumerate(moves):
        obs, *rest, info = native.step(action)
        expected, *expected_rest, expected_info = other.step(action)
        assert rest == expected_rest, step
        assert same_info(info, expected_info), step
        np.testing.assert_array_equal(obs, expected, err_msg=f"step {step}")
        if rest[1]:
            num_ends += 1
            np.testing.assert_array_equal(native.reset()[0], other.reset()[0])
    return num_ends


def random_moves(seed, count):
    """Return joypad bytes, mostly to the right, held for a while."""
    rng = np.random.default_rng(seed)
    weights = np.array([6 if "right" in buttons else 1 for buttons in COMPLEX], float)
    moves = rng.choice(BYTES, size=count, p=weights / weights.sum())
    return np.repeat(moves, rng.integers(1, 20, size=count))[:count].tolist()


def test_native_is_the_default():
    for env in (SuperMarioBrosEnv("1-1"), gym.make("MarioRL-1-1-v0")):
        assert env.unwrapped._emulator.name == "native"
        env.close()


@pytest.mark.parametrize("reward", [*REWARDS, {"clip": 0.9, "score": 0.1, "progress": 0.3}])
def test_both_emulators_play_the_whole_game_alike(reward):
    """Deaths, lives and the screens between them; the raw environment, frame by frame."""
    native, other = (
        SuperMarioBrosEnv(reward=reward, emulator=emulator) for emulator in ("native", "nes-py")
    )
    for env in (native, other):
        env.reset(seed=0)
    seed = list(REWARDS).index(reward) if isinstance(reward, str) else 9
    play_both(native, other, random_moves(seed, 500))
    native.close()
    other.close()


@pytest.mark.parametrize("stage", ["1-2", "8-4"])
def test_both_emulators_play_routes_alike(stage):
    """Pipes, flag and axe, through the pipeline."""
    native, other = (
        gym.make(f"MarioRL-{stage}-v0", actions="joypad", emulator=emulator, reward="shaped")
        for emulator in ("native", "nes-py")
    )
    assert native.reset(seed=0)[0].tobytes() == other.reset(seed=0)[0].tobytes()
    assert play_both(native, other, routes.load(stage).joypad.tolist()) == 1
    native.close()
    other.close()


HIDDEN = (
    "import sys, warnings\n"
    "sys.modules['mario_rl_envs.core._core'] = None  # what a failed import leaves\n"
    "import mario_rl_envs\n"
    "from mario_rl_envs.env import SuperMarioBrosEnv\n"
)


def run(code, *options):
    command = [sys.executable, *options, "-c", HIDDEN + code]
    return subprocess.run(command, capture_output=True, text=True)


def test_without_the_core_nes_py_plays_and_says_so_once():
    result = run(
        "import gymnasium as gym\n"
        "env = gym.make('MarioRL-1-1-v0')\n"
        "other = SuperMarioBrosEnv('1-1', emulator='native')\n"
        "print(env.reset(seed=0)[0].shape, env.step(1)[0].shape, env.unwrapped._emulator.name)\n"
        "print(other.reset(seed=0)[1]['x_pos'], b'\"nes-py\"' in other.save_state())\n"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "(4, 84, 84) (4, 84, 84) nes-py\n40 True\n"
    assert result.stderr.count("RuntimeWarning") == 1
    assert "the native core is not compiled" in result.stderr
    assert "pip install --force-reinstall --no-cache-dir" in result.stderr
    assert "C compiler" in result.stderr


@pytest.mark.parametrize("name", ["compiled", "interpreted"])
def test_without_the_core_asking_for_it_is_an_error(name):
    result = run(
        f"try: SuperMarioBrosEnv('1-1', emulator='{name}')\n"
        "except ImportError as error: print(error)"
    )
    assert result.stdout.startswith(f"emulator='{name}': the native core is not compiled (")
    assert result.stderr == ""


def test_without_the_core_it_is_said_what_runs():
    result = run("print(mario_rl_envs.native_info())")
    assert result.stdout.startswith("the game is played by nes-py: the native core is not compiled")


def test_without_the_core_asking_for_nes_py_says_nothing():
    result = run("SuperMarioBrosEnv('1-1', emulator='nes-py').reset()", "-W", "error")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_notice_that_is_made_an_error_comes_once():
    result = run(
        "try: SuperMarioBrosEnv('1-1')\n"
        "except RuntimeWarning as warning: print('not compiled' in str(warning))\n"
        "print(SuperMarioBrosEnv('1-1').reset()[1]['x_pos'])",
        "-W",
        "error",
    )
    assert (result.stdout, result.stderr) == ("True\n40\n", "")


def test_a_pickle_of_a_stand_in_says_nothing():
    result = run(
        "import pickle\n"
        "warnings.simplefilter('ignore')\n"
        "env = SuperMarioBrosEnv('1-1'); env.reset()\n"
        "warnings.simplefilter('error')\n"
        "twin = pickle.loads(pickle.dumps(env))\n"
        "print(twin.step(128)[4] == env.step(128)[4])"
    )
    assert (result.stdout, result.stderr) == ("True\n", "")
