"""What the memory says of a death, on real ones."""

import gymnasium as gym
import pytest

from mario_rl_envs import routes
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import joypad_byte

RIGHT = joypad_byte(["right"])


@pytest.mark.parametrize(
    ("stage", "joypad", "cause"),
    [
        ("1-1", RIGHT, "enemy"),  # the first goomba
        ("1-3", RIGHT, "fall"),  # the first pit
        ("1-4", RIGHT, "fall"),  # into lava
        ("1-1", 0, "time"),
    ],
)
def test_what_kills_is_told(stage, joypad, cause):
    env = gym.make(f"MarioRL-{stage}-v0", actions="joypad", observation="ram")
    memory, _ = env.reset()
    assert ram.death_cause(memory.tobytes()) is None
    terminated = False
    while not terminated:
        assert ram.death_cause(memory.tobytes()) is None
        memory, _, terminated, *_ = env.step(joypad)
    assert ram.death_cause(memory.tobytes()) == cause
    env.close()


def test_a_flag_is_no_death():
    env = gym.make("MarioRL-1-1-v0", actions="joypad", observation="ram")
    env.reset(options={"route_fraction": 0.95})
    route = routes.load("1-1")
    for joypad in route.joypad[int(0.95 * route.num_steps) :]:
        memory, _, terminated, _, info = env.step(joypad)
    assert terminated
    assert info["flag_get"]
    assert ram.death_cause(memory.tobytes()) is None
    env.close()
