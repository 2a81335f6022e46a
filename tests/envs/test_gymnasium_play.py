"""A person plays by `gymnasium.utils.play`."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import mario_rl_envs  # noqa: F401 (registers the ids)
from mario_rl_envs.game.actions import BUTTONS, COMPLEX, joypad_byte

pytest.importorskip("pygame", reason="needs the extra 'human'")
ENV_ID = "MarioRL-1-1-v0"

PLAY = """
import sys, gymnasium as gym, numpy as np, pygame, mario_rl_envs
from gymnasium.utils.play import play

class Enough(Exception): pass

def count(before, obs, action, *rest):
    taken.append(action)
    if len(taken) == 1: pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_d))
    if len(taken) == 3: raise Enough

for keywords in ({}, {"skip": 7}, {"actions": "joypad", "skip": 1}, {"actions": "continuous"},
                 {"render_mode": "rgb_array_list"}):
    env = gym.make("%s", **{"render_mode": "rgb_array", **keywords})
    noop = np.zeros(3, np.float32) if "continuous" in keywords.values() else 0
    taken = []
    try: play(env, callback=count, noop=noop)
    except Enough: print(np.asarray(taken[-1]).tolist())
    env.close()
"""


def test_keys_play_all_kinds_of_actions():
    """In a process of its own: `play` closes pygame and chooses matplotlib's backend."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAY % ENV_ID], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    right = ["1", "1", str(BUTTONS["right"]), "[1.0, 0.0, 0.0]", "1"]  # what the key d presses
    assert result.stdout.split("\n")[:-1][-5:] == right


@pytest.mark.parametrize(
    ("actions", "keys", "expected"),
    [
        ("right_only", "d", 1),
        ("right_only", "do", 2),
        ("complex", "aop", COMPLEX.index(("left", "A", "B"))),
        ("complex", "w", COMPLEX.index(("up",))),
        ("joypad", "\r", BUTTONS["start"]),
        ("joypad", "d po", joypad_byte(["right", "select", "A", "B"])),
        ("continuous", "ao", [-1.0, 1.0, 0.0]),
        ([["A"], ["B"], ["A"]], "o", 0),
    ],
)
def test_keys_are_those_of_nes_py(actions, keys, expected):
    env = gym.make(ENV_ID, actions=actions)
    keys_to_action = env.get_wrapper_attr("get_keys_to_action")()
    np.testing.assert_array_equal(keys_to_action[tuple(sorted(map(ord, keys)))], expected)
    assert all(keys_to_action)  # Gymnasium refuses an action without a key
    assert all(action in env.action_space for action in keys_to_action.values())
    env.close()


def test_every_action_has_a_name():
    env = gym.make(ENV_ID, actions="joypad")
    names = env.unwrapped.get_action_meanings()
    assert (len(names), len(set(names)), names[0]) == (256, 256, "NOOP")
    for name, byte in zip(names, range(256), strict=True):
        assert joypad_byte(name.split(" + ")) == byte
    env.close()
    env = gym.make(ENV_ID, actions="complex")
    meanings = env.get_wrapper_attr("get_action_meanings")()
    assert meanings == [names[joypad_byte(buttons)] for buttons in COMPLEX]
    env.close()
    env = gym.make(ENV_ID, actions="continuous")
    assert env.get_wrapper_attr("get_action_meanings")() == ["left or right", "A", "B"]
    env.close()


@pytest.mark.parametrize(("skip", "fps"), [(1, 60), (4, 15), (7, 9), (60, 1), (500, 1)])
def test_the_pace_of_pictures_is_a_whole_number(skip, fps):
    env = gym.make(ENV_ID, skip=skip, render_mode="rgb_array")
    assert type(env.metadata["render_fps"]) is int
    assert env.metadata["render_fps"] == fps
    env.close()
