"""Video of an episode: the game, and beside it a panel with what the agent makes of its actions."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mario_rl_agents.agent import Agent
from mario_rl_agents.envs import position_of, success_of
from mario_rl_agents.files import replacing
from mario_rl_agents.reports.panel import Frame, Moment, Panel, beside
from mario_rl_agents.runs.evaluation import EvaluationPolicy, policy_name

SUFFIXES: Final = (".mp4", ".gif")

_HOLD_SECONDS: Final = 1.0  # the last frame stays, so that its numbers can be read
_GIF_FRAMES_PER_SECOND: Final = 20  # at most; players of GIFs are slow above
_GIF_SCALE: Final = 0.6


@runtime_checkable
class _HasActionValues(Protocol):
    def action_values(self, obs: Any) -> NDArray[Any]: ...


@runtime_checkable
class _HasActionProbabilities(Protocol):
    def action_probabilities(self, obs: Any) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Recording:
    """A recorded episode."""

    path: Path
    episodic_return: float
    length: int  # environment steps
    num_frames: int  # in the file
    info: dict[str, Any]  # of the last step


def check_video_path(path: Path) -> None:
    """Check that a video can be written in the format that the name ends in.

    Raises:
        ValueError: The ending is not one of `SUFFIXES`.
        ImportError: The ending is .mp4 and imageio-ffmpeg is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()


def record_episode(
    agent: Agent,
    env: gym.Env[Any, Any],
    path: Path,
    *,
    epsilon: float = 0.0,
    sample: bool = False,
    seed: int = 0,
    max_seconds: float = 120.0,
) -> Recording:
    """Play one episode as `evaluate` plays it and record every frame.

    Args:
        agent: The agent; its action values or probabilities are drawn if it has any.
        env: An environment made with `render_mode="rgb_array_list"`.
        path: An .mp4 (every frame of the game) or a .gif (smaller, about 20 frames a second).
        epsilon: The probability of a random action.
        sample: Whether the other actions are drawn as in training, instead of greedy.
        seed: Of the episode.
        max_seconds: The video ends after so much game time, even if the episode does not.

    Raises:
        ValueError: The environment has another render mode, or `path` another ending.
        ImportError: The ending is .mp4 and imageio-ffmpeg is not installed.
    """
    check_video_path(path)
    if env.render_mode != "rgb_array_list":
        raise ValueError(
            f"env must have render_mode 'rgb_array_list', received {env.render_mode!r}: give it to "
            "gym.make"
        )
    fps = float(env.metadata.get("render_fps") or 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
    panel = Panel(
        env,
        title=env.spec.id if env.spec is not None else type(env.unwrapped).__name__,
        subtitle=f"{agent.algorithm} · {policy_name(epsilon, sampled=sample)}",
        has_probabilities=isinstance(agent, _HasActionProbabilities),
    )
    recorder = _Recorder(agent, env, policy, panel)
    frames = recorder.frames(
        seed, max_frames=int(max_seconds * fps), hold=round(_HOLD_SECONDS * fps)
    )
    write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
    with replacing(path) as new:
        num_frames = write(new, frames, fps)
    return Recording(path, recorder.episodic_return, recorder.length, num_frames, recorder.info)


class _Recorder:
    """One episode, played and drawn frame by frame."""

    def __init__(
        self, agent: Agent, env: gym.Env[Any, Any], policy: EvaluationPolicy, panel: Panel
    ) -> None:
        self._agent = agent
        self._env = env
        self._policy = policy
        self._panel = panel
        self.episodic_return = 0.0
        self.length = 0
        self.info: dict[str, Any] = {}

    def frames(self, seed: int, *, max_frames: int, hold: int) -> Iterator[Frame]:
        """Yield the frames of the video; the last one is repeated `hold` times."""
        obs, self.info = self._env.reset(seed=seed)
        waiting = _rendered(self._env)  # of the reset: shown with the first decision
        last: list[Frame] = []
        num_frames, ended = 0, False
        is_policy = isinstance(self._agent, _HasActionProbabilities)
        scale = (0.0, 1.0) if is_policy else (0.0, 1e-9)  # grows with the values
        while not ended and num_frames < max_frames:
            ratings = self._ratings(obs)
            if ratings is not None:
                scale = min(scale[0], float(ratings.min())), max(scale[1], float(ratings.max()))
            action = self._policy(obs)
            moment = Moment(
                ratings=ratings,
                scale=scale,
                action=action,
                is_random=self._policy.was_random,
                obs=np.asarray(obs),
                step=self.length,
                episodic_return=self.episodic_return,
                x_pos=position_of(self.info),
            )
            obs, reward, terminated, truncated, self.info = self._env.step(action)
            self.episodic_return += float(reward)
            self.length += 1
            ended = bool(terminated or truncated)
            waiting += _rendered(self._env)
            panel = self._panel.draw(moment)
            for picture in waiting:
                yield beside(picture, panel)
            num_frames += len(waiting)
            last, waiting = waiting[-1:] or last, []
        final = dataclasses.replace(
            moment,
            obs=np.asarray(obs),
            step=self.length,
            episodic_return=self.episodic_return,
            x_pos=position_of(self.info),
            result=_result(self.info, terminated=bool(terminated), truncated=bool(truncated)),
        )
        for picture in last:
            frame = beside(picture, self._panel.draw(final))
            yield from itertools.repeat(frame, hold)

    def _ratings(self, obs: Any) -> NDArray[Any] | None:
        """Return a number for each action; None where actions are continuous, or it has none."""
        if not isinstance(self._env.action_space, gym.spaces.Discrete):
            return None
        batch = np.asarray(obs)[None]
        if isinstance(self._agent, _HasActionProbabilities):
            return np.asarray(self._agent.action_probabilities(batch)[0])
        if isinstance(self._agent, _HasActionValues):
            return np.asarray(self._agent.action_values(batch)[0])
        return None


def _rendered(env: gym.Env[Any, Any]) -> list[Frame]:
    frames: Any = env.render()
    return list(frames)


def _result(info: dict[str, Any], *, terminated: bool, truncated: bool) -> str:
    if success_of(info):
        return "stage cleared" if "flag_get" in info else "success"
    if truncated:
        return "truncated"
    return "episode over" if terminated else "cut"


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(
            'an .mp4 needs imageio-ffmpeg: pip install "mario-rl-envs[video]"; a .gif needs nothing'
        ) from error
    return imageio_ffmpeg


def _write_mp4(path: Path, frames: Iterator[Frame], fps: float) -> int:
    first = next(frames)
    height, width, _ = first.shape
    writer = _ffmpeg().write_frames(
        str(path),
        (width, height),
        fps=fps,
        codec="libx264",
        quality=8,
        macro_block_size=2,
        ffmpeg_log_level="error",
    )
    writer.send(None)  # starts it
    count = 0
    try:
        for frame in itertools.chain([first], frames):
            writer.send(np.ascontiguousarray(frame))
            count += 1
    finally:
        writer.close()
    return count


def _write_gif(path: Path, frames: Iterator[Frame], fps: float) -> int:
    period = max(1, math.ceil(fps / _GIF_FRAMES_PER_SECOND))
    pictures = []
    for index, frame in enumerate(frames):
        if index % period == 0:
            image = Image.fromarray(frame)
            size = (round(image.width * _GIF_SCALE), round(image.height * _GIF_SCALE))
            small = image.resize(size, Image.Resampling.BOX)
            pictures.append(small.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
    milliseconds = 10 * round(100 * period / fps)  # GIFs count in hundredths of a second
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return len(pictures)
