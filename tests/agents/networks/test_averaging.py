"""The running average of weights: what it is, and that an agent plays with it, not learns."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.networks.averaging import WeightAverage, with_averages
from mario_rl_agents.runs.evaluation import evaluate
from numpy.typing import NDArray
from support.agent_toys import assert_same_weights, weights
from torch import Tensor, nn

SMALL: Any = {"hidden_sizes": (8,), "batch_size": 4, "learning_rate": 0.02}
REPLAYED = DQNConfig(**SMALL, replay_capacity=100, learning_starts=8)
DECAY = 0.9
AGENTS = [
    pytest.param(PPO, PPOConfig(**SMALL, rollout_steps=8), id="ppo"),
    pytest.param(DQN, REPLAYED, id="dqn"),
    pytest.param(DoubleDQN, REPLAYED, id="double"),
]
OBS = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)


def made(agent_class: type[Agent], config: Any, *, decay: float = DECAY) -> Agent:
    config = dataclasses.replace(config, ema_decay=decay)
    return agent_class.create("CartPole-v1", config, seed=0, device="cpu")


def outputs(agent: Agent, obs: NDArray[Any]) -> NDArray[Any]:
    if isinstance(agent, PPO):
        return agent.action_probabilities(obs)
    assert isinstance(agent, DQN)
    return agent.action_values(obs)


def learning(agent: Agent) -> dict[str, Tensor]:
    """Return the weights that learn, as they are now."""
    return {
        name: x for name, x in weights(agent).items() if name.partition("/")[0] not in agent.copies
    }


def test_it_is_the_mean_of_all_then_of_those_that_it_reaches_back_to() -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = WeightAverage({"layer": layer, "empty": nn.ReLU()}, 0.75)
    (follower,) = average.networks.values()
    assert average.copies == {"average_layer": "layer"}
    seen = []
    for number, value in enumerate((2.0, 4.0, 9.0, 1.0, 8.0), start=1):
        layer.weight.data.fill_(value)
        average.update(number)
        seen.append(float(next(follower.parameters())))
    assert seen == pytest.approx([2, 3, 5, 4, 0.75 * 4 + 0.25 * 8])
    average.restart()
    assert float(next(follower.parameters())) == 8


def test_it_is_in_use_until_it_is_left_however_that_is() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    average = WeightAverage({"layer": layer}, 0.5)
    layer.weight.data.fill_(3.0)

    def use() -> None:
        with average.in_use():
            with average.in_use():
                assert layer.weight.item() == 1
            assert layer.weight.item() == 1
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert layer.weight.item() == 3
    average.update(2)
    assert [x.item() for x in average.networks["average_layer"].parameters()] == [2]


def test_what_a_network_has_seen_is_no_average() -> None:
    layer = nn.BatchNorm1d(2)
    average = WeightAverage({"layer": layer}, 0.5)
    layer(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    average.update(2)
    (follower,) = average.networks.values()
    for name, x in layer.named_buffers():
        assert x.equal(follower.get_buffer(name)), name
    assert float(layer.get_buffer("running_mean")[0]) != 0


def test_averages_take_the_place_of_weights() -> None:
    tensors = {"q/a": 1, "q/b": 2, "average_q/a": 3, "average_q/b": 4, "optimizer/0/step": 5}
    assert with_averages(tensors) == {"q/a": 3, "q/b": 4, "optimizer/0/step": 5}


@pytest.mark.parametrize(("agent_class", "config"), AGENTS)
def test_the_agent_plays_with_it_and_learns_as_without(
    agent_class: type[Agent], config: Any
) -> None:
    plain, agent = made(agent_class, config, decay=0.0), made(agent_class, config)
    assert plain.average is None
    agent.learn(64)
    plain.learn(64)
    assert agent.num_updates > 20
    for name, x in learning(plain).items():
        assert x.equal(weights(agent)[name]), name
    shown = outputs(agent, OBS)
    np.testing.assert_array_equal(shown, outputs(plain, OBS))
    with agent.playing():
        played = outputs(agent, OBS)
    assert np.abs(played - shown).max() > 1e-3
    np.testing.assert_array_equal(agent.act(OBS), played.argmax(axis=1))
    assert (agent.act(OBS) != plain.act(OBS)).any()
    np.testing.assert_array_equal(shown, outputs(agent, OBS))
    for each in (plain, agent):
        each.env.close()


@pytest.mark.parametrize(("agent_class", "config"), AGENTS)
def test_it_is_what_is_saved_to_play_and_begun_with(
    agent_class: type[Agent], config: Any, tmp_path: Path
) -> None:
    agent = made(agent_class, config)
    agent.learn(64)
    agent.save(tmp_path / "agent.safetensors")
    agent.save_weights(tmp_path / "policy.safetensors", {})
    policy = agent_class.load(tmp_path / "policy.safetensors", device="cpu")
    begun = made(agent_class, config, decay=0.0)
    begun.begin_with(tmp_path / "agent.safetensors")
    with agent.playing():
        played = outputs(agent, OBS)
    np.testing.assert_array_equal(outputs(begun, OBS), played)
    np.testing.assert_allclose(outputs(policy, OBS), played, atol=0.01)
    for sample in (False, True) if agent_class is PPO else (False,):  # epsilon has fallen in one
        games = [
            evaluate(each, agent.env, num_episodes=5, sample=sample, seed=3).episodes
            for each in (agent, begun)
        ]
        assert games[0] == games[1]
    for each in (agent, begun):
        each.env.close()


@pytest.mark.parametrize(("agent_class", "config"), AGENTS)
def test_a_training_goes_on_with_it(agent_class: type[Agent], config: Any, tmp_path: Path) -> None:
    whole, first = made(agent_class, config), made(agent_class, config)
    whole.learn(77)
    first.learn(37)
    first.save(tmp_path / "agent.safetensors", replay=True)
    second = agent_class.load(tmp_path / "agent.safetensors", "CartPole-v1", device="cpu")
    second.learn(40)
    assert_same_weights(weights(whole), weights(second))
    np.testing.assert_array_equal(whole.act(OBS), second.act(OBS))
    for each in (whole, first, second):
        each.env.close()
