"""Generators."""

import json

import numpy as np
import pytest
import torch
from mario_rl_agents.seeding import (
    generator_state,
    make_generators,
    set_generator_state,
    torch_seed,
)


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
    with pytest.raises(ValueError, match="the state is none of a PCG64 generator"):
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
