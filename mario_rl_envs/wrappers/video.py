"""Videos with every frame of the game."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gymnasium import wrappers

if TYPE_CHECKING:
    _RecordVideo = wrappers.RecordVideo[Any, Any]
else:  # it has another number of type parameters, or none, in each version of Gymnasium
    _RecordVideo = wrappers.RecordVideo

_EVERY_FRAME: Final = "rgb_array_list"


class RecordVideo(_RecordVideo):
    """`gymnasium.wrappers.RecordVideo` that keeps all that "rgb_array_list" renders.

    Gymnasium's keeps the last frame of each step only, which makes a video of every fourth frame,
    too fast by as much. `video_length` counts frames here. Needs the extra "video" (MoviePy).

    Example:
        >>> import tempfile
        >>> import gymnasium as gym
        >>> from mario_rl_envs.wrappers import RecordVideo
        >>> env = gym.make("MarioRL-1-1-v0", render_mode="rgb_array_list")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     env = RecordVideo(env, f"{folder}/videos", disable_logger=True)
        ...     obs, info = env.reset(seed=0)
        ...     obs, *_ = env.step(3)
        ...     env.close()  # writes the video
    """

    recorded_frames: Any = ()  # of one that was refused: Gymnasium's `__del__` looks at it
    _in_episode = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; what was not rendered before it is forgotten."""
        self.render_history.clear()
        self._in_episode = False
        outcome = super().reset(seed=seed, options=options)
        self._in_episode = True
        return outcome

    def start_recording(self, video_name: str) -> None:
        """Begin a video: with the episode's first frame, or in mid-episode with the newest one."""
        super().start_recording(video_name)
        if self._in_episode and self.env.render_mode == _EVERY_FRAME:
            before: Any = self.env.render()
            self.render_history += before
            self.recorded_frames += before[-1:]

    def _capture_frame(self) -> None:
        if self.env.render_mode != _EVERY_FRAME:
            capture: Callable[[], None] = super()._capture_frame
            capture()
            return
        frames: Any = self.env.render()
        self.recorded_frames += frames
        self.render_history += frames  # for the caller of `render`
