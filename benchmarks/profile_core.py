"""Where the time of an environment step goes, by parts of the native core.

    python -m benchmarks.profile_core                       # Linux, with perf installed
    python -m benchmarks.profile_core --seconds 3 --pages   # a look, saved nowhere

`perf` notes which function runs, many times a second, while sides of `throughput.py` play; then
functions are counted by the C file that they are written in. Those that the compiler has put into
their callers count as these; it does not do so across files. Time is the processor's: what other
programs took meanwhile does not count.
"""

from __future__ import annotations

import argparse
import collections
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.throughput import (
    ROOT,
    Process,
    available_cores,
    cpu_name,
    describe_commit,
    list_sides,
    save,
)

SOURCES = ROOT / "mario_rl_envs" / "core"
PAGES = (ROOT / "docs" / "native-core.md",)
MARK = "profile"
SIDES = ("gym.make_vec-8x1", "gym.make")
ATTACHING = 1.0  # seconds that perf may take to start
FREQUENCY = 1999  # samples a second; no divisor of anything that the game does
CPU = "CPU (the game's code compiled; `cpu.c`, `compiled.c`)"
PPU = "PPU timing, registers, sprite 0 hit (`ppu.c`, `bus.c`, `console.c`)"
DRAWING = "drawing (`drawing.c`)"
RESIZING = "resizing (`resize.c`, `colors.c`)"
RULES = "rules and info (`game/`)"
GLUE = "vector, threads, binding (`batch/`, `python/`)"
LIBRARIES = "C library and kernel (copies, most of it)"
PYTHON = "Python, NumPy, Gymnasium"
PARTS = (CPU, PPU, DRAWING, RESIZING, RULES, GLUE, LIBRARIES, PYTHON)
BY_FILE = {
    "machine/cpu.c": CPU,
    "machine/compiled.c": CPU,
    "machine/ppu.c": PPU,
    "machine/bus.c": PPU,
    "machine/console.c": PPU,
    "machine/drawing.c": DRAWING,
    "game/game.c": RULES,
    "game/info.c": RULES,
    "game/reward.c": RULES,
    "batch/resize.c": RESIZING,
    "batch/colors.c": RESIZING,
}
# In the file that draws, but they run for frames that are not drawn, too.
BY_FUNCTION = {"find_sprite_zero_hit": PPU, "has_sprite_zero": PPU}
# A line of `perf script -F ip,sym,dso`: address, function, file.
SAMPLE = re.compile(r"\s*[0-9a-f]+ (?P<function>.+?) \((?P<file>.*)\)$")
# A definition's first line, or the line with its name if that is another.
DEFINITION = re.compile(r"^(?=\w)(?:[\w *]*?[ *])?(?P<name>\w+)\(", re.MULTILINE)
# The file name of a library of the game's own code, see mario_rl_envs.compile.
COMPILED = "/compiled-"
# Code outside the core that is not Python's.
NOT_PYTHON = ("libc.so", "libc-", "ld-linux", "libm.so", "libm-", "kernel", "vdso")


def main() -> None:
    """Profile, print the table and save it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20, help="of each side")
    parser.add_argument("--sides", nargs="+", default=SIDES, metavar="SIDE")
    parser.add_argument("--pages", type=Path, nargs="*", default=PAGES, help="to put the table in")
    arguments = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("perf is not installed; on Debian `apt install linux-perf` brings it")
    sides = {side["name"]: side for side in list_sides()}
    files = functions_by_file()
    columns = {}
    for name in arguments.sides:
        samples, num_steps = profile(Process(sides[name]), arguments.seconds)
        duration = len(samples) / FREQUENCY / num_steps
        columns[sides[name]["title"]] = (shares(samples, files), duration)
    text = (
        f"{table(columns)}\n\n{arguments.seconds} s each, {FREQUENCY:,} samples a second, on one "
        f"core; {describe_commit()}, {cpu_name()}, {len(available_cores())} cores."
    )
    print(text)
    for page in arguments.pages:
        save(page, text, MARK)


def profile(process: Process, seconds: int) -> tuple[list[tuple[str, str]], float]:
    """Return the functions that ran, with the file that each is in, and the number of steps."""
    process.ask("play 0.5")
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "perf.data"))
        event = ["--event", "cpu-clock", "--freq", str(FREQUENCY)]
        command = ["perf", "record", "--quiet", "--output", data, *event, "--pid"]
        recording = subprocess.Popen([*command, str(process.pid)])
        time.sleep(ATTACHING)
        rate = process.ask(f"play {seconds}")["rate"]
        recording.send_signal(signal.SIGINT)
        recording.wait()
        process.close()
        command = ["perf", "script", "--input", data, "--fields", "ip,sym,dso"]
        script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = filter(None, map(SAMPLE.match, script.splitlines()))
    samples = [(match["function"], match["file"]) for match in found]
    if not samples:
        sys.exit("perf noted nothing; is it allowed to (/proc/sys/kernel/perf_event_paranoid)?")
    return samples, rate * seconds


def functions_by_file() -> dict[str, str]:
    """Return the C file that each of the core's functions is defined in."""
    return {
        match["name"]: path.relative_to(SOURCES).as_posix()
        for path in sorted(SOURCES.rglob("*.c"))
        for match in DEFINITION.finditer(path.read_text())
    }


def part(function: str, file: str, files: Mapping[str, str]) -> str:
    """Return the part that a sample counts for."""
    if "_core.abi3" in file or "_core.cpython" in file:
        name = function.split(".")[0]  # the compiler's copies are called name.part.0 and the like
        return BY_FUNCTION.get(name) or BY_FILE.get(files.get(name, ""), GLUE)
    if COMPILED in file:
        return CPU
    return LIBRARIES if any(mark in file for mark in NOT_PYTHON) else PYTHON


def shares(samples: Sequence[tuple[str, str]], files: Mapping[str, str]) -> dict[str, float]:
    """Return the fraction of the samples by part."""
    counts = collections.Counter(part(function, file, files) for function, file in samples)
    return {name: counts[name] / len(samples) for name in PARTS}


def table(columns: Mapping[str, tuple[Mapping[str, float], float]]) -> str:
    """Return a Markdown table: shares, and microseconds of an environment step.

    Args:
        columns: By title, the shares and the seconds that a step takes.
    """
    lines = [
        f"| | {' | | '.join(columns)} | |",
        f"|---|{'---:|---:|' * len(columns)}",
    ]
    for name in PARTS:
        cells = [
            f"{fractions[name]:.1%} | {fractions[name] * duration * 1e6:.1f} µs"
            for fractions, duration in columns.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    total = [f"100% | {duration * 1e6:.1f} µs" for _, duration in columns.values()]
    lines.append(f"| an environment step | {' | '.join(total)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
