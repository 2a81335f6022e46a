"""PQN: its returns by the paper's recursion, its loss by hand, learning from vectors and images."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.pqn import PQN, PQNBatch, PQNConfig
from mario_rl_agents.config import linear
from mario_rl_agents.envs import SequentialVectorEnv
from support.agent_toys import corridor, side, three_cartpoles
from support.loss_checks import DISCRETE, Cut

CORRIDOR = PQNConfig(
    rollout_steps=32,
    num_epochs=4,
    learning_rate=3e-3,
    gamma=0.9,
    epsilon=linear(1, 0.1, 700),
    hidden_sizes=(32,),
)


class Remembering(PQN):
    """PQN that keeps its rollouts, and the network that each was assessed by."""

    def compute_returns(self, last_obs: Any) -> PQNBatch:
        rollout = super().compute_returns(last_obs)
        now = copy.deepcopy((rollout, self.q))  # the next rollout is written over this one
        self.assessed = [*getattr(self, "assessed", []), now]
        return rollout


@pytest.mark.parametrize("how", ["terminated", "truncated"])
@pytest.mark.parametrize("trace", [0.0, 0.65, 1.0])
def test_returns_are_those_of_the_paper(how: str, trace: float) -> None:
    """Episodes of one to four steps end within rollouts of eight, in each game at other times."""
    envs = [Cut(DISCRETE, how, num_steps=(1, 4)) for _ in range(3)]
    config = PQNConfig(rollout_steps=8, gamma=0.9, return_lambda=trace, batch_size=24)
    agent: Any = Remembering.create(SequentialVectorEnv(envs), config, seed=2, device="cpu")
    agent.learn(3 * 8 * 3)
    assert len(agent.assessed) == 3
    for number, (rollout, q) in enumerate(agent.assessed):
        for index, env in enumerate(envs):
            steps = env.history[8 * number : 8 * number + 8]
            mine = PQNBatch(*(x[index::3] for x in rollout))
            assert torch.equal(mine.obs, torch.stack([t.obs for t in steps]).float())
            assert mine.action.tolist() == [t.action for t in steps]
            returns: list[float] = []
            for t in reversed(steps):
                value = q(t.next_obs.float()[None]).max().item()  # of the true last observation
                goes_on = bool(returns) and not t.truncated
                after = trace * returns[0] + (1 - trace) * value if goes_on else value
                returns.insert(0, t.reward + 0.9 * after * (not t.terminated))
            assert mine.target.tolist() == pytest.approx(returns, abs=1e-5)
    assert any(t.terminated or t.truncated for t in envs[0].history)


@pytest.mark.parametrize(("loss", "of_2"), [("mse", 4.0), ("huber", 1.5)])
def test_loss_is_of_the_actions_taken(loss: Any, of_2: float) -> None:
    agent = PQN.create(corridor(), replace(CORRIDOR, loss=loss), seed=0, device="cpu")
    obs, action = torch.eye(5)[:3], torch.tensor([0, 1, 1])
    taken = agent.q(obs)[[0, 1, 2], action].detach()
    small = 0.25 if loss == "mse" else 0.125
    batch = PQNBatch(obs, action, taken + torch.tensor([2.0, 0.5, 0.0]))
    value, q = agent.loss(batch)
    assert q.tolist() == taken.tolist()
    assert value.item() == pytest.approx((of_2 + small) / 3, rel=1e-5)


def test_an_update_moves_values_towards_their_returns() -> None:
    agent = PQN.create(corridor(), CORRIDOR, seed=0, device="cpu")
    batch = PQNBatch(torch.eye(5)[:2], torch.tensor([0, 1]), torch.tensor([3.0, -3.0]))
    losses = [agent.update(batch) for _ in range(300)]
    assert set(losses[0]) == {"losses/td", "charts/q_mean"}
    assert losses[-1]["losses/td"] < 0.01 < losses[0]["losses/td"]
    assert agent.q(batch.obs)[[0, 1], batch.action].tolist() == pytest.approx([3, -3], abs=0.2)


def test_each_epoch_has_every_transition_once_in_another_order() -> None:
    seen: list[Any] = []

    class Spy(PQN):
        def update(self, batch: PQNBatch) -> dict[str, float]:
            seen.append(batch)
            return super().update(batch)

    config = PQNConfig(rollout_steps=8, num_epochs=2, batch_size=6, hidden_sizes=(8,))
    agent = Spy.create(three_cartpoles(), config, device="cpu")
    agent.learn(24)
    assert agent.num_updates == len(seen) == 8
    assert len(agent.rollout) == 0
    epochs = [torch.cat([batch.obs for batch in part]) for part in (seen[:4], seen[4:])]
    assert not torch.equal(*epochs)
    rows = [sorted(map(tuple, epoch.tolist())) for epoch in epochs]
    assert rows[0] == rows[1]
    assert len(set(rows[0])) == 24


def test_explores_by_the_schedule() -> None:
    config = replace(CORRIDOR, epsilon=linear(1.0, 0.0, 10), learning_rate=linear(1e-3, 0, 10))
    agent = PQN.create(corridor(), config, seed=0, device="cpu")
    obs = np.eye(5, dtype=np.float32)[np.zeros(400, int)]
    best = agent.act(obs)
    assert len(set(best.tolist())) == 1
    assert 150 < (agent.act(obs, greedy=False) == best).sum() < 250
    agent.num_steps = 5
    assert agent.metrics() == {"charts/learning_rate": 5e-4, "charts/epsilon": 0.5}
    assert 250 < (agent.act(obs, greedy=False) == best).sum() < 350
    agent.num_steps = 10
    assert (agent.act(obs, greedy=False) == best).all()


def test_rollouts_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(ValueError, match=r"batch_size must be a divisor of .* = 60, got 25"):
        PQN.create(three_cartpoles(), PQNConfig(rollout_steps=20, batch_size=25), device="cpu")


def test_learns_the_corridor() -> None:
    agent = PQN.create(corridor(), CORRIDOR, seed=1, device="cpu")
    agent.learn(1500)
    cells = np.eye(5, dtype=np.float32)[:4]
    assert agent.act(cells).tolist() == [1, 1, 1, 1]
    values = agent.action_values(cells)[:, 1]  # of walking right: 0.9 to the power of what is left
    np.testing.assert_allclose(values, [0.729, 0.81, 0.9, 1.0], atol=0.1)


def test_learns_from_images() -> None:
    config = PQNConfig(
        rollout_steps=32,
        num_epochs=4,
        learning_rate=1e-3,
        gamma=0.5,
        epsilon=linear(1, 0.1, 300),
        encoder="small",
    )
    env = side()
    agent = PQN.create(env, config, seed=1, device="cpu")
    agent.learn(640)
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(50):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 45
