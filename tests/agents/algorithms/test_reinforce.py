"""REINFORCE: returns and gradient by hand, with a baseline and without; learning; exactness."""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.reinforce import EpisodeBatch, Reinforce, ReinforceConfig
from mario_rl_agents.buffers.episodes import Episodes, WholeEpisode
from support.agent_toys import (
    assert_same_weights,
    corridor,
    make_step,
    side,
    three_cartpoles,
    three_pendulums,
    weights,
)

Baseline = Literal["none", "value"]
CELLS = np.eye(5, dtype=np.float32)
THREE = ReinforceConfig(hidden_sizes=(16,), episodes_per_update=2)


def linear(baseline: Baseline, values: list[float] | None = None) -> Reinforce:
    """Return an agent without hidden layers: a uniform policy, and V by cell."""
    config = ReinforceConfig(gamma=0.5, hidden_sizes=(), baseline=baseline)
    agent = Reinforce.create(corridor(), config, device="cpu")
    for x in (*agent.policy.parameters(), *agent.value.parameters()):
        x.data.zero_()
    agent.value.get_parameter("layers.0.weight").data[:] = torch.tensor(values or [0.0] * 5)
    return agent


def episode(*, terminated: bool) -> WholeEpisode:
    """Return three steps from cell to cell, for rewards of 1, 2 and 4."""
    reward = np.array([1, 2, 4], np.float32)
    return WholeEpisode(CELLS[:3], np.array([1, 1, 1]), reward, CELLS[3], terminated)


def test_returns_go_back_from_the_end() -> None:
    agent = linear("value", [0.0, 0.0, 0.0, 8.0, 0.0])
    # 4; 2 + 4/2; 1 + 4/2
    assert agent.returns_of(episode(terminated=True)).tolist() == [3.0, 4.0, 4.0]
    # V of the true last observation is 8, half of which is added to the last reward, and so on.
    assert agent.returns_of(episode(terminated=False)).tolist() == [4.0, 6.0, 8.0]
    # Without a baseline nothing is known of what would have come.
    assert linear("none").returns_of(episode(terminated=False)).tolist() == [3.0, 4.0, 4.0]


def test_loss_and_gradient_by_hand() -> None:
    agent = linear("value", [1.0, 0.0, 0.0, 0.0, 0.0])
    batch = agent.to_batch_of([episode(terminated=True)] * 2)
    assert isinstance(batch, EpisodeBatch)
    loss, parts = agent.loss(batch)
    # Advantages are 3 - 1, 4 and 4; pi = 1/2 everywhere; a sum over steps, a mean over episodes.
    assert parts["losses/policy"].item() == pytest.approx(10 * math.log(2))
    assert parts["losses/value"].item() == pytest.approx((4 + 16 + 16) / 3)
    assert parts["charts/entropy"].item() == pytest.approx(math.log(2))
    assert loss.item() == pytest.approx(10 * math.log(2) + 0.5 * 12)
    agent.update(batch)
    gradient = agent.policy.get_parameter("layers.0.weight").grad
    assert gradient is not None
    # d(- log pi A) / d logits = (pi - 1{a}) A, of action 1.
    expected = torch.zeros(2, 5)
    expected[:, :3] = torch.tensor([[1.0, 2.0, 2.0], [-1.0, -2.0, -2.0]])
    torch.testing.assert_close(gradient, expected)
    of_value = agent.value.get_parameter("layers.0.weight").grad
    assert of_value is not None
    # 0.5 d((G - V)^2) / dV = V - G, a mean over three steps.
    torch.testing.assert_close(of_value[0, :3], torch.tensor([-2.0, -4.0, -4.0]) / 3)


def test_without_a_baseline_returns_are_the_weights() -> None:
    agent = linear("none")
    assert "value" not in agent.networks
    loss, parts = agent.loss(agent.to_batch_of([episode(terminated=True)]))
    assert parts.keys() == {"losses/policy", "charts/entropy"}
    assert loss.item() == pytest.approx(11 * math.log(2))


def test_it_learns_when_enough_episodes_have_ended() -> None:
    config = ReinforceConfig(hidden_sizes=(8,), episodes_per_update=3)
    agent = Reinforce.create(three_cartpoles(), config, seed=0, device="cpu")
    while agent.num_episodes < 20:
        agent.learn(3)
        assert agent.num_updates == agent.num_episodes // 3
        assert len(agent.episodes.ended) == agent.num_episodes % 3


@pytest.mark.parametrize("baseline", ["none", "value"])
def test_it_learns_the_corridor(baseline: Baseline) -> None:
    config = ReinforceConfig(
        learning_rate=1e-2, gamma=0.9, hidden_sizes=(32,), baseline=baseline, episodes_per_update=4
    )
    agent = Reinforce.create(corridor(), config, seed=0, device="cpu")
    agent.learn(3_000)
    assert agent.act(CELLS[:4]).tolist() == [1, 1, 1, 1]
    assert agent.action_probabilities(CELLS[:4])[:, 1].min() > 0.8


def test_it_learns_from_images() -> None:
    agent = Reinforce.create(
        side(), ReinforceConfig(gamma=0.5, episodes_per_update=4), seed=0, device="cpu"
    )
    agent.learn(2_500)
    env = side()
    obs, _ = env.reset(seed=1)
    hits = 0.0
    for _ in range(50):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 45


@pytest.mark.parametrize("envs", [three_cartpoles, three_pendulums])
def test_what_is_resumed_ends_as_what_was_not_interrupted(envs: Any, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    whole = Reinforce.create(envs(), THREE, seed=0, device="cpu")
    whole.learn(600)
    for length in (90, 301):
        first = Reinforce.create(envs(), THREE, seed=0, device="cpu")
        first.learn(length)
        first.save(path, replay=True)
        resumed = Reinforce.load(path, envs(), device="cpu")
        resumed.learn(whole.num_steps - resumed.num_steps)
        assert_same_weights(weights(resumed), weights(whole))
        assert resumed.num_updates == whole.num_updates


def recorded() -> Episodes:
    """Return two sub-environments, of which the first has ended an episode."""
    episodes = Episodes(
        2, obs_shape=(5,), obs_dtype=np.float32, action_shape=(), action_dtype=np.int64
    )
    for cell in range(3):
        ends = [cell == 1, False]
        step = make_step(CELLS[[cell, cell]], [cell, 2.0], ends, [False] * 2, CELLS[[4, 3]])
        episodes.add(step, np.array([1, 0]))
    return episodes


def test_episodes_are_recorded_each_for_itself() -> None:
    episodes = recorded()
    [ended] = episodes.ended
    assert np.array_equal(ended.obs, CELLS[:2])
    assert (ended.action.tolist(), ended.reward.tolist()) == ([1, 1], [0.0, 1.0])
    assert np.array_equal(ended.last_obs, CELLS[4])
    assert ended.terminated
    state = episodes.state()
    assert state["lengths"].tolist() == [2, 1, 3]
    other = Episodes(2, obs_shape=(5,), obs_dtype=np.float32, action_shape=(), action_dtype=int)
    other.load_state(state)
    assert all(np.array_equal(x, state[name]) for name, x in other.state().items())
    episodes.drop_unfinished()
    assert episodes.state()["lengths"].tolist() == [2, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": np.array([2.0, 1.0, 3.0])}, "must have lengths, whole numbers"),
        ({"lengths": np.array([6])}, "are not of 2 sub-environments"),
        ({"lengths": np.array([0, 3, 3])}, "are not of 2 sub-environments"),
        ({"obs": np.zeros((6, 4), np.float32)}, "must have obs of shape"),
        ({"action": np.zeros(6, np.int32)}, "must have action of shape"),
        ({"reward": np.full(6, np.nan, np.float32)}, "have reward that are not finite"),
        ({"terminated": np.zeros(2, np.bool_)}, "must have terminated of shape"),
    ],
)
def test_damaged_episodes_are_refused(changes: dict[str, Any], message: str) -> None:
    episodes = recorded()
    with pytest.raises(ValueError, match=message):
        episodes.load_state({**episodes.state(), **changes})
