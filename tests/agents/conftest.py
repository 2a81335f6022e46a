"""Registers the environments that tests of the agents name by id, and keeps out of the home."""

import os
from collections.abc import Iterator

import pytest
from support import flag_walk as flag_walk
from support.browser import CHROMIUM, Browser, opened


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have trainings note the modules that they name elsewhere than in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a Chromium that the tests of one process share."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with opened() as running:
        yield running
