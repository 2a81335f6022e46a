"""What waiting awake is worth: every cell is a training's own figure, ratios stay in a round."""

import pytest

from benchmarks import spinning
from benchmarks.spinning import ROOT, SPINS, TOGETHER, WAYS, measure, table


def test_the_demo_waits_as_was_measured() -> None:
    assert f" GOMP_SPINCOUNT={SPINS} $(BIN)/mario-rl train" in (ROOT / "Makefile").read_text()


def test_ratios_are_taken_within_a_round() -> None:
    rounds = [
        {("asleep", 1): 1000.0, ("awake", 1): 1500.0, ("asleep", 2): 900.0, ("awake", 2): 300.0},
        {("asleep", 1): 2000.0, ("awake", 1): 2400.0, ("asleep", 2): 800.0, ("awake", 2): 400.0},
        {("asleep", 1): 1000.0, ("awake", 1): 1300.0, ("asleep", 2): 900.0, ("awake", 2): 360.0},
    ]
    assert table(rounds).splitlines()[2:] == [
        "| 1 | 1,000 | 1,500 | 1.30 [1.20 to 1.50] |",
        "| 2 | 900 | 360 | 0.40 [0.33 to 0.50] |",
    ]


def test_a_round_trains_both_ways_alone_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def train(way: str, number: int, seconds: float) -> list[float]:
        trained.append((way, number, seconds))
        return [100.0 * (1 + place) for place in range(number)]

    monkeypatch.setattr(spinning, "train", train)
    assert measure(3.0) == {
        **{(way, 1): 100.0 for way in WAYS},
        **{(way, 2): 150.0 for way in WAYS},
    }
    assert trained == [(way, number, 3.0) for number in TOGETHER for way in WAYS]


def test_a_training_that_fails_is_not_a_figure(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="a training failed"):
        spinning.train("asleep", 1, "soon")  # type: ignore[arg-type]
    assert "could not convert string to float" in capfd.readouterr().err
