"""Prioritized replay: the tree, the probabilities, the weights, and what DQN makes of them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.buffers.prioritized import PrioritizedReplay, SumTree
from mario_rl_agents.config import linear
from support.agent_toys import CORRIDOR_CONFIG, corridor
from support.replay_toys import Recorder, make_replay

VALUES = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))


@settings(max_examples=100, deadline=None)
@given(
    num_leaves=st.integers(1, 40),
    changes=st.lists(
        st.lists(st.tuples(st.integers(0, 39), VALUES), min_size=1, max_size=8), max_size=8
    ),
)
def test_the_tree_equals_running_sums(
    num_leaves: int, changes: list[list[tuple[int, float]]]
) -> None:
    tree, leaves = SumTree(num_leaves), np.zeros(num_leaves)
    for change in changes:
        # The last of several numbers for one leaf counts, as in an assignment to an array.
        indices = np.array([index % num_leaves for index, _ in change])
        values = np.array([value for _, value in change])
        tree[indices] = values
        leaves[indices] = values
        np.testing.assert_array_equal(tree[np.arange(num_leaves)], leaves)
        assert tree.total == pytest.approx(leaves.sum())
    if not leaves.any():
        return
    again = SumTree(num_leaves)
    again[np.arange(num_leaves)] = leaves
    assert again.total == tree.total  # to the bit, whatever the order of the changes
    masses = np.linspace(0, tree.total, 101)[:-1]
    found = tree.find(masses)
    np.testing.assert_array_equal(found, again.find(masses))
    assert (leaves[found] > 0).all()
    ends = np.cumsum(leaves)
    tolerance = 1e-9 * tree.total
    assert (masses <= ends[found] + tolerance).all()
    assert (masses >= ends[found] - leaves[found] - tolerance).all()


def test_a_mass_of_all_finds_a_leaf_that_is_not_zero() -> None:
    tree = SumTree(6)
    tree[np.array([1, 3])] = np.array([0.1, 0.2])
    assert tree.find(np.array([0.0, 0.1, tree.total, 2 * tree.total])).tolist() == [1, 3, 3, 3]


def make(capacity: int, stack: int = 1, **settings: Any) -> PrioritizedReplay:
    replay = make_replay(capacity, stack, kind=PrioritizedReplay, **settings)
    assert isinstance(replay, PrioritizedReplay)
    return replay


def test_draws_by_the_formula_and_tells_the_weight() -> None:
    replay = make(8, alpha=0.5, epsilon=0.0)
    Recorder(replay).episode(5, "terminated")
    errors = np.array([0.0, 1.0, -4.0, 9.0, 16.0])
    replay.set_priorities(np.arange(5), errors)
    probability = np.sqrt(np.abs(errors)) / 10  # 0, 0.1, 0.2, 0.3, 0.4
    batch = replay.sample(1000, np.random.default_rng(0))
    assert batch.indices is not None
    assert batch.importance_weight is not None
    # A part of the whole for each: the counts are as expected but for the parts at the borders.
    counts = np.bincount(batch.indices.numpy(), minlength=5)
    np.testing.assert_allclose(counts, 1000 * probability, atol=2)
    np.testing.assert_array_equal(batch.reward.numpy(), batch.indices.numpy())
    expected = 1 / (5 * probability[batch.indices.numpy()])
    np.testing.assert_allclose(batch.importance_weight.numpy(), expected, rtol=1e-6)


def test_a_new_transition_has_the_highest_priority_so_far() -> None:
    replay = make(8, alpha=1.0, epsilon=0.0)
    recorder = Recorder(replay)
    recorder.episode(3, "terminated")
    replay.set_priorities(np.arange(3), np.array([2.0, 6.0, 0.0]))
    replay.set_priorities(np.arange(2), np.array([1.0, 1.0]))
    recorder.episode(1, "terminated")
    batch = replay.sample(800, np.random.default_rng(0))
    assert batch.indices is not None
    np.testing.assert_allclose(np.bincount(batch.indices), [100, 100, 0, 600], atol=2)


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 25),
    stack=st.integers(1, 4),
    num_return_steps=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    saved_after=st.integers(0, 12),
)
def test_holds_what_the_memory_holds_also_after_loading(
    capacity: int, stack: int, num_return_steps: int, lengths: list[int], saved_after: int
) -> None:
    recorder = Recorder(make(capacity, stack, num_return_steps=num_return_steps))
    generator = np.random.default_rng(0)
    for index, length in enumerate(lengths):
        replay = recorder.replay
        assert isinstance(replay, PrioritizedReplay)
        if len(replay):
            batch = replay.sample(4, generator)
            assert batch.indices is not None
            errors = generator.normal(size=4)
            replay.set_priorities(batch.indices.numpy().copy(), errors)
        if index == saved_after:
            copied = make(capacity, stack, num_return_steps=num_return_steps)
            copied.load_state({k: x.copy() for k, x in replay.state().items()})
            assert copied._tree.total == replay._tree.total
            recorder.replay = copied
        recorder.episode(length, "terminated")
    kept = recorder.expected()
    assert len(recorder.replay) == len(kept)
    if kept:
        batch = recorder.replay.sample(200, generator)
        assert batch.indices is not None
        for number, obs in zip(batch.indices.tolist(), batch.obs.numpy(), strict=True):
            np.testing.assert_array_equal(obs, recorder.transitions[number].obs)
        assert min(batch.indices) >= len(recorder.transitions) - len(kept)


def test_priorities_of_what_is_gone_are_dropped() -> None:
    replay = make(4, alpha=1.0)
    recorder = Recorder(replay)
    recorder.episode(4, "terminated")
    recorder.episode(3, "terminated")
    total = replay.sample(1, np.random.default_rng(0)) and replay._tree.total
    replay.set_priorities(np.arange(2), np.array([100.0, 100.0]))
    assert replay._tree.total == total
    assert replay._highest == 1.0


def test_weighted_loss_equals_the_formula() -> None:
    config = DQNConfig(prioritized=True, learning_starts=10, replay_capacity=50, overlap=False)
    agent = DoubleDQN.create(corridor(), config, seed=0, device="cpu")
    agent.learn(60)
    batch = agent.replay.sample(8, np.random.default_rng(0))
    assert batch.importance_weight is not None
    loss, q, target = agent.loss(batch)
    beta = 0.4 + 0.6 * 60 / 1_000_000
    weights = [weight**beta for weight in batch.importance_weight.tolist()]
    total = 0.0
    for weight, error in zip(weights, (q - target).tolist(), strict=True):
        huber = 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5
        total += weight / max(weights) * huber / 8
    assert loss.item() == pytest.approx(total, rel=1e-5)
    assert len(set(weights)) > 1


def test_an_update_hands_back_the_td_errors() -> None:
    config = DQNConfig(prioritized=True, learning_starts=10, replay_capacity=50, overlap=False)
    agent = DQN.create(corridor(), config, seed=0, device="cpu")
    agent.learn(30)
    assert isinstance(agent.replay, PrioritizedReplay)
    batch = agent.replay.sample(6, np.random.default_rng(0))
    assert batch.indices is not None
    indices = batch.indices.numpy().copy()
    _, q, target = agent.loss(batch)
    agent.update(batch)
    expected = ((target - q).abs().detach().numpy() + 1e-6) ** 0.6
    np.testing.assert_allclose(agent.replay._tree[indices % 50], expected, rtol=1e-5)


def test_draws_a_surprise_more_often_and_still_learns() -> None:
    changes: dict[str, Any] = {
        "prioritized": True,
        "priority_beta": linear(0.4, 1, 1200),
        "overlap": False,
    }
    config = DQNConfig(**{**vars(CORRIDOR_CONFIG), **changes})
    agent = DoubleDQN.create(corridor(), config, seed=1, device="cpu")
    agent.learn(110)
    # The reward at the end is rare among the first steps, and the network does not expect it.
    share = agent.replay._reward[: len(agent.replay)].mean()
    batch = agent.replay.sample(1000, np.random.default_rng(0))
    assert 0 < share < 0.1
    assert batch.reward.mean() > 2 * share
    agent.learn(1090)
    values = agent.action_values(np.eye(5, dtype=np.float32)[:4])[:, 1]
    np.testing.assert_allclose(values, [0.9**3, 0.9**2, 0.9, 1.0], atol=0.1)
    assert agent.metrics()["charts/beta"] == 1.0


def test_bad_config_is_named() -> None:
    with pytest.raises(ValueError, match=r"priority_alpha must be a number in \[0, 1\], got 2"):
        DQNConfig(priority_alpha=2)
    with pytest.raises(ValueError, match=r"priority_beta must be .*, got linear\(0, 2, 9\)"):
        DQNConfig(priority_beta=linear(0, 2, 9))


def test_a_batch_goes_to_another_device_whole() -> None:
    replay = make(8, num_return_steps=2, gamma=0.5)
    Recorder(replay).episode(5, "terminated")
    batch = replay.sample(3, np.random.default_rng(0))
    moved = batch.to(torch.device("meta"))
    assert all(x is not None and x.device.type == "meta" for x in moved)
    plain = make_replay(8, 1)
    Recorder(plain).episode(5, "terminated")
    moved = plain.sample(3, np.random.default_rng(0)).to(torch.device("meta"))
    assert moved.reward.device.type == "meta"
    assert (moved.discount, moved.indices, moved.importance_weight) == (None, None, None)
