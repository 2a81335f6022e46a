"""Pictures: the screen, every native frame, and the window."""

import gc
import pickle
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo

from mario_rl_envs import routes
from mario_rl_envs import wrappers as our_wrappers
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.vector_env import MarioVectorEnv


def test_rgb_array_is_the_screen():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    obs, _ = env.reset()
    np.testing.assert_array_equal(env.render(), obs)
    assert env.metadata["render_fps"] == 60
    # The sky of 1-1, as nes-py's palette has it.
    assert obs[100, 128].tolist() == [104, 136, 252]
    env.close()


def test_a_video_of_steps_is_as_slow_as_the_game():
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array")
    assert env.metadata["render_fps"] == 15
    env.close()


def test_rendering_without_a_mode_warns_as_gymnasiums_own_do():
    env, envs = gym.make("MarioRL-1-1-v0"), gym.make_vec("MarioRL-1-1-v0", num_envs=2)
    for each, maker, nothing in ((env, "make", None), (envs, "make_vec", (None, None))):
        each.reset()
        with pytest.warns(
            UserWarning, match=rf'without specifying .*gym\.{maker}\("MarioRL-1-1-v0"'
        ):
            assert each.render() == nothing
        each.close()
    raw = SuperMarioBrosEnv("1-1")
    raw.reset()
    with pytest.warns(UserWarning, match="without specifying any render mode"):
        raw.render()
    raw.close()


@pytest.mark.parametrize(
    "refused",
    [
        lambda: MarioVectorEnv(0),
        lambda: MarioVectorEnv(2, stage="9-9"),
        lambda: MarioVectorEnv(2, frame_skip=3),
        lambda: SuperMarioBrosEnv("9-9"),
        lambda: SuperMarioBrosEnv("1-1", emulator="nes"),
        lambda: SuperMarioBrosEnv("1-1", rom_path="no file"),
        lambda: our_wrappers.RecordVideo(SuperMarioBrosEnv("1-1"), "no folder"),
    ],
)
def test_a_refused_constructor_leaves_nothing_behind_that_complains(refused, monkeypatch):
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    with pytest.raises((ValueError, TypeError, FileNotFoundError)):
        refused()
    gc.collect()
    assert ignored == []


def test_every_native_frame_can_be_had():
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array_list")
    assert env.metadata["render_fps"] == 60
    env.reset()
    assert len(env.render()) == 1
    for _ in range(5):
        env.step(3)
    frames = env.render()
    assert len(frames) == 5 * 4
    assert env.render() == []
    raw = SuperMarioBrosEnv("1-1")
    raw.reset()
    for frame in frames:
        obs, *_ = raw.step(130)
        np.testing.assert_array_equal(frame, obs)
    env.close()
    raw.close()


BEGIN = 0.1  # of the route of 8-4, before its first pipe


def native_frames(stage, num_steps):
    """Return the screen after each frame of a route's part, run by nes-py: the skipped ones too."""
    env = SuperMarioBrosEnv(stage, emulator="nes-py")
    joypad = routes.load(stage).joypad
    env.reset(options={"route_fraction": BEGIN})
    frames = [env.observe()]
    advance = env._emulator.advance

    def recorded(buttons):
        advance(buttons)
        frames.append(env.observe())

    env._emulator.advance = recorded
    start = int(BEGIN * len(joypad))
    for action in joypad[start : start + num_steps].tolist():
        for _ in range(routes.FRAMES_PER_STEP):
            env.step(action)
    env.close()
    return frames


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_frames_that_no_player_controls_are_rendered_too(emulator):
    """In 8-4 a pipe leads on: the scene between is run through in one step, but can be seen."""
    num_steps = 95
    env = gym.make(
        "MarioRL-8-4-v0", render_mode="rgb_array_list", actions="joypad", emulator=emulator
    )
    env.reset(options={"route_fraction": BEGIN})
    joypad = routes.load("8-4").joypad
    start = int(BEGIN * len(joypad))
    frames, counts = env.render(), []
    assert len(frames) == 1, "the way to where the episode starts is not recorded"
    for action in joypad[start : start + num_steps]:
        env.step(action)
        shown = env.render()
        counts.append(len(shown))
        frames += shown
    assert min(counts) == 4
    assert max(counts) > 60, "no scene was skipped"
    expected = native_frames("8-4", num_steps)
    assert len(frames) == len(expected) == 1 + sum(counts)
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame, other)
    frames[0][:] = 0  # is the caller's own
    env.close()


def test_frames_are_forgotten_at_reset():
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array_list")
    env.reset()
    env.step(1)
    env.reset()
    assert len(env.render()) == 1
    env.close()


def test_rgb_array_is_right_whatever_was_drawn():
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array", observation="ram")
    raw = SuperMarioBrosEnv("1-1", emulator="nes-py")
    np.testing.assert_array_equal(env.reset() and env.render(), raw.reset()[0])
    for _ in range(10):
        env.step(3)
        for _ in range(4):
            screen, *_ = raw.step(130)
        np.testing.assert_array_equal(env.render(), screen)
    env.close()
    raw.close()


def test_the_recorder_keeps_every_frame(tmp_path):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array_list")
    env = our_wrappers.RecordVideo(env, str(tmp_path / "videos"), episode_trigger=lambda _: True)
    raw = SuperMarioBrosEnv("1-1")
    expected = [raw.reset()[0]]
    env.reset()
    for _ in range(5):
        env.step(3)
        expected += [raw.step(130)[0] for _ in range(4)]
    assert env.frames_per_sec == 60
    np.testing.assert_array_equal(env.recorded_frames, expected)
    np.testing.assert_array_equal(env.render(), expected)
    assert env.render() == []
    env.reset()
    assert len(env.recorded_frames) == 1
    env.close()
    raw.close()
    names = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert names == ["rl-video-episode-0.mp4", "rl-video-episode-1.mp4"]


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_a_video_begun_in_mid_episode_shows_nothing_of_what_was_before(tmp_path, emulator):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    raw = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list", emulator=emulator)
    env = our_wrappers.RecordVideo(
        raw, str(tmp_path / "videos"), step_trigger=lambda step: step in (4, 9), video_length=2
    )
    env.reset()
    screens = [env.step(128)[0] for _ in range(5)]
    assert env.recording
    np.testing.assert_array_equal(env.recorded_frames, screens[4:])
    assert len(env.render()) == 6  # the caller misses none
    for _ in range(2):
        env.step(128)
    assert not env.recording
    screens = [env.step(128)[0] for _ in range(3)]
    np.testing.assert_array_equal(env.recorded_frames, screens[2:])
    assert len(env.render()) == 5
    env.stop_recording()
    env.step(128)
    env.start_recording("by-hand")
    screens = [env.step(128)[0]]
    np.testing.assert_array_equal(env.recorded_frames[1:], screens)
    env.close()
    names = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert names == ["by-hand.mp4", "rl-video-step-4.mp4", "rl-video-step-9.mp4"]


def test_a_recording_can_be_started_before_the_first_episode(tmp_path):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    raw = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list")
    env = our_wrappers.RecordVideo(
        raw, str(tmp_path / "videos"), episode_trigger=lambda _: False, video_length=9
    )
    env.start_recording("first")
    env.reset()
    assert len(env.recorded_frames) == 1
    env.close()


def test_the_no_ops_are_in_the_video_of_an_episode(tmp_path):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array_list", noop_max=30)
    env = our_wrappers.RecordVideo(env, str(tmp_path / "videos"), episode_trigger=lambda _: True)
    for seed in range(2):
        env.reset(seed=seed)
        num_frames = len(env.recorded_frames)
        assert num_frames == len(env.render()) > 1
    env.close()


def test_the_recorder_takes_single_frames_too(tmp_path):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    raw = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    env = our_wrappers.RecordVideo(raw, str(tmp_path / "videos"))
    env.reset()
    env.step(128)
    assert len(env.recorded_frames) == 2
    env.close()


def test_gymnasium_records_the_raw_environment(tmp_path):
    pytest.importorskip("moviepy", reason="recording needs the extra 'video'")
    raw = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    env = RecordVideo(raw, str(tmp_path / "videos"), disable_logger=True)
    env.reset()
    for _ in range(10):
        env.step(128)
    assert len(env.recorded_frames) == 11
    env.close()
    assert (tmp_path / "videos" / "rl-video-episode-0.mp4").stat().st_size > 1_000


def test_human_shows_every_frame_in_a_window():
    pygame = pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    env = gym.make("MarioRL-1-1-v0", render_mode="human")
    env.reset()
    obs, *_ = env.step(1)
    assert obs.shape == (4, 84, 84)
    assert env.render() is None
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert shown.shape == (720, 768, 3)
    raw = SuperMarioBrosEnv("1-1")
    raw.reset()
    for _ in range(4):
        screen, *_ = raw.step(128)
    np.testing.assert_array_equal(shown[::3, ::3], screen)
    raw.close()
    env.close()
    assert not pygame.display.get_init()


def test_two_windows_close_one_after_the_other():
    pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    one, other = (SuperMarioBrosEnv("1-1", render_mode="human") for _ in range(2))
    one.reset()
    other.reset()
    one.close()
    _, _, terminated, *_ = other.step(128)
    assert not terminated
    other.close()


def test_a_window_that_nobody_can_see_is_warned_of(monkeypatch):
    pygame = pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    env = SuperMarioBrosEnv("1-1", render_mode="human")
    with pytest.warns(RuntimeWarning, match="there is no screen: render_mode='human' plays unseen"):
        env.reset()
    env.close()


def test_loading_a_state_forgets_the_frames_before():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list")
    env.reset()
    state = env.save_state()
    for _ in range(3):
        env.step(128)
    env.load_state(state)
    assert len(env.render()) == 1
    env.close()


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_a_pickle_goes_on_recording(emulator):
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list", emulator=emulator)
    env.reset()
    env.step(128)
    env.render()
    twin = pickle.loads(pickle.dumps(env))
    now = env.observe()
    screens = [twin.step(128)[0] for _ in range(3)]
    np.testing.assert_array_equal(twin.render(), [now, *screens])
    env.close()
    twin.close()


def test_a_pickle_goes_on_showing():
    pygame = pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    env = SuperMarioBrosEnv("1-1", render_mode="human")
    env.reset()
    twin = pickle.loads(pickle.dumps(env))
    env.close()
    assert not pygame.display.get_init()  # nothing opens before the next step
    screen, *_ = twin.step(128)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(shown[::3, ::3], screen)
    twin.close()


def test_closing_the_window_stops_the_program():
    pygame = pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    env = SuperMarioBrosEnv("1-1", render_mode="human")
    env.reset()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    with pytest.raises(KeyboardInterrupt, match="the window was closed"):
        env.step(0)
    env.close()
