"""DQN with its replaceable parts: exactness of a run, and losses against literal versions."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.buffers.replay import Batch
from mario_rl_agents.config import Loss, linear
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.recipes import find_recipe
from support.agent_toys import (
    CORRIDOR_CONFIG,
    SIDE_CONFIG,
    Corridor,
    assert_same_weights,
    cartpole,
    run_python,
    side,
    weights,
)
from torch import Tensor

ALL_PARTS: dict[str, Any] = {
    "num_return_steps": 3,
    "dueling": True,
    "prioritized": True,
    "priority_beta": linear(0.4, 1, 300),
    "exploration": "boltzmann",
    "temperature": 0.5,
    "loss": "mse",
    "tau": 0.1,
    "target_update_period": 1,
}
RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
agent = DoubleDQN.load({path!r}, agent_toys.{make}(), device="cpu")
agent.learn({steps})
agent.save({path!r} + ".resumed", replay=True)
"""


@pytest.mark.parametrize(
    ("make", "config", "steps"), [(cartpole, CORRIDOR_CONFIG, 157), (side, SIDE_CONFIG, 57)]
)
def test_with_all_parts_a_run_repeats_and_resumes_exactly(
    make: Any, config: DQNConfig, steps: int, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, **ALL_PARTS)

    def train(num_steps: int, overlap: bool = True) -> DoubleDQN:
        changed = dataclasses.replace(config, overlap=overlap)
        agent = DoubleDQN.create(make(), changed, seed=2, device="cpu")
        agent.learn(num_steps)
        return agent

    straight = train(2 * steps)
    assert_same_weights(weights(straight), weights(train(2 * steps, overlap=False)))

    path = tmp_path / "half.safetensors"
    train(steps).save(path, replay=True)
    run_python(RESUME.format(path=str(path), make=make.__name__, steps=steps))
    resumed = DoubleDQN.load(f"{path}.resumed", make(), device="cpu")
    assert_same_weights(weights(resumed), weights(straight))
    resumed.learn(20)
    straight.learn(20)
    assert_same_weights(weights(resumed), weights(straight))


def random_batch(agent: DQN, *, parts: bool) -> Batch:
    """Return eight random transitions in float64, of all combinations of endings."""
    generator = np.random.default_rng(0)

    def tensor(array: Any) -> Tensor:
        return torch.as_tensor(array)

    return Batch(
        tensor(generator.normal(size=(8, 4))),
        tensor(generator.integers(2, size=8)),
        tensor(3 * generator.normal(size=8)),
        tensor(generator.normal(size=(8, 4))),
        tensor(np.arange(8) % 2 == 0),
        tensor(np.arange(8) % 3 == 0),
        discount=tensor(generator.uniform(size=8)) if parts else None,
        indices=tensor(np.arange(8)) if parts else None,
        importance_weight=tensor(generator.uniform(0.1, 2.0, size=8)) if parts else None,
    )


def literal_loss(agent: DQN, batch: Batch) -> Tensor:
    """Return the loss one transition at a time, from the papers' formulas."""
    config = agent.config
    losses, sizes = [], []
    for i in range(len(batch.reward)):
        target = config.reward_scale * batch.reward[i]
        if not batch.terminated[i]:
            rated = [agent.q_target(batch.next_obs[i : i + 1])[0, a].detach() for a in range(2)]
            chosen = [agent.q(batch.next_obs[i : i + 1])[0, a].detach() for a in range(2)]
            judge = chosen if isinstance(agent, DoubleDQN) else rated
            best = 0 if judge[0] >= judge[1] else 1
            gamma = config.gamma if batch.discount is None else batch.discount[i]
            target = target + gamma * rated[best]
        error = agent.q(batch.obs[i : i + 1])[0, int(batch.action[i])] - target
        if config.loss == "mse":
            losses.append(error**2)
        else:
            losses.append(0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5)
        weight = batch.importance_weight
        sizes.append(1.0 if weight is None else math.pow(float(weight[i]), agent.beta))
    total = torch.zeros((), dtype=torch.float64)
    for size, loss in zip(sizes, losses, strict=True):
        total = total + size / max(sizes) * loss / len(losses)
    return total


@pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])
@pytest.mark.parametrize("loss", ["huber", "mse"])
@pytest.mark.parametrize("parts", [False, True])
def test_loss_and_gradient_equal_a_literal_version(
    agent_class: type[DQN], loss: Loss, parts: bool
) -> None:
    config = DQNConfig(
        loss=loss, reward_scale=0.7, hidden_sizes=(8, 8), dueling=parts, prioritized=parts
    )
    agent = agent_class.create(cartpole(), config, seed=3, device="cpu")
    other = agent_class.create(cartpole(), config, seed=4, device="cpu")
    agent.q_target.load_state_dict(other.q.state_dict())
    agent.q.double()
    agent.q_target.double()
    batch = random_batch(agent, parts=parts)
    value, _, _ = agent.loss(batch)
    expected = literal_loss(agent, batch)
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    weights = list(agent.q.parameters())
    gradients = torch.autograd.grad(value, weights)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_soft_update_by_hand() -> None:
    config = dataclasses.replace(CORRIDOR_CONFIG, tau=0.25, target_update_period=2, overlap=False)
    agent = DQN.create(Corridor(), config, seed=0, device="cpu")
    before = weights(agent)
    agent.learn(102)  # from the 100th transition on: two gradient steps
    assert agent.num_updates == 2
    after = weights(agent)
    for name, x in agent.q_target.state_dict().items():
        expected = 0.75 * before[f"q_target/{name}"] + 0.25 * after[f"q/{name}"]
        torch.testing.assert_close(x, expected)
        assert not x.equal(after[f"q/{name}"])
    assert not any(x.requires_grad for x in agent.q_target.parameters())


def test_the_learning_rate_falls_in_a_line_to_zero() -> None:
    config = dataclasses.replace(
        CORRIDOR_CONFIG,
        learning_rate=linear(3e-3, 0, 200),
        overlap=False,
    )
    agent = DQN.create(Corridor(), config, seed=0, device="cpu")
    agent.learn(101)
    assert agent.num_updates == 1
    assert agent.optimizer.param_groups[0]["lr"] == pytest.approx(3e-3 * 0.5)
    assert agent.metrics()["charts/learning_rate"] == pytest.approx(3e-3 * (1 - 101 / 200))
    agent.learn(110)
    before = weights(agent)
    agent.learn(5)
    assert agent.optimizer.param_groups[0]["lr"] == 0.0
    assert agent.q.get_parameter("layers.0.weight").equal(before["q/layers.0.weight"])


def test_boltzmann_draws_from_the_softmax_of_the_values() -> None:
    config = DQNConfig(exploration="boltzmann", temperature=2.0)
    agent = DQN.create(cartpole(), config, seed=0, device="cpu")
    obs = np.array([[0.1, -0.2, 0.05, 0.3]], np.float32)
    values = agent.action_values(obs)[0].tolist()
    # Values of a size that tells: the last layer's biases are moved apart.
    with torch.no_grad():
        list(agent.q.parameters())[-1][0] += 3.0 - (values[0] - values[1])
    odds = [math.exp(value / 2.0) for value in agent.action_values(obs)[0].tolist()]
    actions = agent.act(np.repeat(obs, 4000, axis=0), greedy=False)
    assert (actions == 0).mean() == pytest.approx(odds[0] / sum(odds), abs=0.03)
    assert agent.act(obs).tolist() == [0]
    assert agent.metrics().keys() == {"charts/replay_size"}


def test_boltzmann_with_high_values_does_not_overflow() -> None:
    agent = DQN.create(
        cartpole(), DQNConfig(exploration="boltzmann", temperature=1e-3), seed=0, device="cpu"
    )
    with torch.no_grad():
        list(agent.q.parameters())[-1].copy_(torch.tensor([1e4, 2e4]))
    assert agent.act(np.zeros((50, 4), np.float32), greedy=False).tolist() == [1] * 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "l1"}, 'loss must be "mse" or "huber", got \'l1\' of type str'),
        ({"exploration": "noisy"}, "exploration must be .* or \"boltzmann\", got 'noisy'"),
        ({"temperature": 0.0}, "temperature must be a number > 0, got 0.0"),
        ({"tau": 0.0}, r"tau must be a number in \(0, 1\], got 0.0"),
    ],
)
def test_bad_config_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DQNConfig(**change)


def test_wrong_actions_are_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError, match=r"double_dqn needs actions Discrete\(n\) .*td3"):
        DoubleDQN.create(gym.make("Pendulum-v1"), device="cpu")


def test_stacks_of_many_games_are_those_that_were_seen() -> None:
    """In the games of the recipe: idle frames before a start, episodes that end at other times."""
    recipe = find_recipe("double_dqn", "MarioRL-1-1-v0", "pixels")
    assert isinstance(recipe.config, DQNConfig)
    keywords = {**recipe.env_kwargs, "max_episode_steps": 12, "stall": 9}
    batches = []
    for frame_stack in (True, False):
        envs = make_vec_env("MarioRL-1-1-v0", 8, keywords)
        config = dataclasses.replace(recipe.config, frame_stack=frame_stack, replay_capacity=20_000)
        agent = DQN.create(envs, config, seed=0, device="cpu")
        agent.learn(8 * 40)
        batches.append(agent.replay.sample(256, np.random.default_rng(0)))
        envs.close()
    stacked, whole = batches
    for name, a, b in zip(Batch._fields, stacked, whole, strict=True):
        np.testing.assert_array_equal(a, b, name)
    assert stacked.truncated.any()
    assert (stacked.obs[:, 0] != stacked.obs[:, -1]).any()
