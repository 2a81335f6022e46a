"""Speeds are measured in turns, and the order of the sides turns round with each round."""

import pytest
from mario_rl_agents.experiments import speed
from mario_rl_agents.experiments.plan import Plan


def test_the_sides_alternate(monkeypatch):
    monkeypatch.setattr(speed, "_TURN_SECONDS", 0.01)
    plan = Plan.make(["random", "dqn"], "CartPole-v1", total_steps=1_500, num_seeds=1, num_envs=1)
    turns = list(speed.measure_speeds(plan, num_rounds=3))
    first, second = ("random", "dqn"), ("dqn", "random")
    assert [(turn.round, turn.algorithm) for turn in turns] == [
        (index, side) for index, sides in enumerate((first, second, first)) for side in sides
    ]
    assert {turn.num_steps for turn in turns} == {turns[0].num_steps}
    assert all((turn.num_updates > 0) == (turn.algorithm == "dqn") for turn in turns)


def test_no_round_is_refused():
    plan = Plan.make(["random"], "CartPole-v1", total_steps=20, num_seeds=1, num_envs=1)
    with pytest.raises(ValueError, match="num_rounds must be a whole number >= 1, got 0"):
        next(speed.measure_speeds(plan, num_rounds=0))
