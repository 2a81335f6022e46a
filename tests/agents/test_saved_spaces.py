"""Spaces as JSON: the same ones are made of it, and what contradicts itself is refused."""

import dataclasses
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from mario_rl_agents.checkpoint import describe_space
from mario_rl_agents.config import plain, read
from mario_rl_agents.saved_spaces import (
    SavedSpace,
    described_actions,
    described_observations,
    saved_space,
)
from support.mutations import mutated_values

KEPT: list[gym.Space[Any]] = [
    spaces.Box(-np.inf, np.inf, (3,), np.float32),
    spaces.Box(np.array([-4.8, -np.inf, 0.1]), np.array([4.8, np.inf, 0.1]), dtype=np.float64),
    spaces.Box(-1.5, 1.5, (2,), np.float16),
    spaces.Box(0, 255, (4, 42, 42), np.uint8),
    spaces.Box(0, 12, (13, 16), np.uint8),
    spaces.Box(-(2**40), 2**40, (2,), np.int64),
    spaces.Box(0, 1, (), np.float32),
    spaces.Box(0, 1, (0,), np.float32),
    spaces.Discrete(7),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([3, 4], start=[1, -1]),
    spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 3)),
]
each_kept = pytest.mark.parametrize("space", KEPT, ids=str)


def through_json(saved: SavedSpace) -> Any:
    return json.loads(json.dumps(plain(dataclasses.asdict(saved)), allow_nan=False))


@each_kept
def test_a_space_comes_back(space: gym.Space[Any]) -> None:
    saved = saved_space(space)
    assert saved is not None
    made = read(SavedSpace, through_json(saved)).made()
    assert made == space
    assert (made.dtype, made.shape, type(made)) == (space.dtype, space.shape, type(space))
    if isinstance(space, spaces.Box):
        assert isinstance(made, spaces.Box)
        assert np.array_equal(made.low, space.low)
        assert np.array_equal(made.high, space.high)
        assert made.low.flags.writeable


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.Text(3),
        spaces.Box(0, 2**64 - 1, (1,), np.uint64),
        spaces.Box(-(2**63), 0, (1,), np.int64),
        spaces.MultiBinary((4,)),
        spaces.Discrete(2, dtype=np.int32),
    ],
    ids=str,
)
def test_a_space_without_a_form_is_left_out(space: gym.Space[Any]) -> None:
    assert saved_space(space) is None


@each_kept
def test_what_a_file_says_is_refused_or_makes_a_space(space: gym.Space[Any]) -> None:
    saved = saved_space(space)
    assert saved is not None
    refused = 0
    for what, changed in mutated_values(through_json(saved), 12):
        try:
            made = read(SavedSpace, changed).made()
        except ValueError:
            refused += 1
            continue
        assert made.contains(np.asarray(made.sample())), what
    assert refused > 30


def test_a_space_of_a_file_has_a_limit() -> None:
    read(SavedSpace, {**through_json(SavedSpace("Box", (2**26,), "bool", 0, 1))})
    with pytest.raises(ValueError, match=r"shape must be of at most 67,108,864 numbers, got \(67"):
        SavedSpace("Box", (2**26 + 1,), "bool", 0, 1)
    with pytest.raises(ValueError, match="low must be at most high = 0, got 1"):
        SavedSpace("Box", (2,), "uint8", 1, 0)
    with pytest.raises(ValueError, match=r"high must be a number, or one for each, got \(1, 2, 3"):
        SavedSpace("Box", (2,), "uint8", 0, (1, 2, 3))
    with pytest.raises(ValueError, match="high must be whole numbers that are of uint8, got 256"):
        SavedSpace("Box", (2,), "uint8", 0, 256)


IMAGE = spaces.Box(0, 255, (4, 42, 42), np.uint8)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (IMAGE, IMAGE),
        (spaces.Box(-1, 1, (3,), np.float32), spaces.Box(-np.inf, np.inf, (3,), np.float32)),
        (spaces.Box(0, 12, (13, 16), np.uint8), None),  # how many kinds a grid has
        (spaces.Discrete(7), None),
    ],
    ids=str,
)
def test_a_description_may_be_enough(
    space: gym.Space[Any], expected: gym.Space[Any] | None
) -> None:
    assert described_observations(describe_space(space)) == expected


def test_of_described_actions_only_discrete_ones_are_known() -> None:
    assert described_actions(describe_space(spaces.Discrete(7))) == spaces.Discrete(7)
    others: list[gym.Space[Any]] = [spaces.Discrete(3, start=1), spaces.MultiBinary(3), KEPT[0]]
    for space in others:
        assert described_actions(describe_space(space)) is None


@pytest.mark.parametrize(
    "text", ["", "Discrete(0)", "Discrete(9999999999)", "Box(shape=(9999999999,), dtype=float32)"]
)
def test_a_description_of_a_stranger_makes_nothing_large(text: str) -> None:
    assert described_observations(text) is None
    assert described_actions(text) is None
