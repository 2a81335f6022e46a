"""SARSA: its target by hand, the next action that it keeps to, learning, exactness."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.sarsa import Sarsa, SarsaConfig
from mario_rl_agents.config import linear
from support.agent_toys import (
    assert_same_weights,
    corridor,
    make_step,
    side,
    three_cartpoles,
    weights,
)

CELLS = np.eye(5, dtype=np.float32)


def tabular(**settings: float) -> Sarsa:
    """Return an agent without hidden layers, whose Q(cell, a) is 10 cell + a."""
    config = SarsaConfig(gamma=0.5, hidden_sizes=(), **settings)  # type: ignore[arg-type]
    agent = Sarsa.create(corridor(), config, device="cpu")
    weight = 10 * torch.arange(5.0) + torch.arange(2.0)[:, None]  # [A, cells]
    (of_q, bias) = agent.q.parameters()
    of_q.data.copy_(weight)
    bias.data.zero_()
    return agent


def test_the_target_takes_the_value_of_the_action_that_follows() -> None:
    agent = tabular()
    step = make_step(
        obs=CELLS[:3],
        reward=[1.0, 2.0, 3.0],
        terminated=[False, True, False],
        truncated=[False, False, True],
        next_obs=CELLS[[1, 4, 3]],
    )
    # 1 + 0.5 Q(1, 0), though Q(1, 1) is larger; nothing after the end; 3 + 0.5 Q(3, 1), though its
    # episode was cut off there.
    assert agent.target(step, np.array([0, 0, 1])).tolist() == [6.0, 2.0, 18.5]


def test_loss_by_hand() -> None:
    agent = tabular()
    step = make_step(CELLS[:1], [1.0], [False], [False], CELLS[1:2])
    losses = agent.update(step, np.array([1]), np.array([0]))
    # Q(0, 1) = 1 is fitted to 1 + 0.5 Q(1, 0) = 6.
    assert losses == pytest.approx({"losses/td": 25.0, "charts/q_mean": 1.0})
    gradient = next(agent.q.parameters()).grad
    assert gradient is not None
    expected = torch.zeros(2, 5)
    expected[1, 0] = 2 * (1 - 6)  # of Q(0, 1) alone: the bootstrapped value is a constant
    torch.testing.assert_close(gradient, expected)
    agent = tabular(loss="huber")  # type: ignore[arg-type]
    assert agent.update(step, np.array([1]), np.array([0]))["losses/td"] == pytest.approx(4.5)


def test_what_is_bootstrapped_from_is_what_is_done_next() -> None:
    agent = tabular(epsilon=1.0)
    for _ in range(20):
        action = agent.act(CELLS[:1], greedy=False)
        list(agent.observe(make_step(CELLS[:1], [0.0], [False], [False], CELLS[1:2], action)))
        planned = agent.next_actions.action.copy()
        assert agent.act(CELLS[1:2], greedy=False).tolist() == planned.tolist()
    # In any other place it draws, again and again: the game is not the one planned for.
    assert {int(agent.act(CELLS[2:3], greedy=False)[0]) for _ in range(50)} == {0, 1}
    assert agent.act(CELLS[1:2], greedy=False).tolist() == planned.tolist()
    # An episode that begins has no plan: actions are drawn for what is seen.
    list(agent.observe(make_step(CELLS[:1], [0.0], [True], [False], CELLS[1:2], [0])))
    assert not agent.next_actions.is_drawn.any()
    assert {int(agent.act(CELLS[1:2], greedy=False)[0]) for _ in range(50)} == {0, 1}


def test_it_learns_the_corridor_and_images() -> None:
    config = SarsaConfig(
        learning_rate=3e-3, gamma=0.9, epsilon=linear(1, 0.05, 2_000), hidden_sizes=(32,)
    )
    agent = Sarsa.create(corridor(), config, seed=0, device="cpu")
    agent.learn(4_000)
    assert agent.act(CELLS[:4]).tolist() == [1, 1, 1, 1]
    config = SarsaConfig(gamma=0.5, epsilon=linear(1, 0.05, 300))
    agent = Sarsa.create(side(), config, seed=0, device="cpu")
    agent.learn(800)
    env = side()
    obs, _ = env.reset(seed=1)
    hits = 0.0
    for _ in range(50):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 45


def test_the_value_is_that_of_how_it_acts() -> None:
    """All by chance: Q-learning would value the best that could follow instead."""
    config = SarsaConfig(
        learning_rate=linear(1e-2, 0, 8_000), gamma=0.5, epsilon=1.0, hidden_sizes=()
    )
    agent = Sarsa.create(corridor(), config, seed=0, device="cpu")
    agent.learn(8_000)
    values = agent.action_values(CELLS[3:4])[0]  # of the cell before the goal
    # Right: the reward. Left: half of what chance is worth from cell 2 on, far below 0.5.
    assert values[1] == pytest.approx(1.0, abs=0.1)
    assert values[0] < 0.25


def test_what_is_resumed_ends_as_what_was_not_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    config = SarsaConfig(hidden_sizes=(16,), epsilon=0.5)
    whole = Sarsa.create(three_cartpoles(), config, seed=0, device="cpu")
    whole.learn(300)
    first = Sarsa.create(three_cartpoles(), config, seed=0, device="cpu")
    first.learn(100)
    first.save(path, replay=True)
    resumed = Sarsa.load(path, three_cartpoles(), device="cpu")
    resumed.learn(whole.num_steps - resumed.num_steps)
    assert_same_weights(weights(resumed), weights(whole))
    state = first.next_actions.state()
    with pytest.raises(ValueError, match="must have action of shape"):
        first.next_actions.load_state({**state, "action": np.zeros(2, np.int64)})
