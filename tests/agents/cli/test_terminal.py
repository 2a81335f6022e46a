"""Command lines that are printed can be typed."""

import sys
from pathlib import Path

import pytest
from mario_rl_agents.cli.terminal import program


@pytest.mark.parametrize(
    ("started_by", "on_path", "expected"),
    [
        (".venv/bin/mario-rl", False, ".venv/bin/mario-rl"),
        (".venv/bin/mario-rl", True, "mario-rl"),
        ("other/bin/mario-rl", True, "other/bin/mario-rl"),  # the shell finds another one
        ("agents/mario_rl_agents/__main__.py", False, "mario-rl"),
    ],
)
def test_a_printed_command_begins_with_what_the_shell_finds(
    started_by: str,
    on_path: bool,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for folder in (".venv/bin", "other/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "mario-rl").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / ".venv/bin") if on_path else "/nowhere")
    monkeypatch.setattr(sys, "argv", [started_by, "train"])
    assert program() == expected
