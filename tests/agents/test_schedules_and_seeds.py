"""Schedules and generators."""

import json

import numpy as np
import pytest
import torch
from mario_rl_agents.schedules import Constant, Exponential, Linear
from mario_rl_agents.seeding import (
    generator_state,
    make_generators,
    set_generator_state,
    torch_seed,
)


def test_values() -> None:
    assert Constant(0.3)(10**9) == 0.3
    linear = Linear(1.0, 0.2, 100)
    assert [linear(0), linear(50), linear(100), linear(1000)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    tutorial = Exponential(1.0, 0.1, 0.99999975)
    epsilon = 1.0
    for _ in range(1000):
        epsilon *= 0.99999975
    assert tutorial(0) == 1.0
    assert tutorial(1000) == pytest.approx(epsilon, rel=1e-12)
    assert tutorial(9_210_000) > 0.1 == tutorial(9_211_000)


def test_bad_values_are_named() -> None:
    with pytest.raises(ValueError, match="value must be a finite number, got nan"):
        Constant(float("nan"))
    with pytest.raises(ValueError, match="num_steps must be at least 1 environment step, got 0"):
        Linear(1.0, 0.0, 0)
    with pytest.raises(ValueError, match=r"factor must be in \(0, 1\], got 1.5"):
        Exponential(1.0, 0.1, 1.5)
    with pytest.raises(ValueError, match=r"end must be in \[0, start = 0.1\], got 1.0"):
        Exponential(0.1, 1.0, 0.9)


def test_generators_are_independent_and_go_on_from_a_saved_state() -> None:
    generators = make_generators(5, ("a", "b"))
    again = make_generators(5, ("a", "b"))
    assert generators["a"].random() == again["a"].random() != generators["b"].random()
    state = json.loads(json.dumps(generator_state(generators["a"])))
    expected = generators["a"].random(5)
    set_generator_state(again["a"], state)
    np.testing.assert_array_equal(again["a"].random(5), expected)
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got -1"):
        make_generators(-1, ("a",))
    with pytest.raises(ValueError, match="state is of a Philox generator, expected PCG64"):
        set_generator_state(generators["a"], {**state, "bit_generator": "Philox"})


def test_torch_seed_leaves_the_callers_stream_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch_seed(7):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with torch_seed(7):
        assert torch.equal(torch.rand(3), inside)
