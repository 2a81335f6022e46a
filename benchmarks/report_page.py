"""How large the page of a comparison is, and how long Chromium takes to open it.

    python benchmarks/report_page.py                  # five sides, five seeds, made up
    python benchmarks/report_page.py runs/compared    # the page in that folder

Opened means loaded, and every chart drawn. Each width is opened `--times` times in a browser that
runs already; the median and all of them are told, with the time that the page's own thread
computed, which a busy machine does not lengthen, and the load.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Open the page at both widths and print what was measured."""
    arguments = parse_arguments()
    sys.path.insert(0, str(ROOT / "tests"))
    from support import browser

    with tempfile.TemporaryDirectory() as made_up, browser.opened() as running:
        path = page_in(arguments.folder or Path(made_up))
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, load {os.getloadavg()[0]:.1f}")
        for width in (1280, 380):
            seconds, computed = [], []
            for _ in range(arguments.times):
                start = time.perf_counter()
                page = running.open(path, width=width)
                seconds.append(time.perf_counter() - start)
                computed.append(page.computed_seconds())
                assert not page.complaints, page.complaints
                assert not page.requests, page.requests
                page.close()
            print(
                f"{width} pixels: {statistics.median(seconds):.2f} s "
                f"({', '.join(f'{value:.2f}' for value in seconds)}), "
                f"of which it computed {statistics.median(computed):.2f} s"
            )
    print("no message of its console, no request")


def page_in(folder: Path) -> Path:
    """Return the page in a folder; in an empty one that of a comparison that was never made."""
    from mario_rl_agents.experiments.comparison_page import REPORT, write_page
    from support.comparisons import make_comparison

    if (folder / REPORT).is_file():
        return folder / REPORT
    make_comparison().write(folder)
    return write_page(folder)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of a run or a comparison, with page")
    parser.add_argument("--times", type=int, default=5, help="that each width is opened")
    return parser.parse_args()


if __name__ == "__main__":
    main()
