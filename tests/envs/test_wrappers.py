"""Each wrapper alone, on environments that know nothing of Mario wherever it fits one."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from mario_rl_envs.env import Look, SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.actions import BUTTONS, COMPLEX
from mario_rl_envs.wrappers import (
    ContinuousJoypad,
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
from mario_rl_envs.wrappers.ram import EMPTY, ENEMY, ITEM, MARIO, SOLID, decode_tiles


class Recorder(gym.Env):
    """Remembers the actions it is given; each is worth 1; the episode is `length` steps long."""

    def __init__(self, length=1_000, num_actions=256):
        self.observation_space = Box(0, 1_000, (1,), np.float32)
        self.action_space = Discrete(num_actions)
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.actions = []
        return self._obs(), {"x_pos": 0}

    def step(self, action):
        self.actions.append(action)
        is_over = len(self.actions) == self.length
        terms = {"alive": 1.0}
        return self._obs(), 1.0, is_over, False, {"x_pos": int(action), "reward_terms": terms}

    def _obs(self):
        return np.array([len(self.actions)], np.float32)


def start(env, seed=0):
    env.reset(seed=seed)
    return env


# JoypadSpace


def test_joypad_space_presses_the_buttons():
    recorder = Recorder()
    env = start(JoypadSpace(recorder, "right_only"))
    assert env.action_space == Discrete(5)
    for action in range(5):
        env.step(np.int64(action))
    right, a, b = BUTTONS["right"], BUTTONS["A"], BUTTONS["B"]
    assert recorder.actions == [0, right, right | a, right | b, right | a | b]
    assert env.get_action_meanings()[4] == "right + A + B"


def test_joypad_bytes_are_those_of_nes_py():
    env = start(JoypadSpace(Recorder(), [[name] for name in BUTTONS] + [["NOOP"], []]))
    for action in range(10):
        env.step(action)
    assert env.unwrapped.actions == [1, 2, 4, 8, 16, 32, 64, 128, 0, 0]


@pytest.mark.parametrize("action", [-1, 5, 99])
def test_joypad_action_out_of_range(action):
    env = start(JoypadSpace(Recorder()))
    with pytest.raises(
        ValueError, match=f"the action {action} is out of range; accepted are 0 to 4"
    ):
        env.step(action)


@pytest.mark.parametrize("action", ["right", 1.5, None, ["right"]])
def test_joypad_action_of_the_wrong_type(action):
    env = start(JoypadSpace(Recorder()))
    with pytest.raises(TypeError, match="an action is an integer from 0 to 4; got"):
        env.step(action)


@pytest.mark.parametrize("wrapper", [JoypadSpace, ContinuousJoypad])
def test_joypad_wrappers_need_joypad_bytes(wrapper):
    with pytest.raises(
        ValueError, match=rf"{wrapper.__name__} needs .* Discrete\(256\); this one has"
    ):
        wrapper(gym.make("CartPole-v1"))


# ContinuousJoypad


@pytest.mark.parametrize(
    ("action", "buttons"),
    [
        ([0, 0, 0], []),
        ([0.1, -1, -1], ["right"]),
        ([-0.1, 0, 0], ["left"]),
        ([1, 1, 1], ["right", "A", "B"]),
        ([0, 0, 0.5], ["B"]),
        ([0, 1e-6, 0], ["A"]),
    ],
)
def test_continuous_joypad_thresholds(action, buttons):
    env = start(ContinuousJoypad(Recorder()))
    env.step(np.array(action, np.float32))
    assert env.unwrapped.actions == [sum(BUTTONS[name] for name in buttons)]


@pytest.mark.parametrize("action", [[0, 0], [0, 0, 1.5], [0, float("nan"), 0], 0.5])
def test_continuous_action_out_of_range(action):
    env = start(ContinuousJoypad(Recorder()))
    with pytest.raises(ValueError, match="an action is three numbers from -1 to 1; got"):
        env.step(action)


def test_continuous_action_of_the_wrong_type():
    env = start(ContinuousJoypad(Recorder()))
    with pytest.raises(TypeError, match="an action is three numbers from -1 to 1; got str"):
        env.step("right")


# SkipFrame


def test_skip_frame_sums_rewards_and_returns_the_last_frame():
    env = start(SkipFrame(Recorder(), 4))
    obs, reward, terminated, _, info = env.step(7)
    assert (obs.item(), reward, terminated) == (4, 4.0, False)
    assert info == {"x_pos": 7, "reward_terms": {"alive": 4.0}}
    assert env.unwrapped.actions == [7] * 4


def test_skip_frame_stops_at_the_end_of_an_episode():
    env = start(SkipFrame(Recorder(length=6), 4))
    env.step(0)
    obs, reward, terminated, _, info = env.step(0)
    assert (obs.item(), reward, terminated) == (6, 2.0, True)
    assert info["reward_terms"] == {"alive": 2.0}


def test_skip_frame_on_any_environment():
    env, plain = SkipFrame(gym.make("CartPole-v1"), 2), gym.make("CartPole-v1")
    start(env, seed=3)
    start(plain, seed=3)
    plain.step(1)
    expected, *_ = plain.step(1)
    obs, reward, *_ = env.step(1)
    np.testing.assert_array_equal(obs, expected)
    assert reward == 2.0


# StickyAction


def test_sticky_action_repeats_as_often_as_told():
    env = start(StickyAction(Recorder(length=10**6), 0.25), seed=4)
    num_steps = 4_000
    for action in range(num_steps):
        env.step(action)
    taken = np.array(env.unwrapped.actions)
    share = np.mean(taken != np.arange(num_steps))
    # Three standard deviations of a Bernoulli share of 0.25.
    assert abs(share - 0.25) < 3 * (0.25 * 0.75 / num_steps) ** 0.5
    previous = np.concatenate([[0], taken[:-1]])
    assert np.all((taken == np.arange(num_steps)) | (taken == previous))


def test_first_action_of_an_episode_is_taken():
    env = StickyAction(Recorder(), 0.99)
    for action in range(20):
        env.reset(seed=action)
        env.step(action)
        assert env.unwrapped.actions == [action]


def test_sticky_action_follows_the_seed():
    runs = []
    for _ in range(2):
        env = start(StickyAction(Recorder(), 0.5), seed=9)
        for action in range(50):
            env.step(action)
        runs.append(env.unwrapped.actions)
    assert runs[0] == runs[1]


def test_sticky_action_keeps_its_own_copy():
    """A caller may use one array for all actions."""

    class Buffers(Recorder):
        def __init__(self):
            super().__init__()
            self.action_space = Box(0, 1_000, (1,), np.float32)

        def step(self, action):
            return super().step(float(action[0]))

    env = start(StickyAction(Buffers(), 0.5), seed=0)
    buffer = np.zeros(1, np.float32)
    for step in range(50):
        buffer[0] = step
        env.step(buffer)
    assert env.unwrapped.actions != [float(step) for step in range(50)]


# NoopReset


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


# TruncateOnStall


def test_truncates_after_steps_without_a_new_best():
    env = start(TruncateOnStall(Recorder(), num_steps=3))
    flags = [env.step(x)[3] for x in (1, 2, 2, 1, 3, 3, 2, 3)]
    assert flags == [False, False, False, False, False, False, False, True]


def test_a_new_episode_stalls_anew():
    env = start(TruncateOnStall(Recorder(), num_steps=2))
    env.step(200)
    env.step(200)
    env.reset()
    assert [env.step(1)[3] for _ in range(3)] == [False, False, True]


def test_the_end_of_an_episode_is_no_stall():
    env = start(TruncateOnStall(Recorder(length=3), num_steps=3))
    for _ in range(3):
        _, _, terminated, truncated, _ = env.step(0)
    assert (terminated, truncated) == (True, False)


def test_another_life_or_area_stalls_anew():
    """In 1-2 a pipe leads back to a smaller x, which is no stall."""
    env = start(TruncateOnStall(gym.make("MarioRL-v0"), num_steps=40))
    lives = []
    terminated = truncated = False
    while not (terminated or truncated):
        *_, terminated, truncated, info = env.step(1)
        lives.append(info["life"])
    # Each life walks the same way again; without starting anew the second would stall at once.
    assert terminated
    assert {2, 1, 0} <= set(lives)
    env.close()


def test_stall_of_mario_at_a_wall():
    env = start(TruncateOnStall(gym.make("MarioRL-1-1-v0", actions=[["NOOP"]]), num_steps=5))
    assert [env.step(0)[3] for _ in range(5)] == [False] * 4 + [True]
    env.close()


def test_stall_needs_its_key():
    env = TruncateOnStall(gym.make("CartPole-v1"), num_steps=2)
    with pytest.raises(ValueError, match="the info has no 'x_pos' to watch; it has nothing"):
        env.reset()


# RamObservation and TileObservation


def test_ram_observation_is_the_memory():
    raw = SuperMarioBrosEnv("1-1")
    env = RamObservation(raw)
    obs, info = env.reset()
    np.testing.assert_array_equal(obs, raw.ram)
    assert ram.x_position(obs.tobytes()) == info["x_pos"]
    env.close()


@pytest.mark.parametrize("wrapper", [RamObservation, TileObservation])
def test_memory_observations_need_memory(wrapper):
    with pytest.raises(ValueError, match=f"{wrapper.__name__} needs an environment with a `ram`"):
        wrapper(gym.make("CartPole-v1"))


def test_tiles_of_the_first_screen():
    """1-1 begins with two rows of ground, and Mario on it in the third column."""
    env = TileObservation(SuperMarioBrosEnv("1-1"))
    obs, _ = env.reset()
    assert obs.shape == (13, 16)
    assert (obs[11:] == SOLID).all()
    assert np.argwhere(obs == MARIO).tolist() == [[10, 3]]
    assert (np.delete(obs[:11].ravel(), 10 * 16 + 3) == EMPTY).all()
    env.close()


def test_tiles_show_what_meets_mario():
    """Walking right in 1-1: blocks are solid, and the first goomba comes along the ground."""
    env = TileObservation(SuperMarioBrosEnv("1-1"))
    env.reset()
    terminated = False
    grids = []
    while not terminated:
        obs, _, terminated, *_ = env.step(BUTTONS["right"])
        grids.append(obs)
    enemies = {tuple(place) for grid in grids for place in np.argwhere(grid == ENEMY).tolist()}
    assert {row for row, _ in enemies} == {10}
    assert {column for _, column in enemies} >= set(range(8, 15))
    assert any((grid[7] == SOLID).any() for grid in grids)
    # It dies on touching the goomba, which is then in Mario's block or the next.
    beside = [
        grid[10, max(0, column - 1) : column + 2]
        for grid in grids[-20:]
        for _, column in np.argwhere(grid == MARIO)
    ]
    assert any(ENEMY in blocks for blocks in beside)
    env.close()


def test_lifts_are_solid_and_springboards_too():
    """Lifts and springboards lie in the slots of enemies."""
    for kind, width in ((0x28, 3), (0x2B, 1), (0x32, 1)):
        memory = np.zeros(ram.SIZE, np.uint8)
        memory[ram.ENEMY_ACTIVE + 2], memory[ram.ENEMY_TYPES + 2] = 1, kind
        memory[ram.ENEMY_X + 2], memory[ram.ENEMY_Y + 2] = 64, 32 + 5 * 16
        expected = np.zeros((13, 16), np.uint8)
        expected[5, 4 : 4 + width] = SOLID
        np.testing.assert_array_equal(decode_tiles(memory), expected)


def test_signals_and_fireworks_are_not_seen():
    memory = np.zeros(ram.SIZE, np.uint8)
    for slot, kind in enumerate((0x16, 0x18, 0x34, 0x35)):
        memory[ram.ENEMY_ACTIVE + slot], memory[ram.ENEMY_TYPES + slot] = 1, kind
        memory[ram.ENEMY_X + slot], memory[ram.ENEMY_Y + slot] = 64, 100
    assert not decode_tiles(memory).any()


def test_tiles_of_made_up_memory():
    memory = np.zeros(ram.SIZE, np.uint8)
    memory[ram.SCREEN_LEFT_PAGE] = 1
    memory[ram.SCREEN_LEFT_X] = 0x20  # two blocks into the second page
    blocks = memory[ram.BLOCK_BUFFER : ram.BLOCK_BUFFER + 2 * 13 * 16].reshape(2, 13, 16)
    blocks[1, 5, 2] = 0xC2  # a coin, the first visible column
    blocks[0, 6, 1] = 0x54  # the ground, on the next page: the last visible column
    blocks[1, 7, 3] = 0x5F  # a hidden block
    memory[ram.ENEMY_ACTIVE + 5], memory[ram.ENEMY_TYPES + 5] = 1, 0x2E  # a power-up
    memory[ram.ENEMY_X_PAGE + 5] = 1
    memory[ram.ENEMY_X + 5] = 0x50
    memory[ram.ENEMY_Y + 5] = 32 + 3 * 16 - 8
    grid = decode_tiles(memory)
    expected = np.zeros((13, 16), np.uint8)
    expected[5, 0], expected[6, 15], expected[3, 3] = ITEM, SOLID, ITEM
    np.testing.assert_array_equal(grid, expected)


# The short way to the raw environment


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
    env._steps = env._view = None
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
    for step in range(110 if emulator == "native" else 30):
        if is_over:
            seed = 3 if step == 0 else None
            obs, info = env.reset(seed=seed)
            expected, expected_info = plain.reset(seed=seed)
            is_over = False
        else:
            action = int(rng.choice([128, 130, 131, 0], p=[0.6, 0.1, 0.2, 0.1]))
            if name == "joypad":
                action = int(rng.integers(1, 5))
            obs, *rest, info = env.step(action)
            expected, *expected_rest, expected_info = plain.step(action)
            assert rest == expected_rest
            is_over = rest[1] or rest[2]
        np.testing.assert_array_equal(obs, expected, err_msg=f"step {step}")
        assert obs.dtype == np.uint8
        assert info == expected_info
        assert env.unwrapped.look is Look.RETURN
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
    calls.clear()
    memory = RamObservation(SkipFrame(env.unwrapped))
    memory.reset()
    memory.step(128)
    assert calls == []
    env.close()


@pytest.mark.parametrize("skip", [1_000, 1_001])
def test_a_skip_to_the_end_of_an_episode(skip):
    """So many frames are not run in one call: nothing could interrupt it."""
    env = SkipFrame(SuperMarioBrosEnv("1-1"), skip)
    raw = SuperMarioBrosEnv("1-1")
    env.reset()
    raw.reset()
    terminated, total = False, 0.0
    while not terminated:
        expected, reward, terminated, _, _ = raw.step(128)
        total += reward
    obs, reward, terminated, *_ = env.step(128)
    np.testing.assert_array_equal(obs, expected)
    assert (reward, terminated) == (total, True)
    env.close()
    raw.close()


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
@pytest.mark.parametrize("num_frames", [0, -1, 1_001])
def test_the_number_of_steps_in_one_call_is_bounded(num_frames, emulator):
    env = SuperMarioBrosEnv("1-1", emulator=emulator)
    env.reset()
    before = env.ram
    with pytest.raises(ValueError, match=rf"num_frames is {num_frames}; accepted is an integer, 1"):
        env.steps(128, num_frames)
    np.testing.assert_array_equal(env.ram, before)
    env.close()


def test_an_error_on_the_way_leaves_the_observation_returned():
    raw = SuperMarioBrosEnv("1-1")
    env = ResizeObservation(SkipFrame(StickyAction(raw, 0.5)), (84, 84))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action 999 is out of range"):
        env.step(999)
    assert raw.look is Look.RETURN
    assert raw.step(0)[0].any()
    raw.close()


def test_an_unseen_observation_cannot_be_written_on():
    raw = SuperMarioBrosEnv("1-1")
    raw.reset()
    raw.look = Look.NONE
    obs, *_ = raw.step(128)
    with pytest.raises(ValueError, match="read-only"):
        obs[0] = 1
    raw.look = Look.RETURN
    expected = SuperMarioBrosEnv("1-1", emulator="nes-py")
    expected.reset()
    np.testing.assert_array_equal(raw.screen(), expected.step(128)[0])
    raw.close()
    expected.close()


# FrameStackObservation


@pytest.mark.parametrize("padding", ["reset", "zero", np.full(1, 7, np.float32)])
@pytest.mark.parametrize("stack", [1, 2, 5])
def test_stack_is_gymnasiums(stack, padding):
    env = FrameStackObservation(Recorder(), stack, padding_type=padding)
    plain = gym.wrappers.FrameStackObservation(Recorder(), stack, padding_type=padding)
    assert env.observation_space == plain.observation_space
    for _ in range(3):
        np.testing.assert_array_equal(env.reset()[0], plain.reset()[0])
        for action in range(2 * stack + 1):
            (obs, *rest), (expected, *expected_rest) = env.step(action), plain.step(action)
            np.testing.assert_array_equal(obs, expected)
            assert obs.dtype == expected.dtype
            assert rest == expected_rest
            obs[:] = -1  # is the caller's own


def test_stack_needs_arrays():
    with pytest.raises(ValueError, match="needs observations in a Box; got Discrete"):
        FrameStackObservation(gym.make("FrozenLake-v1"), 2)


def test_spaces_of_images_share_their_arrays_but_not_their_generators():
    one, other = gym.make("MarioRL-1-1-v0"), gym.make("MarioRL-1-1-v0")
    spaces = [env.observation_space for env in (one, other)]
    assert spaces[0] == spaces[1] == Box(0, 255, (4, 84, 84), np.uint8)
    assert np.shares_memory(spaces[0].low, spaces[1].low)
    spaces[0].seed(1)
    spaces[1].seed(1)
    first = spaces[0].sample()
    spaces[0].sample()
    np.testing.assert_array_equal(spaces[1].sample(), first)
    one.close()
    other.close()


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
