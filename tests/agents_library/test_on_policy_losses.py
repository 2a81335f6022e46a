"""Losses of on-policy agents against the papers' formulas, values and gradients, in float64."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents_library import literal
from agents_library.loss_checks import (
    CONTINUOUS,
    DISCRETE,
    GAMMA,
    NUM_TRANSITIONS,
    RATE,
    Cut,
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
from mario_rl_agents.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.common.on_policy import Transition as OnPolicyTransition
from mario_rl_agents.ppo import PPO, PPOBatch, PPOConfig
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
    if config.normalise_advantages:
        advantages = literal.normalised(advantages)
    surrogates, errors, entropies = [], [], []
    for i, obs in enumerate(batch.obs):
        old, target = float(batch.log_prob[i]), float(batch.value_target[i])
        new = log_prob(obs, batch.action[i])
        surrogates.append(literal.clipped_surrogate(new, old, advantages[i], config.clip_range))
        entropies.append(entropy(obs))
        if config.value_clip is None:
            errors.append(literal.squared(value(obs) - target))
        else:
            old_value = float(batch.value[i])
            error = literal.clipped_value_loss(value(obs), old_value, target, config.value_clip)
            errors.append(error)
    surrogate, error = literal.mean(surrogates), literal.mean(errors)
    bonus = literal.mean(entropies)
    total = -surrogate + config.value_coefficient * error - config.entropy_coefficient * bonus
    return {"total": total, "losses/policy": -surrogate, "losses/value": error}


PPO_CONFIG = PPOConfig(
    hidden_sizes=(6, 4), clip_range=0.2, value_coefficient=0.7, entropy_coefficient=0.03
)


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
@pytest.mark.parametrize("value_clip", [None, 0.2])
@pytest.mark.parametrize("normalise", [False, True])
def test_ppo(actions, value_clip, normalise):
    config = dataclasses.replace(PPO_CONFIG, value_clip=value_clip, normalise_advantages=normalise)
    agent = make(PPO, config, actions)
    batch = ppo_batch(agent, 7, actions)
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


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_a_whole_update_of_ppo(actions):
    """All parts move at once, by the gradient scaled down to the longest allowed."""
    agent = make(PPO, dataclasses.replace(PPO_CONFIG, max_grad_norm=0.4), actions)
    nets: dict[str, Any] = copy.deepcopy(agent.networks)
    modules = [nets["actor"], nets["critic"], nets["distribution"]]
    agent.optimizer = torch.optim.SGD(agent.optimizer.param_groups[0]["params"], RATE)
    for seed in (1, 2):
        batch = ppo_batch(agent, seed, actions)
        slopes = gradients(ppo_literal(agent, nets, batch)["total"], parameters(modules))
        norm = math.sqrt(sum(float(x**2) for g in slopes for x in g.flatten()))
        assert norm > 0.4
        descend(0.4 / norm * ppo_literal(agent, nets, batch)["total"], modules)
        agent.update(batch)
        assert_same_networks(agent, nets)


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
    bonus = config.entropy_coefficient * entropy(step.obs)
    total = actor + config.value_coefficient * critic - bonus
    return {"total": total, "losses/actor": actor, "losses/critic": critic}


AC_CONFIG = ActorCriticConfig(
    hidden_sizes=(6, 4), gamma=GAMMA, value_coefficient=0.7, entropy_coefficient=0.03
)


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_one_step_actor_critic(actions):
    agent = make(ActorCritic, AC_CONFIG, actions)
    batch = make_batch(8, actions)
    final_obs = {i: x.numpy() for i, x in enumerate(batch.next_obs) if batch.truncated[i]}
    # Where an episode ended, the next one begins elsewhere.
    obs = torch.where((batch.terminated | batch.truncated)[:, None], 7.0, batch.next_obs)
    flags = (batch.terminated.numpy(), batch.truncated.numpy())
    transition = OnPolicyTransition(batch.reward.numpy(), *flags, obs.numpy(), final_obs)
    steps = [t._replace(action=a) for t, a in zip(transitions(batch), batch.action, strict=True)]

    def loss() -> tuple[Tensor, dict[str, Tensor]]:
        heads = agent.network(batch.obs)
        result: tuple[Tensor, dict[str, Tensor]]
        result = agent.loss(heads, batch.action, agent.td_target(transition))
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
