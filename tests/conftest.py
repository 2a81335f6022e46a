"""What must stand before anything is imported, what each test gives back, and what begins."""

import os
import signal
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A shell that runs the tests in the background has them ignore Ctrl-C, and their children too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Those with tests of a minute and more. At the end, others would have nothing more to do than to
# wait for them.
FIRST = ("test_site", "test_ray_engine", "test_compare")


def pytest_collection_modifyitems(items):
    """Begin with the modules that take longest."""
    items.sort(key=lambda item: item.path.stem not in FIRST)


@pytest.fixture(autouse=True)
def same_path(monkeypatch):
    """Take the folders back that a command adds: modules of one test are not for the next one."""
    monkeypatch.setattr(sys, "path", [*sys.path])
