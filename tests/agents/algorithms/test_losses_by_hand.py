"""Numbers worked out by hand: advantages, returns, log-probabilities, clips, weights."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.a3c.a3c import (
    A3C,
    A3CConfig,
    Segment,
    a3c_loss,
    n_step_returns,
)
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOBatch, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.buffers.prioritized import PrioritizedReplay
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.buffers.rollout import compute_gae
from mario_rl_agents.networks.critics import soft_update
from mario_rl_agents.networks.distributions import Categorical, Gaussian
from support import literal
from support.agent_toys import make_step
from support.loss_checks import CONTINUOUS, DISCRETE, Spaces
from support.replay_toys import store
from torch import Tensor

HALF_LOG_2_PI = 0.9189385332046727


def column(*numbers: float) -> Any:
    """Return one environment of a rollout."""
    return np.array(numbers, np.float32)[:, None]


# gamma = lambda = 0.5, r = (1, 2, 3), V = (4, 2, 6), V(s') = (2, x, 8).
# delta_0 = 1 + 0.5 * 2 - 4 = -2, delta_2 = 3 + 0.5 * 8 - 6 = 1.
@pytest.mark.parametrize(
    ("terminated", "truncated", "next_value", "expected"),
    [
        # delta_1 = 2 + 0.5 * 6 - 2 = 3; A_2 = 1, A_1 = 3 + 1 / 4 = 3.25, A_0 = -2 + 3.25 / 4
        (False, False, 6.0, (-1.1875, 3.25, 1.0)),
        # delta_1 = 2 + 0.5 * 10 - 2 = 5, and nothing of A_2 with it; A_0 = -2 + 5 / 4
        (False, True, 10.0, (-0.75, 5.0, 1.0)),
        # delta_1 = 2 - 2 = 0; A_0 = -2 + 0 / 4
        (True, False, 10.0, (-2.0, 0.0, 1.0)),
        (True, True, 10.0, (-2.0, 0.0, 1.0)),
    ],
    ids=["goes on", "truncated", "terminated", "both"],
)
def test_compute_gae(terminated, truncated, next_value, expected):
    ends = column(0, terminated, 0) > 0, column(0, truncated, 0) > 0
    rewards, values, next_values = (1, 2, 3), (4, 2, 6), (2, next_value, 8)
    advantages = compute_gae(
        column(*rewards), column(*values), column(*next_values), *ends, gamma=0.5, gae_lambda=0.5
    )
    assert advantages[:, 0].tolist() == list(expected)
    flags = (x[:, 0].tolist() for x in ends)
    assert literal.gae(rewards, values, next_values, *flags, 0.5, 0.5) == list(expected)


def test_compute_gae_of_many_environments():
    rng = np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, 40, 6))
    kind = rng.integers(8, size=(40, 6))
    terminated, truncated = kind == 0, kind == 1
    advantages = compute_gae(
        reward, value, next_value, terminated, truncated, gamma=0.97, gae_lambda=0.9
    )
    rollout = (reward, value, next_value, terminated, truncated)
    for env in range(6):
        expected = literal.gae(*(x[:, env].tolist() for x in rollout), 0.97, 0.9)
        # gamma lambda is rounded to float32, as the numbers of a rollout are.
        np.testing.assert_allclose(advantages[:, env], expected, rtol=1e-6, atol=1e-6)


def test_returns_of_a3c():
    # 8; 4 + 0.5 * 8 = 8; 2 + 0.5 * 8 = 6; with a value of 16 at the end 8 + 8 = 16, 12, 8
    reward = torch.tensor([2.0, 4.0, 8.0])
    assert n_step_returns(reward, 0.0, 0.5).tolist() == [6.0, 8.0, 8.0]
    assert n_step_returns(reward, 16.0, 0.5).tolist() == [8.0, 12.0, 16.0]


def play(replay: ReplayBuffer, episodes: list[tuple[list[float], bool]]) -> None:
    """Record episodes of these rewards; observations count all steps, a reset adds one, too."""
    count = 0
    for rewards, terminates in episodes:
        for i, reward in enumerate(rewards):
            is_last = i == len(rewards) - 1
            obs, next_obs = np.array([[count], [count + 1]], np.float32)
            ends = is_last and terminates, is_last and not terminates
            store(replay, obs, i, reward, *ends, next_obs)
            count += 1
        count += 1


def sampled(replay: ReplayBuffer) -> dict[int, list[tuple[float, ...]]]:
    """Return what is sampled of each transition, by its observation."""
    batch = replay.sample(500, np.random.default_rng(1))
    assert batch.discount is not None
    columns = (batch.reward, batch.discount, batch.next_obs[:, 0], batch.terminated)
    found: dict[int, list[tuple[float, ...]]] = {}
    for obs, *row in zip(batch.obs[:, 0].tolist(), *(x.tolist() for x in columns), strict=True):
        found.setdefault(int(obs), []).append(tuple(row))
    return found


@pytest.mark.parametrize("terminates", [False, True])
def test_n_step_returns(terminates):
    replay = ReplayBuffer(50, (1,), np.float32, num_return_steps=3, gamma=0.5)
    play(replay, [([1, 2, 4, 8], terminates), ([100, 100], terminates)])
    found = sampled(replay)
    assert set(found) == {0, 1, 2, 3, 5, 6}
    expected = {
        0: (1 + 1 + 1, 0.125, 3, False),  # three steps, and on from the observation after them
        1: (2 + 2 + 2, 0.125, 4, terminates),
        2: (4 + 4, 0.25, 4, terminates),  # two are left
        3: (8, 0.5, 4, terminates),
    }
    for obs, row in expected.items():
        assert set(found[obs]) == {row}


def test_n_step_returns_of_random_episodes():
    """Also where the ring of the memory has gone round."""
    rng = np.random.default_rng(3)
    episodes = [
        (rng.integers(-8, 8, rng.integers(1, 9)).astype(float).tolist(), bool(rng.integers(2)))
        for _ in range(40)
    ]
    replay = ReplayBuffer(70, (1,), np.float32, num_return_steps=4, gamma=0.5)
    play(replay, episodes)
    expected = {}
    count = 0
    nothing = torch.zeros(0)
    for rewards, terminates in episodes:
        last = len(rewards) - 1
        steps = [
            literal.Transition(
                nothing, 0, r, nothing, i == last and terminates, i == last and not terminates
            )
            for i, r in enumerate(rewards)
        ]
        for i in range(len(rewards)):
            n = literal.n_step(steps, i, 4, 0.5)
            row = (n.reward, n.discount, count + n.next_index + 1, n.terminated)
            expected[count + i] = row
        count += len(rewards) + 1
    found = sampled(replay)
    assert len(found) > 50
    for obs, rows in found.items():
        assert set(rows) == {expected[obs]}


def test_huber_and_its_limits():
    errors = torch.tensor([0.5, -0.5, 3.0, -3.0, 1.0], dtype=torch.float64)
    # 0.25 / 2, and 3 - 0.5
    assert [float(literal.huber(x)) for x in errors] == [0.125, 0.125, 2.5, 2.5, 0.5]


def test_log_probabilities_and_entropies():
    # exp(0) : exp(log 3) = 1 : 3
    logits = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64)
    categorical = Categorical(2)
    log_prob = categorical.log_prob(logits, torch.tensor([0]))
    assert log_prob.item() == pytest.approx(math.log(0.25), rel=1e-12)
    entropy = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert categorical.entropy(logits).item() == pytest.approx(entropy, rel=1e-12)
    # x = 0 and 3 under N(1, 2) and N(2, 1): z = -1/2 and 1, -z^2 / 2 = -1/8 and -1/2
    gaussian = Gaussian(CONTINUOUS).double()
    gaussian.log_std.data = torch.tensor([math.log(2), 0.0], dtype=torch.float64)
    means = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    log_prob = gaussian.log_prob(means, torch.tensor([[0.0, 3.0]], dtype=torch.float64))
    expected = -0.125 - 0.5 - math.log(2) - 2 * HALF_LOG_2_PI
    assert log_prob.item() == pytest.approx(expected, rel=1e-12)
    # each 1/2 + log(2 pi) / 2 + log s
    expected = 1 + 2 * HALF_LOG_2_PI + math.log(2)
    assert gaussian.entropy(means).item() == pytest.approx(expected, rel=1e-12)


def squashed(mean: float, log_std: float, noise: float, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return SAC's action, its log-probability, and the slope of that as mean and log_std move."""
    agent: Any = SAC.create(Spaces(CONTINUOUS), SACConfig(hidden_sizes=()), device="cpu")
    agent.actor.to(dtype)
    *_, layer = agent.actor.modules()
    layer.weight.data.zero_()
    layer.bias.data = torch.tensor([mean, 0.0, log_std, 0.0], dtype=dtype)
    obs, both = torch.zeros(1, 4, dtype=dtype), torch.tensor([[noise, 0.0]], dtype=dtype)
    action, log_prob = agent.sample(obs, both)
    (slope,) = torch.autograd.grad(log_prob.sum(), [layer.bias])
    # The second action is 0 of N(0, 1), where tanh has slope 1.
    return action[0, 0], log_prob[0] + HALF_LOG_2_PI, slope[0], slope[2]


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@DTYPES
def test_tanh_log_probability(dtype):
    """The density of a = tanh(u) is that of u over 1 - a^2."""
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    # u = 0 of N(0, 1): tanh has slope 1
    action, log_prob, slope, _ = squashed(0, 0, 0, dtype)
    assert action == 0
    assert log_prob.item() == pytest.approx(-HALF_LOG_2_PI, rel=tolerance)
    assert slope == 0
    # u = log 2, e^u = 2: tanh u = (2 - 1/2) / (2 + 1/2) = 0.6, 1 - 0.36 = 0.64
    action, log_prob, slope, _ = squashed(math.log(2), 0, 0, dtype)
    assert action.item() == pytest.approx(0.6, rel=tolerance)
    assert log_prob.item() == pytest.approx(-HALF_LOG_2_PI - math.log(0.64), rel=tolerance)
    # -d/du log(1 - tanh(u)^2) = 2 tanh(u)
    assert slope.item() == pytest.approx(1.2, rel=tolerance)
    # The same u, from N(log 2 - 3, 1.5): z = 2
    log_prob, _, slope = squashed(math.log(2) - 3, math.log(1.5), 2, dtype)[1:]
    expected = -2 - math.log(1.5) - HALF_LOG_2_PI - math.log(0.64)
    assert log_prob.item() == pytest.approx(expected, rel=tolerance)
    # With log s both -log s moves, by -1, and u = m + s z, by s z = 3: -1 + 3 * 1.2
    assert slope.item() == pytest.approx(2.6, rel=5 * tolerance)


@DTYPES
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("size", [8.0, 20.0, 50.0, 200.0])
def test_tanh_log_probability_far_out(dtype, side, size):
    """There tanh(u) rounds to 1, and 1 - tanh(u)^2 to 0; but it is nearly 4 e^-2|u|."""
    action, log_prob, slope, slope_of_log_std = squashed(side * size, 0, 0, dtype)
    assert action.item() == pytest.approx(side, abs=1e-6)
    # log(4 e^-2|u| / (1 + e^-2|u|)^2), whose denominator counts for size 8 alone
    log_slope = math.log(4) - 2 * size - 2 * math.log1p(math.exp(-2 * size))
    expected = -HALF_LOG_2_PI - log_slope
    assert log_prob.item() == pytest.approx(expected, rel=1e-6 if dtype == torch.float32 else 1e-9)
    assert slope.item() == pytest.approx(2 * side, abs=1e-5)
    assert slope_of_log_std.item() == pytest.approx(-1)
    if dtype == torch.float64 and size <= 50:
        u, one = torch.tensor([side * size], dtype=dtype), torch.ones(1, dtype=dtype)
        truth = literal.tanh_log_prob(u, one, u)
        assert log_prob.item() == pytest.approx(truth.item(), rel=1e-9)


ONE_ACTION = gym.spaces.Box(-1, 1, (1,), np.float32)


def actor_slopes(config: SACConfig, noise: Tensor, slope: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return SAC's actor loss, and its gradient as the mean and what the deviation is made of move.

    The actor says N(0, 1) everywhere, Q is 3 and V 1; Q rises by `slope` with the action.
    """
    agent: Any = SAC.create(Spaces(ONE_ACTION), config, device="cpu")
    for x in (y for network in agent.networks.values() for y in network.parameters()):
        x.data.zero_()
    (critic,) = agent.critics.layers
    critic.bias.data.fill_(3.0)
    critic.weight.data[:, -1] = slope
    *_, value = agent.value.modules()
    value.bias.data.fill_(1.0)
    *_, layer = agent.actor.modules()
    layer.bias.data[1] = 1.0 if config.actor_std == "clamped" else 0.0
    loss, _, _ = agent.actor_loss(torch.zeros(len(noise), 4), noise[:, None])
    (found,) = torch.autograd.grad(loss, [layer.bias])
    return loss.detach(), found


def test_the_actor_with_and_without_reparameterization():
    config = SACConfig(hidden_sizes=(), reparameterize=False)
    # u = 1: log pi = -1/2 - 0.9189385 - log(1 - tanh(1)^2) = -1.4189385 + 0.8675617 = -0.5513768.
    # W - V = 3 + 0.5513768 - 1; d log pi / d mean = z = 1, d log pi / d log s = z^2 - 1 = 0.
    loss, slopes = actor_slopes(config, torch.ones(1))
    assert loss.item() == pytest.approx(0.5513768 * 2.5513768, rel=1e-6)
    assert slopes.tolist() == pytest.approx([-2.5513768, 0.0], abs=1e-6)
    # Through u, log pi moves by 2 tanh(1) with the mean, and by that less 1 with log s.
    usual = SACConfig(hidden_sizes=())
    loss, slopes = actor_slopes(usual, torch.ones(1))
    assert loss.item() == pytest.approx(-3.5513768, rel=1e-6)
    assert slopes.tolist() == pytest.approx([1.5231884, 0.5231884], abs=1e-6)
    # On average both climb the same slope.
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=400_000).astype(np.float32))
    expected = actor_slopes(usual, noise, slope=1.5)[1]
    assert expected[0] < -0.5
    torch.testing.assert_close(
        actor_slopes(config, noise, slope=1.5)[1], expected, atol=0.02, rtol=0
    )


@pytest.mark.parametrize(
    ("output", "std"), [(0.5, 0.5), (3.0, 1.0), (-2.0, 1e-6)], ids=["within", "above", "below"]
)
def test_a_deviation_that_is_an_output_is_clamped(output, std):
    config = SACConfig(hidden_sizes=(), actor_std="clamped")
    agent: Any = SAC.create(Spaces(ONE_ACTION), config, device="cpu")
    *_, layer = agent.actor.modules()
    layer.weight.data.zero_()
    layer.bias.data = torch.tensor([0.0, output])
    action, log_prob = agent.sample(torch.zeros(1, 4), torch.zeros(1, 1))
    assert action.item() == 0
    assert log_prob.item() == pytest.approx(-HALF_LOG_2_PI - math.log(std), rel=1e-6)
    # its own number has a gradient where it is not clamped: d(-log s) / ds
    (slope,) = torch.autograd.grad(log_prob.sum(), [layer.bias])
    assert slope.tolist() == pytest.approx([0.0, -1 / std if std == output else 0.0])


@pytest.mark.parametrize("detach", [True, False])
def test_one_step_actor_critic_detached_or_not(detach):
    """V = 2 everywhere, r = 2: the target is 2 + 0.5 * 2 = 3, delta = 1, log pi = -log 2."""
    config = ActorCriticConfig(hidden_sizes=(), gamma=0.5, detach=detach)
    agent: Any = ActorCritic.create(Spaces(gym.spaces.Discrete(2)), config, device="cpu")
    *_, layer = agent.network.modules()
    layer.weight.data.zero_()
    layer.bias.data = torch.tensor([0.0, 0.0, 2.0])
    obs = np.zeros((1, 4), np.float32)
    step = make_step(obs, np.array([2.0]), np.array([False]), np.array([False]), obs)
    agent.act(obs, greedy=False)
    agent._action[:] = 0
    (losses,) = agent.observe(step)
    assert losses["losses/actor"] == pytest.approx(math.log(2), rel=1e-6)
    assert losses["losses/critic"] == pytest.approx(1.0)
    # The policy moves by -delta (1 - pi). V moves delta by -1, or with V(s') by 0.5 - 1: delta^2
    # by -2, or by -1; the actor's loss log 2 * delta not at all, or by -log 2 / 2.
    expected = -2.0 if detach else -1.0 - math.log(2) / 2
    assert layer.bias.grad.tolist() == pytest.approx([-0.5, 0.5, expected], rel=1e-6)


@pytest.mark.parametrize("detach", [True, False])
def test_the_policy_loss_of_a3c_detached_or_not(detach):
    """V = 2, r = 2: R = 2 + 0.5 * 2 = 3, a constant; the advantage is 1, log pi = -log 2."""
    config = A3CConfig(hidden_sizes=(), gamma=0.5, detach=detach, num_workers=1)
    agent = A3C.create(Spaces(gym.spaces.Discrete(2)), config, device="cpu")
    for x in agent.network.parameters():
        x.data.zero_()
    *_, value = agent.network.value.modules()
    assert isinstance(value, torch.nn.Linear)
    value.bias.data.fill_(2.0)
    segment = Segment(torch.zeros(2, 4), torch.tensor([1]), torch.tensor([2.0]), False)
    loss, parts = a3c_loss(agent.network, segment, config)
    assert parts["losses/policy"].item() == pytest.approx(math.log(2), rel=1e-6)
    (slope,) = torch.autograd.grad(loss, [value.bias])
    # (R - V)^2 moves by -2; log 2 * (R - V) by -log 2
    assert slope.item() == pytest.approx(-2.0 if detach else -2.0 - math.log(2), rel=1e-6)


# ratio, advantage, min(r A, clip(r, 0.8, 1.2) A), and whether r still has a gradient
CLIPS = [
    (1.0, 2.0, 2.0, True),
    (1.5, 2.0, 2.4, False),  # good, and likelier already: min(3, 1.2 * 2)
    (0.5, 2.0, 1.0, True),  # good, but less likely: min(1, 0.8 * 2)
    (1.5, -2.0, -3.0, True),  # bad, but likelier: min(-3, -2.4)
    (0.5, -2.0, -1.6, False),  # bad, and less likely already: min(-1, -1.6)
    (1.1, -2.0, -2.2, True),
]


@pytest.mark.parametrize(("ratio", "advantage", "objective", "has_gradient"), CLIPS)
def test_clipped_ratio(ratio, advantage, objective, has_gradient):
    agent = PPO.create(Spaces(DISCRETE), PPOConfig(clip_range=0.2), device="cpu")
    old = torch.tensor([-0.7], dtype=torch.float64)
    log_prob = (old + math.log(ratio)).requires_grad_()
    empty = torch.zeros(1)
    a = torch.tensor([advantage], dtype=torch.float64)
    loss = agent.policy_loss(log_prob, PPOBatch(empty, empty, old, empty, a, empty))
    assert loss.item() == pytest.approx(-objective, rel=1e-12)
    (slope,) = torch.autograd.grad(loss, [log_prob])
    # d r / d log r = r
    assert slope.item() == pytest.approx(-ratio * advantage if has_gradient else 0, abs=1e-12)
    truth = literal.clipped_surrogate(log_prob.detach()[0], -0.7, advantage, 0.2)
    assert truth.item() == pytest.approx(objective, rel=1e-12)


# V_old = 1, target = 2, and V may move by 0.5: V, its loss, its gradient
VALUES = [
    (1.2, 0.64, -1.6),  # within: (1.2 - 2)^2
    (3.0, 1.0, 2.0),  # clipped to 1.5 it would be 0.25: the larger counts
    (1.9, 0.25, 0.0),  # (1.9 - 2)^2 = 0.01 is nearer than the clip allows: (1.5 - 2)^2
    (0.1, 3.61, -3.8),  # the wrong way: (0.1 - 2)^2 is larger than (0.5 - 2)^2 = 2.25
]


@pytest.mark.parametrize(("value", "expected", "slope"), VALUES)
def test_clipped_value(value, expected, slope):
    agent = PPO.create(Spaces(DISCRETE), PPOConfig(value_clip=0.5), device="cpu")
    old, target = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    v = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    empty = torch.zeros(1)
    loss = agent.value_loss(v, PPOBatch(empty, empty, empty, old, empty, target))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    (found,) = torch.autograd.grad(loss, [v])
    assert found.item() == pytest.approx(slope, abs=1e-12)


def test_soft_update():
    # 0.25 of the way from 8 to 4, and from -2 to 2
    target, online = torch.tensor([8.0, -2.0]), torch.tensor([4.0, 2.0])
    soft_update([target], [online], 0.25)
    assert target.tolist() == [7.0, -1.0] == literal.polyak([8.0, -2.0], [4.0, 2.0], 0.25)
    assert online.tolist() == [4.0, 2.0]


def test_importance_weights():
    """Two transitions, whose errors are 1 and 3."""
    replay = PrioritizedReplay(4, (4,), np.float32, alpha=1.0, epsilon=0.0)
    zero, one, two = np.array([[0] * 4, [1] * 4, [2] * 4], np.float32)
    store(replay, zero, 0, 1.0, False, False, one)
    store(replay, one, 1, 3.0, True, False, two)
    replay.set_priorities(np.array([0, 1]), np.array([1.0, 3.0]))
    batch = replay.sample(400, np.random.default_rng(0))
    assert batch.importance_weight is not None
    # P = 1/4 and 3/4, 1 / (N P) = 1 / (2 / 4) = 2 and 1 / (6 / 4) = 2/3
    first = batch.reward == 1
    assert first.sum() == 100  # drawn from equal parts
    assert set(batch.importance_weight[first].tolist()) == {2.0}
    assert batch.importance_weight[~first].tolist() == pytest.approx([2 / 3] * 300)
    assert literal.importance_weights([1, 3], [0, 1], 1.0) == pytest.approx([1, 1 / 3])

    config = DQNConfig(prioritized=True, priority_beta=0.5, hidden_sizes=(), loss="mse", gamma=0.5)
    agent = DQN.create(Spaces(DISCRETE), config, device="cpu")
    for x in (*agent.q.parameters(), *agent.q_target.parameters()):
        x.data.zero_()
    two = Batch(*(None if x is None else x[[99, 100]] for x in batch))
    # Q = 0, the errors are 1 and 3: (1 * 1 + sqrt((2/3) / 2) * 9) / 2
    loss, *_ = agent.loss(two)
    assert loss.item() == pytest.approx((1 + math.sqrt(1 / 3) * 9) / 2, rel=1e-6)


def test_dueling_by_hand():
    # 5 + (1, 2, 6) - 3
    value, advantages = torch.tensor(5.0), torch.tensor([1.0, 2.0, 6.0])
    assert [float(x) for x in literal.dueling(value, advantages)] == [3.0, 4.0, 8.0]
