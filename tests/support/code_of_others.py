"""A module that somebody else's run names, and that tells whether it was imported."""

import sys
from pathlib import Path

import pytest

NAME = "code_of_others"  # as in "code_of_others:CartPole-v1"


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the module where it can be imported; return the file that is there once it was.

    The user has named no module in a training of their own yet.
    """
    ran = folder / "ran"
    code = f"import gymnasium, pathlib; pathlib.Path({str(ran)!r}).touch()"
    (folder / f"{NAME}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return ran
