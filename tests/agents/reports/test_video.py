"""Videos: the right frames, in a file that can be read back."""

import math
import sys
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.reports.video import record_episode
from mario_rl_agents.runs.evaluation import evaluate
from numpy.typing import NDArray
from PIL import Image, ImageSequence

import mario_rl_envs  # noqa: F401  registers MarioRL-1-1-v0

Frame = NDArray[np.uint8]  # [H, W, 3]

PANEL_WIDTH = 400
YELLOW, RED = (255, 196, 61), (238, 108, 77)


def read_mp4(path: Path) -> tuple[list[Frame], float]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        is_there, frame = video.read()
        if not is_there:
            break
        frames.append(np.asarray(frame[..., ::-1], np.uint8))  # OpenCV's pixels are blue first
    fps = video.get(cv2.CAP_PROP_FPS)
    video.release()
    return frames, fps


def read_gif(path: Path) -> list[Frame]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def has_color(frame: Frame, color: tuple[int, int, int]) -> bool:
    """Return whether a color is there, as near as compression leaves it."""
    distance = np.abs(frame.astype(int) - color).max(axis=2)
    return bool((distance < 25).sum() > 100)


def record(path: Path, env_id: str = "FlagWalk-v0", **keywords: Any) -> Any:
    env = gym.make(env_id, render_mode="rgb_array_list")
    try:
        return record_episode(DQN.create(env, seed=0, device="cpu"), env, path, **keywords)
    finally:
        env.close()


def record_policy(path: Path, logit: float) -> list[Frame]:
    """Record a policy that prefers the first action, by so much, whatever it sees."""
    env = gym.make("FlagWalk-v0", render_mode="rgb_array_list")
    agent = PPO.create(env, seed=0, device="cpu")
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            parameter.zero_()
        *_, bias = agent.actor.parameters()
        bias[0] = logit
    record_episode(agent, env, path)
    env.close()
    frames, _ = read_mp4(path)
    return frames


def yellow_share(frame: Frame) -> float:
    """Return how much of its track the chosen action's bar takes."""
    left, right = -PANEL_WIDTH + 148, -82
    track = frame[122:, left:right]
    distance = np.abs(track.astype(int) - YELLOW).max(axis=2)  # [H, W]
    columns = np.flatnonzero((distance < 40).sum(axis=0) >= 8)  # a bar is as high
    return float(columns.max() + 1) / float(track.shape[1])


def test_mp4_has_every_frame_of_the_game_and_a_second_more(tmp_path: Path) -> None:
    recording = record(tmp_path / "new" / "walk.mp4")
    frames, fps = read_mp4(recording.path)
    steps = 5  # of FlagWalk-v0, whatever the actions are
    assert fps == 10
    assert recording.length == steps
    assert len(frames) == recording.num_frames == 1 + steps + 10  # reset, steps, a second held
    assert frames[0].shape == (480, 310 + PANEL_WIDTH, 3)  # 48 x 31, ten times as large
    red = [int(frame[240, 155, 0]) for frame in frames]
    assert red == pytest.approx([0, 50, 100, 150, 200, *[250] * 11], abs=12)
    names = {path.name for path in recording.path.parent.iterdir()}
    assert names == {"walk.mp4", "walk.decisions.json"}


def test_the_chosen_action_is_yellow_and_a_random_one_red(tmp_path: Path) -> None:
    greedy, _ = read_mp4(record(tmp_path / "greedy.mp4").path)
    panel = greedy[1][:, -PANEL_WIDTH:]
    assert has_color(panel, YELLOW)
    assert not has_color(panel, RED)
    noisy, _ = read_mp4(record(tmp_path / "random.mp4", epsilon=1.0).path)
    assert has_color(noisy[1][:, -PANEL_WIDTH:], RED)


def test_bars_of_a_policy_are_its_probabilities(tmp_path: Path) -> None:
    # Of three actions with the weights e^logit, 1 and 1.
    for logit, probability in ((0.0, 1 / 3), (math.log(2), 1 / 2), (math.log(6), 3 / 4), (20, 1)):
        frames = record_policy(tmp_path / "policy.mp4", logit)
        assert yellow_share(frames[1]) == pytest.approx(probability, abs=0.02)


def test_the_frames_that_the_agent_sees_are_drawn(tmp_path: Path) -> None:
    frames, _ = read_mp4(record(tmp_path / "walk.mp4").path)
    for step, frame in enumerate(frames[1:6]):  # the frame shown while the step is taken
        centers = -PANEL_WIDTH + 20 + 42 + 92 * np.arange(4)
        seen = frame[480 - 112 + 42, centers, 0].tolist()
        assert seen == pytest.approx([20 * max(step - age, 0) for age in (3, 2, 1, 0)], abs=8)


def test_gif_is_smaller_and_loops(tmp_path: Path) -> None:
    recording = record(tmp_path / "walk.gif")
    frames = read_gif(recording.path)
    assert recording.num_frames == 16
    # Equal frames in a row are stored as one that lasts longer.
    assert 6 <= len(frames) <= 16
    assert frames[0].shape == (288, 426, 3)
    with Image.open(recording.path) as image:
        assert image.info["loop"] == 0


def test_the_video_is_the_episode_that_evaluation_counted(tmp_path: Path) -> None:
    env = gym.make("FlagWalk-v0", render_mode="rgb_array_list")
    agent = DQN.create(env, seed=0, device="cpu")
    [episode] = evaluate(agent, env, num_episodes=1, epsilon=0.7, seed=12).episodes
    recording = record_episode(agent, env, tmp_path / "walk.gif", epsilon=0.7, seed=12)
    env.close()
    assert recording.episodic_return == episode.episodic_return
    assert recording.info["x_pos"] == episode.x_pos


def test_mario_is_recorded_at_sixty_frames_a_second(tmp_path: Path) -> None:
    recording = record(tmp_path / "mario.mp4", "MarioRL-1-1-v0", max_seconds=0.5)
    frames, fps = read_mp4(recording.path)
    assert fps == 60
    assert frames[0].shape == (480, 512 + PANEL_WIDTH, 3)
    assert len(frames) == recording.num_frames
    # The frame after reset and four for each step, until half a second is full; then a second more.
    assert recording.length == 8
    assert recording.num_frames == 1 + 4 * 8 + 60


def test_long_episodes_are_cut(tmp_path: Path) -> None:
    recording = record(tmp_path / "walk.gif", max_seconds=0.3)
    assert recording.length == 2  # the frame of the reset, and two more


def test_other_endings_and_render_modes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"walk\.avi must end in one of \.mp4, \.gif"):
        record(tmp_path / "walk.avi")
    env = gym.make("FlagWalk-v0", render_mode="rgb_array")
    with pytest.raises(ValueError, match="must have render_mode 'rgb_array_list'"):
        record_episode(DQN.create(env, device="cpu"), env, tmp_path / "walk.gif")
    env.close()


def test_a_missing_encoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # what a failed import leaves
    with pytest.raises(ImportError, match=r'pip install "mario-rl-envs\[video\]"'):
        record(tmp_path / "walk.mp4")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"epsilon": "high"}, r"epsilon must be a number in \[0, 1\], got 'high' of type str"),
        ({"seed": 1.5}, "seed must be a whole number >= 0, got 1.5 of type float"),
        ({"sample": "perhaps"}, "sample must be true or false, yes or no, on or off, got 'perh"),
        ({"max_seconds": None}, "max_seconds must be a number > 0, got None of type NoneType"),
        ({"stall_seconds": "9"}, "stall_seconds must be a number >= 0, got '9' of type str"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(
    tmp_path: Path, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        record(tmp_path / "video.gif", **keywords)


def test_an_id_is_made_to_draw(tmp_path: Path) -> None:
    agent = DQN.create("FlagWalk-v0", seed=0, device="cpu")
    assert record_episode(agent, "FlagWalk-v0", tmp_path / "video.gif").length == 5
    agent.env.close()
