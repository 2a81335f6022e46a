"""Random starts."""

import numpy as np
import pytest
from support.recorder import Recorder

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.wrappers import NoopReset


def test_noop_reset_draws_every_number_up_to_the_most():
    env = NoopReset(Recorder(), noop_max=3)
    seen = {int(env.reset(seed=seed)[0].item()) for seed in range(60)}
    assert seen == {0, 1, 2, 3}


def test_noop_reset_that_ends_the_episode_begins_again():
    env = NoopReset(Recorder(length=3), noop_max=3)
    for seed in range(30):
        obs, _ = env.reset(seed=seed)
        assert obs.item() < 3


def test_noop_reset_of_mario():
    raw = SuperMarioBrosEnv("1-1")
    env = NoopReset(raw, noop_max=30)
    _, plain = raw.reset()
    _, info = env.reset(seed=1)
    assert set(info) == set(plain)
    waited = env.unwrapped.ram
    raw.reset()
    assert (waited != raw.ram).any()
    # A state is loaded as it was saved.
    state = raw.save_state()
    memory = raw.ram
    env.reset(seed=1, options={"state": state})
    np.testing.assert_array_equal(raw.ram, memory)
    env.close()


def test_noop_action_must_be_one():
    with pytest.raises(
        ValueError, match=r"noop_action is 256; accepted is an action of Discrete\(256"
    ):
        NoopReset(Recorder(), noop_action=256)
