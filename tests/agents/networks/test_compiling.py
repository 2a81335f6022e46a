"""`compile=True` changes nothing but rounding, and says what it needs."""

import dataclasses
import shutil
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Callback
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.config import linear
from mario_rl_agents.networks.compiling import check_compiler
from mario_rl_agents.runs.evaluation import evaluate

needs_a_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="there is no g++")
PPO_CONFIG = PPOConfig(
    rollout_steps=32,
    batch_size=16,
    num_epochs=2,
    hidden_sizes=(16,),
    learning_rate=1e-2,
    clip_range=linear(0.2, 0, 200),
    normalize_advantages="batch",
    max_grad_norm=0.5,
)
DQN_CONFIG = DQNConfig(
    hidden_sizes=(16,),
    batch_size=16,
    learning_starts=16,
    learning_rate=1e-2,
    replay_capacity=500,
    target_update_period=10,
    overlap=False,
)


class Losses(Callback):
    def __init__(self):
        self.rows = []

    def on_update(self, agent, losses):
        self.rows.append(list(losses.values()))


@pytest.mark.slow
@needs_a_compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("agent_class", "config"), [(PPO, PPO_CONFIG), (DoubleDQN, DQN_CONFIG)], ids=["ppo", "dqn"]
)
def test_compiled_losses_train_the_same_agent(agent_class, config, tmp_path):
    """The losses follow those of the plain agent, a schedule that goes on included."""
    torch._dynamo.reset()
    histories = []
    for compiled in (False, True):
        env = gym.make("CartPole-v1")
        settings = dataclasses.replace(config, compile=compiled)
        agent = agent_class.create(env, settings, seed=0, device="cpu")
        losses = Losses()
        agent.learn(160, [losses])
        agent.save(tmp_path / "agent.safetensors")
        loaded = agent_class.load(tmp_path / "agent.safetensors", env, device="cpu")
        assert loaded.config.compile is compiled
        assert set(loaded.tensors()) == set(agent.tensors())
        histories.append(losses.rows)
    plain, compiled = (np.array(rows) for rows in histories)
    assert len(plain) > 15
    np.testing.assert_allclose(compiled, plain, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("agent_class", "config", "env_id"),
    [
        (PPO, PPO_CONFIG, "CartPole-v1"),
        (DQN, DQN_CONFIG, "CartPole-v1"),
        (SAC, SACConfig(), "Pendulum-v1"),
        (TD3, TD3Config(), "Pendulum-v1"),
        (DDPG, DDPGConfig(), "Pendulum-v1"),
    ],
)
def test_a_missing_compiler_is_named_to_those_who_learn(
    agent_class, config, env_id, monkeypatch, tmp_path
):
    path, config = tmp_path / "agent.safetensors", dataclasses.replace(config, compile=True)
    missing = "needs a C\\+\\+ compiler, and there is no 'no-such-comp"
    with gym.make(env_id) as env:
        monkeypatch.setenv("CXX", sys.executable)  # it is there
        agent_class.create(env, config, device="cpu").save(path)
        monkeypatch.setenv("CXX", "no-such-compiler")
        with pytest.raises(ValueError, match=missing):
            agent_class.create(env, config, device="cpu")
        loaded = agent_class.load(path, env, device="cpu")
        evaluate(loaded, env, num_episodes=1, max_steps=5)
        with pytest.raises(ValueError, match=missing):
            loaded.learn(1)
    check_compiler(torch.device("cuda"))  # where another compiler does the work
