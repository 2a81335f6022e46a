"""The vectors do the same work before they are compared, and the tables say what was measured."""

import sys

import pytest

pytest.importorskip("stable_baselines3", reason="needs the extra 'sb3'")
pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

from benchmarks import sb3_vectors
from benchmarks.throughput import TOLERANCE, SideError

SAME = {"x": 100, "played": "a", "weights": "b", "work": [16, 4]}
ANSWERS = {"sb3": {**SAME, "x": None}, "gym.make": SAME, "gym-super-mario-bros": SAME}


def test_all_vectors_play_and_train(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["sb3_vectors.py", "--quick", "--page", str(page)])
    sb3_vectors.main()
    text = capsys.readouterr().out.strip()
    assert page.read_text() == f"<!-- sb3-vectors -->\n\n{text}\n\n<!-- /sb3-vectors -->\n"
    assert "rollouts of 16 steps, after each of which come 4 gradient steps" in text
    assert text.count("| `mario_rl_envs.sb3.make_vec_env` |") == 2
    assert "of 1 rounds" in text


@pytest.mark.parametrize(
    ("side", "key", "value"),
    [
        ("sb3", "played", "c"),
        ("gym.make", "weights", "c"),
        ("gym-super-mario-bros", "work", [16, 8]),
        ("gym-super-mario-bros", "x", 100 + TOLERANCE + 1),
        ("gym-super-mario-bros", "x", None),
    ],
)
def test_vectors_that_do_something_else_are_noticed(side, key, value):
    assert sb3_vectors.check(ANSWERS) == [16, 4]
    with pytest.raises(SideError, match="should"):
        sb3_vectors.check({**ANSWERS, side: {**ANSWERS[side], key: value}})


def test_only_the_same_games_are_equal_to_the_bit():
    others = {**SAME, "played": "c", "weights": "c"}
    assert sb3_vectors.check({**ANSWERS, "gym-super-mario-bros": others}) == [16, 4]


def test_ratios_are_taken_within_a_round():
    rounds = [
        {
            name: {"wall": wall, "cpu": 2 * wall, "share": 0.1 * factor}
            for name, wall in zip(sb3_vectors.SIDES, walls, strict=True)
        }
        for factor, walls in enumerate([(300, 100, 30), (400, 400, 10), (800, 200, 20)])
    ]
    lines = sb3_vectors.table(rounds, has_share=True).splitlines()
    assert lines[2] == (
        "| `mario_rl_envs.sb3.make_vec_env` | 400 [300 to 800] | 800 | 10% | "
        "3.00x [1.00 to 4.00] | 40.00x [10.00 to 40.00] |"
    )
    assert "share" not in sb3_vectors.table(rounds, has_share=False)
