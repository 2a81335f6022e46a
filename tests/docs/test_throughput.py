"""The benchmark plays, compares within rounds, and puts its tables where they belong."""

import json
import subprocess
import sys

import pytest

from benchmarks import throughput

SCRIPT = throughput.ROOT / "benchmarks" / "throughput.py"


def run(*arguments):
    command = [sys.executable, str(SCRIPT), "--rounds", "2", "--seconds", "0.01", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_sides_play_and_are_reported(tmp_path):
    page, measurements = tmp_path / "page.md", tmp_path / "all.json"
    page.write_text("# Results\n")
    sides = ["gym.make-nes-py", "gym-super-mario-bros"]
    table = run("--no-cost", "--sides", *sides, "--pages", page, "--json", measurements)
    rates = json.loads(measurements.read_text())["rates"]
    assert list(rates) == sides
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert '| `gym.make(emulator="nes-py")` |' in table
    assert page.read_text() == (
        f"# Results\n\n<!-- throughput -->\n\n{table.rstrip()}\n\n<!-- /throughput -->\n"
    )


def test_sides_that_play_something_else_are_noticed(monkeypatch):
    """Two sides that differ by more than a few frames' way do not play the same game."""

    class Elsewhere(throughput.Process):
        def ask(self, command):
            answer = super().ask(command)
            is_ours = self._name == "gym.make-nes-py"
            return {"x": answer["x"] + (throughput.TOLERANCE + 1) * is_ours}

    sides = [
        side
        for side in throughput.list_sides()
        if side["name"] in ("gym.make-nes-py", "gym-super-mario-bros")
    ]
    throughput.check(sides)
    monkeypatch.setattr(throughput, "Process", Elsewhere)
    with pytest.raises(throughput.SideError, match="same place"):
        throughput.check(sides)


def test_a_failing_side_says_why():
    (side,) = (side for side in throughput.list_sides() if side["name"] == "gym.make-nes-py")
    process = throughput.Process(side)
    with pytest.raises(throughput.SideError, match="`play soon`: ValueError"):
        process.ask("play soon")
    process.close()


def test_ratios_are_those_of_each_round():
    rates = {"gym.make": [300.0, 100.0, 800.0], "gym-super-mario-bros": [3.0, 2.0, 4.0]}
    sides = [{"name": "gym.make", "title": "ours"}]
    table = throughput.rate_table("steps", sides, rates)
    assert table.splitlines()[-1] == (
        "| ours | 300 [100 to 800] | 1,200 | 100.0x [50.0 to 200.0] |"
    )


def test_tables_replace_those_before(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- throughput -->\nold\n<!-- /throughput -->\nafter\n")
    throughput.save(page, "new")
    assert page.read_text() == (
        "before\n<!-- throughput -->\n\nnew\n\n<!-- /throughput -->\nafter\n"
    )


@pytest.mark.parametrize(
    ("rate", "text"),
    [(42.26, "42.3"), (847.3, "847"), (8473.2, "8,470"), (27856.0, "27,900")],
)
def test_rates_have_no_more_figures_than_mean_something(rate, text):
    assert throughput.round_figure(rate) == text
