"""DQN and Double DQN: targets by hand, learning, exactness of a run."""

import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.config import linear
from support.agent_toys import (
    CORRIDOR_CONFIG,
    SIDE_CONFIG,
    Corridor,
    NoisyChoice,
    assert_same_weights,
    cartpole,
    corridor,
    run_python,
    side,
    vector_batch,
    weights,
)

BOTH = pytest.mark.parametrize("agent_class", [DQN, DoubleDQN])


class TwoCells(gym.Env[Any, Any]):
    """Only spaces: two one-hot cells, two actions."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)


def tabular(agent_class: type[DQN], reward_scale: float = 1.0) -> DQN:
    """Return an agent with Q(s, .) = [[1, 2], [3, 1]] and Q_target(s, .) = [[5, 7], [4, 6]]."""
    config = DQNConfig(gamma=0.5, hidden_sizes=(), reward_scale=reward_scale)
    agent = agent_class.create(TwoCells(), config, device="cpu")
    q = {"layers.0.weight": torch.tensor([[1.0, 3], [2, 1]]), "layers.0.bias": torch.zeros(2)}
    agent.q.load_state_dict(q)
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


def test_td_targets_by_hand() -> None:
    # DQN: r + 0.5 max Q_target, 7 in the first cell and 6 in the second; nothing after termination.
    assert tabular(DQN).td_target(BATCH).tolist() == [4.5, 4.0, 2.0, 5.0]
    # Double DQN: Q picks action 1 in the first cell and 0 in the second, rated 7 and 4.
    assert tabular(DoubleDQN).td_target(BATCH).tolist() == [4.5, 3.0, 2.0, 4.0]


def test_reward_scale_scales_rewards_alone() -> None:
    # As above, with rewards 10, 10, 20, 20.
    assert tabular(DQN, 10.0).td_target(BATCH).tolist() == [13.5, 13.0, 20.0, 23.0]
    assert tabular(DoubleDQN, 10.0).td_target(BATCH).tolist() == [13.5, 12.0, 20.0, 22.0]


def test_loss_and_gradient_step_by_hand() -> None:
    agent = tabular(DQN)
    loss, q, _ = agent.loss(BATCH)
    assert q.tolist() == [1.0, 2.0, 3.0, 1.0]
    # Huber of -3.5, -2, 1, -4: 3.0, 1.5, 0.5, 3.5.
    assert loss.item() == pytest.approx(2.125)
    before = weights(agent)
    losses = agent.update(BATCH)
    assert losses == {"losses/td": pytest.approx(2.125), "charts/q_mean": pytest.approx(1.75)}
    step = agent.q.get_parameter("layers.0.weight") - before["q/layers.0.weight"]
    # Adam's first step is the learning rate, against the sign of the gradient.
    torch.testing.assert_close(step, 2.5e-4 * torch.tensor([[1.0, -1], [1, 1]]), atol=1e-6, rtol=0)
    assert torch.equal(
        agent.q_target.get_parameter("layers.0.weight"), before["q_target/layers.0.weight"]
    )


def test_target_network_is_copied_every_period() -> None:
    agent = DQN.create(TwoCells(), DQNConfig(target_update_period=3, hidden_sizes=()), device="cpu")
    equal = []
    for _ in range(6):
        agent.update(BATCH)
        equal.append(
            torch.equal(
                agent.q.state_dict()["layers.0.weight"],
                agent.q_target.state_dict()["layers.0.weight"],
            )
        )
    assert equal == [False, False, True, False, False, True]


def test_gradients_are_clipped() -> None:
    config = DQNConfig(max_grad_norm=1e-3, hidden_sizes=())
    agent = DQN.create(TwoCells(), config, device="cpu")
    agent.update(BATCH)
    norm = torch.stack([x.grad.norm() for x in agent.q.parameters() if x.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


@BOTH
def test_learns_the_corridor(agent_class: type[DQN]) -> None:
    agent = agent_class.create(corridor(), CORRIDOR_CONFIG, seed=1, device="cpu")
    agent.learn(1200)
    cells = np.eye(5, dtype=np.float32)[:4]
    assert agent.act(cells).tolist() == [1, 1, 1, 1]
    values = agent.action_values(cells)[:, 1]
    np.testing.assert_allclose(values, [0.9**3, 0.9**2, 0.9, 1.0], atol=0.1)


@BOTH
def test_learns_from_images(agent_class: type[DQN]) -> None:
    env = side()
    agent = agent_class.create(env, SIDE_CONFIG, seed=1, device="cpu")
    agent.learn(450)
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(100):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 95


@pytest.mark.slow
def test_dqn_over_estimates_more_than_double_dqn() -> None:
    config = DQNConfig(
        learning_rate=0.05,
        gamma=1.0,
        replay_capacity=300,
        learning_starts=100,
        target_update_period=100,
        epsilon=1.0,
        hidden_sizes=(),
        overlap=False,
    )

    class Mean(Callback):
        """Averages Q(A, to B); the truth is -0.1."""

        def __init__(self) -> None:
            self.values: list[float] = []

        def on_step(self, agent: Agent) -> None:
            assert isinstance(agent, DQN)
            if agent.num_steps > 500 and agent.num_steps % 10 == 0:
                self.values.append(
                    agent.action_values(np.eye(2, dtype=np.float32)[:1])[0, 1:].mean()
                )

    def over_estimation(agent_class: type[DQN], seed: int) -> float:
        mean = Mean()
        agent_class.create(NoisyChoice(), config, seed=seed, device="cpu").learn(1500, [mean])
        return float(np.mean(mean.values)) + 0.1

    dqn = [over_estimation(DQN, seed) for seed in range(4)]
    double = [over_estimation(DoubleDQN, seed) for seed in range(4)]
    assert min(dqn) > max(double)
    assert np.mean(dqn) > 0.2 + abs(np.mean(double))


def test_bootstraps_through_truncation_from_the_true_final_observation() -> None:
    agent = DQN.create(gym.wrappers.TimeLimit(Corridor(), 3), CORRIDOR_CONFIG, seed=0, device="cpu")
    agent.learn(60)
    batch = agent.replay.sample(500, np.random.default_rng(0))
    truncated = batch.truncated & ~batch.terminated
    assert truncated.any()
    # Three steps away from the start a reset would show cell 0 again.
    assert (batch.next_obs[truncated, 0] == 0).any()
    target, bootstrap = agent.td_target(batch), agent.q_target(batch.next_obs).amax(1)
    torch.testing.assert_close(
        target[truncated], batch.reward[truncated] + 0.9 * bootstrap[truncated]
    )

    done = DQN.create(Corridor(), CORRIDOR_CONFIG, seed=0, device="cpu")
    done.learn(90)
    batch = done.replay.sample(500, np.random.default_rng(0))
    assert batch.terminated.any()
    assert done.td_target(batch)[batch.terminated].tolist() == [1.0] * int(batch.terminated.sum())


@pytest.mark.parametrize(
    ("make", "config", "steps"), [(cartpole, CORRIDOR_CONFIG, 400), (side, SIDE_CONFIG, 150)]
)
def test_one_seed_gives_one_result_overlapped_or_not(
    make: Any, config: DQNConfig, steps: int
) -> None:
    def train(seed: int, overlap: bool) -> dict[str, torch.Tensor]:
        changed = DQNConfig(**{**vars(config), "overlap": overlap})
        agent = DoubleDQN.create(make(), changed, seed=seed, device="cpu")
        agent.learn(steps)
        return weights(agent)

    first = train(3, overlap=True)
    assert_same_weights(first, train(3, overlap=True))
    assert_same_weights(first, train(3, overlap=False))
    assert not torch.equal(
        first["optimizer/0/exp_avg"], train(4, overlap=False)["optimizer/0/exp_avg"]
    )


RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
agent = DoubleDQN.load({path!r}, agent_toys.{make}(), device="cpu")
agent.learn({steps})
agent.save({path!r} + ".resumed", replay=True)
"""


@pytest.mark.parametrize(
    ("make", "config", "steps"), [(cartpole, CORRIDOR_CONFIG, 237), (side, SIDE_CONFIG, 97)]
)
def test_resumes_exactly_in_a_new_process(
    make: Any, config: DQNConfig, steps: int, tmp_path: Path
) -> None:
    straight = DoubleDQN.create(make(), config, seed=2, device="cpu")
    straight.learn(2 * steps)

    path = tmp_path / "half.safetensors"
    half = DoubleDQN.create(make(), config, seed=2, device="cpu")
    half.learn(steps)
    assert (
        half.loop.state(replay=True).values["episodes"] is not None
    )  # in the middle of an episode
    half.save(path, replay=True)
    run_python(RESUME.format(path=str(path), make=make.__name__, steps=steps))
    resumed = DoubleDQN.load(f"{path}.resumed", make(), device="cpu")

    assert_same_weights(weights(resumed), weights(straight))
    assert resumed.num_episodes == straight.num_episodes
    assert resumed.num_updates == straight.num_updates
    # Saved again before a step is taken, and once more after some: still the same.
    resumed.save(path, replay=True)
    again = DoubleDQN.load(path, make(), device="cpu")
    again.learn(20)
    straight.learn(20)
    assert_same_weights(weights(again), weights(straight))


def test_resumes_exactly_between_episodes_and_before_the_first_step(tmp_path: Path) -> None:
    class StopAtEnd(Callback):
        ended = False

        def on_episode_end(self, agent: Agent, episode: Episode) -> None:
            self.ended = agent.num_steps > 150

        def on_step(self, agent: Agent) -> bool:
            return not self.ended

    path = tmp_path / "agent.safetensors"
    straight = DQN.create(cartpole(), CORRIDOR_CONFIG, seed=2, device="cpu")
    straight.save(path, replay=True)
    half = DQN.load(path, cartpole(), device="cpu")
    half.learn(1000, [StopAtEnd()])
    assert half.num_steps < 1000
    half.save(path, replay=True)
    resumed = DQN.load(path, cartpole(), device="cpu")
    resumed.learn(60)
    straight.learn(half.num_steps + 60)
    assert_same_weights(weights(resumed), weights(straight))


def test_resuming_without_replay_fills_the_memory_first(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = DQN.create(cartpole(), CORRIDOR_CONFIG, seed=2, device="cpu")
    agent.learn(150)
    agent.save(path)
    resumed = DQN.load(path, cartpole(), device="cpu")
    assert (resumed.num_steps, resumed.num_updates, len(resumed.replay)) == (150, 50, 0)
    resumed.learn(101)
    assert (resumed.num_steps, resumed.num_updates, len(resumed.replay)) == (251, 51, 101)


class Drifting(Corridor):
    """Not deterministic given generator and actions: it remembers across resets of all its kind."""

    resets = 0

    def reset(self, **keywords: Any) -> Any:
        result = super().reset(**keywords)
        Drifting.resets += 1
        return np.full(5, Drifting.resets / 1000, np.float32), result[1]

    def step(self, action: Any) -> Any:
        _, reward, terminated, truncated, info = super().step(action)
        return np.full(5, Drifting.resets / 1000, np.float32), reward, terminated, truncated, info


def test_an_environment_that_does_not_repeat_itself_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = DQN.create(Drifting(), CORRIDOR_CONFIG, seed=0, device="cpu")
    agent.learn(2)
    agent.save(path, replay=True)
    resumed = DQN.load(path, Drifting(), device="cpu")
    with pytest.warns(RuntimeWarning, match="environment did not repeat the episode"):
        resumed.learn(5)
    assert resumed.num_steps == 7


class Calls(Callback):
    """Writes down what is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.episodes: list[Episode] = []

    def on_training_start(self, agent: Agent) -> None:
        self.calls.append("start")

    def on_step(self, agent: Agent) -> bool | None:
        self.calls.append("step")
        return None

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        assert losses.keys() == {"losses/td", "charts/q_mean"}
        self.calls.append("update")

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.calls.append("episode")
        self.episodes.append(episode)

    def on_training_end(self, agent: Agent) -> None:
        self.calls.append("end")


def test_callbacks_in_order() -> None:
    config = DQNConfig(learning_starts=2, update_period=2, replay_capacity=10, batch_size=2)
    env = gym.wrappers.TimeLimit(Corridor(), 4)
    agent = DQN.create(env, config, seed=0, device="cpu")
    calls = Calls()
    agent.learn(5, [calls])
    step = ["step"]
    expected = [*step, *step, "update", *step, "episode", *step, "update", *step]
    assert calls.calls == ["start", *expected, "end"]
    assert calls.episodes == [Episode(0, 4, 0.0, 4, False, True, calls.episodes[0].info)]
    assert agent.metrics() == {"charts/epsilon": agent.epsilon, "charts/replay_size": 5.0}


def test_a_callback_stops_training_at_a_step_boundary() -> None:
    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.num_steps < 7

    agent = DQN.create(corridor(), CORRIDOR_CONFIG, device="cpu")
    calls = Calls()
    agent.learn(100, [Stop(), calls])
    assert agent.num_steps == len(agent.replay) == calls.calls.count("step") == 7
    assert calls.calls[-1] == "end"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C do what it does at a terminal: processes in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("overlap", [True, False])
def test_ctrl_c_waits_for_the_end_of_the_step(overlap: bool, tmp_path: Path) -> None:
    class Interrupting(Corridor):
        steps = 0

        def step(self, action: Any) -> Any:
            self.steps += 1
            if self.steps == 120:
                signal.raise_signal(signal.SIGINT)
            return super().step(action)

    config = DQNConfig(**{**vars(CORRIDOR_CONFIG), "overlap": overlap})
    agent = DQN.create(Interrupting(), config, seed=5, device="cpu")
    calls = Calls()
    with pytest.raises(KeyboardInterrupt):
        agent.learn(300, [calls])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert agent.num_steps == len(agent.replay) in (120, 121)
    assert calls.calls[-2:] == ["step", "end"]
    path = tmp_path / "agent.safetensors"
    agent.save(path, replay=True)
    resumed = DQN.load(path, Corridor(), device="cpu")
    resumed.learn(300 - resumed.num_steps)
    straight = DQN.create(Corridor(), config, seed=5, device="cpu")
    straight.learn(300)
    assert_same_weights(weights(resumed), weights(straight))


def test_an_error_in_the_environment_discards_the_half_step(tmp_path: Path) -> None:
    class Failing(Corridor):
        fail = True

        def step(self, action: Any) -> Any:
            result = super().step(action)
            if self.fail and self._cell == 2:
                Failing.fail = False
                raise RuntimeError("emulator lost")
            return result

    agent = DQN.create(Failing(), CORRIDOR_CONFIG, seed=0, device="cpu")
    with pytest.raises(RuntimeError, match="emulator lost"):
        agent.learn(1000)
    assert agent.num_steps == len(agent.replay)
    agent.save(tmp_path / "agent.safetensors", replay=True)
    resumed = DQN.load(tmp_path / "agent.safetensors", Failing(), device="cpu")
    for each in (agent, resumed):
        each.learn(200)
    assert_same_weights(weights(agent), weights(resumed))


class Faulty(Corridor):
    """The corridor with a number that is not finite at the fourth step."""

    def __init__(self, *, reward: float = 0.0, obs: float = 0.0) -> None:
        self.reward, self.obs, self.num_steps = reward, obs, 0

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        self.num_steps += 1
        if self.num_steps == 4:
            obs[2], reward = self.obs, self.reward
        return obs, reward, terminated, truncated, info


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"reward": math.nan}, "the reward of environment step 3 is nan"),
        ({"obs": math.inf}, r"observation at environment step 3 is inf at index \(2,\)"),
    ],
)
def test_a_number_that_is_not_finite_stops_training(fault: dict[str, float], message: str) -> None:
    agent = DQN.create(Faulty(**fault), DQNConfig(), device="cpu")
    with pytest.raises(FloatingPointError, match=message):
        agent.learn(100)
    assert (agent.num_steps, len(agent.replay)) == (3, 3)


@pytest.mark.parametrize("overlap", [True, False])
def test_nan_loss_is_named_and_leaves_the_weights_alone(overlap: bool) -> None:
    config = DQNConfig(learning_starts=5, replay_capacity=10, overlap=overlap)
    agent = DQN.create(corridor(), config, device="cpu")
    next(agent.q_target.parameters()).data.fill_(math.nan)
    before = weights(agent)
    with pytest.raises(
        FloatingPointError, match="losses/td is nan at gradient step 0, environment step 5"
    ):
        agent.learn(10)
    assert agent.num_updates == 0
    for name, x in weights(agent).items():
        assert torch.equal(x, before[name]) or name.startswith("q_target/")


def test_acting() -> None:
    agent = tabular(DQN)
    obs = np.eye(2, dtype=np.float32)
    assert agent.act(obs).tolist() == [1, 0]
    assert agent.action_values(obs).tolist() == [[1, 2], [3, 1]]
    explored = agent.act(np.repeat(obs, 500, axis=0), greedy=False)  # epsilon is 1
    assert 400 < explored.sum() < 600
    with pytest.raises(ValueError, match=r"obs must be a batch of shape \(B, 2\), got \(2,\)"):
        agent.act(obs[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be a number > 0 or a schedule .*, got 0.0"),
        ({"gamma": 1.5}, r"gamma must be a number in \[0, 1\], got 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"update_period": 1.5}, "update_period must be a whole number >= 1, got 1.5"),
        (
            {"learning_starts": 11, "replay_capacity": 10},
            "learning_starts must be at most replay_capacity = 10, or .*, got 11 of type int",
        ),
        ({"epsilon": linear(1, -0.1, 9)}, r"epsilon must be .*, got linear\(1, -0.1, 9\)"),
        ({"max_grad_norm": -1.0}, "max_grad_norm must be a number > 0 or None, got -1.0"),
        ({"hidden_sizes": (0,)}, r"hidden_sizes must be a tuple of whole numbers >= 1, got \(0,\)"),
    ],
)
def test_bad_config_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DQNConfig(**change)


def test_bad_environment_device_and_steps_are_named() -> None:
    env = TwoCells()
    with pytest.raises(ValueError, match="there is no device 'gpu'"):
        DQN.create(env, device="gpu")
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        DQN.create(env, device="cpu").learn(0)
    env.action_space = gym.spaces.Discrete(2, start=1)
    with pytest.raises(
        ValueError, match=r"needs actions Discrete\(n\) from 0, the environment has"
    ):
        DQN.create(env, device="cpu")
    for space, message in (
        (gym.spaces.Discrete(4), "dqn needs observations a Box .*accepted by random"),
        (gym.spaces.Box(0, 1, (4, 84, 84), np.float32), "dqn needs observations a Box .*"),
        (gym.spaces.Box(0, 255, (4, 20, 84), np.uint8), "sides of 36 pixels or more"),
    ):
        env = TwoCells()
        env.observation_space = space  # type: ignore[assignment]
        with pytest.raises(ValueError, match=message):
            DQN.create(env, device="cpu")


def test_image_network_is_the_tutorials() -> None:
    agent = DQN.create(side(), DQNConfig(replay_capacity=10, learning_starts=1), device="cpu")
    assert agent.replay.stack == 4
    shapes = [tuple(x.shape) for x in agent.q.state_dict().values() if x.dim() > 1]
    assert shapes == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 64), (2, 512)]
    obs = torch.randint(0, 256, (2, 4, 36, 36), dtype=torch.uint8)
    before = obs.clone()
    torch.testing.assert_close(agent.q(obs), agent.q(obs.float()))
    assert torch.equal(obs, before)
