"""In every agent a truncated episode is worth what would have followed, a terminated one is not."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.naive_q import NaiveQ, NaiveQConfig, ladder
from mario_rl_agents.algorithms.ppo import PPO, PPOBatch, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.buffers.replay import Batch
from mario_rl_agents.envs import SequentialVectorEnv
from support import literal
from support.agent_toys import make_step
from support.loss_checks import (
    CONTINUOUS,
    DISCRETE,
    GAMMA,
    NUM_TRANSITIONS,
    Cut,
    close,
    critic,
    make,
    make_batch,
    network,
    policy,
    scalar,
)
from torch import Tensor

NOISE = torch.from_numpy(np.random.default_rng(9).normal(size=(NUM_TRANSITIONS, 2)))
SMALL: dict[str, Any] = {"gamma": GAMMA, "hidden_sizes": (6, 4), "learning_starts": 50}
TD3_CONFIG = TD3Config(**SMALL, target_noise=0.0)
SAC_CONFIG = SACConfig(**SMALL)
LATER_SAC_CONFIG = dataclasses.replace(SAC_CONFIG, value_network=False, temperature=None)
RUNGS = ladder(NaiveQConfig(gamma=GAMMA, hidden_sizes=(6, 4), replay_starts=50))

Value = Callable[[Any, Tensor, int], Tensor]  # of an agent, an observation, its place in the batch


def highest(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return max_a Q_target(s, a)."""
    return network(agent.q_target)(obs).max()


def picked(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return Q_target(s, argmax_a Q(s, a))."""
    return network(agent.q_target)(obs)[network(agent.q)(obs).argmax()]


def of_ddpg(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return Q_target(s, actor_target(s))."""
    return critic(agent.critic_target, 0)(obs, torch.tanh(network(agent.actor_target)(obs)))


def of_td3(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return the lower of both Q_target(s, actor_target(s)); the target's noise is off."""
    action = torch.tanh(network(agent.actor_target)(obs))
    return min(critic(agent.critics_target, k)(obs, action) for k in (0, 1))


def of_sac(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return V_target(s)."""
    return scalar(agent.target)(obs)


def of_later_sac(agent: Any, obs: Tensor, i: int) -> Tensor:
    """Return min_i Q_target_i(s, a) - alpha log pi(a | s), where alpha is 1 at first."""
    outputs = network(agent.actor)(obs)
    sample = literal.squashed_sample(outputs[:2], list(torch.exp(outputs[2:])), NOISE[i])
    return min(critic(agent.target, k)(obs, sample.action) for k in (0, 1)) - sample.log_prob


OFF_POLICY = {
    "naive_q": (NaiveQ, RUNGS["replay"], DISCRETE, highest),
    "naive_q double": (NaiveQ, RUNGS["double"], DISCRETE, picked),
    "dqn": (DQN, DQNConfig(**SMALL), DISCRETE, highest),
    "double_dqn": (DoubleDQN, DQNConfig(**SMALL), DISCRETE, picked),
    "ddpg": (DDPG, DDPGConfig(**SMALL), CONTINUOUS, of_ddpg),
    "td3": (TD3, TD3_CONFIG, CONTINUOUS, of_td3),
    "sac": (SAC, SAC_CONFIG, CONTINUOUS, of_sac),
    "sac later": (SAC, LATER_SAC_CONFIG, CONTINUOUS, of_later_sac),
}


def targets(agent: Any, batch: Batch) -> Tensor:
    """Return what an off-policy agent's values are pulled towards."""
    target: Any = agent.target if isinstance(agent, NaiveQ) else agent.td_target
    noisy = isinstance(agent, TD3 | SAC)
    found: Tensor = target(batch, NOISE) if noisy else target(batch)
    return found.detach()


@pytest.mark.parametrize("name", OFF_POLICY)
def test_only_the_flag_decides(name):
    """The difference that it makes is gamma V(s')."""
    agent_class, config, actions, value = OFF_POLICY[name]
    agent, batch = make(agent_class, config, actions), make_batch(21, actions)
    no, yes = torch.zeros(NUM_TRANSITIONS, dtype=torch.bool), torch.ones(NUM_TRANSITIONS).bool()
    going_on = targets(agent, batch._replace(terminated=no, truncated=no))
    truncated = targets(agent, batch._replace(terminated=no, truncated=yes))
    terminated = targets(agent, batch._replace(terminated=yes, truncated=no))
    assert torch.equal(truncated, going_on)
    next_values = torch.stack([value(agent, s, i) for i, s in enumerate(batch.next_obs)]).detach()
    assert next_values.abs().min() > 1e-3
    close(truncated - terminated, GAMMA * next_values, "what is bootstrapped")


@pytest.mark.parametrize("name", OFF_POLICY)
@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_replay_has_the_true_final_observation(name, how):
    """Not the first one of the next episode, which the loop goes on with."""
    agent_class, config, actions, _ = OFF_POLICY[name]
    env = Cut(actions, how)
    agent = agent_class.create(env, config, seed=1, device="cpu")
    agent.learn(11)
    batch = agent.replay.sample(200, np.random.default_rng(0))
    seen = set()
    for i, obs in enumerate(batch.obs):
        (number,) = (n for n, t in enumerate(env.history) if torch.equal(t.obs.float(), obs))
        true = env.history[number]
        assert torch.equal(batch.next_obs[i], true.next_obs.float())
        np.testing.assert_array_equal(batch.action[i].numpy(), true.action)
        flags = (batch.terminated[i].item(), batch.truncated[i].item())
        assert (batch.reward[i], *flags) == (true.reward, true.terminated, true.truncated)
        seen.add(number)
    assert seen == set(range(11))
    assert sum(t.terminated or t.truncated for t in env.history) == 3


@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_actor_critic(actions):
    config = ActorCriticConfig(gamma=GAMMA, hidden_sizes=(6, 4))
    agent = make(ActorCritic, config, actions)
    batch = make_batch(22, actions)
    no, yes = np.zeros(NUM_TRANSITIONS, np.bool_), np.ones(NUM_TRANSITIONS, np.bool_)
    obs, reward, next_obs = batch.obs.numpy(), batch.reward.numpy(), batch.next_obs.numpy()
    heads = agent.network(batch.next_obs).detach()
    going_on = agent.td_target(make_step(obs, reward, no, no, next_obs), heads)
    truncated = agent.td_target(make_step(obs, reward, no, yes, next_obs), heads)
    terminated = agent.td_target(make_step(obs, reward, yes, no, next_obs), heads)
    assert torch.equal(truncated, going_on)
    assert torch.equal(terminated, batch.reward)
    values = torch.stack([network(agent.network)(s)[-1] for s in batch.next_obs]).detach()
    close(truncated - terminated, GAMMA * values, "what is bootstrapped")


class Remembering(PPO):
    """PPO that keeps its rollouts, and the networks that each was assessed by."""

    def compute_advantages(self, last_obs: Any) -> PPOBatch:
        rollout = super().compute_advantages(last_obs)
        now = copy.deepcopy((rollout, self.networks))  # the next rollout is written over this one
        self.assessed = [*getattr(self, "assessed", []), now]
        return rollout


@pytest.mark.parametrize("how", ["terminated", "truncated"])
@pytest.mark.parametrize("rollout_steps", [7, 6])
@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_ppo(how, rollout_steps, actions):
    """Episodes of three steps end within rollouts of seven, and with those of six."""
    check_rollouts([Cut(actions, how)], rollout_steps)


@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_ppo_in_several_environments(how):
    """In each of them episodes end at other times."""
    envs = [Cut(DISCRETE, how, num_steps=(1, 4)) for _ in range(3)]
    check_rollouts(envs, 8)
    ends = [[t.terminated or t.truncated for t in env.history] for env in envs]
    assert ends[0] != ends[1] != ends[2] != ends[0]


def check_rollouts(envs: list[Cut], rollout_steps: int) -> None:
    """Check what three rollouts are said to be worth."""
    num_envs = len(envs)
    config = PPOConfig(
        rollout_steps=rollout_steps,
        batch_size=rollout_steps,
        gamma=GAMMA,
        gae_lambda=0.8,
        hidden_sizes=(6, 4),
    )
    agent: Any = Remembering.create(SequentialVectorEnv(envs), config, seed=2, device="cpu")
    for module in agent.networks.values():
        module.double()
    agent.learn(3 * rollout_steps * num_envs)
    assert len(agent.assessed) == 3
    for number, (rollout, nets) in enumerate(agent.assessed):
        value, start = scalar(nets["critic"]), number * rollout_steps
        log_prob, _ = policy(nets["distribution"], network(nets["actor"]))
        for index, env in enumerate(envs):
            steps = env.history[start : start + rollout_steps]
            mine = PPOBatch(*(x[index::num_envs] for x in rollout))
            values = [value(t.obs).item() for t in steps]
            next_values = [value(t.next_obs).item() for t in steps]
            rewards = [t.reward for t in steps]
            flags = [t.terminated for t in steps], [t.truncated for t in steps]
            advantages = literal.gae(rewards, values, next_values, *flags, GAMMA, 0.8)
            assert torch.equal(mine.obs.double(), torch.stack([t.obs for t in steps]))
            close(mine.value, values, "values")
            close(mine.advantage, advantages, "advantages")
            sums = [a + v for a, v in zip(advantages, values, strict=True)]
            close(mine.value_target, sums, "value targets")
            # What was drawn from is kept in float32.
            drawn = zip(mine.obs.double(), mine.action, strict=True)
            expected = [log_prob(s, a).item() for s, a in drawn]
            assert mine.log_prob.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("how", ["terminated", "truncated"])
def test_actor_critic_in_several_environments(how):
    """In each of them episodes end at other times."""
    envs = [Cut(DISCRETE, how, num_steps=(1, 4)) for _ in range(3)]
    config = ActorCriticConfig(gamma=GAMMA, hidden_sizes=(6, 4))
    vector = SequentialVectorEnv(envs)
    agent = RememberingActorCritic.create(vector, config, seed=2, device="cpu")
    for module in agent.networks.values():
        module.double()
    agent.learn(3 * 20)
    for number, (target, net) in enumerate(agent.targets):
        value = [network(net)(env.history[number].next_obs)[-1].item() for env in envs]
        expected = [
            env.history[number].reward + (0 if env.history[number].terminated else GAMMA * v)
            for env, v in zip(envs, value, strict=True)
        ]
        close(target, expected, "targets")
    assert len(agent.targets) == 20


class RememberingActorCritic(ActorCritic):
    """Actor-critic that keeps its targets, and the network that each came from."""

    def td_target(self, step: Step, next_heads: Tensor) -> Tensor:
        target = super().td_target(step, next_heads)
        self.targets = [*getattr(self, "targets", []), (target, copy.deepcopy(self.network))]
        return target
