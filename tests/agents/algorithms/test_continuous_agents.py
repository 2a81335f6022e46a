"""DDPG, TD3 and SAC: learning, exactness of a run, what they refuse."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.buffers.replay import Batch
from mario_rl_agents.config import linear
from mario_rl_agents.networks.critics import ActionScale, Critics, soft_update
from support.agent_toys import assert_same_weights
from support.continuous_toys import (
    ALL,
    DDPG_CONFIG,
    IDS,
    LATER_SAC_CONFIG,
    SAC_CONFIG,
    TD3_CONFIG,
    Cart,
    brightness,
    cart,
)

EVERY = pytest.mark.parametrize(("agent_class", "config"), ALL, ids=IDS)


def weights(agent: Any) -> dict[str, torch.Tensor]:
    """Return copies of all that a checkpoint holds in tensors."""
    return {name: x.clone() for name, x in agent.tensors().items()}


def noisy(agent: Any, batch: Batch, target: bool = False) -> torch.Tensor:
    """Return the TD targets of a batch, without noise where there is any."""
    noise = torch.zeros_like(batch.action)
    return agent.td_target(batch) if isinstance(agent, DDPG) else agent.td_target(batch, noise)


@EVERY
def test_brings_the_cart_to_rest(agent_class: Any, config: Any) -> None:
    env = cart()
    agent = agent_class.create(env, config, seed=1, device="cpu")
    agent.learn(600)
    for seed in range(8):
        obs, _ = env.reset(seed=seed)
        for _ in range(12):
            obs, _, _, _, _ = env.step(agent.act(obs[None])[0])
        assert abs(obs[0]) < 0.35  # it begins 1 away on average
    left, right = agent.act(np.array([[-1.0], [1.0]], np.float32))[:, 0]
    assert left > 0.5
    assert right < -0.5


@pytest.mark.parametrize("changes", [{"reparameterize": False}, {"actor_std": "clamped"}])
def test_other_actors_of_sac_bring_the_cart_to_rest(changes: dict[str, Any]) -> None:
    test_brings_the_cart_to_rest(SAC, dataclasses.replace(SAC_CONFIG, **changes))


@EVERY
def test_learns_from_images(agent_class: Any, config: Any) -> None:
    names = ("learning_rate", "actor_learning_rate", "critic_learning_rate")
    rates = {name: 1e-3 for name in names if hasattr(config, name)}
    config = dataclasses.replace(config, batch_size=16, replay_capacity=400, **rates)
    env = brightness()
    agent = agent_class.create(env, config, seed=1, device="cpu")
    agent.learn(220)
    obs = np.stack([env.reset(seed=seed)[0] for seed in range(20)])
    sides = np.sign(obs[:, 0, 0, -1].astype(float) - 100)
    assert (np.sign(agent.act(obs)[:, 0]) == sides).all()


@EVERY
def test_one_seed_gives_one_result_overlapped_or_not(agent_class: Any, config: Any) -> None:
    def train(seed: int, overlap: bool) -> dict[str, torch.Tensor]:
        changed = dataclasses.replace(config, overlap=overlap)
        agent = agent_class.create(cart(), changed, seed=seed, device="cpu")
        agent.learn(180)
        return weights(agent)

    first = train(3, overlap=False)
    assert_same_weights(first, train(3, overlap=False))
    assert_same_weights(first, train(3, overlap=True))
    other = train(4, overlap=False)
    assert all(not torch.equal(first[name], other[name]) for name in first if "exp_avg" in name)


@EVERY
def test_resumes_exactly(agent_class: Any, config: Any, tmp_path: Path) -> None:
    straight = agent_class.create(cart(), config, seed=2, device="cpu")
    straight.learn(260)

    path = tmp_path / "half.safetensors"
    half = agent_class.create(cart(), config, seed=2, device="cpu")
    half.learn(130)
    state = half.loop.state(replay=True)
    assert state.values["episodes"] is not None  # in the middle of an episode
    half.save(path, replay=True)
    resumed = agent_class.load(path, cart(), device="cpu")
    resumed.learn(130)

    assert_same_weights(weights(resumed), weights(straight))
    assert (resumed.num_steps, resumed.num_updates) == (260, straight.num_updates)
    assert resumed.num_episodes == straight.num_episodes
    obs = np.linspace(-2, 2, 7, dtype=np.float32)[:, None]
    assert np.array_equal(resumed.act(obs, greedy=False), straight.act(obs, greedy=False))


@EVERY
def test_bootstraps_through_truncation_and_not_through_termination(
    agent_class: Any, config: Any
) -> None:
    agent = agent_class.create(cart(), config, seed=0, device="cpu")
    agent.learn(40)
    batch = agent.replay.sample(300, np.random.default_rng(0))
    truncated = batch.truncated & ~batch.terminated
    assert truncated.any()
    with torch.no_grad():
        target = noisy(agent, batch)
        ended = noisy(agent, batch._replace(terminated=torch.ones(300, dtype=torch.bool)))
    scale = getattr(config, "reward_scale", 1.0)
    torch.testing.assert_close(ended, scale * batch.reward)
    bootstrap = (target - ended) / config.gamma
    # The value is that of the true final observation, a step away and not after a reset.
    moved = batch.obs + 0.5 * batch.action
    torch.testing.assert_close(batch.next_obs, moved.clamp(-4, 4))
    with torch.no_grad():
        if agent_class is SAC:
            noise = torch.zeros_like(batch.action)
            if config.value_network:
                value = agent.target(moved.clamp(-4, 4)).squeeze(1)
            else:
                value, _ = agent.soft_value(agent.target, moved.clamp(-4, 4), noise)
        else:
            action = agent.actor_target(batch.next_obs)
            critic = agent.critic_target if agent_class is DDPG else agent.critics_target
            value = critic(batch.next_obs, action).amin(dim=0)
    torch.testing.assert_close(bootstrap[truncated], value[truncated], atol=1e-4, rtol=1e-4)


@EVERY
def test_explores_at_random_first_then_around_the_actor(agent_class: Any, config: Any) -> None:
    agent = agent_class.create(cart(), config, seed=5, device="cpu")
    obs = np.zeros((4_000, 1), np.float32)
    first = agent.act(obs, greedy=False)
    assert first.min() >= -1
    assert first.max() <= 3
    np.testing.assert_allclose([first.mean(), first.std()], [1.0, 4 / math.sqrt(12)], atol=0.06)
    greedy = agent.act(obs[:1])[0, 0]
    agent.num_steps = config.random_steps
    later = agent.act(obs, greedy=False)
    assert np.median(later) == pytest.approx(greedy, abs=0.15)
    if agent_class is SAC:
        with torch.no_grad():
            _, log_std = agent.actor(torch.zeros(1, 1)).chunk(2, dim=1)
        unsquashed = np.arctanh(np.clip((later - 1) / 2, -0.999999, 0.999999))
        assert unsquashed.std() == pytest.approx(log_std.exp().item(), rel=0.1)
    else:
        # The noise is a share of half the width of the bounds, 2.
        assert later.std() == pytest.approx(0.2, rel=0.05)


def test_td3_explores_by_one_number_for_all_components_and_begins_around_zero() -> None:
    """Deviations of 0.1: around 0 first, then around the actor's action, which adds another."""

    class Wide(Cart):
        action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    obs = np.zeros((20_000, 1), np.float32)
    covariances = {}
    for shared in (False, True):
        config = TD3Config(
            replay_capacity=10, learning_starts=5, random_actions="normal", shared_noise=shared
        )
        agent = TD3.create(Wide(), config, seed=3, device="cpu")
        first = agent.act(obs, greedy=False)
        assert abs(first.mean()) < 0.005
        covariances[shared] = np.cov(first.T)
        agent.num_steps = config.random_steps
        noise = agent.act(obs, greedy=False) - agent.act(obs)
        assert noise.std() == pytest.approx(0.1, rel=0.02)
        assert np.allclose(noise[:, 0], noise[:, 1], atol=1e-6) == shared
    # In hundredths: 1 of the place and 1 of the noise, which components have in common if shared.
    np.testing.assert_allclose(100 * covariances[False], [[2, 0], [0, 2]], atol=0.06)
    np.testing.assert_allclose(100 * covariances[True], [[2, 1], [1, 2]], atol=0.06)


def test_critics_are_networks_of_their_own() -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critics = Critics(space, 2, (5, 4), num_critics=2)
    obs, action = torch.randn(7, 3), torch.randn(7, 2)
    values = critics(obs, action)
    assert values.shape == (2, 7)
    assert not torch.allclose(values[0], values[1])
    state = critics.state_dict()
    for number in range(2):
        x = torch.cat((obs, action), dim=1)
        for layer in range(3):
            x = x @ state[f"layers.{layer}.weight"][number] + state[f"layers.{layer}.bias"][number]
            x = x.relu() if layer < 2 else x
        torch.testing.assert_close(values[number], x[:, 0])
    torch.testing.assert_close(critics(obs, action, num_critics=1), values[:1])
    for layer, (inputs, outputs) in enumerate([(5, 5), (5, 4), (4, 1)]):
        weight = state[f"layers.{layer}.weight"]
        assert weight.shape == (2, inputs, outputs)
        assert weight.abs().max() <= inputs**-0.5


def test_action_scale_by_hand() -> None:
    space = gym.spaces.Box(np.array([-1.0, 0.0]), np.array([3.0, 10.0]), dtype=np.float64)
    scale = ActionScale(space)
    ours = np.array([[-1.0, 1.0], [0.0, 0.5], [2.0, -3.0]], np.float32)
    theirs = scale.to_env(ours)
    assert theirs.dtype == np.float64
    assert theirs.tolist() == [[-1.0, 10.0], [1.0, 7.5], [3.0, 0.0]]  # the last one clipped
    assert scale(torch.tensor([[-1.0, 10.0], [1.0, 7.5]])).tolist() == [[-1.0, 1.0], [0.0, 0.5]]


def test_soft_update_by_hand() -> None:
    target, source = torch.tensor([0.0, 10.0]), torch.tensor([4.0, 20.0])
    soft_update([target], [source], 0.25)
    assert target.tolist() == [1.0, 12.5]


def test_tanh_log_probability_by_hand() -> None:
    agent = SAC.create(Cart(), SAC_CONFIG, device="cpu")

    def log_prob(mean: float, log_std: float, noise: float) -> float:
        head = agent.actor.layers[-1]  # type: ignore[index]
        assert isinstance(head, torch.nn.Linear)
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(torch.tensor([mean, log_std]))
            return agent.sample(torch.zeros(1, 1), torch.tensor([[noise]]))[1].item()

    # u = 0: the normal's peak, 1 / sqrt(2 pi), and tanh has slope 1.
    assert log_prob(0.0, 0.0, 0.0) == pytest.approx(-0.9189385)
    # u = 0.5 + 2 * 0.25 = 1: -0.03125 - ln 2 - 0.9189385, minus ln(1 - tanh(1)^2) = -0.8675617.
    assert log_prob(0.5, math.log(2), 0.25) == pytest.approx(-0.7757740, abs=1e-6)
    # u = 30, where 1 - tanh(u)^2 rounds to 0: its logarithm is 2 ln 2 - 60 = -58.6137056.
    assert log_prob(30.0, 0.0, 0.0) == pytest.approx(57.6947671, abs=1e-5)
    # Standard deviations stay within exp(-20) and exp(2).
    assert log_prob(0.0, 50.0, 0.0) == pytest.approx(-2.9189385)


def test_gradient_of_the_actor_leaves_the_critic_alone() -> None:
    agent = TD3.create(cart(), TD3_CONFIG, seed=0, device="cpu")
    agent.learn(130)
    batch = agent.replay.sample(32, np.random.default_rng(0))
    agent.critic_optimizer.zero_grad()
    agent.num_updates = 1  # so that the actor moves in the next update
    agent.actor_loss(batch.obs).backward(inputs=list(agent.actor.parameters()))
    assert all(x.grad is None for x in agent.critics.parameters())
    assert all(x.grad is not None for x in agent.actor.parameters())
    assert agent.update(batch).keys() == {"losses/critic", "losses/actor", "charts/q_mean"}


def test_td3_target_with_clipped_n_step_returns() -> None:
    config = dataclasses.replace(TD3_CONFIG, reward_clip=2.0, num_return_steps=3, layer_norm=True)
    agent = TD3.create(cart(), config, seed=0, device="cpu")
    agent.learn(60)
    batch = agent.replay.sample(200, np.random.default_rng(0))
    assert batch.discount is not None
    assert set(batch.discount.tolist()) == {0.5, 0.25, 0.125}  # shorter where an episode ends
    assert batch.reward.min() < -2.0
    noise = torch.zeros_like(batch.action)
    with torch.no_grad():
        value = agent.critics_target(batch.next_obs, agent.actor_target(batch.next_obs)).amin(0)
        expected = batch.reward.clamp(min=-2.0) + batch.discount * value
        torch.testing.assert_close(agent.td_target(batch, noise), expected)


def test_sac_target_with_n_step_returns() -> None:
    config = dataclasses.replace(SAC_CONFIG, reward_scale=0.5, num_return_steps=3, layer_norm=True)
    agent = SAC.create(cart(), config, seed=0, device="cpu")
    agent.learn(60)
    batch = agent.replay.sample(200, np.random.default_rng(0))
    assert batch.discount is not None
    assert set(batch.discount.tolist()) == {0.5, 0.25, 0.125}  # shorter where an episode ends
    noise = torch.zeros_like(batch.action)
    with torch.no_grad():
        value = agent.target(batch.next_obs).squeeze(1)
        expected = 0.5 * batch.reward + batch.discount * value * ~batch.terminated
        torch.testing.assert_close(agent.td_target(batch, noise), expected)


def test_normalized_critics_stay_small_far_from_the_data() -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain, normalized = (Critics(space, 2, (64,), 2, layer_norm=x) for x in (False, True))
    normalized.load_state_dict(plain.state_dict())
    obs, action = 1e4 * torch.ones(1, 3), torch.ones(1, 2)
    # Hidden units of mean square 1 or less, times output weights of at most 1 / 8 each.
    assert normalized(obs, action).abs().max() < 8.2
    assert plain(obs, action).abs().max() > 100


def test_td3_moves_the_actor_and_targets_every_policy_period() -> None:
    config = dataclasses.replace(TD3_CONFIG, policy_period=3)
    agent = TD3.create(cart(), config, seed=0, device="cpu")
    agent.learn(99)
    moved = []
    for _ in range(6):
        before = weights(agent)
        losses = agent.update(agent.replay.sample(32, agent.generators["replay"]))
        after = weights(agent)
        changed = {
            network: any(
                not torch.equal(after[name], x)
                for name, x in before.items()
                if name.startswith(f"{network}/")
            )
            for network in agent.networks
        }
        assert changed.pop("critics")
        assert len(set(changed.values())) == 1
        assert ("losses/actor" in losses) == changed["actor"]
        moved.append(changed["actor"])
    assert moved == [False, False, True, False, False, True]


def test_learned_temperature_falls_while_entropy_is_above_its_target() -> None:
    config = dataclasses.replace(LATER_SAC_CONFIG, target_entropy=-2.0)
    agent = SAC.create(cart(), config, seed=0, device="cpu")
    agent.learn(99)
    start = agent.metrics()["charts/temperature"]
    assert start == 1.0
    batch = agent.replay.sample(32, agent.generators["replay"])
    assert agent.update(batch)["charts/entropy"] > -2.0
    assert agent.metrics()["charts/temperature"] < start
    agent.target_entropy = 100.0
    low = agent.metrics()["charts/temperature"]
    for _ in range(30):
        agent.update(batch)
    assert agent.metrics()["charts/temperature"] > low
    fixed = SAC.create(cart(), SAC_CONFIG, device="cpu")
    assert "temperature" not in fixed.networks
    assert fixed.metrics() == {"charts/replay_size": 0.0, "charts/temperature": 1.0}


def test_learning_rate_of_sac_falls_to_nothing() -> None:
    config = dataclasses.replace(SAC_CONFIG, learning_rate=linear(1e-2, 0, 120))
    agent = SAC.create(cart(), config, seed=0, device="cpu")
    agent.learn(111)
    # The last update came before step 111, a twelfth of the rate being left.
    assert agent.optimizer.param_groups[0]["lr"] == pytest.approx(1e-2 / 12)
    agent.learn(10)
    before = {name: x for name, x in weights(agent).items() if name.startswith("critics/")}
    agent.learn(3)
    after = weights(agent)
    assert all(torch.equal(after[name], x) for name, x in before.items())


@EVERY
def test_update_returns_its_losses(agent_class: Any, config: Any) -> None:
    agent = agent_class.create(cart(), config, seed=0, device="cpu")
    agent.learn(101)
    assert agent.num_updates == 1
    losses = agent.update(agent.replay.sample(32, agent.generators["replay"]))
    expected = {"losses/critic", "losses/actor", "charts/q_mean"}
    if agent_class is SAC:
        name = "losses/value" if config.value_network else "losses/temperature"
        expected |= {"charts/entropy", name}
    assert losses.keys() == expected
    assert agent.metrics()["charts/replay_size"] == 101


@EVERY
def test_nan_loss_is_named_and_leaves_the_weights_alone(agent_class: Any, config: Any) -> None:
    agent = agent_class.create(cart(), config, seed=0, device="cpu")
    agent.learn(99)
    batch = agent.replay.sample(32, np.random.default_rng(0))
    batch.reward[3] = math.nan
    before = weights(agent)
    with pytest.raises(FloatingPointError, match="losses/critic is nan at gradient step 0, env"):
        agent.update(batch)
    assert_same_weights(weights(agent), before)


@EVERY
def test_nan_observation_or_reward_stops_training(agent_class: Any, config: Any) -> None:
    class Broken(Cart):
        def step(self, action: Any) -> Any:
            obs, reward, terminated, truncated, info = super().step(action)
            if agent.num_steps == 7:
                obs = np.full(1, np.nan, np.float32)
            return obs, reward, terminated, truncated, info

    agent = agent_class.create(Broken(), config, seed=0, device="cpu")
    with pytest.raises(FloatingPointError, match=r"observation .* step 7|observation .* step 8"):
        agent.learn(20)


@EVERY
def test_other_spaces_are_refused(agent_class: Any, config: Any) -> None:
    with pytest.raises(ValueError, match=r"Discrete\(2\): it is accepted by .*dqn"):
        agent_class.create(gym.make("CartPole-v1"), config, device="cpu")

    class Unbounded(Cart):
        action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)

    with pytest.raises(ValueError, match=f"{agent_class.algorithm} needs actions a bounded Box"):
        agent_class.create(Unbounded(), config, device="cpu")

    class Odd(Cart):
        observation_space = gym.spaces.Box(0, 1, (3, 3), np.float32)

    with pytest.raises(ValueError, match="needs observations a Box of shape"):
        agent_class.create(Odd(), config, device="cpu")


@pytest.mark.parametrize(
    ("config_class", "values", "message"),
    [
        (DDPGConfig, {"tau": 0.0}, r"tau must be a number in \(0, 1\], got 0.0"),
        (DDPGConfig, {"gamma": 1.1}, r"gamma must be a number in \[0, 1\], got 1.1"),
        (DDPGConfig, {"exploration_noise": -1.0}, "exploration_noise must be a number >= 0"),
        (DDPGConfig, {"learning_starts": 0}, "learning_starts must be a whole number >= 1"),
        (TD3Config, {"policy_period": 0}, "policy_period must be a whole number >= 1, got 0"),
        (TD3Config, {"target_noise_clip": 0.0}, "target_noise_clip must be a number > 0, got 0.0"),
        (
            TD3Config,
            {"actor_learning_rate": 0},
            "actor_learning_rate must be a number > 0 or a",
        ),
        (TD3Config, {"reward_clip": 0.0}, "reward_clip must be a number > 0 or None, got 0.0"),
        (TD3Config, {"num_return_steps": 0}, "num_return_steps must be a whole number >= 1"),
        (TD3Config, {"hidden_sizes": (0,)}, "hidden_sizes must be a tuple of whole numbers >= 1"),
        (SACConfig, {"learning_rate": "x"}, "learning_rate must be a number > 0 or a schedule"),
        (
            SACConfig,
            {"temperature": -0.1},
            "temperature must be a number >= 0 or a sch.* or None",
        ),
        (SACConfig, {"target_entropy": -1.0}, "target_entropy must be None unless temperature"),
        (SACConfig, {"reward_scale": 0.0}, "reward_scale must be a number > 0, got 0.0"),
    ],
)
def test_configs_refuse_what_makes_no_sense(
    config_class: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        config_class(**values)


def test_defaults_are_those_of_the_tutorials() -> None:
    ddpg, td3, sac = DDPGConfig(), TD3Config(), SACConfig()
    assert (ddpg.hidden_sizes, ddpg.tau, ddpg.batch_size) == ((400, 300), 0.005, 64)
    assert (ddpg.actor_learning_rate, ddpg.critic_learning_rate) == (1e-3, 2e-3)
    assert (td3.batch_size, td3.random_steps, td3.policy_period) == (100, 1_000, 2)
    assert (td3.target_noise, td3.target_noise_clip) == (0.2, 0.5)
    assert (sac.reward_scale, sac.batch_size, sac.hidden_sizes) == (2.0, 256, (256, 256))
    assert sac.value_network


@EVERY
def test_mario_is_played_with_continuous_actions(agent_class: Any, config: Any) -> None:
    import mario_rl_envs  # noqa: F401  registers the environments

    config = dataclasses.replace(
        config, batch_size=4, replay_capacity=100, learning_starts=20, random_steps=15
    )
    env = gym.make("MarioRL-1-1-v0", actions="continuous", size=52)
    agent = agent_class.create(env, config, seed=0, device="cpu")
    before = weights(agent)
    agent.learn(26)
    assert agent.num_updates == 6
    changed = [name for name, x in before.items() if not torch.equal(weights(agent)[name], x)]
    assert any("convolutions" in name for name in changed)
    assert any(name.startswith("actor/") for name in changed)
    action = agent.act(np.zeros((1, 4, 52, 52), np.uint8))[0]
    assert env.action_space.contains(action)


def test_exploration_noise_is_the_generators() -> None:
    agent = DDPG.create(cart(), dataclasses.replace(DDPG_CONFIG, random_steps=0), device="cpu")
    agent.generators["exploration"] = np.random.default_rng(8)
    obs = np.zeros((3, 1), np.float32)
    noise = 0.1 * np.random.default_rng(8).standard_normal((3, 1), dtype=np.float32)
    expected = np.clip(agent.act(obs) + 2 * noise, -1, 3)
    np.testing.assert_allclose(agent.act(obs, greedy=False), expected, rtol=1e-5)
