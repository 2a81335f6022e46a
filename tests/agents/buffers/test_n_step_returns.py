"""n-step returns: what the memory sums, and what DQN makes of it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.buffers.replay import ReplayBuffer
from support.agent_toys import CORRIDOR_CONFIG, Corridor, corridor
from support.replay_toys import Recorder, Transition, make_replay, store

ENDINGS = st.sampled_from(["terminated", "truncated", "left"])


def literal(
    transitions: list[Transition], first: int, num_steps: int, gamma: float
) -> tuple[float, float, Transition]:
    """Return the sum of rewards, gamma^k and the last transition, by the definition."""
    total, k = 0.0, 0
    for transition in transitions[first : first + num_steps]:
        if transition.episode != transitions[first].episode:
            break
        total += gamma**k * transition.reward
        k += 1
    return total, gamma**k, transitions[first + k - 1]


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 25),
    stack=st.integers(1, 4),
    num_return_steps=st.integers(2, 30),
    episodes=st.lists(st.tuples(st.integers(1, 12), ENDINGS), min_size=1, max_size=12),
    saved_after=st.integers(0, 12),
)
def test_equals_the_definition(
    capacity: int,
    stack: int,
    num_return_steps: int,
    episodes: list[tuple[int, str]],
    saved_after: int,
) -> None:
    def make() -> ReplayBuffer:
        return make_replay(capacity, stack, num_return_steps=num_return_steps, gamma=0.9)

    recorder = Recorder(make())
    for index, (length, ending) in enumerate(episodes):
        if index == saved_after:
            copied = make()
            copied.load_state({k: x.copy() for k, x in recorder.replay.state().items()})
            recorder.replay = copied
        recorder.episode(length, ending)

    kept = recorder.expected()
    assert len(recorder.replay) == len(kept)
    if not kept:
        return
    batch = recorder.replay.sample(200, np.random.default_rng(0))
    assert batch.discount is not None
    by_obs = {transition.obs.tobytes(): index for index, transition in enumerate(kept)}
    assert len(by_obs) == len(kept)
    for index in range(200):
        first = by_obs[batch.obs[index].numpy().tobytes()]
        reward, discount, last = literal(kept, first, num_return_steps, 0.9)
        assert batch.action[index] == kept[first].action
        assert batch.reward[index].item() == pytest.approx(reward, rel=1e-5)
        assert batch.discount[index].item() == pytest.approx(discount, rel=1e-5)
        assert batch.terminated[index] == last.terminated
        assert batch.truncated[index] == last.truncated
        np.testing.assert_array_equal(batch.next_obs[index], last.next_obs)


def test_by_hand_at_both_ends_of_an_episode() -> None:
    replay = ReplayBuffer(10, (1,), np.float32, num_return_steps=3, gamma=0.5)
    cells = [np.array([cell], np.float32) for cell in range(9)]
    store(replay, cells[0], 0, 1.0, False, False, cells[1])
    store(replay, cells[1], 0, 2.0, False, False, cells[2])
    store(replay, cells[2], 0, 4.0, False, False, cells[3])
    store(replay, cells[3], 0, 8.0, False, True, cells[4])  # a time limit
    store(replay, cells[5], 0, 16.0, False, False, cells[6])
    store(replay, cells[6], 0, 32.0, True, False, cells[7])
    batch = replay.sample(200, np.random.default_rng(0))
    assert batch.discount is not None
    columns = (batch.obs[:, 0], batch.reward, batch.discount, batch.next_obs[:, 0])
    flags = (batch.terminated, batch.truncated)
    rows = {tuple(row) for row in zip(*(x.tolist() for x in columns + flags), strict=True)}
    assert rows == {
        (0, 1 + 1 + 1, 0.125, 3, False, False),
        (1, 2 + 2 + 2, 0.125, 4, False, True),  # the value of cell 4 still counts
        (2, 4 + 4, 0.25, 4, False, True),
        (3, 8, 0.5, 4, False, True),
        (5, 16 + 16, 0.25, 7, True, False),
        (6, 32, 0.5, 7, True, False),
    }


def test_the_newest_transition_uses_the_steps_there_are() -> None:
    replay = ReplayBuffer(10, (1,), np.float32, num_return_steps=5, gamma=0.5)
    store(replay, np.zeros(1, np.float32), 0, 1.0, False, False, np.ones(1, np.float32))
    batch = replay.sample(1, np.random.default_rng(0))
    assert batch.discount is not None
    assert (batch.reward.item(), batch.discount.item(), batch.next_obs.item()) == (1.0, 0.5, 1.0)


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
def test_targets_bootstrap_a_truncated_return_and_not_a_terminated_one(
    agent_class: type[DQN],
) -> None:
    config = DQNConfig(
        **{**vars(CORRIDOR_CONFIG), "num_return_steps": 3, "reward_scale": 2.0, "overlap": False}
    )
    agent = agent_class.create(gym.wrappers.TimeLimit(Corridor(), 7), config, seed=0, device="cpu")
    agent.learn(400)
    batch = agent.replay.sample(2000, np.random.default_rng(0))
    assert batch.discount is not None
    target = agent.td_target(batch)
    best = (agent.q if agent_class is DoubleDQN else agent.q_target)(batch.next_obs).argmax(1)
    next_q = agent.q_target(batch.next_obs)[torch.arange(2000), best]
    cut = batch.truncated & ~batch.terminated
    for which in (cut, ~batch.truncated & ~batch.terminated):
        assert which.any()
        expected = 2 * batch.reward[which] + batch.discount[which] * next_q[which]
        torch.testing.assert_close(target[which], expected)
    assert len(batch.discount[cut].unique()) == 3  # 0.9, 0.81 and 0.729
    assert batch.terminated.any()
    torch.testing.assert_close(target[batch.terminated], 2 * batch.reward[batch.terminated])


def test_learns_the_corridor_with_fewer_copies_of_the_target() -> None:
    changes: dict[str, Any] = {
        "num_return_steps": 4,
        "target_update_period": 400,
        "overlap": False,
    }
    config = DQNConfig(**{**vars(CORRIDOR_CONFIG), **changes})
    agent = DoubleDQN.create(corridor(), config, seed=1, device="cpu")
    agent.learn(1200)
    # Two copies suffice for four steps to the reward, where one-step targets need four.
    values = agent.action_values(np.eye(5, dtype=np.float32)[:4])
    assert values.argmax(axis=1).tolist() == [1, 1, 1, 1]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="num_return_steps must be at least 1, got 0"):
        make_replay(10, 1, num_return_steps=0)
    with pytest.raises(ValueError, match="num_return_steps must be a whole number >= 1, got 0"):
        DQNConfig(num_return_steps=0)
