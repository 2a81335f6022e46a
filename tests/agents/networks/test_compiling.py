"""`compile=True` changes nothing but rounding, and says what it needs."""

import dataclasses
import shutil
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Callback
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.config import linear
from mario_rl_agents.networks.compiling import compile_losses

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


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    config = dataclasses.replace(DQN_CONFIG, compile=True)
    with pytest.raises(ValueError, match="needs a C\\+\\+ compiler, and there is no 'no-such-comp"):
        DQN.create(gym.make("CartPole-v1"), config, device="cpu")
    # Where another compiler does the work.
    compile_losses(SimpleNamespace(loss=torch.square), ("loss",), torch.device("cuda"))
