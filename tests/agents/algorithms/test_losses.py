"""Losses of off-policy agents against the papers' formulas, values and gradients, in float64."""

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.naive_q import NaiveQ, NaiveQConfig, ladder
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.buffers.replay import Batch
from support import literal
from support.loss_checks import (
    CONTINUOUS,
    DISCRETE,
    GAMMA,
    NUM_TRANSITIONS,
    RATE,
    assert_same_networks,
    average,
    check_loss,
    critic,
    descend,
    dueling_network,
    gradients,
    make,
    make_batch,
    network,
    parameters,
    scalar,
    transitions,
)
from torch import Tensor, nn

# Values of discrete actions.


def dqn_literal(agent: DQN, batch: Batch, discount: Sequence[float] | None = None) -> Tensor:
    """Return the loss of `agent` as the papers have it."""
    config = agent.config
    make_q = dueling_network if config.dueling else network
    q, q_target = make_q(agent.q), make_q(agent.q_target)
    steps = transitions(batch, config.reward_scale)
    discounts = discount or [config.gamma] * len(steps)
    if isinstance(agent, DoubleDQN):
        targets = [
            literal.double_dqn_target(q, q_target, t, gamma)
            for t, gamma in zip(steps, discounts, strict=True)
        ]
    else:
        targets = [
            literal.dqn_target(q_target, t, gamma)
            for t, gamma in zip(steps, discounts, strict=True)
        ]
    weights = [1.0] * len(steps)
    if batch.importance_weight is not None:
        # It is 1 / (N P(i)): priorities that make these weights, all of them drawn.
        priorities = (1 / batch.importance_weight).tolist()
        everything = range(len(priorities))
        weights = literal.importance_weights(priorities, everything, agent.beta)
    error_loss = literal.huber if config.loss == "huber" else literal.squared
    return literal.weighted_td_loss(q, steps, targets, weights, error_loss)


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
@pytest.mark.parametrize("loss", ["huber", "mse"])
@pytest.mark.parametrize("dueling", [False, True])
def test_value_learning(agent_class, loss, dueling):
    config = DQNConfig(
        gamma=GAMMA, loss=loss, dueling=dueling, hidden_sizes=(6, 4), reward_scale=0.7
    )
    agent = make(agent_class, config, DISCRETE)
    batch = make_batch(1, DISCRETE)
    check_loss(
        agent,
        lambda: agent.loss(batch)[0],
        lambda: dqn_literal(agent, batch),
        learning=[agent.q],
        constant=[agent.q_target],
    )


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
def test_n_step_and_prioritized(agent_class):
    """Each transition has a discount and an importance weight of its own."""
    config = DQNConfig(
        gamma=GAMMA, prioritized=True, num_return_steps=3, hidden_sizes=(6,), loss="mse"
    )
    agent = make(agent_class, config, DISCRETE)
    rng = np.random.default_rng(8)
    discount = GAMMA ** rng.integers(1, 4, NUM_TRANSITIONS).astype(np.float64)
    ratio = rng.uniform(0.1, 5, NUM_TRANSITIONS)
    more = {"discount": torch.from_numpy(discount), "importance_weight": torch.from_numpy(ratio)}
    batch = make_batch(2, DISCRETE, **more)
    agent.num_steps = 200_000
    # 0.4 at the start and 1 after 1,000,000 steps: 0.4 + 0.6 * 0.2
    assert agent.beta == pytest.approx(0.52)
    check_loss(
        agent,
        lambda: agent.loss(batch)[0],
        lambda: dqn_literal(agent, batch, discount.tolist()),
        learning=[agent.q],
        constant=[agent.q_target],
    )


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
def test_gradients_are_the_slopes_of_the_loss(agent_class):
    """The literal losses rely on autograd: here is one that does not."""
    agent = make(agent_class, DQNConfig(gamma=GAMMA, hidden_sizes=(5,)), DISCRETE)
    batch = make_batch(3, DISCRETE)
    target = agent.td_target(batch).detach()
    agent.td_target = lambda batch: target  # which is constant while the weights move
    learned = parameters([agent.q])
    found = gradients(agent.loss(batch)[0], learned)
    with torch.no_grad():
        slopes = literal.finite_differences(lambda: agent.loss(batch)[0], learned)
        for g, slope in zip(found, slopes, strict=True):
            torch.testing.assert_close(g, slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
def test_a_whole_update_of_values(agent_class):
    config = DQNConfig(
        learning_rate=RATE, gamma=GAMMA, hidden_sizes=(5,), target_update_period=2, tau=0.3
    )
    agent = make(agent_class, config, DISCRETE)
    agent.optimizer = torch.optim.SGD(agent.q.parameters(), RATE)
    twin = copy.copy(agent)
    twin.q, twin.q_target = copy.deepcopy((agent.q, agent.q_target))
    for seed in range(3):
        batch = make_batch(seed, DISCRETE)
        descend(dqn_literal(twin, batch), [twin.q])
        if seed == 1:
            average(twin.q_target, twin.q, 0.3)
        agent.update(batch)
        assert_same_networks(agent, {"q": twin.q, "q_target": twin.q_target})


# Deterministic policies.


def td3_critic_literal(agent: TD3, nets: dict[str, Any], batch: Batch, noise: Tensor) -> Tensor:
    config, actor = agent.config, network(nets["actor_target"])
    first, second = (critic(nets["critics"], i, layer_norm=config.layer_norm) for i in (0, 1))
    lagging = [critic(nets["critics_target"], i, layer_norm=config.layer_norm) for i in (0, 1)]
    discounts = [config.gamma] * NUM_TRANSITIONS
    if batch.discount is not None:
        discounts = batch.discount.tolist()
    limit = config.reward_clip or math.inf
    steps = [t._replace(reward=max(-limit, min(limit, t.reward))) for t in transitions(batch)]
    targets = [
        literal.td3_target(
            lambda obs: torch.tanh(actor(obs)),
            (lagging[0], lagging[1]),
            t,
            config.target_noise * noise[i],
            config.target_noise_clip,
            discounts[i],
        )
        for i, t in enumerate(steps)
    ]
    return literal.critic_loss(first, steps, targets) + literal.critic_loss(second, steps, targets)


def actor_literal(actor: nn.Module, first_critic: literal.ActionValue, batch: Batch) -> Tensor:
    """Return the loss of DDPG's and TD3's actor."""
    outputs = network(actor)
    return literal.deterministic_actor_loss(
        lambda obs: torch.tanh(outputs(obs)), first_critic, transitions(batch)
    )


TD3_CONFIG = TD3Config(
    actor_learning_rate=RATE,
    critic_learning_rate=RATE,
    gamma=GAMMA,
    hidden_sizes=(6, 4),
    target_noise=0.4,
    target_noise_clip=0.3,
    tau=0.2,
)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("reward_clip", [None, 2.0])
@pytest.mark.parametrize("n_step", [False, True])
def test_td3(layer_norm, reward_clip, n_step):
    config = dataclasses.replace(TD3_CONFIG, layer_norm=layer_norm, reward_clip=reward_clip)
    agent = make(TD3, config, CONTINUOUS)
    rng = np.random.default_rng(5)
    noise = torch.from_numpy(rng.normal(size=(NUM_TRANSITIONS, 2)))
    discount = GAMMA ** rng.integers(1, 4, NUM_TRANSITIONS).astype(np.float64)
    batch = make_batch(4, CONTINUOUS, discount=torch.from_numpy(discount) if n_step else None)
    assert batch.reward.min() < -2
    assert batch.reward.max() > 2
    list(agent.actor_target.parameters())[-1].data += 1.5
    noises = 0.4 * noise
    actions = agent.actor_target(batch.next_obs) + noises.clamp(-0.3, 0.3)
    for clipped in (noises.abs() > 0.3, actions > 1):  # some of the noise, some of the actions
        assert 0 < clipped.sum() < noise.numel()
    targets = [agent.actor_target, agent.critics_target]
    check_loss(
        agent,
        lambda: agent.critic_loss(batch, noise)[0],
        lambda: td3_critic_literal(agent, agent.networks, batch, noise),
        learning=[agent.critics],
        constant=[agent.actor, *targets],
    )
    first = critic(agent.critics, 0, layer_norm=layer_norm)
    check_loss(
        agent,
        lambda: agent.actor_loss(batch.obs),
        lambda: actor_literal(agent.actor, first, batch),
        learning=[agent.actor],
        constant=targets,
    )


def test_a_whole_update_of_td3():
    """The critics move each time; the actor and all targets every second time, then."""
    agent = make(TD3, TD3_CONFIG, CONTINUOUS)
    agent.actor_optimizer = torch.optim.SGD(agent.actor.parameters(), RATE)
    agent.critic_optimizer = torch.optim.SGD(agent.critics.parameters(), RATE)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    generator = copy.deepcopy(agent.generators["target_noise"])
    for number in (1, 2, 3, 4):
        batch = make_batch(number, CONTINUOUS)
        noise = generator.standard_normal((NUM_TRANSITIONS, 2), dtype=np.float32)
        loss = td3_critic_literal(agent, nets, batch, torch.from_numpy(noise).double())
        descend(loss, [nets["critics"]])
        if number % 2 == 0:
            descend(
                actor_literal(nets["actor"], critic(nets["critics"], 0), batch), [nets["actor"]]
            )
            average(nets["actor_target"], nets["actor"], 0.2)
            average(nets["critics_target"], nets["critics"], 0.2)
        agent.update(batch)
        assert_same_networks(agent, nets)


# The ladder from naive Q-learning to Double DQN.


def ladder_literal(rung: str, q: literal.ActionValues, q_target: Any, batch: Batch) -> Tensor:
    """Return the squared error of a rung, each by its own formula."""
    terms = []
    for t in transitions(batch):
        target = torch.tensor(t.reward, dtype=torch.float64)
        if rung in ("bootstrap", "explore", "replay"):
            target = literal.dqn_target(q, t, GAMMA)
        if rung == "target_network":
            target = literal.dqn_target(q_target, t, GAMMA)
        if rung == "double":
            target = literal.double_dqn_target(q, q_target, t, GAMMA)
        values = q(t.obs)
        predicted = values[literal.best(values)] if rung == "naive" else values[t.action]
        terms.append(literal.squared(target - predicted))
    return literal.mean(terms)


@pytest.mark.parametrize("rung", ladder())
def test_rungs_of_the_ladder(rung):
    config = ladder(NaiveQConfig(gamma=GAMMA, hidden_sizes=(6, 4)))[rung]
    agent = make(NaiveQ, config, DISCRETE)
    batch = make_batch(11, DISCRETE)
    has_target = rung in ("target_network", "double")
    assert ("q_target" in agent.networks) == has_target
    check_loss(
        agent,
        lambda: agent.loss(batch),
        lambda: ladder_literal(rung, network(agent.q), network(agent.q_target), batch),
        learning=[agent.q],
        constant=[agent.q_target] if has_target else [],
    )


# One agent, one formula: DDPG.


def ddpg_critic_literal(agent: DDPG, nets: dict[str, Any], batch: Batch) -> Tensor:
    actor, target = network(nets["actor_target"]), critic(nets["critic_target"], 0)
    steps = transitions(batch)
    targets = [
        literal.ddpg_target(lambda obs: torch.tanh(actor(obs)), target, t, agent.config.gamma)
        for t in steps
    ]
    return literal.critic_loss(critic(nets["critic"], 0), steps, targets)


DDPG_CONFIG = DDPGConfig(
    actor_learning_rate=RATE, critic_learning_rate=RATE, gamma=GAMMA, hidden_sizes=(6, 4), tau=0.2
)


def test_ddpg():
    agent = make(DDPG, DDPG_CONFIG, CONTINUOUS)
    batch = make_batch(12, CONTINUOUS)
    targets = [agent.actor_target, agent.critic_target]
    check_loss(
        agent,
        lambda: agent.critic_loss(batch)[0],
        lambda: ddpg_critic_literal(agent, agent.networks, batch),
        learning=[agent.critic],
        constant=[agent.actor, *targets],
    )
    check_loss(
        agent,
        lambda: agent.actor_loss(batch.obs),
        lambda: actor_literal(agent.actor, critic(agent.critic, 0), batch),
        learning=[agent.actor],
        constant=targets,
    )


def test_a_whole_update_of_ddpg():
    """The critic moves, then the actor by what that critic says, then both targets."""
    agent = make(DDPG, DDPG_CONFIG, CONTINUOUS)
    agent.actor_optimizer = torch.optim.SGD(agent.actor.parameters(), RATE)
    agent.critic_optimizer = torch.optim.SGD(agent.critic.parameters(), RATE)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    for seed in (1, 2):
        batch = make_batch(seed, CONTINUOUS)
        descend(ddpg_critic_literal(agent, nets, batch), [nets["critic"]])
        descend(actor_literal(nets["actor"], critic(nets["critic"], 0), batch), [nets["actor"]])
        average(nets["actor_target"], nets["actor"], 0.2)
        average(nets["critic_target"], nets["critic"], 0.2)
        agent.update(batch)
        assert_same_networks(agent, nets)


# Random policies: SAC.


def sac_literal(
    agent: SAC, nets: dict[str, Any], batch: Batch, noise: Tensor, next_noise: Tensor
) -> dict[str, Tensor]:
    """Return the losses of every network of either form of SAC."""
    config, steps, half = agent.config, transitions(batch), CONTINUOUS.shape[0]
    norm = config.layer_norm
    one, other = (critic(nets["critics"], j, layer_norm=norm) for j in (0, 1))
    critics = (one, other)
    actor = network(nets["actor"])
    discounts = [config.gamma] * NUM_TRANSITIONS
    if batch.discount is not None:
        discounts = batch.discount.tolist()

    def sample(obs: Tensor, noise: Tensor) -> literal.Sample:
        outputs = actor(obs)  # the means, then the logarithms of the deviations
        stds = [torch.exp(literal.between(x, -20, 2)) for x in outputs[half:]]
        return literal.squashed_sample(outputs[:half], stds, noise)

    losses = {}
    alpha = config.temperature
    if alpha is None:
        alpha = float(torch.exp(nets["temperature"].log).detach())
    assert isinstance(alpha, float)
    samples = [sample(t.obs, noise[i]) for i, t in enumerate(steps)]
    losses["actor"] = literal.sac_actor_loss(critics, steps, samples, alpha)
    targets = []
    for i, t in enumerate(steps):
        if config.value_network:
            target_value = scalar(nets["target"])
            targets.append(literal.sac_q_target(target_value, t, config.reward_scale, discounts[i]))
        else:
            first, second = (critic(nets["target"], j, layer_norm=norm) for j in (0, 1))
            next_sample = sample(t.next_obs, next_noise[i])
            scale = config.reward_scale
            targets.append(
                literal.soft_q_target((first, second), t, next_sample, alpha, scale, discounts[i])
            )
    both = [literal.critic_loss(q, steps, targets) / 2 for q in critics]
    losses["critic"] = both[0] + both[1]
    if config.value_network:
        value = scalar(nets["value"])
        soft = [
            literal.sac_value_target(critics, t.obs, x, alpha)
            for t, x in zip(steps, samples, strict=True)
        ]
        errors = [literal.squared(value(t.obs) - v) / 2 for t, v in zip(steps, soft, strict=True)]
        losses["value"] = literal.mean(errors)
    if config.temperature is None:
        log_probs = [x.log_prob for x in samples]
        learned = torch.exp(nets["temperature"].log)
        losses["temperature"] = literal.temperature_loss(learned, log_probs, -half)
    return losses


FIRST_SAC = SACConfig(
    learning_rate=RATE, gamma=GAMMA, hidden_sizes=(6, 4), tau=0.2, reward_scale=2.0
)
LATER_SAC = dataclasses.replace(FIRST_SAC, value_network=False, temperature=None, reward_scale=1.0)
SAC_FORMS = [
    FIRST_SAC,
    dataclasses.replace(FIRST_SAC, temperature=0.3),
    LATER_SAC,
    dataclasses.replace(LATER_SAC, temperature=0.2),
    dataclasses.replace(LATER_SAC, layer_norm=True),
]
BOTH_SACS = pytest.mark.parametrize(
    "config", SAC_FORMS, ids=["first", "cool", "later", "fixed", "normalized"]
)


def make_sac(config: SACConfig) -> SAC:
    """Return an agent whose temperature, if it is learned, is not one."""
    agent: SAC = make(SAC, config, CONTINUOUS)
    if config.temperature is None:
        agent.temperature.log.data.fill_(-0.7)
    return agent


@BOTH_SACS
@pytest.mark.parametrize("n_step", [False, True])
def test_sac(config, n_step):
    discount = GAMMA ** np.random.default_rng(5).integers(1, 4, NUM_TRANSITIONS).astype(np.float64)
    agent = make_sac(config)
    batch = make_batch(13, CONTINUOUS, discount=torch.from_numpy(discount) if n_step else None)
    noise, next_noise = torch.from_numpy(
        np.random.default_rng(2).normal(size=(2, NUM_TRANSITIONS, 2))
    )

    def expected(name: str) -> Callable[[], Tensor]:
        return lambda: sac_literal(agent, agent.networks, batch, noise, next_noise)[name]

    others = [x for name, x in agent.networks.items() if name not in ("actor", "critics")]
    check_loss(
        agent,
        lambda: agent.critic_loss(batch, next_noise)[0],
        expected("critic"),
        learning=[agent.critics],
        constant=[agent.actor, *others],
    )
    check_loss(
        agent,
        lambda: agent.actor_loss(batch.obs, noise)[0],
        expected("actor"),
        learning=[agent.actor],
        constant=others,
    )
    if config.value_network:
        check_loss(
            agent,
            lambda: agent.value_loss(batch.obs, agent.actor_loss(batch.obs, noise)[1]),
            expected("value"),
            learning=[agent.value],
            constant=[agent.actor, agent.critics, agent.target],
        )
    if config.temperature is None:
        check_loss(
            agent,
            lambda: agent.temperature_loss(agent.actor_loss(batch.obs, noise)[2]),
            expected("temperature"),
            learning=[agent.temperature],
            constant=[agent.actor, agent.critics, agent.target],
        )


@BOTH_SACS
def test_a_whole_update_of_sac(config):
    """Every network moves by the weights of before; then the target follows."""
    agent = make_sac(config)
    agent.optimizer = torch.optim.SGD(agent.optimizer.param_groups[0]["params"], RATE)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    generator = copy.deepcopy(agent.generators["policy"])
    for seed in (1, 2):
        batch = make_batch(seed, CONTINUOUS)
        noise = generator.standard_normal((2, NUM_TRANSITIONS, 2), dtype=np.float32)
        losses = sac_literal(agent, nets, batch, *torch.from_numpy(noise).double())
        names = {"critic": "critics"}
        moves = {name: parameters([nets[names.get(name, name)]]) for name in losses}
        slopes = {}
        for name, loss in losses.items():
            found = torch.autograd.grad(loss, moves[name], retain_graph=True)
            slopes[name] = found
        for name, learned in moves.items():
            for x, g in zip(learned, slopes[name], strict=True):
                x.data -= RATE * g
        average(nets["target"], nets["value" if config.value_network else "critics"], 0.2)
        agent.update(batch)
        assert_same_networks(agent, nets)
