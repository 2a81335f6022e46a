"""Films an episode: beside it what the agent thinks of its actions, its choice, and its view."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mario_rl_agents.agent import Agent
from mario_rl_agents.runs.evaluation import EvaluationPolicy, policy_name

SUFFIXES = (".mp4", ".gif")

_HEIGHT = 480  # pixels of the film, at least
_PANEL_WIDTH = 400  # pixels
_MARGIN = 20  # pixels
_MAX_BARS = 12
_HOLD_SECONDS = 1.0  # the last frame stays, so that its numbers can be read
_GIF_FRAMES_PER_SECOND = 20  # at most; players of GIFs are slow above
_GIF_SCALE = 0.6

_BACKGROUND = (22, 24, 29)
_TEXT = (235, 237, 240)
_FAINT = (139, 145, 156)
_TRACK = (40, 44, 52)
_BAR = (86, 119, 190)
_CHOSEN = (255, 196, 61)
_RANDOM = (238, 108, 77)

Frame = NDArray[np.uint8]  # [H, W, 3]


@runtime_checkable
class _RatesActions(Protocol):
    def action_values(self, obs: Any) -> NDArray[Any]: ...


@runtime_checkable
class _WeighsActions(Protocol):
    def action_probabilities(self, obs: Any) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Recording:
    """What was filmed."""

    path: Path
    episodic_return: float
    length: int  # environment steps
    num_frames: int  # in the file
    info: dict[str, Any]  # of the last step


@dataclass(frozen=True)
class _Moment:
    """What the panel shows during one environment step."""

    values: NDArray[Any] | None  # [A], or probabilities
    axis: tuple[float, float]  # the ends of the bars' scale
    action: Any
    is_random: bool
    obs: NDArray[Any]
    step: int
    episodic_return: float
    x_pos: int | None
    result: str = ""  # how the episode ended


def check_video_path(path: Path) -> None:
    """Raise ValueError unless the name says a format that can be written.

    Raises:
        ValueError: the ending is not one of `SUFFIXES`.
        ImportError: .mp4 is asked for and imageio-ffmpeg is not installed.
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
    """Play one episode as `evaluate` plays it and film every frame.

    Args:
        agent: who acts; its action values or probabilities are drawn if it has any.
        env: made with `render_mode="rgb_array_list"`.
        path: an .mp4 (every frame of the game) or a .gif (smaller, about 20 frames a second).
        epsilon: the probability of a random action.
        sample: whether the other actions are drawn as in training, or greedy.
        seed: of the episode.
        max_seconds: the film ends after so much game time, even if the episode does not.

    Raises:
        ValueError: another render mode, or another ending of `path`.
        ImportError: .mp4 is asked for and imageio-ffmpeg is not installed.
    """
    check_video_path(path)
    if env.render_mode != "rgb_array_list":
        raise ValueError(f"env must have render_mode 'rgb_array_list', it has {env.render_mode!r}")
    fps = float(env.metadata.get("render_fps") or 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
    name = policy_name(epsilon, sampled=sample)
    film = _Film(agent, env, policy, name, seed=seed, max_frames=int(max_seconds * fps))
    frames = film.frames(hold=round(_HOLD_SECONDS * fps))
    new = path.with_name(f".{path.name}.new{path.suffix}")  # the ending tells ffmpeg the format
    try:
        write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
        num_frames = write(new, frames, fps)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    return Recording(path, film.episodic_return, film.length, num_frames, film.info)


class _Film:
    """Plays one episode and draws it frame by frame."""

    def __init__(
        self,
        agent: Agent,
        env: gym.Env[Any, Any],
        policy: EvaluationPolicy,
        policy_name: str,
        *,
        seed: int,
        max_frames: int,
    ) -> None:
        self._agent = agent
        self._env = env
        self._policy = policy
        self._policy_name = policy_name
        self._seed = seed
        self._max_frames = max_frames
        self._names = _action_names(env)
        self._is_weighing = isinstance(agent, _WeighsActions)  # probabilities, rather than values
        self._title = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self.episodic_return = 0.0
        self.length = 0
        self.info: dict[str, Any] = {}

    def frames(self, *, hold: int) -> Iterator[Frame]:
        """Yield the frames of the film; the last one is repeated `hold` times."""
        env, policy = self._env, self._policy
        obs, self.info = env.reset(seed=self._seed)
        waiting = _rendered(env)  # of the reset: shown with the first decision
        last: list[Frame] = []
        num_frames, ended = 0, False
        axis = (0.0, 1.0) if self._is_weighing else (0.0, 1e-9)  # grows with values: one scale
        while not ended and num_frames < self._max_frames:
            values = self._values(obs)
            if values is not None:
                axis = min(axis[0], float(values.min())), max(axis[1], float(values.max()))
            action = policy(obs)
            moment = _Moment(
                values=values,
                axis=axis,
                action=action,
                is_random=policy.was_random,
                obs=np.asarray(obs),
                step=self.length,
                episodic_return=self.episodic_return,
                x_pos=self.info.get("x_pos"),
            )
            obs, reward, terminated, truncated, self.info = env.step(action)
            self.episodic_return += float(reward)
            self.length += 1
            ended = bool(terminated or truncated)
            waiting += _rendered(env)
            panel = self._panel(moment)
            for picture in waiting:
                yield _beside(picture, panel)
            num_frames += len(waiting)
            last, waiting = waiting[-1:] or last, []
        final = dataclasses.replace(
            moment,
            obs=np.asarray(obs),
            step=self.length,
            episodic_return=self.episodic_return,
            x_pos=self.info.get("x_pos"),
            result=_result(self.info, terminated=bool(terminated), truncated=bool(truncated)),
        )
        for picture in last:
            frame = _beside(picture, self._panel(final))
            yield from itertools.repeat(frame, hold)

    def _values(self, obs: Any) -> NDArray[Any] | None:
        """Return a number for each action; None where actions are continuous, or it has none."""
        if not isinstance(self._env.action_space, gym.spaces.Discrete):
            return None
        batch = np.asarray(obs)[None]
        if isinstance(self._agent, _WeighsActions):
            return np.asarray(self._agent.action_probabilities(batch)[0])
        if isinstance(self._agent, _RatesActions):
            return np.asarray(self._agent.action_values(batch)[0])
        return None

    def _panel(self, moment: _Moment) -> Frame:
        """Return the panel beside the game, [480, 400, 3]."""
        image = Image.new("RGB", (_PANEL_WIDTH, _HEIGHT), _BACKGROUND)
        draw = ImageDraw.Draw(image)
        right = _PANEL_WIDTH - _MARGIN
        draw.text((_MARGIN, 16), self._title, font=_font(18, bold=True), fill=_TEXT)
        algorithm = f"{self._agent.algorithm} · {self._policy_name}"
        draw.text((_MARGIN, 40), algorithm, font=_font(13), fill=_FAINT)
        facts = [("step", f"{moment.step:,}"), ("return", f"{moment.episodic_return:,.0f}")]
        if moment.x_pos is not None:
            facts.append(("x", f"{moment.x_pos:,}"))
        for index, (name, value) in enumerate(facts):
            left = _MARGIN + index * 120
            draw.text((left, 68), name, font=_font(12), fill=_FAINT)
            draw.text((left, 83), value, font=_font(20, bold=True), fill=_TEXT)
        if moment.result:
            draw.text(
                (right, 18), moment.result, font=_font(15, bold=True), fill=_CHOSEN, anchor="ra"
            )
        stack = _stack(moment.obs)
        bottom = _HEIGHT - _MARGIN - (0 if stack is None else 120)
        self._draw_actions(draw, moment, top=122, bottom=bottom)
        if stack is not None:
            draw.text(
                (_MARGIN, _HEIGHT - 132),
                "what the agent sees, oldest first",
                font=_font(12),
                fill=_FAINT,
            )
            for index, plane in enumerate(stack):
                picture = Image.fromarray(plane).resize((84, 84), Image.Resampling.NEAREST)
                image.paste(picture.convert("RGB"), (_MARGIN + index * 92, _HEIGHT - 112))
        return np.asarray(image)

    def _draw_actions(
        self, draw: ImageDraw.ImageDraw, moment: _Moment, *, top: int, bottom: int
    ) -> None:
        """Draw a bar for each action's value or probability, the chosen action highlighted."""
        if not isinstance(self._env.action_space, gym.spaces.Discrete):
            text = np.array2string(np.asarray(moment.action), precision=2)
            draw.text((_MARGIN, top), f"action {text}", font=_font(14), fill=_CHOSEN)
            return
        chosen = int(moment.action - self._env.action_space.start)
        color = _RANDOM if moment.is_random else _CHOSEN
        shown = _shown_actions(moment.values, chosen, len(self._names))
        heading = "action probabilities" if self._is_weighing else "action values"
        heading = "action" if moment.values is None else heading
        if len(shown) < len(self._names):
            heading += f" ({len(shown)} of {len(self._names)})"
        draw.text((_MARGIN, top), heading, font=_font(12), fill=_FAINT)
        if moment.is_random:
            right = _PANEL_WIDTH - _MARGIN
            draw.text((right, top), "random action", font=_font(12), fill=_RANDOM, anchor="ra")
        top += 20
        height = min(30.0, (bottom - top) / len(shown))
        left, right = _MARGIN + 128, _PANEL_WIDTH - _MARGIN - 62
        low, high = moment.axis
        zero = left + (right - left) * -low / (high - low)
        for row, action in enumerate(shown):
            y = top + row * height
            middle = y + height / 2
            is_chosen = action == chosen
            fill = color if is_chosen else _TEXT
            name = self._names[action]
            draw.text(
                (_MARGIN, middle), name, font=_font(14, bold=is_chosen), fill=fill, anchor="lm"
            )
            if moment.values is None:
                continue
            draw.rectangle((left, y + 4, right, y + height - 4), fill=_TRACK)
            value = float(moment.values[action])
            end = zero + (right - left) * value / (high - low)
            bar = (min(zero, end), y + 4, max(zero, end), y + height - 4)
            draw.rectangle(bar, fill=color if is_chosen else _BAR)
            place = (_PANEL_WIDTH - _MARGIN, middle)
            text = f"{value:.1%}" if self._is_weighing else f"{value:,.2f}"
            draw.text(place, text, font=_font(13, bold=is_chosen), fill=fill, anchor="rm")


def _rendered(env: gym.Env[Any, Any]) -> list[Frame]:
    frames: Any = env.render()
    return list(frames)


def _action_names(env: gym.Env[Any, Any]) -> list[str]:
    """Return what to call each action: the environment's own words where it has any."""
    if not isinstance(env.action_space, gym.spaces.Discrete):
        return []
    count = int(env.action_space.n)
    if env.has_wrapper_attr("get_action_meanings"):
        names = [str(name) for name in env.get_wrapper_attr("get_action_meanings")()]
        if len(names) == count:
            return names
    return [f"action {index}" for index in range(count)]


def _shown_actions(values: NDArray[Any] | None, chosen: int, count: int) -> list[int]:
    """Return the actions that have room: all, or the best rated and the chosen one, in order."""
    if count <= _MAX_BARS:
        return list(range(count))
    order = list(range(count)) if values is None else [int(a) for a in np.argsort(-values)]
    best = [action for action in order if action != chosen][: _MAX_BARS - 1]
    return sorted([chosen, *best])


def _result(info: dict[str, Any], *, terminated: bool, truncated: bool) -> str:
    if info.get("flag_get"):
        return "stage cleared"
    if truncated:
        return "truncated"
    return "episode over" if terminated else "cut"


def _stack(obs: NDArray[Any]) -> list[Frame] | None:
    """Return up to four gray frames if the observation is a stack of them, [S, H, W] uint8."""
    if obs.dtype == np.uint8 and obs.ndim == 3 and obs.shape[0] <= 4 and min(obs.shape[1:]) >= 8:
        return list(obs)
    return None


def _beside(picture: Frame, panel: Frame) -> Frame:
    """Return the game, enlarged by whole pixels, and the panel; H.264 wants even sizes."""
    times = max(1, _HEIGHT // picture.shape[0])
    game = picture.repeat(times, axis=0).repeat(times, axis=1)
    height = max(game.shape[0], panel.shape[0])
    height, width = height + height % 2, game.shape[1] + game.shape[1] % 2
    frame = np.full((height, width + panel.shape[1], 3), _BACKGROUND, dtype=np.uint8)
    top = (height - game.shape[0]) // 2
    frame[top : top + game.shape[0], : game.shape[1]] = game
    top = (height - panel.shape[0]) // 2
    frame[top : top + panel.shape[0], width:] = panel
    return frame


@functools.cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Matplotlib, which the plots need anyway, brings a font that has every sign used here.
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)


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
