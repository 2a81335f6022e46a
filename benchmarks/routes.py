"""Search for a route through every stage, and print what that takes.

    python benchmarks/routes.py                                    # all 32, three seeds
    python benchmarks/routes.py --stages 1-1 8-4 --actions complex simple

One thread; seconds are those of the processor, so other programs hardly count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from mario_rl_envs import routes
from mario_rl_envs.game.actions import ACTION_SETS
from mario_rl_envs.game.stages import STAGES

MAX_SECONDS = 300.0  # of a search


class Search(NamedTuple):
    """A search that has found a route, or was given up."""

    seconds: float  # of the processor
    num_decisions: int
    num_steps: int | None  # of the route


def search(stage: str, actions: str, seed: int) -> Search:
    """Search once."""
    started = time.process_time()
    searching = routes.RouteSearch(stage, actions=actions, seed=seed, num_threads=1)
    while not searching.explore() and time.process_time() - started < MAX_SECONDS:
        pass
    seconds = time.process_time() - started
    num_steps = None if searching.joypad is None else len(searching.joypad)
    return Search(seconds, searching.num_decisions, num_steps)


def row(name: str, searches: Sequence[Search]) -> str:
    """Return a row of the table: medians, and the lowest and highest seconds."""
    seconds = [each.seconds for each in searches]
    lengths = [each.num_steps for each in searches if each.num_steps is not None]
    found = f"{len(lengths)} of {len(searches)}"
    steps = f"{statistics.median(lengths):,.0f}" if lengths else ""
    decisions = f"{statistics.median(each.num_decisions for each in searches):,.0f}"
    spread = f"{statistics.median(seconds):.1f} [{min(seconds):.1f} to {max(seconds):.1f}]"
    return f"| {name} | {found} | {spread} | {decisions} | {steps} |"


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--actions", nargs="+", default=["complex"], choices=ACTION_SETS)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print("| stage | routes | seconds | decisions | steps of the route |\n|---|---|---|---:|---:|")
    for actions in arguments.actions:
        everything = []
        for stage in arguments.stages:
            searches = [search(stage, actions, seed) for seed in range(arguments.seeds)]
            everything += searches
            print(row(f"{stage}, {actions}", searches), flush=True)
        total = sum(each.seconds for each in everything) / arguments.seeds
        print(f"\n{actions}: {total:.0f} s a seed\n", flush=True)


if __name__ == "__main__":
    main()
