"""The vectors do the same work before they are compared, and the tables say what was measured."""

import functools
import sys

import pytest

pytest.importorskip("stable_baselines3", reason="needs the extra 'sb3'")
pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")

from benchmarks import sb3_vectors
from benchmarks.throughput import TOLERANCE, SideError

PLACES = {"sb3": None, "gym.make": 100, "gym-super-mario-bros": 100 + TOLERANCE}
EQUAL = {"sb3": ("a", "b"), "gym.make": ("a", "b")}


def answering(places, equal):
    """Return sides that answer so."""

    def ask(name, command):
        if command == "place":
            return {"x": places[name]}
        played, weights = equal[name]
        return {"played": played, "weights": weights}

    return {name: functools.partial(ask, name) for name in sb3_vectors.SIDES}


@pytest.mark.slow
def test_all_vectors_play_and_train(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["sb3_vectors.py", "--quick", "--page", str(page)])
    sb3_vectors.main()
    text = capsys.readouterr().out.strip()
    assert page.read_text() == f"<!-- sb3-vectors -->\n\n{text}\n\n<!-- /sb3-vectors -->\n"
    assert "rollouts of 16 steps, after each of which come 4 gradient steps" in text
    assert text.count("| `mario_rl_envs.sb3.make_vec_env` |") == 2
    assert "of 1 rounds" in text


@pytest.mark.parametrize("x", [100 + TOLERANCE + 1, None])
def test_sides_that_play_something_else_are_noticed(x):
    sb3_vectors.check_games(answering(PLACES, EQUAL))
    with pytest.raises(SideError, match="same place"):
        sb3_vectors.check_games(answering({**PLACES, "gym-super-mario-bros": x}, EQUAL))


@pytest.mark.parametrize(("digests", "what"), [(("c", "b"), "played"), (("a", "c"), "weights")])
def test_sides_of_ours_that_differ_are_noticed(digests, what):
    with pytest.raises(SideError, match=f"'{what}' should be the same"):
        sb3_vectors.check_games(answering(PLACES, {**EQUAL, "sb3": digests}))


def test_other_work_is_noticed():
    trained = {"sb3": {"work": [16, 4]}, "gym.make": {"work": [16, 4]}}
    assert sb3_vectors.check_same("work", trained) == [16, 4]
    with pytest.raises(SideError, match="'work' should be the same"):
        sb3_vectors.check_same("work", {**trained, "gym.make": {"work": [16, 8]}})


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
