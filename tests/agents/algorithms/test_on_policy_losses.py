"""Losses of on-policy agents against the papers' formulas, values and gradients, in float64."""

import copy
import dataclasses
import math
import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig, Actor, Segment, a3c_loss
from mario_rl_agents.algorithms.a3c.a3c import ActorCritic as A3CNetwork
from mario_rl_agents.algorithms.a3c.loop import Shared
from mario_rl_agents.algorithms.a3c.shared_adam import SharedAdam
from mario_rl_agents.algorithms.a3c.workers import StepBudget, Worker
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOBatch, PPOConfig
from mario_rl_agents.config import value_at
from support import literal
from support.agent_toys import make_step
from support.loss_checks import (
    CONTINUOUS,
    DISCRETE,
    GAMMA,
    NUM_TRANSITIONS,
    RATE,
    Cut,
    Spaces,
    assert_same_networks,
    check_loss,
    descend,
    gradients,
    make,
    make_batch,
    network,
    parameters,
    policy,
    scalar,
    transitions,
)
from torch import Tensor

# Policies with a value.


def ppo_batch(agent: PPO, seed: int, actions: gym.Space[Any]) -> PPOBatch:
    """Return a random batch whose ratios and values lie on either side of their clips."""
    rng = np.random.default_rng(seed)
    batch = make_batch(seed, actions)
    action = batch.action if batch.action.ndim == 1 else 0.7 * batch.action
    log_prob, _ = policy(agent.distribution, network(agent.actor))
    value = scalar(agent.critic)
    now = [float(log_prob(s, a).detach()) for s, a in zip(batch.obs, action, strict=True)]
    values = [float(value(s).detach()) for s in batch.obs]
    noise = 0.3 * rng.normal(size=(2, NUM_TRANSITIONS))
    old = torch.tensor(now) + torch.from_numpy(noise[0])
    old_value = torch.tensor(values) + torch.from_numpy(noise[1])
    advantage, target = torch.from_numpy(rng.normal(size=(2, NUM_TRANSITIONS)))
    return PPOBatch(batch.obs, action, old, old_value, advantage, target)


def ppo_literal(agent: PPO, nets: dict[str, Any], batch: PPOBatch) -> dict[str, Tensor]:
    """Return the parts of PPO's loss, and their sum (Schulman et al. 2017, equation 9)."""
    config = agent.config
    log_prob, entropy = policy(nets["distribution"], network(nets["actor"]))
    value = scalar(nets["critic"])
    advantages = batch.advantage.tolist()
    if config.normalize_advantages == "batch":
        advantages = literal.normalized(advantages)
    surrogates, errors, entropies = [], [], []
    for i, obs in enumerate(batch.obs):
        old, target = float(batch.log_prob[i]), float(batch.value_target[i])
        new = log_prob(obs, batch.action[i])
        surrogates.append(literal.clipped_surrogate(new, old, advantages[i], agent.clip_range))
        entropies.append(entropy(obs))
        if config.value_clip is None:
            errors.append(literal.squared(value(obs) - target))
        else:
            old_value = float(batch.value[i])
            error = literal.clipped_value_loss(value(obs), old_value, target, config.value_clip)
            errors.append(error)
    surrogate, error = literal.mean(surrogates), literal.mean(errors)
    bonus = literal.mean(entropies)
    total = -surrogate + config.value_coefficient * error - agent.entropy_coefficient * bonus
    return {"total": total, "losses/policy": -surrogate, "losses/value": error}


PPO_CONFIG = PPOConfig(
    hidden_sizes=(6, 4), clip_range=0.2, value_coefficient=0.7, entropy_coefficient=0.03
)


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
@pytest.mark.parametrize("value_clip", [None, 0.2])
@pytest.mark.parametrize("normalize", ["none", "batch"])
def test_ppo(actions, value_clip, normalize):
    config = dataclasses.replace(PPO_CONFIG, value_clip=value_clip, normalize_advantages=normalize)
    agent = make(PPO, config, actions)
    batch = ppo_batch(agent, 7, actions)
    log_prob, _ = policy(agent.distribution, network(agent.actor))
    pairs = zip(batch.obs, batch.action, batch.log_prob.tolist(), strict=True)
    moves = [log_prob(s, a).item() - old for s, a, old in pairs]
    kl = sum(math.exp(x) - 1 - x for x in moves) / len(moves)
    assert agent.loss(batch)[1]["charts/approx_kl"].item() == pytest.approx(kl, rel=1e-6)
    actor, critic = [agent.actor, agent.distribution], [agent.critic]

    def expected(part: str) -> Callable[[], Tensor]:
        return lambda: ppo_literal(agent, agent.networks, batch)[part]

    check_loss(agent, lambda: agent.loss(batch)[0], expected("total"), learning=[*actor, *critic])
    parts = [("losses/policy", actor, critic), ("losses/value", critic, actor)]
    for part, learning, constant in parts:
        check_loss(
            agent,
            lambda part=part: agent.loss(batch)[1][part],
            expected(part),
            learning=learning,
            constant=constant,
        )


@pytest.mark.parametrize(
    ("actions", "longest"), [(DISCRETE, 0.7), (CONTINUOUS, 1.2)], ids=["discrete", "gaussian"]
)
def test_a_whole_update_of_ppo(actions, longest):
    """All parts move at once, by Adam, along gradients that are shortened where they are long."""
    config = dataclasses.replace(PPO_CONFIG, max_grad_norm=longest)
    agent = make(PPO, config, actions)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    learned = parameters([nets["actor"], nets["critic"], nets["distribution"]])
    moments = [literal.AdamMoments(x.shape) for x in learned]
    norms = []
    for seed in (1, 2, 3):
        batch = ppo_batch(agent, seed, actions)
        slopes = gradients(ppo_literal(agent, nets, batch)["total"], learned)
        norms.append(length(slopes))
        for x, g, moment in zip(learned, slopes, moments, strict=True):
            shortened = g * min(1.0, longest / norms[-1])
            x.data = literal.adam(x.data, shortened, moment, config.learning_rate, 0.9, 0.999)
        agent.update(batch)
        assert_same_networks(agent, nets)
    assert min(norms) < longest < max(norms)


def length(vectors: Sequence[Tensor]) -> float:
    """Return the L2 norm of all together."""
    return math.sqrt(sum(float(x**2) for vector in vectors for x in vector.flatten()))


def one_step_literal(
    agent: ActorCritic, nets: dict[str, Any], step: literal.Transition
) -> dict[str, Tensor]:
    """Return the losses of actor and critic on one step, and their sum."""
    config, distribution = agent.config, nets["distribution"]
    heads = network(nets["network"])
    # The last of the network's outputs is the value, those before are the policy's.
    log_prob, entropy = policy(distribution, lambda obs: heads(obs)[:-1])

    def value(obs: Tensor) -> Tensor:
        return heads(obs)[-1]

    delta = literal.one_step_delta(value, step, config.gamma)
    actor = literal.policy_gradient_loss(log_prob(step.obs, step.action), delta)
    critic = literal.one_step_critic_loss(value, step, config.gamma)
    bonus = value_at(config.entropy_coefficient, 0) * entropy(step.obs)
    total = actor + config.value_coefficient * critic - bonus
    return {"total": total, "losses/actor": actor, "losses/critic": critic}


AC_CONFIG = ActorCriticConfig(
    learning_rate=RATE,
    hidden_sizes=(6, 4),
    gamma=GAMMA,
    value_coefficient=0.7,
    entropy_coefficient=0.03,
)


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_one_step_actor_critic(actions):
    agent = make(ActorCritic, AC_CONFIG, actions)
    batch = make_batch(8, actions)
    names = ("obs", "reward", "terminated", "truncated", "next_obs")
    step = make_step(*(getattr(batch, name).numpy() for name in names))
    steps = [t._replace(action=a) for t, a in zip(transitions(batch), batch.action, strict=True)]

    def loss() -> tuple[Tensor, dict[str, Tensor]]:
        heads = agent.network(batch.obs)
        result: tuple[Tensor, dict[str, Tensor]]
        target = agent.td_target(step, agent.network(batch.next_obs).detach())
        result = agent.loss(heads, batch.action, target)
        return result

    def expected(part: str) -> Tensor:
        parts = [one_step_literal(agent, agent.networks, t)[part] for t in steps]
        return literal.mean(parts)

    everything = [agent.network, agent.distribution]
    check_loss(agent, lambda: loss()[0], lambda: expected("total"), learning=everything)
    for part in ("losses/actor", "losses/critic"):
        check_loss(
            agent,
            lambda part=part: loss()[1][part],
            lambda part=part: expected(part),
            learning=everything if part == "losses/actor" else [agent.network],
            constant=[] if part == "losses/actor" else [agent.distribution],
        )


def test_the_value_learns_nothing_from_the_actor():
    """The last output is the value: each loss leaves the other's outputs alone."""
    agent = make(ActorCritic, AC_CONFIG, DISCRETE)
    heads = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    target = torch.randn(5, dtype=torch.float64)
    _, parts = agent.loss(heads, torch.tensor([0, 1, 2, 0, 1]), target)
    (of_actor,) = gradients(parts["losses/actor"], [heads])
    (of_critic,) = gradients(parts["losses/critic"], [heads])
    assert not of_actor[:, -1].any()
    assert of_actor[:, :-1].any()
    assert of_critic[:, -1].any()
    assert not of_critic[:, :-1].any()


@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_actor_critic_learns_step_by_step(how):
    """Every step of a real run is a step down the gradient of that transition."""
    env = Cut(DISCRETE, how)
    agent = ActorCritic.create(env, AC_CONFIG, seed=3, device="cpu")
    agent.optimizer = torch.optim.SGD(agent.optimizer.param_groups[0]["params"], RATE)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    for module in nets.values():
        module.double()
    for _ in range(7):
        agent.learn(1)
        loss = one_step_literal(agent, nets, env.history[-1])["total"]
        descend(loss, [nets["network"]])
        for x, y in zip(
            parameters(agent.networks.values()), parameters(nets.values()), strict=True
        ):
            torch.testing.assert_close(x.double(), y, rtol=1e-4, atol=1e-6)


# A3C.


def a3c_literal(
    config: A3CConfig, nets: A3CNetwork, steps: Sequence[literal.Transition]
) -> dict[str, Tensor]:
    """Return the mean over a segment of the losses of policy and value, and their sum."""
    log_prob, entropy = policy(nets.distribution, network(nets.policy))
    value = scalar(nets.value)
    scaled_steps = [t._replace(reward=config.reward_scale * t.reward) for t in steps]
    returns = literal.a3c_returns(value, scaled_steps, config.gamma)
    pairs = list(zip(scaled_steps, returns, strict=True))
    actor = literal.mean(
        [
            literal.policy_gradient_loss(log_prob(t.obs, t.action), r - value(t.obs))
            for t, r in pairs
        ]
    )
    critic = literal.mean([literal.squared(r - value(t.obs)) for t, r in pairs])
    bonus = value_at(config.entropy_coefficient, 0) * literal.mean([entropy(t.obs) for t in steps])
    total = actor + config.value_coefficient * critic - bonus
    return {"total": total, "losses/policy": actor, "losses/value": critic}


A3C_CONFIG = A3CConfig(
    num_workers=1,
    hidden_sizes=(6,),
    gamma=GAMMA,
    reward_scale=0.5,
    value_coefficient=0.7,
    entropy_coefficient=0.03,
)


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
@pytest.mark.parametrize("terminated", [False, True])
def test_a3c(actions, terminated):
    agent = A3C.create(Spaces(actions), A3C_CONFIG, seed=5, device="cpu")
    nets = copy.deepcopy(agent.network).double()
    batch = make_batch(14, actions)
    # The segment's observations follow on one another.
    obs = torch.cat([batch.obs[:5], batch.next_obs[4:5]])
    segment = Segment(obs, batch.action[:5], batch.reward[:5], terminated)
    steps = [
        literal.Transition(
            obs[t],
            int(batch.action[t]) if actions is DISCRETE else batch.action[t],
            float(batch.reward[t]),
            obs[t + 1],
            terminated and t == 4,
            False,
        )
        for t in range(5)
    ]

    def loss() -> dict[str, Tensor]:
        total, parts = a3c_loss(nets, segment, A3C_CONFIG)
        return {"total": total, **parts}

    actor, critic = [nets.policy, nets.distribution], [nets.value]
    learning = {"total": [*actor, *critic], "losses/policy": actor, "losses/value": critic}
    constant = {"total": [], "losses/policy": critic, "losses/value": actor}
    for part in learning:
        check_loss(
            agent,
            lambda part=part: loss()[part],
            lambda part=part: a3c_literal(A3C_CONFIG, nets, steps)[part],
            learning=learning[part],
            constant=constant[part],
        )


@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_a_worker_of_a3c(how):
    """What it makes of real episodes of three steps, in segments of two steps and of one."""
    env = Cut(DISCRETE, how)
    config = dataclasses.replace(A3C_CONFIG, t_max=2, learning_rate=1e-3, max_grad_norm=0.5)
    agent = A3C.create(env, config, seed=5, device="cpu")
    expected = copy.deepcopy(agent.network).double()
    learned = parameters([expected])
    adam = SharedAdam(agent.optimizer, (1, 3))
    spaces = (env.observation_space, env.action_space)
    shared = Shared(adam, StepBudget(12, 1), lambda: env, spaces, 5, 0)
    here, there = multiprocessing.Pipe()
    with here, there:
        worker = Worker(slot=0, start=0, in_step=False, connection=there)
        try:
            Actor(worker, shared, config, env).run()
        finally:
            adam.lock.remove()
        worker.flush()
        reports = []
        while here.poll():
            reports += here.recv()
    assert [report.num_steps for report in reports] == [2, 1] * 4
    steps = list(env.history)
    moments = [literal.AdamMoments(x.shape) for x in learned]
    for report in reports:
        segment, steps = steps[: report.num_steps], steps[report.num_steps :]
        losses = a3c_literal(config, expected, segment)
        for part in ("losses/policy", "losses/value"):
            found = losses[part].item()
            assert report.losses[part] == pytest.approx(found, rel=1e-4, abs=1e-5)
        slopes = gradients(losses["total"], learned)
        norm = length(slopes)
        assert report.losses["charts/gradient_norm"] == pytest.approx(norm, rel=1e-4)
        for x, g, moment in zip(learned, slopes, moments, strict=True):
            shortened = g * min(1.0, 0.5 / norm)
            x.data = literal.adam(x.data, shortened, moment, 1e-3, *config.betas)
    assert not steps
    vector = torch.cat([x.detach().flatten() for x in learned])
    torch.testing.assert_close(torch.as_tensor(adam.weights).double(), vector, rtol=1e-4, atol=1e-5)
