"""Frame for frame what gym-super-mario-bros' own environment answers, run beside ours.

Ours is run twice, on our own console and on nes-py.
"""

import sys

import numpy as np
import pytest
from support.reference import make_reference, step_reference

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.actions import COMPLEX, joypad_byte

# 9.1 (from Python 3.13) kept the dynamics and the info, but rewards new ground only.
HAS_SAME_REWARD = sys.version_info < (3, 13)
STAGES = ("1-1", "1-2", "2-2", "3-4", "4-1", "5-2", "6-3", "8-1")
FEW = ("1-1", "2-2", "3-4", "6-3")  # of each kind one
NUM_FRAMES = 1_000  # a stage
FIRST_SEED = 10  # play from it on dies early, under water too


def play_both(stage, num_frames, seed):
    """Step all with the same random buttons; return the number of episodes seen."""
    rng = np.random.default_rng(seed)
    native, ours = (SuperMarioBrosEnv(stage, emulator=name) for name in ("native", "nes-py"))
    reference = make_reference(stage)
    bytes_ = [joypad_byte(buttons) for buttons in COMPLEX]
    # Mostly right, so that play gets somewhere and dies in many places.
    weights = np.array(
        [1 if not buttons or "right" not in buttons else 6 for buttons in COMPLEX], float
    )
    num_episodes = 0
    num_left = 0
    is_over = True
    for frame in range(num_frames):
        if is_over:
            obs, _ = ours.reset()
            np.testing.assert_array_equal(native.reset()[0], obs)
            expected = reference.reset()
            expected = expected[0] if isinstance(expected, tuple) else expected
            np.testing.assert_array_equal(obs, expected)
            num_episodes += 1
        if num_left == 0:
            action = int(rng.choice(bytes_, p=weights / weights.sum()))
            num_left = int(rng.integers(1, 40))
        num_left -= 1
        obs, reward, terminated, truncated, info = ours.step(action)
        native_obs, *native_rest = native.step(action)
        assert native_rest == [reward, terminated, truncated, info], frame
        np.testing.assert_array_equal(native_obs, obs, err_msg=f"frame {frame}")
        expected, expected_reward, is_over, expected_info = step_reference(reference, action)
        assert {key: info[key] for key in expected_info if key in info} == {
            key: value for key, value in expected_info.items() if key in info
        }, frame
        assert len(set(expected_info) & set(info)) >= 10
        if HAS_SAME_REWARD:
            assert reward == expected_reward, frame
        assert (terminated, truncated) == (is_over, False), frame
        np.testing.assert_array_equal(obs, expected, err_msg=f"frame {frame}")
    for env in (native, ours, reference):
        env.close()
    return num_episodes


@pytest.mark.parametrize(
    "stage", [pytest.param(x, marks=[] if x in FEW else pytest.mark.slow) for x in STAGES]
)
def test_random_play_equals_the_reference(stage):
    num_episodes = play_both(stage, NUM_FRAMES, seed=FIRST_SEED + STAGES.index(stage))
    assert num_episodes >= 2, "no death was compared"


def test_the_end_of_a_world_equals_the_reference():
    """The route through 1-4 leads on to 2-1 in the whole game."""
    ours, reference = SuperMarioBrosEnv(), make_reference("1-4", whole_game=True)
    ours.reset(options={"stage": "1-4"})
    reference.reset()
    joypad = np.repeat(routes.load("1-4").joypad, routes.FRAMES_PER_STEP)
    for frame, action in enumerate([*joypad.tolist(), *[128] * 200]):
        obs, reward, terminated, _, info = ours.step(action)
        expected, expected_reward, is_over, expected_info = step_reference(reference, action)
        assert {key: info[key] for key in expected_info if key in info} == {
            key: value for key, value in expected_info.items() if key in info
        }, frame
        assert terminated == is_over
        if HAS_SAME_REWARD:
            assert reward == expected_reward, frame
        np.testing.assert_array_equal(obs, expected, err_msg=f"frame {frame}")
    assert (info["world"], info["stage"]) == (2, 1)
    ours.close()
    reference.close()


def test_the_whole_game_equals_the_reference():
    """Three lives: deaths lead to the next life, the last one to the game's end."""
    assert play_both(None, 3_000, seed=3) >= 2
