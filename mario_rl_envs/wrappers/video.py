"""Videos with every frame of the game."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gymnasium import wrappers


class RecordVideo(wrappers.RecordVideo[Any, Any]):
    """`gymnasium.wrappers.RecordVideo` that keeps all that "rgb_array_list" renders.

    Gymnasium's keeps the last frame of each step only, which makes a video of every fourth frame,
    too fast by as much. `video_length` counts frames here. Needs the extra "video" (MoviePy).
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; what was not rendered before it is forgotten."""
        self.render_history.clear()
        return super().reset(seed=seed, options=options)

    def _capture_frame(self) -> None:
        if self.env.render_mode != "rgb_array_list":
            capture: Callable[[], None] = super()._capture_frame
            capture()
            return
        frames: Any = self.env.render()
        self.recorded_frames += frames
        self.render_history += frames  # for the caller of `render`
