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
    NUM_TRANSITIONS,
    RATE,
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
)
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
