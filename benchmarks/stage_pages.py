"""Measure random play in every stage.

python benchmarks/stage_pages.py --measure 500

The numbers lie in benchmarks/random_play.json.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

from mario_rl_envs.game.stages import STAGES

ROOT: Final = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks import random_play  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    """Measure."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", type=int, required=True, metavar="GAMES", help="of each stage")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "benchmarks/stage_pages.py", *arguments])
    random_play.save(random_play.measure(STAGES, options.measure, command=command))


if __name__ == "__main__":
    main()
