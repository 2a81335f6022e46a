"""The claims of the tutorials' authors, tried: each arm with five seeds, a verdict, a picture.

    python benchmarks/claims.py --jobs 1 --minutes 60      # all, the cheapest first; go on later
    python benchmarks/claims.py ou-noise 'ppo-*'           # these
    python benchmarks/claims.py --page                     # run nothing, write the page anew

What is compared, for how long, by which measure and by which rule stands in
`benchmarks/claim_list.py` and was written before the first run. Each arm with each seed is a job
as those of `benchmarks/tutorials.py`, kept in `OUT/ARM-seedN`: finished jobs are skipped, stopped
ones go on from their last checkpoint, and claims that share an arm share its jobs. What the
finished ones came to is kept in `benchmarks/claims.json`, from which the page, `docs/claims.md`,
and its pictures are written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks.claim_list import CLAIMS, SEEDS, Arm, Claim, find_claims  # noqa: E402
from benchmarks.claim_page import PAGE, PICTURES, write_page  # noqa: E402
from benchmarks.claim_results import RESULTS, Results, collect  # noqa: E402
from benchmarks.running import add_options, run_jobs  # noqa: E402


def main(arguments: Sequence[str] | None = None, claims: Sequence[Claim] = CLAIMS) -> int:
    """Run the jobs, keep what they came to, write the page; return the exit code.

    Args:
        arguments: The command line; None: that of the process.
        claims: All that there are.
    """
    options = parse(arguments, claims)
    results = Results.read(options.results)
    code = 0
    if not options.page:
        arms = arms_of(find_claims(options.claims, claims))
        jobs = [arm.job(seed) for arm in arms for seed in SEEDS]
        code = run_jobs(
            jobs, options, lambda _, result: f"{result.final.return_mean:,.1f} in test games"
        )
        collect(arms, options.out, results)
        results.write(options.results)
    write_page(claims, results, options.write_to, options.pictures)
    return code


def arms_of(claims: Sequence[Claim]) -> list[Arm]:
    """Return the arms of claims, each once, in the order of the claims."""
    arms = {arm.id: arm for claim in claims for arm in claim.arms}
    return list(arms.values())


def parse(arguments: Sequence[str] | None, claims: Sequence[Claim]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("claims", nargs="*", help="ids or patterns; all")
    add_options(parser, ROOT / "runs" / "claims")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that is kept")
    parser.add_argument("--write-to", type=Path, default=PAGE, help="the page")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="their folder")
    options = parser.parse_args(arguments)
    if options.jobs is not None and options.jobs < 1:
        parser.error(f"--jobs must be at least 1, received {options.jobs}")
    try:
        find_claims(options.claims, claims)
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
