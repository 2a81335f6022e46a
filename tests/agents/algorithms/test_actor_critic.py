"""The one-step actor-critic: its update by hand, learning, exactness of a run."""

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.config import Schedule
from mario_rl_agents.envs import SequentialVectorEnv
from support.agent_toys import (
    Corridor,
    assert_same_weights,
    cartpole,
    corridor,
    make_step,
    run_python,
    side,
    three_cartpoles,
    three_pendulums,
)

CORRIDOR = ActorCriticConfig(learning_rate=3e-3, gamma=0.9, hidden_sizes=(32,))
THREE = ActorCriticConfig(learning_rate=1e-3, hidden_sizes=(16,))


def linear(values: list[float]) -> ActorCritic:
    """Return an agent without hidden layers whose V is `values` by cell, with a uniform policy."""
    config = ActorCriticConfig(gamma=0.5, hidden_sizes=(), learning_rate=0.1)
    agent = ActorCritic.create(corridor(), config, device="cpu")
    weight = torch.zeros(3, 5)
    weight[2] = torch.tensor(values)
    agent.network.load_state_dict(
        {"1.layers.0.weight": weight, "1.layers.0.bias": torch.zeros(3)}, strict=True
    )
    return agent


def test_td_target_bootstraps_a_truncation_and_not_a_termination() -> None:
    agent = linear([0.0, 10.0, 20.0, 30.0, 40.0])
    cells = np.eye(5, dtype=np.float32)
    step = make_step(
        obs=cells[:3],
        reward=[1.0, 2.0, 3.0],
        terminated=[False, True, False],
        truncated=[False, False, True],
        next_obs=cells[[1, 4, 3]],
    )
    # 1 + 0.5 V(1); nothing after the end; 3 + 0.5 V(3), although its episode was cut off there.
    heads = agent.network(torch.from_numpy(step.next_obs))
    assert agent.td_target(step, heads).tolist() == [6.0, 2.0, 18.0]


def test_losses_and_gradient_step_by_hand() -> None:
    agent = linear([4.0, 10.0, 0.0, 0.0, 0.0])
    cells = np.eye(5, dtype=np.float32)
    agent.act(cells[:1], greedy=False)
    agent._action[:] = 1
    (losses,) = agent.observe(make_step(cells[:1], [1.0], [False], [False], cells[1:2]))
    # delta = 1 + 0.5 * 10 - 4 = 2, pi = 1/2.
    assert losses == pytest.approx({"losses/actor": 2 * math.log(2), "losses/critic": 4.0})
    gradient = agent.network.get_parameter("1.layers.0.weight").grad
    assert gradient is not None
    # d(-log pi delta) / d logits = (pi - 1{a}) delta = (1, -1); d(delta^2)/dV = -2 delta: the
    # bootstrapped V(s') is a constant.
    expected = torch.zeros(3, 5)
    expected[:, 0] = torch.tensor([1.0, -1.0, -4.0])
    torch.testing.assert_close(gradient, expected)
    assert agent.num_updates == 1


@pytest.mark.parametrize("detach", [True, False])
def test_the_gradient_is_of_the_observation_that_was_acted_on(detach: bool) -> None:
    """The environment writes its next observation over the one before.

    The next one has a gradient where it is no constant.
    """

    class Reused(Corridor):
        memory = np.zeros(5, np.float32)

        def _obs(self) -> Any:
            self.memory[:] = 0
            self.memory[self._cell] = 1
            return self.memory

    config = ActorCriticConfig(hidden_sizes=(), detach=detach)
    agent = ActorCritic.create(Reused(), config, device="cpu")
    agent.learn(1)
    gradient = agent.network.get_parameter("1.layers.0.weight").grad
    assert gradient is not None
    assert gradient[:, 0].abs().min() > 0
    assert gradient[:, 1:].any() == (not detach)


def test_the_entropy_bonus_and_clipping_change_the_gradient() -> None:
    heads = torch.tensor([[1.0, -1.0, 0.0]], dtype=torch.float64)
    action, target = torch.tensor([0]), torch.zeros(1, dtype=torch.float64)
    config = ActorCriticConfig(entropy_coefficient=0.5)
    loss, parts = ActorCritic.create(corridor(), config, device="cpu").loss(heads, action, target)
    p = 1 / (1 + math.exp(-2))
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert parts["charts/entropy"].item() == pytest.approx(entropy)
    assert loss.item() == pytest.approx(-0.5 * entropy)

    config = ActorCriticConfig(max_grad_norm=1e-3)
    agent = ActorCritic.create(corridor(), config, device="cpu")
    agent.learn(1)
    norms = [x.grad.norm() for x in agent.network.parameters() if x.grad is not None]
    assert torch.stack(norms).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_follows_its_schedule() -> None:
    class Rates(Callback):
        def __init__(self) -> None:
            self.rates: list[float] = []

        def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
            assert isinstance(agent, ActorCritic)
            self.rates.append(agent.optimizer.param_groups[0]["lr"])

    config = ActorCriticConfig(learning_rate=Schedule("linear(0.1, 0, 4)"), hidden_sizes=())
    agent, rates = ActorCritic.create(corridor(), config, device="cpu"), Rates()
    assert agent.metrics() == {"charts/learning_rate": 0.1}
    agent.learn(5, [rates])
    assert rates.rates == pytest.approx([0.075, 0.05, 0.025, 0.0, 0.0])


def test_learns_the_corridor() -> None:
    agent = ActorCritic.create(corridor(), CORRIDOR, seed=1, device="cpu")
    agent.learn(1500)
    assert agent.act(np.eye(5, dtype=np.float32)[:4]).tolist() == [1, 1, 1, 1]


def test_learns_from_images_in_several_environments() -> None:
    config = ActorCriticConfig(learning_rate=1e-3, gamma=0.0)
    envs = SequentialVectorEnv([side() for _ in range(8)])
    agent = ActorCritic.create(envs, config, seed=1, device="cpu")
    agent.learn(8 * 150)
    env = side()
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(100):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 95


def test_learns_continuous_actions() -> None:
    class Still(gym.Env[Any, Any]):
        """The more the two numbers are -1 and 1 the better."""

        observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
        action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return np.ones(1, np.float32), {}

        def step(self, action: Any) -> Any:
            return np.ones(1, np.float32), float(action[1] - action[0]), True, False, {}

    config = ActorCriticConfig(learning_rate=3e-3, hidden_sizes=(16,))
    agent = ActorCritic.create(Still(), config, seed=0, device="cpu")
    agent.learn(2000)
    (action,) = agent.act(np.ones((1, 1), np.float32))
    assert action[0] < -0.5
    assert action[1] > 0.5


RUNS = pytest.mark.parametrize(
    ("make", "config"),
    [(cartpole, CORRIDOR), (three_cartpoles, THREE), (three_pendulums, THREE)],
    ids=["one", "three", "continuous"],
)


@RUNS
def test_one_seed_gives_one_result(make: Any, config: ActorCriticConfig) -> None:
    def train(seed: int) -> dict[str, torch.Tensor]:
        agent = ActorCritic.create(make(), config, seed=seed, device="cpu")
        agent.learn(150)
        return agent.tensors()

    first = train(3)
    assert_same_weights(first, train(3))
    assert not torch.equal(first["optimizer/0/exp_avg"], train(4)["optimizer/0/exp_avg"])


RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.actor_critic import ActorCritic
agent = ActorCritic.load({path!r}, agent_toys.{make}(), device="cpu")
agent.learn({steps})
agent.save({path!r} + ".resumed", replay=True)
"""


@RUNS
def test_resumes_exactly(make: Any, config: ActorCriticConfig, tmp_path: Path) -> None:
    """In the middle of episodes; once in a new process, as users do."""
    steps = 111
    straight = ActorCritic.create(make(), config, seed=2, device="cpu")
    straight.learn(2 * steps)
    path = tmp_path / "half.safetensors"
    half = ActorCritic.create(make(), config, seed=2, device="cpu")
    half.learn(steps)
    half.save(path, replay=True)
    if make is cartpole:
        run_python(RESUME.format(path=str(path), make=make.__name__, steps=steps))
        resumed = ActorCritic.load(f"{path}.resumed", make(), device="cpu")
    else:
        resumed = ActorCritic.load(path, make(), device="cpu")
        resumed.learn(steps)
    assert_same_weights(resumed.tensors(), straight.tensors())
    assert resumed.num_episodes == straight.num_episodes


def test_an_environment_that_does_not_repeat_itself_is_noticed(tmp_path: Path) -> None:
    class Drifting(Corridor):
        num_resets = 0

        def reset(self, **keywords: Any) -> Any:
            Drifting.num_resets += 1
            return super().reset(**keywords)

        def _obs(self) -> Any:
            return super()._obs() + np.float32(Drifting.num_resets / 1000)

    agent = ActorCritic.create(Drifting(), CORRIDOR, device="cpu")
    agent.learn(50)
    agent.save(tmp_path / "agent.safetensors", replay=True)
    resumed = ActorCritic.load(tmp_path / "agent.safetensors", Drifting(), device="cpu")
    with pytest.warns(RuntimeWarning, match="did not repeat the episodes"):
        resumed.learn(50)
    assert resumed.num_steps == 100


def test_an_exception_ends_the_episode_and_not_the_agent() -> None:
    class Stumble(Callback):
        def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
            if agent.num_steps == 7:
                raise KeyError("a callback's own")

    agent = ActorCritic.create(corridor(), CORRIDOR, device="cpu")
    with pytest.raises(KeyError):
        agent.learn(20, [Stumble()])
    assert agent.num_steps == 7
    agent.learn(20)
    assert agent.num_steps == 27


@pytest.mark.parametrize("where", ["obs", "reward"])
def test_training_stops_at_a_number_that_is_not_finite(where: str) -> None:
    class Broken(Corridor):
        def step(self, action: Any) -> Any:
            obs, reward, *rest = super().step(action)
            self.num_steps = getattr(self, "num_steps", 0) + 1
            if self.num_steps == 20:
                return (
                    (obs + np.float32(np.inf), reward, *rest)
                    if where == "obs"
                    else (obs, math.nan, *rest)
                )
            return (obs, reward, *rest)

    agent = ActorCritic.create(Broken(), CORRIDOR, device="cpu")
    with pytest.raises(FloatingPointError, match=f"{where}.*step 19"):
        agent.learn(50)
    assert all(x.isfinite().all() for x in agent.tensors().values())
    assert agent.num_steps == agent.num_updates == 19


def test_a_loss_that_is_not_finite_leaves_the_weights() -> None:
    agent = linear([math.nan] * 5)
    before = {name: x.clone() for name, x in agent.tensors().items()}
    with pytest.raises(FloatingPointError, match="losses/actor is nan at gradient step 0"):
        agent.learn(1)
    for name, x in agent.tensors().items():
        assert torch.equal(x.nan_to_num(), before[name].nan_to_num()), name


def test_wrong_actions_and_settings_are_refused() -> None:
    class Bits(Corridor):
        action_space = gym.spaces.MultiBinary(2)  # type: ignore[assignment]

    with pytest.raises(ValueError, match=r"actor_critic needs actions Discrete.*random"):
        ActorCritic.create(Bits(), device="cpu")
    with pytest.raises(ValueError, match="gamma must be"):
        ActorCriticConfig(gamma=1.5)
    with pytest.raises(ValueError, match=r"obs must be a batch of shape \(B, 5\)"):
        ActorCritic.create(corridor(), device="cpu").act(np.zeros(5, np.float32))
