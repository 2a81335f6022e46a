"""The progress of a video: on a terminal alone, and in the terminal's own letters."""

import io

import pytest
from mario_rl_agents.cli.windows import video_progress
from rich.console import Console


@pytest.mark.parametrize("seconds", [None, 30.0])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_shows_how_much_is_written(seconds: float | None, encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, force_terminal=True, width=60)
    with video_progress(console, seconds=seconds) as progress:
        progress(12.34)
    file.seek(0)
    output = file.read()
    assert "recording" in output
    assert "12.3 s of video" in output


def test_a_log_file_has_none_of_it() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60)
    with video_progress(console) as progress:
        progress(12.34)
    assert file.getvalue() == ""
