"""The processors of this machine, as mario_rl_envs counts them, which algorithms do not import."""

from __future__ import annotations

import os


def num_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
