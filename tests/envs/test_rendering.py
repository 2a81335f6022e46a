"""Pictures: the screen, every native frame, and the window."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo

from mario_rl_envs.env import SuperMarioBrosEnv


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


def test_loading_a_state_forgets_the_frames_before():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array_list")
    env.reset()
    state = env.save_state()
    for _ in range(3):
        env.step(128)
    env.load_state(state)
    assert len(env.render()) == 1
    env.close()


def test_closing_the_window_stops_the_program():
    pygame = pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    env = SuperMarioBrosEnv("1-1", render_mode="human")
    env.reset()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    with pytest.raises(KeyboardInterrupt, match="the window was closed"):
        env.step(0)
    env.close()
