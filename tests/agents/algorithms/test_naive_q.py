"""Naive Q and the ladder up to Double DQN: each rung by hand, the last one against DoubleDQN."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Step
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.algorithms.naive_q import SWITCHES, NaiveQ, NaiveQConfig, ladder
from mario_rl_agents.config import linear
from mario_rl_agents.errors import ObservationError
from support.agent_toys import (
    Corridor,
    assert_same_weights,
    cartpole,
    corridor,
    run_python,
    side,
    vector_batch,
    weights,
)
from support.interface_toys import toy

SMALL = NaiveQConfig(
    learning_rate=3e-3,
    gamma=0.9,
    hidden_sizes=(32,),
    epsilon=linear(1, 0.1, 700),
    replay_starts=100,
    replay_capacity=1000,
    target_update_period=50,
)


class TwoCells(gym.Env[Any, Any]):
    """Only spaces: two one-hot cells, two actions."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)


def tabular(rung: str) -> NaiveQ:
    """Return an agent with Q(s, .) = [[1, 2], [3, 1]] and Q_target(s, .) = [[5, 7], [4, 6]]."""
    config = ladder(NaiveQConfig(gamma=0.5, hidden_sizes=()))[rung]
    agent = NaiveQ.create(TwoCells(), config, device="cpu")
    q = {"layers.0.weight": torch.tensor([[1.0, 3], [2, 1]]), "layers.0.bias": torch.zeros(2)}
    agent.q.load_state_dict(q)
    if config.target_network:
        agent.q_target.load_state_dict({**q, "layers.0.weight": torch.tensor([[5.0, 4], [7, 6]])})
    return agent


# Two steps into each cell, one of them terminating, one truncated.
BATCH = vector_batch(
    obs=[[1, 0], [1, 0], [0, 1], [0, 1]],
    action=[0, 1, 0, 1],
    reward=[1.0, 1.0, 2.0, 2.0],
    next_obs=[[1, 0], [0, 1], [1, 0], [0, 1]],
    terminated=[False, False, True, False],
    truncated=[False, False, False, True],
)


@pytest.mark.parametrize(
    ("rung", "prediction", "target"),
    [
        ("naive", [2, 2, 3, 3], [1, 1, 2, 2]),
        ("taken", [1, 2, 3, 1], [1, 1, 2, 2]),
        ("bootstrap", [1, 2, 3, 1], [2, 2.5, 2, 3.5]),  # r + 0.5 max Q, 2 and 3
        ("explore", [1, 2, 3, 1], [2, 2.5, 2, 3.5]),
        ("replay", [1, 2, 3, 1], [2, 2.5, 2, 3.5]),
        ("target_network", [1, 2, 3, 1], [4.5, 4, 2, 5]),  # r + 0.5 max Q_target, 7 and 6
        ("double", [1, 2, 3, 1], [4.5, 3, 2, 4]),  # Q picks 1 and 0, rated 7 and 4
    ],
)
def test_each_rung_by_hand(rung: str, prediction: list[float], target: list[float]) -> None:
    agent = tabular(rung)
    assert agent.prediction(BATCH).tolist() == prediction
    assert agent.target(BATCH).tolist() == target
    errors = [(a - b) ** 2 for a, b in zip(prediction, target, strict=True)]
    assert agent.loss(BATCH).item() == pytest.approx(sum(errors) / 4)


def test_rungs_differ_by_one_switch_each() -> None:
    rungs = list(ladder(SMALL).values())
    assert not any(getattr(rungs[0], switch) for switch in SWITCHES)
    for switch, before, after in zip(SWITCHES, rungs, rungs[1:], strict=False):
        change: dict[str, Any] = {switch: True}
        assert dataclasses.replace(before, **change) == after
    assert all(getattr(rungs[-1], switch) for switch in SWITCHES)
    assert len(rungs) == 7


def test_the_naive_config_is_the_tutorials() -> None:
    config = NaiveQConfig()
    assert (config.hidden_sizes, config.learning_rate) == ((1024, 512), 1e-3)
    assert (config.batch_size, config.learning_starts) == (1, 1)
    assert ladder()["naive"] == config


def test_the_last_rung_is_double_dqn_to_the_bit() -> None:
    rung = NaiveQ.create(cartpole(), ladder(SMALL)["double"], seed=2, device="cpu")
    config = DQNConfig(
        learning_rate=3e-3,
        loss="mse",
        gamma=0.9,
        batch_size=32,
        replay_capacity=1000,
        learning_starts=100,
        target_update_period=50,
        epsilon=linear(1, 0.1, 700),
        hidden_sizes=(32,),
        overlap=False,
    )
    other = DoubleDQN.create(cartpole(), config, seed=2, device="cpu")
    for agent in (rung, other):
        agent.learn(100)  # their exploration draws in another order: give both the same steps
    other.replay.load_state(rung.replay.state())
    for _ in range(120):
        for agent in (rung, other):
            agent.update(agent.replay.sample(32, agent.generators["replay"]))
    assert_same_weights(weights(rung), weights(other))


def test_the_learning_rate_falls_in_a_line_to_zero() -> None:
    config = dataclasses.replace(SMALL, learning_rate=linear(3e-3, 0, 40))
    agent = NaiveQ.create(cartpole(), config, seed=0, device="cpu")
    agent.learn(11)
    assert agent.optimizer.param_groups[0]["lr"] == pytest.approx(3e-3 * 0.75)
    agent.learn(31)
    assert agent.optimizer.param_groups[0]["lr"] == 0.0
    constant = NaiveQ.create(cartpole(), SMALL, seed=0, device="cpu")
    constant.learn(50)
    assert constant.optimizer.param_groups[0]["lr"] == 3e-3


def test_without_replay_it_learns_from_the_last_step_alone() -> None:
    newest: list[Any] = []

    class Keep(NaiveQ):
        def observe(self, step: Step) -> Iterator[dict[str, float]]:
            newest.append(step.next_obs.tolist())
            return super().observe(step)

    agent = Keep.create(cartpole(), ladder(SMALL)["bootstrap"], seed=0, device="cpu")
    agent.learn(30)
    assert agent.num_updates == 29
    assert len(agent.replay) == 1
    assert agent.replay.sample(1, np.random.default_rng(0)).next_obs.tolist() == newest[-1]
    assert agent.epsilon == 0.0


def test_the_naive_rung_cannot_walk_the_corridor_and_the_last_one_can() -> None:
    cells = np.eye(5, dtype=np.float32)[:4]
    last = NaiveQ.create(corridor(), ladder(SMALL)["double"], seed=1, device="cpu")
    last.learn(1200)
    assert last.act(cells).tolist() == [1, 1, 1, 1]
    # It sees the same states, but not that an action now is what pays later.
    config = dataclasses.replace(
        ladder(SMALL)["double"], bootstrap=False, target_network=False, double=False
    )
    short_sighted = NaiveQ.create(corridor(), config, seed=1, device="cpu")
    short_sighted.learn(1200)
    with torch.no_grad():
        values = short_sighted.q(torch.as_tensor(cells)).amax(1)
    assert values[:3].abs().max() < 0.2
    assert last.q(torch.as_tensor(cells)).amax(1)[:3].min() > 0.6


def test_truncation_is_bootstrapped_from_the_true_final_observation() -> None:
    env = gym.wrappers.TimeLimit(Corridor(), 3)
    agent = NaiveQ.create(env, ladder(SMALL)["double"], seed=0, device="cpu")
    agent.learn(60)
    batch = agent.replay.sample(500, np.random.default_rng(0))
    cut = batch.truncated & ~batch.terminated
    assert cut.any()
    assert (batch.next_obs[cut, 0] == 0).any()  # a reset would show cell 0 again
    best = agent.q(batch.next_obs).argmax(1)
    next_q = agent.q_target(batch.next_obs)[torch.arange(500), best]
    torch.testing.assert_close(agent.target(batch)[cut], batch.reward[cut] + 0.9 * next_q[cut])


RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.naive_q import NaiveQ
agent = NaiveQ.load({path!r}, agent_toys.cartpole(), device="cpu")
agent.learn(80)
agent.save({path!r} + ".resumed", replay=True)
"""


@pytest.mark.parametrize("rung", ["naive", "double"])
def test_one_seed_gives_one_result_and_resumes_exactly(rung: str, tmp_path: Path) -> None:
    def train(num_steps: int) -> NaiveQ:
        agent = NaiveQ.create(cartpole(), ladder(SMALL)[rung], seed=2, device="cpu")
        agent.learn(num_steps)
        return agent

    straight = train(230)
    assert_same_weights(weights(straight), weights(train(230)))
    path = tmp_path / "half.safetensors"
    train(150).save(path, replay=True)
    run_python(RESUME.format(path=str(path)))
    resumed = NaiveQ.load(f"{path}.resumed", cartpole(), device="cpu")
    assert_same_weights(weights(resumed), weights(straight))
    assert (resumed.num_steps, resumed.num_updates) == (straight.num_steps, straight.num_updates)


@pytest.mark.parametrize("rung", ["naive", "double"])
def test_takes_images(rung: str) -> None:
    config = dataclasses.replace(ladder(SMALL)[rung], replay_starts=8)
    agent = NaiveQ.create(side(), config, seed=0, device="cpu")
    before = weights(agent)
    agent.learn(12)
    assert not weights(agent)["q/head.2.bias"].equal(before["q/head.2.bias"])


def test_images_that_are_no_stack_are_taken_with_channels_last() -> None:
    config = NaiveQConfig(replay=True, replay_starts=2, replay_batch_size=2, replay_capacity=20)
    agent = NaiveQ.create(toy("image", "discrete"), config, device="cpu")
    with pytest.raises(ObservationError, match=r"whole .* or with channels in their last axis"):
        agent.learn(4)
    agent = NaiveQ.create(toy("image", "discrete", channels_last=True), config, device="cpu")
    agent.learn(4)
    assert agent.num_updates > 0


def test_nan_is_named_and_leaves_the_weights_alone() -> None:
    class Nan(Corridor):
        def step(self, action: Any) -> Any:
            obs, _, terminated, truncated, info = super().step(action)
            return obs, float("nan"), terminated, truncated, info

    agent = NaiveQ.create(Nan(), SMALL, device="cpu")
    with pytest.raises(FloatingPointError, match="reward of environment step 0 is nan"):
        agent.learn(10)
    agent = NaiveQ.create(TwoCells(), ladder(SMALL)["taken"], device="cpu")
    before = weights(agent)
    with pytest.raises(FloatingPointError, match="losses/td is nan at gradient step 0"):
        agent.update(BATCH._replace(reward=torch.full((4,), float("nan"))))
    assert_same_weights(weights(agent), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be a number > 0 or a schedule .*, got 0.0"),
        ({"epsilon": 1.5}, r"epsilon must be a number in \[0, 1\] or a schedule .*, got 1.5"),
        ({"gamma": 2}, r"gamma must be a number in \[0, 1\], got 2"),
        ({"replay_batch_size": 0}, "replay_batch_size must be a whole number >= 1, got 0"),
        ({"replay_starts": 60_000}, "replay_starts must be at most replay_capacity = 50000"),
        ({"hidden_sizes": (0,)}, "hidden_sizes must be a tuple of whole numbers >= 1"),
        ({"target_network": True}, "target_network needs bootstrap=True"),
        ({"bootstrap": True, "double": True}, "double needs target_network=True"),
    ],
)
def test_bad_config_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NaiveQConfig(**change)


def test_wrong_actions_are_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError, match=r"naive_q needs actions Discrete\(n\) .*sac"):
        NaiveQ.create(gym.make("Pendulum-v1"), device="cpu")
