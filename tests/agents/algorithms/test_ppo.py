"""PPO: its loss by hand, each part that can be switched on, learning, exactness of a run."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.ppo import PPO, PPOBatch, PPOConfig
from mario_rl_agents.config import linear
from mario_rl_agents.envs import VecEnv, make_vec_env
from numpy.typing import NDArray
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
from support.own_encoder import Halves

import mario_rl_envs  # noqa: F401  registers the environments of Mario

CORRIDOR = PPOConfig(
    rollout_steps=64, batch_size=32, learning_rate=3e-3, gamma=0.9, hidden_sizes=(32,)
)


class Follow(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A number in [-1, 1] is shown: act with four times as much. Episodes of ten steps."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-4, 4, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return self._obs(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._step += 1
        reward = -float((action[0] / 4 - self._shown) ** 2)
        return self._obs(), reward, self._step == 10, False, {}

    def _obs(self) -> NDArray[np.float32]:
        self._shown = float(self.np_random.uniform(-1, 1))
        return np.array([self._shown], np.float32)


FOLLOW = PPOConfig(
    rollout_steps=100,
    batch_size=50,
    num_epochs=10,
    learning_rate=3e-3,
    gamma=0.0,
    hidden_sizes=(32,),
    normalize_advantages="batch",
)


def agent_of(config: PPOConfig) -> PPO:
    """Return an agent of the corridor in float64."""
    agent = PPO.create(corridor(), config, seed=0, device="cpu")
    for network in agent.networks.values():
        network.double()
    return agent


def random_batch(agent: PPO, size: int = 6) -> PPOBatch:
    """Return transitions whose policy and values are not far from the agent's, in float64."""
    rng = np.random.default_rng(0)
    obs = torch.from_numpy(rng.random((size, 5)))
    action = torch.from_numpy(rng.integers(2, size=size))
    with torch.no_grad():
        log_prob = agent.distribution.log_prob(agent.actor(obs), action)
        value = agent.critic(obs).squeeze(1)
    noise = torch.from_numpy(rng.normal(0, 0.3, (4, size)))
    return PPOBatch(
        obs, action, log_prob + noise[0], value + noise[1], 3 * noise[2], value + 2 * noise[3]
    )


def test_loss_by_hand() -> None:
    """The formulas of the paper, one transition at a time."""
    config = replace(CORRIDOR, value_coefficient=0.7, entropy_coefficient=0.03)
    agent = agent_of(config)
    batch = random_batch(agent, 40)
    terms = []
    clipped = 0
    for obs, action, log_prob, _, advantage, target in zip(*batch, strict=True):
        logits = agent.actor(obs[None])[0].tolist()
        probabilities = [math.exp(x) / sum(math.exp(y) for y in logits) for x in logits]
        ratio = probabilities[int(action)] / math.exp(float(log_prob))
        limited = min(max(ratio, 0.8), 1.2)
        clipped += limited != ratio
        objective = min(ratio * float(advantage), limited * float(advantage))
        error = (agent.critic(obs[None]).item() - float(target)) ** 2
        entropy = -sum(p * math.log(p) for p in probabilities)
        terms.append(-objective + 0.7 * error - 0.03 * entropy)
    assert 5 < clipped < 35
    loss, _ = agent.loss(batch)
    assert loss.item() == pytest.approx(np.mean(terms), abs=1e-12)


def test_a_clipped_ratio_has_no_gradient() -> None:
    """Where the policy has moved far enough in the direction of the advantage, nothing pulls."""
    agent = agent_of(CORRIDOR)
    log_prob = torch.tensor([0.3, 0.3, -0.3, -0.3], requires_grad=True)
    batch = random_batch(agent, 4)._replace(
        log_prob=torch.zeros(4), advantage=torch.tensor([1.0, -1.0, 1.0, -1.0])
    )
    (gradient,) = torch.autograd.grad(agent.policy_loss(log_prob, batch), log_prob)
    pulls = [0.0, math.exp(0.3) / 4, -math.exp(-0.3) / 4, 0.0]
    assert gradient.tolist() == pytest.approx(pulls)


def test_normalized_advantages_have_mean_0_and_deviation_1() -> None:
    agent = agent_of(replace(CORRIDOR, normalize_advantages="batch"))
    advantage = torch.tensor([1.0, 2.0, 6.0])
    batch = random_batch(agent, 3)._replace(advantage=advantage, log_prob=torch.zeros(3))
    log_prob = torch.zeros(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(agent.policy_loss(log_prob, batch), log_prob)
    # The deviation of a sample is sqrt(7); ratios of 1 are not clipped.
    assert gradient.tolist() == pytest.approx([2 / 7**0.5 / 3, 1 / 7**0.5 / 3, -3 / 7**0.5 / 3])


def test_a_clipped_value_keeps_the_larger_error() -> None:
    agent = agent_of(replace(CORRIDOR, value_clip=0.5))
    batch = random_batch(agent, 3)._replace(
        value=torch.tensor([0.0, 0.0, 0.0]), value_target=torch.tensor([2.0, 0.2, 2.0])
    )
    # V may be at most 0.5: (2 - 0.5)^2; below that nothing is clipped: 0.1^2; 3 counts as it is not
    # better than 0.5: max(1, 2.25).
    loss = agent.value_loss(torch.tensor([1.0, 0.3, 3.0]), batch)
    assert loss.item() == pytest.approx((2.25 + 0.01 + 2.25) / 3)
    free = agent_of(CORRIDOR).value_loss(torch.tensor([1.0, 0.3, 3.0]), batch)
    assert free.item() == pytest.approx((1 + 0.01 + 1) / 3)


def test_gradients_are_clipped() -> None:
    agent = PPO.create(corridor(), replace(CORRIDOR, max_grad_norm=1e-3), device="cpu")
    agent.learn(64)
    parameters = agent.optimizer.param_groups[0]["params"]
    norm = torch.stack([x.grad.norm() for x in parameters]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


class Updates(Callback):
    """Notes the losses of each gradient step, and the settings that they were taken with."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []
        self.rates: list[float] = []

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        assert isinstance(agent, PPO)
        self.losses.append(losses)
        self.rates.append(agent.optimizer.param_groups[0]["lr"])


def test_each_epoch_sees_each_transition_once() -> None:
    agent = PPO.create(corridor(), CORRIDOR, seed=0, device="cpu")
    seen: list[float] = []
    original = agent.update

    def update(batch: PPOBatch) -> dict[str, float]:
        seen.extend(batch.advantage.tolist())
        return original(batch)

    agent.update = update  # type: ignore[method-assign]
    updates = Updates()
    agent.learn(64, [updates])
    assert len(updates.losses) == agent.num_updates == 4 * 2
    epochs = np.array(seen).reshape(4, 64)
    assert (np.sort(epochs, axis=1) == np.sort(epochs[0])).all()
    assert not (epochs[0] == epochs[1]).all()


def test_schedules_end_at_zero() -> None:
    config = replace(
        CORRIDOR,
        learning_rate=linear(3e-3, 0, 256),
        clip_range=linear(0.2, 0, 256),
        entropy_coefficient=linear(0.01, 0.002, 256),
        num_epochs=1,
        batch_size=64,
    )
    agent = PPO.create(corridor(), config, device="cpu")
    assert agent.metrics() == {
        "charts/learning_rate": 3e-3,
        "charts/clip_range": 0.2,
        "charts/entropy_coefficient": 0.01,
    }
    updates = Updates()
    agent.learn(192, [updates])
    assert updates.rates == pytest.approx([3e-3 * 3 / 4, 3e-3 / 2, 3e-3 / 4])
    assert agent.clip_range == pytest.approx(0.2 / 4)
    # A ratio of e^0.3 with a good advantage is clipped to 1.05 now.
    batch = random_batch(agent, 1)._replace(log_prob=torch.zeros(1), advantage=torch.ones(1))
    assert agent.policy_loss(torch.tensor([0.3]), batch).item() == pytest.approx(-1.05)
    agent.learn(128)
    assert agent.metrics() == {
        "charts/learning_rate": 0.0,
        "charts/clip_range": 0.0,
        "charts/entropy_coefficient": 0.002,
    }


def test_an_update_ends_when_the_policy_has_gone_too_far() -> None:
    config = replace(CORRIDOR, learning_rate=0.1, num_epochs=50)
    free, stopped = Updates(), Updates()
    PPO.create(corridor(), config, device="cpu").learn(64, [free])
    PPO.create(corridor(), replace(config, target_kl=0.02), device="cpu").learn(64, [stopped])
    assert len(free.losses) == 100
    divergences = [losses["charts/approx_kl"] for losses in stopped.losses]
    assert 1 < len(divergences) < 100
    assert max(divergences[:-1]) <= 0.02 < divergences[-1]
    # Up to there it is the same run.
    assert stopped.losses == free.losses[: len(divergences)]


def test_the_entropy_bonus_keeps_the_policy_open_and_a_penalty_closes_it() -> None:
    def entropy(coefficient: float) -> float:
        updates = Updates()
        config = replace(CORRIDOR, entropy_coefficient=coefficient)
        PPO.create(corridor(), config, device="cpu").learn(960, [updates])
        return updates.losses[-1]["charts/entropy"]

    assert entropy(1.0) > 0.65 > entropy(0.0) > 2 * entropy(-0.1) >= 0


def test_observations_are_normalized_by_the_rollouts_before() -> None:
    config = replace(CORRIDOR, normalize_observations=True)
    agent = PPO.create(corridor(), config, seed=0, device="cpu")
    obs = torch.eye(5)
    assert torch.equal(agent.encode(obs), obs)
    agent.learn(64)
    seen = torch.from_numpy(agent.rollout.obs[:, 0])
    mean, deviation = seen.mean(0), seen.std(0, correction=0)
    expected = ((obs - mean) / (deviation.square() + 1e-8).sqrt()).clamp(-10, 10)
    torch.testing.assert_close(agent.encode(obs), expected)
    # Half a rollout changes nothing.
    agent.learn(32)
    torch.testing.assert_close(agent.encode(obs), expected)


def test_images_and_grids_are_not_normalized() -> None:
    class Tiles(gym.Env):
        observation_space = gym.spaces.Box(0, 3, (4, 4), np.uint8)
        action_space = gym.spaces.Discrete(2)

    for env, what in ((side(), "images"), (Tiles(), "a grid")):
        with pytest.raises(ValueError, match=f"is for vectors, the environment has {what}"):
            PPO.create(env, PPOConfig(normalize_observations=True), device="cpu")


def test_ones_own_encoder_reads_normalized_observations() -> None:
    config = replace(CORRIDOR, normalize_observations=True)
    agent = PPO.create(corridor(), config, seed=0, device="cpu", encoder=Halves)
    agent.learn(96)
    obs = torch.eye(5)
    expected = agent.encoder(agent.normalizer(obs))
    assert torch.equal(agent.encode(obs), expected)
    assert not torch.equal(agent.encoder(obs), expected)


def test_normalized_rewards_reach_the_advantages() -> None:
    """With a critic that says 0 and lambda 0, an advantage is a reward."""
    config = PPOConfig(
        normalize_rewards=True, gamma=0.9, gae_lambda=0.0, rollout_steps=4, batch_size=4
    )
    agent = PPO.create(corridor(), config, device="cpu")
    for parameter in agent.critic.parameters():
        parameter.data.zero_()
    for reward in (1.0, -2.0, 3.0, 0.5):
        obs = np.zeros((1, 5), np.float32)
        agent.act(obs, greedy=False)
        assert agent._acted is not None
        agent.rollout.add(make_step(obs, [reward], [False], [False], obs), *agent._acted)
    advantage = agent.compute_advantages(np.zeros((1, 5), np.float32)).advantage
    returns = [1.0, 0.9 - 2.0, 0.81 - 1.8 + 3.0, 0.729 - 1.62 + 2.7 + 0.5]
    expected = np.array([1.0, -2.0, 3.0, 0.5]) / np.std(returns)
    np.testing.assert_allclose(advantage, expected, rtol=1e-5)


def test_bootstraps_through_truncation_from_the_true_final_observation() -> None:
    """Three steps make an episode; V is the number of the cell, gamma 0.9, lambda 0."""
    config = replace(CORRIDOR, gae_lambda=0.0, rollout_steps=3, batch_size=3, hidden_sizes=())
    batches: list[PPOBatch] = []

    class Keep(PPO):
        def compute_advantages(self, last_obs: NDArray[Any]) -> PPOBatch:
            batches.append(super().compute_advantages(last_obs))
            return batches[-1]

    agent = Keep.create(gym.wrappers.TimeLimit(Corridor(), 3), config, device="cpu")
    agent.actor.load_state_dict(
        {"layers.0.weight": torch.zeros(2, 5), "layers.0.bias": torch.tensor([-50.0, 50.0])}
    )  # always right
    agent.critic.load_state_dict(
        {"layers.0.weight": torch.arange(5.0)[None], "layers.0.bias": torch.zeros(1)}
    )
    agent.learn(3)
    # Cells 0, 1, 2; cut off in cell 3, which a reset to cell 0 hides.
    assert batches[0].value_target.tolist() == pytest.approx([0.9, 1.8, 2.7])

    done = Keep.create(Corridor(), replace(config, rollout_steps=4, batch_size=4), device="cpu")
    done.actor.load_state_dict(
        {"layers.0.weight": torch.zeros(2, 5), "layers.0.bias": torch.tensor([-50.0, 50.0])}
    )
    done.critic.load_state_dict(
        {"layers.0.weight": torch.arange(5.0)[None], "layers.0.bias": torch.zeros(1)}
    )
    done.learn(4)
    assert batches[1].value_target.tolist() == pytest.approx([0.9, 1.8, 2.7, 1.0])


def test_learns_the_corridor() -> None:
    agent = PPO.create(corridor(), CORRIDOR, seed=1, device="cpu")
    agent.learn(64 * 25)
    cells = np.eye(5, dtype=np.float32)[:4]
    assert agent.act(cells).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(agent.value(cells), [0.9**3, 0.9**2, 0.9, 1.0], atol=0.15)


def test_learns_continuous_actions() -> None:
    env = Follow()
    agent = PPO.create(env, FOLLOW, seed=1, device="cpu")
    agent.learn(4000)
    obs = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    actions = agent.act(obs)
    assert all(env.action_space.contains(action) for action in actions)
    np.testing.assert_allclose(actions, 4 * obs, atol=0.4)
    # The deviation, 1 to begin with, has been learned too.
    assert agent.distribution.get_parameter("log_std").exp().item() < 0.3
    drawn = agent.act(np.repeat(obs[-1:], 200, axis=0), greedy=False)
    assert 0.0 < drawn.std() < 4.0


def test_learns_from_images() -> None:
    env = side()
    config = PPOConfig(
        rollout_steps=64, batch_size=32, learning_rate=1e-3, gamma=0.5, max_grad_norm=0.5
    )
    agent = PPO.create(env, config, seed=1, device="cpu")
    agent.learn(640)
    obs, _ = env.reset(seed=100)
    hits = 0.0
    for _ in range(100):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 95


class Treasure(gym.Env[NDArray[np.uint8], np.int64]):
    """A grid with a treasure (2) left or right of a wall (1): name the side. One step."""

    observation_space = gym.spaces.Box(0, 2, (3, 5), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self._grid = np.zeros((3, 5), np.uint8)
        self._grid[:, 2] = 1
        self._side = int(self.np_random.integers(2))
        column = self.np_random.integers(2) + 3 * self._side
        self._grid[self.np_random.integers(3), column] = 2
        return self._grid, {}

    def step(self, action: np.int64) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        return self._grid, float(action == self._side), True, False, {}


def test_learns_from_grids_of_kinds() -> None:
    env = Treasure()
    config = replace(CORRIDOR, hidden_sizes=(16,), gamma=0.0)
    agent = PPO.create(env, config, seed=0, device="cpu")
    features = agent.encode(torch.tensor([[[0, 1, 2, 0, 0]] * 3], dtype=torch.uint8))
    row = [1.0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]
    assert features.tolist() == [row * 3]
    agent.learn(64 * 12)
    grids = [env.reset(seed=seed)[0] for seed in range(40)]
    sides = [int((grid[:, 3:] == 2).any()) for grid in grids]
    assert agent.act(np.stack(grids)).tolist() == sides


THREE = PPOConfig(
    rollout_steps=16,
    batch_size=12,
    hidden_sizes=(16,),
    normalize_advantages="batch",
    normalize_observations=True,
    normalize_rewards=True,
    learning_rate=linear(3e-4, 0, 100_000),
)


def three_marios() -> VecEnv:
    """Return Super Mario Bros as tiles, with draws of its own and short episodes."""
    keywords = {"observation": "tiles", "sticky": 0.25, "max_episode_steps": 20}
    return make_vec_env("MarioRL-1-1-v0", 3, keywords)


RUNS = pytest.mark.parametrize(
    ("make", "config"),
    [
        (cartpole, CORRIDOR),
        (three_cartpoles, THREE),
        (three_pendulums, THREE),
        (three_marios, replace(THREE, normalize_observations=False)),
    ],
    ids=["one", "three", "continuous", "native"],
)


@RUNS
def test_one_seed_gives_one_result(make: Any, config: PPOConfig) -> None:
    def train(seed: int) -> dict[str, torch.Tensor]:
        agent = PPO.create(make(), config, seed=seed, device="cpu")
        agent.learn(300)
        return agent.tensors()

    first = train(3)
    assert_same_weights(first, train(3))
    assert not torch.equal(first["optimizer/0/exp_avg"], train(4)["optimizer/0/exp_avg"])


RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.ppo import PPO
agent = PPO.load({path!r}, agent_toys.{make}(), device="cpu")
agent.learn({steps})
agent.save({path!r} + ".resumed", replay=True)
"""


@RUNS
def test_resumes_exactly(make: Any, config: PPOConfig, tmp_path: Path) -> None:
    """In the middle of episodes and of a rollout; once in a new process, as users do."""
    steps = 111
    straight = PPO.create(make(), config, seed=2, device="cpu")
    straight.learn(2 * steps)

    path = tmp_path / "half.safetensors"
    half = PPO.create(make(), config, seed=2, device="cpu")
    half.learn(steps)
    assert len(half.rollout) > 0
    half.save(path, replay=True)
    if make is cartpole:
        run_python(RESUME.format(path=str(path), make=make.__name__, steps=steps))
        resumed = PPO.load(f"{path}.resumed", make(), device="cpu")
    else:
        resumed = PPO.load(path, make(), device="cpu")
        resumed.learn(steps)
    assert_same_weights(resumed.tensors(), straight.tensors())
    assert resumed.num_episodes == straight.num_episodes
    assert len(resumed.rollout) == len(straight.rollout)
    # Saved again before a step is taken, and once more after some: still the same.
    resumed.save(path, replay=True)
    again = PPO.load(path, make(), device="cpu")
    again.learn(51)
    straight.learn(51)
    assert_same_weights(again.tensors(), straight.tensors())


def test_resuming_without_the_rollout_begins_new_episodes(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = PPO.create(cartpole(), CORRIDOR, seed=2, device="cpu")
    agent.learn(100)
    agent.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["agent.safetensors"]
    resumed = PPO.load(path, cartpole(), device="cpu")
    assert_same_weights(resumed.tensors(), agent.tensors())
    assert (resumed.num_steps, len(resumed.rollout)) == (100, 0)
    resumed.learn(63)
    assert resumed.num_updates == agent.num_updates
    resumed.learn(1)
    assert resumed.num_updates == 2 * agent.num_updates


def test_sub_environments_count_steps_and_episodes_together() -> None:
    class Count(Callback):
        def __init__(self) -> None:
            self.steps: list[int] = []
            self.indices: list[int] = []

        def on_step(self, agent: Agent) -> bool:
            self.steps.append(agent.num_steps)
            return agent.num_steps < 60

        def on_episode_end(self, agent: Agent, episode: Any) -> None:
            assert episode.length == episode.episodic_return
            self.indices.append(episode.index)

    count = Count()
    agent = PPO.create(three_cartpoles(), THREE, device="cpu")
    agent.learn(100, [count])
    assert count.steps == list(range(3, 61, 3))
    assert count.indices == list(range(agent.num_episodes))
    agent.learn(100)
    assert agent.num_steps == 60 + 102  # rounded up to all three


@pytest.mark.parametrize("where", ["obs", "reward"])
def test_training_stops_at_a_number_that_is_not_finite(where: str) -> None:
    class Broken(Corridor):
        def step(self, action: Any) -> Any:
            obs, reward, *rest = super().step(action)
            self.num_steps = getattr(self, "num_steps", 0) + 1
            if self.num_steps == 70:
                return (obs * np.nan, reward, *rest) if where == "obs" else (obs, math.nan, *rest)
            return (obs, reward, *rest)

    agent = PPO.create(Broken(), CORRIDOR, device="cpu")
    with pytest.raises(FloatingPointError, match=f"{where}.*step 69"):
        agent.learn(200)
    assert all(x.isfinite().all() for x in agent.tensors().values())
    assert (agent.num_steps, len(agent.rollout)) == (69, 0)
    agent.learn(200)  # a new episode


def test_a_loss_that_is_not_finite_leaves_the_weights() -> None:
    agent = agent_of(CORRIDOR)
    before = {name: x.clone() for name, x in agent.tensors().items()}
    batch = random_batch(agent)
    with pytest.raises(FloatingPointError, match=r"losses/value is nan at gradient step 0"):
        agent.update(batch._replace(value_target=batch.value_target * math.nan))
    assert_same_weights(agent.tensors(), before)


def test_wrong_actions_and_settings_are_refused() -> None:
    class Bits(Corridor):
        action_space = gym.spaces.MultiBinary(2)  # type: ignore[assignment]

    with pytest.raises(ValueError, match=r"ppo needs actions Discrete.*MultiBinary.*random"):
        PPO.create(Bits(), device="cpu")
    with pytest.raises(ValueError, match=r"batch_size must be a divisor of .* = 20, got 6"):
        PPO.create(corridor(), PPOConfig(batch_size=6), device="cpu")
    with pytest.raises(ValueError, match="batch_size must be >= 2 to normalize advantages"):
        PPOConfig(batch_size=1, normalize_advantages="batch")
    with pytest.raises(ValueError, match=r"obs must be a batch of shape \(B, 5\)"):
        PPO.create(corridor(), device="cpu").act(np.zeros(5, np.float32))


def test_a_step_is_recorded_with_what_was_drawn_from() -> None:
    agent = PPO.create(corridor(), CORRIDOR, device="cpu")
    obs = np.eye(5, dtype=np.float32)[:1]
    action = agent.act(obs, greedy=False)
    assert list(agent.observe(make_step(obs, [1.0], [False], [False], obs, action))) == []
    assert len(agent.rollout) == 1
    assert agent.rollout.action[0].tolist() == action.tolist()
    assert agent.rollout.dist_params[0].tolist() == agent._dist_params(obs).tolist()
    agent.reset()
    assert len(agent.rollout) == 0


def test_plays_in_fewer_environments_than_it_trained_in(tmp_path: Path) -> None:
    """Its statistics come along; what it had recorded stays behind."""
    path = tmp_path / "agent.safetensors"
    agent = PPO.create(three_cartpoles(), THREE, seed=2, device="cpu")
    agent.learn(150)
    agent.save(path, replay=True)
    player = PPO.load(path, cartpole(), device="cpu")
    obs = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    assert player.act(obs).tolist() == agent.act(obs).tolist()
    assert len(agent.rollout) > len(player.rollout) == 0
    with pytest.raises(ValueError, match=r"batch_size must be a divisor of .* = 16, got 12"):
        player.learn(10)
