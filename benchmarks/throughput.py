"""How fast the game is played: ours against its rivals, in one run, on the same ROM.

    python benchmarks/throughput.py                                      # all sides, 7 rounds
    python benchmarks/throughput.py --rounds 3 --seconds 1 --pages       # a look, saved nowhere
    python benchmarks/throughput.py --sides gym.make gym-super-mario-bros

All sides play 1-1 with random RIGHT_ONLY actions and begin anew when Mario dies (`sides.py`), each
in a process of its own. The rounds go through the sides one after the other, and only one runs at
a time, so that a slow moment of the machine hits all of them; ratios are taken within a round. One
core for a side of one thread, two for two.

Rivals that are not installed are left out. Their requirements contradict each other (nes-py wants
a pyglet that is too old for stable-retro; neither needs it here), so they are installed with

    python -m pip install --no-deps --requirement benchmarks/rivals.txt
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "benchmarks" / "results.md", ROOT / "docs" / "native-core.md")
MARK = "throughput"
PACKAGES = (
    "gymnasium",
    "numpy",
    "opencv-python-headless",
    "gym-super-mario-bros",
    "nes-py",
    "stable-retro",
    "cynes",
)
FRAMES_PER_STEP = 4
WARM_UP = 0.3  # seconds, before every measurement
TOLERANCE = 16  # pixels between where two sides' same inputs lead; their clocks differ by frames
# By table, what the sides are compared with: the name of the side, and the column's title.
BASELINES = {
    "steps": {
        "gym-super-mario-bros": "x gym-super-mario-bros",
        "stable-retro": "x stable-retro",
    },
    "frames": {"nes-py-frames": "x nes-py", "stable-retro-frames": "x stable-retro"},
    "pictures": {"nes-py-pictures": "x nes-py", "stable-retro-pictures": "x stable-retro"},
}
TITLES = {
    "steps": "One step is four frames, the last of which comes out as 84 x 84 grays, four of them "
    "stacked.",
    "frames": "Frames of the bare console, nobody looking at the picture:",
    "pictures": "Frames of the bare console, each of them drawn:",
}
Rates = dict[str, list[float]]  # by side, one rate a round


class SideError(Exception):
    """A side did not do what it was told."""


class Process:
    """A side, waiting for commands in a process of its own."""

    def __init__(
        self,
        side: dict[str, Any],
        module: str = "benchmarks.sides",
        arguments: Sequence[str] = (),
    ) -> None:
        """Start it on as many cores as it has threads; the module with these arguments serves."""
        cores = available_cores()[: side["num_threads"]]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", module, side["name"], *arguments, "--cores"]
        self._name = side["name"]
        self._process = subprocess.Popen(
            [*command, *map(str, cores)],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, command: str) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            SideError: There is none.
        """
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        try:
            print(command, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise SideError(f"{self._name} has died") from None
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self._name} died at `{command}`")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(f"{self._name} at `{command}`: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Measure, print the tables and save them."""
    sides = list_sides()
    names = [side["name"] for side in sides]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each side")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--sides", nargs="+", choices=names, default=names, metavar="SIDE")
    parser.add_argument("--no-cost", action="store_true", help="leave out memory and creation")
    parser.add_argument(
        "--pages",
        type=Path,
        nargs="*",
        default=PAGES,
        help="Markdown files to put the tables in",
    )
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    arguments = parser.parse_args()

    sides = [side for side in sides if side["name"] in arguments.sides]
    missing = sorted({package for side in sides for package in side["missing"]})
    sides = [side for side in sides if not side["missing"]]
    rates = measure([side for side in sides if side["table"]], arguments.rounds, arguments.seconds)
    costs = {} if arguments.no_cost else measure_costs(sides)

    text = "\n\n".join(report(sides, rates, costs, missing, arguments))
    print(text)
    for page in arguments.pages:
        save(page, text)
    if arguments.json:
        record = {"setup": describe_setup(arguments), "rates": rates, "costs": costs}
        arguments.json.write_text(json.dumps(record))


def list_sides() -> list[dict[str, Any]]:
    """Return what `sides.py` has."""
    command = [sys.executable, "-m", "benchmarks.sides", "--list"]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    sides: list[dict[str, Any]] = json.loads(found.stdout)
    return sides


def measure(sides: Sequence[dict[str, Any]], num_rounds: int, seconds: float) -> Rates:
    """Return every side's rates, the sides taking turns."""
    check(sides)
    processes = {side["name"]: Process(side) for side in sides}
    rates: Rates = {name: [] for name in processes}
    for index in range(num_rounds):
        for name, process in processes.items():
            process.ask(f"play {WARM_UP}")
            rates[name].append(process.ask(f"play {seconds}")["rate"])
            tell(f"round {index + 1} of {num_rounds}, {name}: {rates[name][-1]:,.0f}")
    for process in processes.values():
        process.close()
    return rates


def check(sides: Sequence[dict[str, Any]]) -> None:
    """See that all sides play the same game.

    Raises:
        SideError: The same inputs lead them to different places.
    """
    places = {}
    for side in sides:
        process = Process(side)
        places[side["name"]] = process.ask("check")["x"]
        process.close()
    tell(f"x after the same inputs: {places}")
    if places and max(places.values()) - min(places.values()) > TOLERANCE:
        raise SideError(f"the same inputs should lead to the same place, but led to {places}")


def measure_costs(sides: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return megabytes and milliseconds of one more environment, by side."""
    costs = {}
    for side in sides:
        if side["cost"]:
            process = Process(side)
            costs[side["name"]] = process.ask("cost")
            process.close()
            tell(f"{side['name']}: {costs[side['name']]}")
    return costs


def report(
    sides: Sequence[dict[str, Any]],
    rates: Rates,
    costs: dict[str, dict[str, float]],
    missing: Sequence[str],
    arguments: argparse.Namespace,
) -> Iterable[str]:
    """Yield the paragraphs of the results."""
    yield describe_setup(arguments)
    if missing:
        yield (
            f"Not installed, and so left out: {', '.join(missing)}. `python -m pip install "
            "--no-deps --requirement benchmarks/rivals.txt` installs them."
        )
    for table in BASELINES:
        rows = [side for side in sides if side["table"] == table]
        if rows:
            yield TITLES[table]
            yield rate_table(table, rows, rates)
    lines = list(thread_lines(rates))
    if lines:
        yield "\n".join(lines)
    if costs:
        yield (
            "One more environment, made, reset and stepped once, when the process has made one "
            "already (mean of 64; stable-retro allows one a process, so what is measured is its "
            "memory and how long it takes to replace it):"
        )
        yield cost_table([side for side in sides if side["name"] in costs], costs)


def rate_table(table: str, sides: Sequence[dict[str, Any]], rates: Rates) -> str:
    """Return a Markdown table: rates, and how many times those of the baselines they are."""
    baselines = {name: title for name, title in BASELINES[table].items() if name in rates}
    has_steps = table == "steps"
    columns = [*(["env steps/s"] if has_steps else []), "frames/s", *baselines.values()]
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for side in sides:
        values = rates[side["name"]]
        cells = [spread(values)]
        if has_steps:
            cells.append(round_figure(FRAMES_PER_STEP * statistics.median(values)))
        cells += [times(ratios(values, rates[baseline])) for baseline in baselines]
        lines.append(f"| {side['title']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost_table(sides: Sequence[dict[str, Any]], costs: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table of what one more environment costs."""
    lines = ["| | MB | ms |", "|---|---:|---:|"]
    for side in sides:
        cost = costs[side["name"]]
        lines.append(f"| {side['title']} | {cost['megabytes']:.2f} | {cost['milliseconds']:.1f} |")
    return "\n".join(lines)


def thread_lines(rates: Rates) -> Iterable[str]:
    """Yield how much a second thread helps."""
    for name, values in rates.items():
        match = re.fullmatch(r"(gym\.make_vec-(\d+)x)2", name)
        one_thread = rates.get(f"{match[1]}1") if match else None
        if match and one_thread and match[2] != "1":
            gain = ratios(values, one_thread)
            yield f"- {match[2]} games: two threads are {times(gain, 2)} as fast as one."


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return the ratio in each round."""
    return [value / base for value, base in zip(values, baseline, strict=True)]


def spread(values: Sequence[float]) -> str:
    """Return median and range of rates."""
    low, high = round_figure(min(values)), round_figure(max(values))
    return f"{round_figure(statistics.median(values))} [{low} to {high}]"


def round_figure(value: float) -> str:
    """Return a rate with three or four figures, not those that are noise."""
    return f"{value:,.1f}" if value < 100 else f"{round(value, 3 - len(str(int(value)))):,.0f}"


def times(values: Sequence[float], digits: int = 1) -> str:
    """Return median and range of ratios."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f}x [{low:.{digits}f} to {high:.{digits}f}]"


def describe_setup(arguments: argparse.Namespace) -> str:
    """Return one paragraph on what was measured with what."""
    return (
        f"Median [lowest to highest] of {arguments.rounds} rounds of {arguments.seconds:g} s a "
        f"side; a ratio is the median of the rounds' ratios. {datetime.date.today()}, "
        f"{describe_commit()}; {cpu_name()}, {os.cpu_count()} cores; {platform.system()}; Python "
        f"{platform.python_version()}, {', '.join(describe_versions())}."
    )


def describe_versions(packages: Sequence[str] = PACKAGES) -> Iterable[str]:
    """Yield what is installed of some packages, with its version."""
    for package in packages:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def describe_commit() -> str:
    """Return the commit that is checked out; changes of the benchmarks are said, too."""
    # That of `mario_rl_agents.runs.provenance` knows the packages alone, and to import it decides
    # how the threads of all sides wait.
    try:
        commit = git("rev-parse", "--short", "HEAD")
        pages = [f":(exclude){page.relative_to(ROOT)}" for page in PAGES]
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *pages)
    except (OSError, subprocess.CalledProcessError):
        return "commit unknown"
    return f"commit {commit}{' with changes' * bool(changed)}"


def git(*arguments: str) -> str:
    """Return what git prints."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def available_cores() -> list[int]:
    """Return the cores that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cpu_name() -> str:
    """Return what the machine calls its processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def save(page: Path, text: str, mark: str = MARK) -> None:
    """Put the tables between a page's marks, or at its end."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before = page.read_text() if page.exists() else ""
    if begin not in before or end not in before:
        before = f"{before.rstrip()}\n\n{begin}{end}\n".lstrip()
    head, tail = before.split(begin)[0], before.split(end)[1]
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")


def tell(message: str) -> None:
    """Say how far it is."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
