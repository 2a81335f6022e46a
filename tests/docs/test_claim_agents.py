"""The agents and the task that single claims need, by numbers worked out by hand."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'agents'")

import torch
from mario_rl_agents import DQN, PPO, DQNConfig, PPOConfig
from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.actor_critic import ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPGConfig
from mario_rl_agents.buffers.replay import Batch

from benchmarks import claim_tasks
from benchmarks.claim_agents import (
    ESTIMATE,
    TRUTH,
    BatchNormDDPG,
    LayersPPO,
    OrnsteinUhlenbeck,
    OrnsteinUhlenbeckConfig,
    OrnsteinUhlenbeckDDPG,
    RatedDoubleDQN,
    RatedDQN,
    ReplayedActorCritic,
    ReplayedActorCriticConfig,
    SeparateActorCritic,
    discounted_returns,
    rate,
)

SMALL: dict[str, Any] = {"hidden_sizes": (8, 8)}
DDPG_SMALL: dict[str, Any] = {
    **SMALL,
    "batch_size": 4,
    "learning_starts": 4,
    "replay_capacity": 500,
}
DQN_SMALL = DQNConfig(**SMALL, learning_starts=32, replay_capacity=500, overlap=False)


def cartpole(agent_class, config):
    return agent_class.create(gym.make("CartPole-v1"), config, seed=0, device="cpu")


def pendulum(agent_class, config):
    return agent_class.create(gym.make("Pendulum-v1"), config, seed=0, device="cpu")


def set_to(module, number):
    """Set every weight."""
    with torch.no_grad():
        for x in module.parameters():
            x.fill_(number)


def give_values(agent, value):
    """Let the network say V(s) = value, and log pi(a|s) = log 1/2."""
    set_to(agent.network, 0.0)
    [*_, last] = agent.network.parameters()  # the bias of the last layer
    with torch.no_grad():
        last[-1] = value


def batch_of(agent, reward, terminated):
    obs = torch.ones(2, *agent.observation_space.shape)
    flags = torch.tensor(terminated)
    action = torch.zeros(2, dtype=torch.int64)
    return Batch(obs, action, torch.tensor(reward), obs, flags, torch.zeros(2, dtype=torch.bool))


def test_a_replayed_batch_has_the_loss_of_the_actor_critic():
    agent = cartpole(ReplayedActorCritic, ReplayedActorCriticConfig(**SMALL, gamma=0.5))
    give_values(agent, 2.0)
    batch = batch_of(agent, [1.0, 4.0], [False, True])
    target = agent.batch_target(batch)
    assert target.tolist() == [1.0 + 0.5 * 2.0, 4.0]  # nothing follows a termination
    _, parts = agent.loss(agent.network(batch.obs), batch.action, target)
    # delta is 0 and 2: the mean of delta^2 is 2, and of log 2 delta it is log 2.
    assert parts["losses/critic"].item() == pytest.approx(2.0)
    assert parts["losses/actor"].item() == pytest.approx(np.log(2.0))


@pytest.mark.parametrize("detach", [True, False])
def test_a_replayed_target_has_a_gradient_only_where_nothing_is_detached(detach):
    agent = cartpole(ReplayedActorCritic, ReplayedActorCriticConfig(**SMALL, detach=detach))
    target = agent.batch_target(batch_of(agent, [1.0, 1.0], [False, False]))
    assert target.requires_grad is not detach


def test_replay_learns_from_a_batch_at_every_step_once_there_is_one():
    agent = cartpole(ReplayedActorCritic, ReplayedActorCriticConfig(**SMALL, batch_size=16))
    agent.learn(15)
    assert agent.num_updates == 0
    agent.learn(10)
    assert agent.num_updates == 10
    assert len(agent.memory) == 25


def test_separate_networks_share_nothing():
    agent = cartpole(SeparateActorCritic, ActorCriticConfig(**SMALL))
    # 4-8-8 and the outputs, twice: two heads on one trunk would have the hidden layers once.
    hidden = 4 * 8 + 8 + 8 * 8 + 8
    assert sum(x.numel() for x in agent.network.parameters()) == 2 * hidden + (8 * 2 + 2) + (8 + 1)
    [both] = agent.network
    before = agent.network(torch.ones(1, 4))
    set_to(both.critic, 1.0)
    after = agent.network(torch.ones(1, 4))
    assert torch.equal(before[:, :2], after[:, :2])
    # 4 ones and a bias are 5, 8 of these and a bias 41, 8 of these and a bias 329.
    assert after[0, 2].item() == 329.0


def test_separate_networks_are_what_is_trained():
    agent = cartpole(SeparateActorCritic, ActorCriticConfig(**SMALL, learning_rate=1e-2))
    before = [x.clone() for x in agent.network.parameters()]
    agent.learn(5)
    assert all(
        not torch.equal(x, y) for x, y in zip(before, agent.network.parameters(), strict=True)
    )


def test_layers_named_one_by_one_compute_what_a_sequential_does():
    config = PPOConfig(**SMALL)
    chain, layers = cartpole(PPO, config), cartpole(LayersPPO, config)
    assert isinstance(chain.actor.layers, torch.nn.Sequential)
    for agent in (chain, layers):
        agent.learn(60)
    for name in ("actor", "critic"):
        pairs = zip(
            chain.networks[name].parameters(), layers.networks[name].parameters(), strict=True
        )
        assert all(torch.equal(x, y) for x, y in pairs)
    set_to(layers.critic, 1.0)
    assert (
        layers.critic(torch.tensor([[1.0, 1.0, 1.0, -9.0]])).item() == 9.0
    )  # 0, then 1 eight times, and a bias
    assert layers.num_updates == 60 // 20 * 4 * 4


def test_noise_drifts_back_and_is_pushed():
    noise = OrnsteinUhlenbeck(2, 1, theta=0.25, sigma=0.0)
    noise.state.copy_(torch.tensor([[4.0], [-8.0]]))
    generator = np.random.default_rng(0)
    assert noise.draw(generator).tolist() == [[3.0], [-6.0]]
    noise.forget(np.array([False, True]))
    assert noise.draw(generator).tolist() == [[2.25], [0.0]]
    pushed = OrnsteinUhlenbeck(1, 1, theta=0.25, sigma=2.0)
    normal = np.random.default_rng(1).standard_normal((1, 1), dtype=np.float32)
    first = pushed.draw(np.random.default_rng(1))
    assert first == pytest.approx(2.0 * normal)
    second = pushed.draw(np.random.default_rng(1))
    assert second == pytest.approx(0.75 * first + 2.0 * normal)


def test_correlated_noise_is_added_to_the_actor_and_ends_with_the_game():
    config = OrnsteinUhlenbeckConfig(**DDPG_SMALL, theta=0.0, sigma=0.0)
    agent = pendulum(OrnsteinUhlenbeckDDPG, config)
    obs = np.array([[1.0, 0.0, 0.0]], np.float32)
    set_to(agent.actor, 0.0)
    agent.noise.state.fill_(0.25)
    assert agent.act(obs, greedy=False).tolist() == [[0.5]]  # torques reach to 2
    assert agent.act(obs).tolist() == [[0.0]]
    ended = np.array([True])
    step = Step(obs, np.zeros((1, 1), np.float32), np.zeros(1), ~ended, ended, obs, {})
    list(agent.observe(step))
    assert agent.noise.state.tolist() == [[0.0]]


def test_batch_normalization_keeps_running_means_that_the_targets_follow():
    agent = pendulum(BatchNormDDPG, DDPGConfig(**DDPG_SMALL, tau=0.5))
    obs = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 0.0]])
    no = torch.zeros(2, dtype=torch.bool)
    agent.update(Batch(obs, torch.zeros(2, 1), torch.zeros(2), obs, no, no))
    # PyTorch's momentum is 0.1: 0.1 of the batch's mean (2, 2, 0) for the actor, which sees one
    # batch; the critic sees it in both losses, 0.1 and 0.09. The targets go half of the way from 0.
    actor, critic = agent.actor.layers[0], agent.critic.norm
    assert actor.running_mean.tolist() == pytest.approx([0.2, 0.2, 0.0])
    assert critic.running_mean.tolist() == pytest.approx([0.38, 0.38, 0.0])
    target = agent.networks["critic_target"].norm
    assert target.running_mean.tolist() == pytest.approx([0.19, 0.19, 0.0])
    assert target.bias.tolist() == pytest.approx((critic.bias / 2).tolist())


def test_batch_normalization_acts_by_its_running_numbers():
    agent = pendulum(BatchNormDDPG, DDPGConfig(**DDPG_SMALL))
    agent.learn(20)
    assert agent.num_updates > 0
    obs = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    alone = np.concatenate([agent.act(one[None]) for one in obs])
    assert agent.act(obs) == pytest.approx(alone, abs=1e-6)
    mean = agent.actor.layers[0].running_mean.clone()
    agent.act(obs)
    assert torch.equal(agent.actor.layers[0].running_mean, mean)


def test_returns_are_discounted_from_each_state_on():
    assert discounted_returns([1.0, 1.0, 4.0], 0.5) == [2.5, 3.0, 4.0]
    assert discounted_returns([], 0.5) == []


def test_an_agent_is_rated_by_what_it_expects_and_what_it_gets():
    agent = cartpole(DQN, dataclasses.replace(DQN_SMALL, gamma=0.0, reward_scale=2.0))
    set_to(agent.q, 0.0)
    [*_, bias] = agent.q.parameters()
    with torch.no_grad():
        bias.copy_(torch.tensor([3.0, 1.0]))
    # Each step gives 1, scaled 2 in what is learned; the highest value is 3, so 1.5 unscaled.
    assert rate(agent) == {ESTIMATE: 1.5, TRUTH: 1.0}
    agent.config = dataclasses.replace(agent.config, gamma=1.0)
    # Games of one action take 8 to 10 steps; from all states on the mean is about half of it.
    assert 4.0 < rate(agent)[TRUTH] < 6.0


@pytest.mark.parametrize("agent_class", [RatedDQN, RatedDoubleDQN])
def test_rating_changes_nothing_that_is_learned(agent_class):
    rated, plain = cartpole(agent_class, DQN_SMALL), cartpole(agent_class.__mro__[1], DQN_SMALL)
    rated.learn(60)
    plain.learn(60)
    assert rate(rated) == rate(plain)
    for x, y in zip(rated.q.parameters(), plain.q.parameters(), strict=True):
        assert torch.equal(x, y)
    assert ESTIMATE not in rated.metrics()
    rated.num_steps = plain.num_steps = 2_000
    assert rated.metrics() == plain.metrics() | rate(plain)


def test_torques_are_evenly_spaced():
    env = gym.make(f"{claim_tasks.__name__}:{claim_tasks.ID}", num_torques=5)
    plain = gym.make("Pendulum-v1")
    env.reset(seed=0)
    for k, torque in enumerate([-2.0, -1.0, 0.0, 1.0, 2.0]):
        plain.reset(seed=0)
        env.reset(seed=0)
        for first, second in zip(
            env.step(k), plain.step(np.array([torque], np.float32)), strict=True
        ):
            assert np.array_equal(first, second)
    assert env.action_space == gym.spaces.Discrete(5)
    lengths = [env.step(0)[3] for _ in range(199)]
    assert lengths.index(True) == 198  # truncated at the 200th, as Pendulum is
    with pytest.raises(ValueError, match="num_torques must be at least 2, received 1"):
        claim_tasks.make(num_torques=1)


@pytest.mark.parametrize(
    ("make", "agent_class", "config"),
    [
        (cartpole, ReplayedActorCritic, ReplayedActorCriticConfig(**SMALL, batch_size=8)),
        (cartpole, SeparateActorCritic, ActorCriticConfig(**SMALL)),
        (cartpole, LayersPPO, PPOConfig(**SMALL)),
        (pendulum, OrnsteinUhlenbeckDDPG, OrnsteinUhlenbeckConfig(**DDPG_SMALL)),
        (pendulum, BatchNormDDPG, DDPGConfig(**DDPG_SMALL)),
        (cartpole, RatedDQN, DQN_SMALL),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_resumed_training_ends_as_an_unbroken_one(make, agent_class, config, tmp_path):
    whole, first = make(agent_class, config), make(agent_class, config)
    whole.learn(110)
    first.learn(50)
    first.save(tmp_path / "agent.safetensors", replay=True)
    env = gym.make(whole.env.spec.id)
    resumed = agent_class.load(tmp_path / "agent.safetensors", env, device="cpu")
    resumed.learn(60)
    assert resumed.num_updates == whole.num_updates > 0
    ours, theirs = resumed.tensors(), whole.tensors()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
