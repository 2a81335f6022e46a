"""Steps without their observation change nothing: ours on both consoles, against Gymnasium's."""

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.actions import COMPLEX
from mario_rl_envs.wrappers import (
    FrameStackObservation,
    GrayscaleObservation,
    JoypadSpace,
    NoopReset,
    RamObservation,
    ResizeObservation,
    SkipFrame,
    StickyAction,
    TileObservation,
    TruncateOnStall,
)
from mario_rl_envs.wrappers.advance import advancing
from mario_rl_envs.wrappers.ram import decode_tiles


class Inverted(gym.ObservationWrapper):
    """A wrapper of somebody else, which looks at the observations."""

    def observation(self, observation):
        return 255 - observation


class Halved(GrayscaleObservation):
    """A wrapper of somebody else, made of one of ours."""

    def observation(self, observation):
        return super().observation(observation) // 2


def ours(env):
    return FrameStackObservation(ResizeObservation(GrayscaleObservation(env), (84, 84)), 4)


def gymnasiums(env):
    env = gym.wrappers.ResizeObservation(gym.wrappers.GrayscaleObservation(env), (84, 84))
    return gym.wrappers.FrameStackObservation(env, 4)


def plain_skip(env, skip):
    """Return `SkipFrame` as it is for environments that it does not know."""
    env = SkipFrame(env, skip)
    env.inner = None
    return env


# By name, the wrappers of ours, and what they stand for with nothing left out.
PIPELINES = {
    "default": (lambda env: ours(SkipFrame(env)), lambda env: gymnasiums(plain_skip(env, 4))),
    "joypad": (
        lambda env: ours(SkipFrame(JoypadSpace(NoopReset(env, 5), COMPLEX))),
        lambda env: gymnasiums(plain_skip(JoypadSpace(NoopReset(env, 5), COMPLEX), 4)),
    ),
    "sticky": (
        lambda env: ours(SkipFrame(StickyAction(env, 0.5), 3)),
        lambda env: gymnasiums(plain_skip(StickyAction(env, 0.5), 3)),
    ),
    "stall": (
        lambda env: ours(TruncateOnStall(SkipFrame(TruncateOnStall(env, 9)), 20)),
        lambda env: gymnasiums(TruncateOnStall(plain_skip(TruncateOnStall(env, 9), 4), 20)),
    ),
    "colors": (
        lambda env: ResizeObservation(SkipFrame(env, 2), (61, 61)),
        lambda env: gym.wrappers.ResizeObservation(plain_skip(env, 2), (61, 61)),
    ),
    "sizes of other shapes": (
        lambda env: ResizeObservation(GrayscaleObservation(SkipFrame(env, 2)), (60, 80)),
        lambda env: gym.wrappers.ResizeObservation(
            gym.wrappers.GrayscaleObservation(plain_skip(env, 2)), (60, 80)
        ),
    ),
    "larger than the screen": (
        lambda env: ResizeObservation(SkipFrame(env, 2), (250, 250)),
        lambda env: gym.wrappers.ResizeObservation(plain_skip(env, 2), (250, 250)),
    ),
    "resized first": (
        lambda env: GrayscaleObservation(ResizeObservation(SkipFrame(env, 2), (84, 84))),
        lambda env: gym.wrappers.GrayscaleObservation(
            gym.wrappers.ResizeObservation(plain_skip(env, 2), (84, 84))
        ),
    ),
    "resized twice": (
        lambda env: ResizeObservation(ResizeObservation(env, (120, 120)), (60, 60)),
        lambda env: gym.wrappers.ResizeObservation(
            gym.wrappers.ResizeObservation(env, (120, 120)), (60, 60)
        ),
    ),
    "skip above": (
        lambda env: SkipFrame(ResizeObservation(GrayscaleObservation(env), (84, 84)), 4),
        lambda env: plain_skip(
            gym.wrappers.ResizeObservation(gym.wrappers.GrayscaleObservation(env), (84, 84)), 4
        ),
    ),
    "two skips": (
        lambda env: ours(SkipFrame(SkipFrame(env, 2), 2)),
        lambda env: gymnasiums(plain_skip(plain_skip(env, 2), 2)),
    ),
    "kept axis": (
        lambda env: ResizeObservation(GrayscaleObservation(SkipFrame(env), True), (84, 84)),
        lambda env: gym.wrappers.ResizeObservation(
            gym.wrappers.GrayscaleObservation(plain_skip(env, 4), keep_dim=True), (84, 84)
        ),
    ),
    "somebody else's between": (
        lambda env: ours(Inverted(SkipFrame(env))),
        lambda env: gymnasiums(Inverted(plain_skip(env, 4))),
    ),
    "somebody else's below": (
        lambda env: ours(SkipFrame(Inverted(env))),
        lambda env: gymnasiums(plain_skip(Inverted(env), 4)),
    ),
    "somebody else's advance": (
        lambda env: ours(SkipFrame(Shaded(env))),
        lambda env: gymnasiums(plain_skip(Shaded(env), 4)),
    ),
    "somebody else's steps": (
        lambda env: ours(Slower(env, 2)),
        lambda env: gymnasiums(Slower(env, 2)),
    ),
    "somebody else's actions": (
        lambda env: ours(SkipFrame(Mirrored(env, COMPLEX))),
        lambda env: gymnasiums(plain_skip(Mirrored(env, COMPLEX), 4)),
    ),
    "somebody else's made of ours": (
        lambda env: ResizeObservation(Halved(SkipFrame(env)), (84, 84)),
        lambda env: gym.wrappers.ResizeObservation(Halved(plain_skip(env, 4)), (84, 84)),
    ),
    "tiles": (
        lambda env: TileObservation(SkipFrame(env)),
        lambda env: Decoded(plain_skip(env, 4)),
    ),
    "skip above memory": (
        lambda env: SkipFrame(RamObservation(env), 4),
        lambda env: plain_skip(RamObservation(env), 4),
    ),
}


class Decoded(gym.ObservationWrapper):
    """The tiles, in Python."""

    def observation(self, observation):
        return decode_tiles(self.unwrapped.ram)


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
@pytest.mark.parametrize("name", PIPELINES)
def test_what_is_left_out_changes_nothing(name, emulator):
    """Ours on either console, against Gymnasium's wrappers over nes-py."""
    make_ours, make_plain = PIPELINES[name]
    env = make_ours(SuperMarioBrosEnv("1-1", emulator=emulator))
    plain = make_plain(SuperMarioBrosEnv("1-1", emulator="nes-py"))
    assert env.observation_space.shape == plain.observation_space.shape or name == "tiles"
    rng = np.random.default_rng(1)
    is_over = True
    for step in range(70 if emulator == "native" else 20):
        if is_over:
            seed = 3 if step == 0 else None
            obs, info = env.reset(seed=seed)
            expected, expected_info = plain.reset(seed=seed)
            is_over = False
        else:
            action = int(rng.choice([128, 130, 131, 0], p=[0.6, 0.1, 0.2, 0.1]))
            if name in ("joypad", "somebody else's actions"):
                action = int(rng.integers(1, 5))
            obs, *rest, info = env.step(action)
            expected, *expected_rest, expected_info = plain.step(action)
            assert rest == expected_rest
            is_over = rest[1] or rest[2]
        np.testing.assert_array_equal(obs, expected, err_msg=f"step {step}")
        assert obs.dtype == np.uint8
        assert info == expected_info
    env.close()
    plain.close()


def count_drawn(env, monkeypatch):
    """Return a list that every call for a picture is noted in."""
    calls = []
    emulator = env.unwrapped._emulator
    for name in ("screen", "rgb", "gray"):
        method = getattr(emulator, name)
        monkeypatch.setattr(
            emulator, name, lambda *args, n=name, m=method: calls.append((n, *args)) or m(*args)
        )
    return calls


def test_nobody_makes_a_picture_that_nobody_sees(monkeypatch):
    env = gym.make("MarioRL-1-1-v0", sticky=0.25)
    env.reset(seed=0)
    calls = count_drawn(env, monkeypatch)
    for _ in range(5):
        env.step(1)
    assert calls == [("gray", 84)] * 5
    memory = RamObservation(SkipFrame(env.unwrapped))
    memory.reset()
    calls.clear()
    memory.step(128)
    assert calls == []
    env.close()


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
@pytest.mark.parametrize("num_steps", [0, -1, 1_001])
def test_the_number_of_steps_in_one_call_is_bounded(num_steps, emulator):
    env = SuperMarioBrosEnv("1-1", emulator=emulator)
    env.reset()
    before = env.ram
    with pytest.raises(ValueError, match=rf"num_steps is {num_steps}; accepted is an integer, 1"):
        env.advance(128, num_steps, draw=True)
    np.testing.assert_array_equal(env.ram, before)
    env.close()


def test_a_frame_that_was_not_drawn_is_drawn_when_it_is_observed():
    raw, expected = SuperMarioBrosEnv("1-1"), SuperMarioBrosEnv("1-1", emulator="nes-py")
    raw.reset()
    expected.reset()
    raw.advance(128, 3, draw=False)
    for _ in range(3):
        screen, *_ = expected.step(128)
    np.testing.assert_array_equal(raw.observe(), screen)
    raw.close()
    expected.close()


class Slower(SkipFrame):
    """A wrapper of somebody else, which steps in its own way."""

    def step(self, action):
        super().step(action)
        return super().step(action)


class Mirrored(JoypadSpace):
    """A wrapper of somebody else, whose actions are not those of `JoypadSpace`."""

    def action(self, action):
        return super().action(len(COMPLEX) - 1 - action)


class Shaded(gym.Wrapper):
    """A wrapper of somebody else, which has the two methods, and another observation."""

    def step(self, action):
        obs, *rest = self.env.step(action)
        return obs // 2, *rest

    def reset(self, *, seed=None, options=None):
        obs, info = self.env.reset(seed=seed, options=options)
        return obs // 2, info

    def advance(self, action, num_steps, *, draw):
        return self.env.advance(action, num_steps, draw=draw)

    def observe(self):
        return self.env.observe() // 2


def test_what_can_be_advanced():
    raw = SuperMarioBrosEnv("1-1")
    for make in (SkipFrame, NoopReset, RamObservation, GrayscaleObservation, StickyAction):
        env = TruncateOnStall(make(raw))
        assert advancing(env) is env
        assert env.inner is env.env
    assert advancing(SkipFrame(Shaded(raw))) is not None
    for make in (Inverted, Slower, lambda env: Mirrored(env, COMPLEX)):
        env = TruncateOnStall(make(raw))
        assert advancing(env) is advancing(env.env) is None
        assert advancing(SkipFrame(env)) is None
    assert advancing(SkipFrame(gym.make("CartPole-v1"))) is None
    raw.close()


@pytest.mark.parametrize("skip", [2, 3, 4, 5, 7])
@pytest.mark.parametrize(
    "inner",
    [lambda env: env, TileObservation, RamObservation, GrayscaleObservation, StickyAction],
)
def test_the_last_observation_of_an_episode_that_ends_within_a_step(inner, skip):
    env = SkipFrame(inner(SuperMarioBrosEnv("1-1")), skip)
    plain = plain_skip(inner(SuperMarioBrosEnv("1-1")), skip)
    terminated = False
    env.reset(seed=0)
    plain.reset(seed=0)
    while not terminated:
        obs, reward, terminated, *_ = env.step(128)
        expected, expected_reward, *_ = plain.step(128)
        np.testing.assert_array_equal(obs, expected)
        assert reward == expected_reward
    env.close()
    plain.close()
