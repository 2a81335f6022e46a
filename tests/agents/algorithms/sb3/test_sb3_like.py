"""Our settings in SB3's arguments: one gradient step of both is the same, and no field is lost."""

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.a3c.a3c import A3CConfig
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOBatch, PPOConfig
from mario_rl_agents.algorithms.sac import SACConfig
from mario_rl_agents.algorithms.sb3.agent import SB3Agent, import_model_class
from mario_rl_agents.algorithms.sb3.like import RULES, sb3_config
from mario_rl_agents.algorithms.sb3.off_policy import SB3DDPG, SB3DQN, SB3TD3
from mario_rl_agents.algorithms.sb3.on_policy import SB3A2C, SB3PPO
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.buffers.replay import Batch
from mario_rl_agents.config import exponential, linear, piecewise
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.networks.critics import Linears
from mario_rl_agents.recipes import ALGORITHMS, find_recipe
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from support.agent_toys import assert_same_weights
from torch import Tensor, nn

SIZE = 24  # transitions


@pytest.mark.parametrize("config_class", RULES, ids=lambda kind: kind.__name__)
def test_every_field_has_a_rule(config_class: type[Any]) -> None:
    counterpart = RULES[config_class]
    assert set(counterpart.fields) == {field.name for field in dataclasses.fields(config_class)}
    config, remarks = sb3_config(config_class(), total_steps=100_000)
    assert type(config) is counterpart.config_class
    assert all(remark.endswith(".") for remark in remarks)


@pytest.mark.parametrize("config_class", RULES, ids=lambda kind: kind.__name__)
def test_every_field_changes_something_or_says_that_it_does_not(config_class: type[Any]) -> None:
    """A value that is not the usual one reaches SB3's arguments or the remarks."""
    free = {"replay_dir", "frame_stack", "overlap", "compile"}
    if config_class is PPOConfig:  # parts of demonstrations, which SB3 lacks
        free |= {"cloning_epochs", "demonstration_coefficient", "demonstration_starts"}
    if config_class is DQNConfig:  # parts of what SB3 lacks as a whole
        free |= {"temperature", "priority_alpha", "priority_beta"}
    other: dict[str, Any] = {
        "epsilon": 0.3,
        "exploration": "boltzmann",
        "loss": "mse",
        "value_loss": "huber",
        "encoder": "small",
        "initialization": "orthogonal",
        "precision": "bfloat16",
        "normalize_advantages": "batch",
        "target_entropy": -3.0,
        "hidden_sizes": (7,),
        "temperature": 0.2,
        "target_kl": 0.01,
        "value_clip": 0.1,
        "max_grad_norm": 0.7,
        "reward_clip": 1.0,
        "demonstrations": ("games.safetensors",),
        "retries": 0.5,
        "critic_learning_rate": 1e-5,
        "random_actions": "normal",
        "actor_std": "clamped",
    }
    usual = config_class(temperature=None) if config_class is SACConfig else config_class()
    before = sb3_config(usual, total_steps=100_000, num_envs=2)
    for field in dataclasses.fields(config_class):
        if field.name in free:
            continue
        value = getattr(usual, field.name)
        if isinstance(value, bool):
            changed: Any = not value
        elif field.name in other:
            changed = other[field.name]
        elif isinstance(value, int):
            changed = value + 1
        elif value == 0.0:
            changed = 0.01
        else:
            changed = 0.9 * float(value)
        config = dataclasses.replace(usual, **{field.name: changed})
        assert sb3_config(config, total_steps=100_000, num_envs=2) != before, field.name


def test_what_cannot_be_mapped_is_named() -> None:
    def remarks(config: Any, **training: Any) -> str:
        return " ".join(sb3_config(config, **{"total_steps": 50_000, **training})[1])

    for field, word in (
        ({"loss": "mse"}, "Huber"),
        ({"exploration": "boltzmann"}, "Boltzmann"),
        ({"dueling": True}, "dueling"),
        ({"prioritized": True}, "prioritized"),
        ({"encoder": "impala"}, "Nature"),
        ({"precision": "bfloat16"}, "float32"),
        ({"initialization": "orthogonal"}, "orthogonal"),
        ({"epsilon": exponential(1, 0.1, 0.999)}, "a line: from 1 to 0.1 over all steps"),
        ({"epsilon": piecewise(1, 0.1, 9, 0, 20)}, "a line: from 1 to 0 over all steps"),
    ):
        assert word in remarks(DQNConfig(**field)), field
        assert word not in remarks(DQNConfig(epsilon=linear(1, 0, 100))), field
    assert "normalizes advantages over each batch" in remarks(
        PPOConfig(normalize_advantages="rollout")
    )
    assert "no schedule: it stays at 0.01" in remarks(
        PPOConfig(entropy_coefficient=linear(0.01, 0, 100))
    )
    assert "not with Glorot's" in remarks(PPOConfig(initialization="glorot"))
    assert "Glorot" not in remarks(PPOConfig(initialization="orthogonal"))
    assert "one learning rate" in remarks(PPOConfig(critic_learning_rate=1e-3))
    assert "with replacement" in remarks(DDPGConfig(replacement=False))
    assert "value network" in remarks(SACConfig())
    assert "the critic's, 0.002, not 0.001" in remarks(DDPGConfig())
    assert "learning_starts = 64 steps, not for 0" in remarks(DDPGConfig())
    with pytest.raises(ValueError, match=r"SB3 has a counterpart for DQNConfig, .*, got A3CConfig"):
        sb3_config(A3CConfig(), total_steps=100)
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        sb3_config(DQNConfig(), total_steps=0)


@pytest.mark.parametrize(
    ("period", "num_envs", "train_freq", "gradient_steps", "is_remarked"),
    [
        (1, 1, 1, 1, False),
        (4, 1, 4, 1, False),
        (4, 16, 1, 4, False),
        (8, 4, 2, 1, False),
        (6, 4, 3, 2, True),
    ],
)
def test_gradient_steps_are_as_many(
    period: int, num_envs: int, train_freq: int, gradient_steps: int, is_remarked: bool
) -> None:
    config, remarks = sb3_config(
        DQNConfig(update_period=period, target_update_period=50, epsilon=0.1),
        total_steps=1_000,
        num_envs=num_envs,
    )
    assert (config.train_freq, config.gradient_steps) == (train_freq, gradient_steps)
    assert config.train_freq * num_envs / config.gradient_steps == period
    assert config.target_update_interval == 50 * period
    assert any("at once" in remark for remark in remarks) == is_remarked


@pytest.mark.parametrize(
    ("gradient_steps", "interval", "is_remarked"), [(1, 100, False), (4, 25, False), (3, 33, True)]
)
def test_several_gradient_steps_an_update(
    gradient_steps: int, interval: int, is_remarked: bool
) -> None:
    """50 gradient steps from one move of the target to the next."""
    config, remarks = sb3_config(
        DQNConfig(
            update_period=2, gradient_steps=gradient_steps, target_update_period=50, epsilon=0.1
        ),
        total_steps=1_000,
    )
    assert (config.train_freq, config.gradient_steps) == (2, gradient_steps)
    assert config.target_update_interval == interval
    assert any("not in between" in remark for remark in remarks) == is_remarked


@pytest.mark.parametrize("num_steps", [10_000, 200_000])
def test_epsilon_is_the_same_at_every_step(num_steps: int) -> None:
    from stable_baselines3.common.utils import LinearSchedule

    ours = linear(0.9, 0.1, num_steps)
    config, _ = sb3_config(DQNConfig(epsilon=ours), total_steps=50_000)
    theirs = LinearSchedule(
        config.exploration_initial_eps, config.exploration_final_eps, config.exploration_fraction
    )
    for step in (0, 1, 5_000, 9_999, 10_000, 30_000, 50_000):
        assert theirs(1 - step / 50_000) == pytest.approx(ours(step))


@pytest.mark.parametrize("name", [n for n in ALGORITHMS if n.startswith("sb3-")])
def test_defaults_are_those_of_sb3(name: str) -> None:
    agent_class = ALGORITHMS[name]
    assert issubclass(agent_class, SB3Agent)
    model_class: Any = import_model_class(name, agent_class.model_class)
    parameters = inspect.signature(model_class.__init__).parameters
    config = agent_class.config_class()
    fields = {field.name for field in dataclasses.fields(config)}
    shared = (fields & parameters.keys()) - {"policy"}
    assert len(shared) >= 10
    for field in shared:
        assert getattr(config, field) == parameters[field].default, field
    agent = agent_class.create("CartPole-v1" if name not in _CONTINUOUS else "Pendulum-v1")
    plain = model_class(
        next(x for x in model_class.policy_aliases if x.startswith("Mlp")), agent.env, seed=0
    )
    assert_same_weights(agent.model.policy.state_dict(), plain.policy.state_dict())
    for optimizer, path in agent_class.optimizer_paths.items():
        first, _, second = path.partition(".")
        other = getattr(getattr(plain, first), second)
        assert type(agent.optimizers[optimizer]) is type(other)
        assert agent.optimizers[optimizer].defaults == other.defaults
    agent.env.close()


_CONTINUOUS = ("sb3-ddpg", "sb3-td3", "sb3-sac")


def layers(module: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return weights and biases of linear layers, in order, as PyTorch lays them out."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            pairs.append((layer.weight, layer.bias))
        elif isinstance(layer, Linears):
            pairs += [(layer.weight[i].T, layer.bias[i, 0]) for i in range(len(layer.weight))]
    return pairs


def by_critic(pairs: list[tuple[Tensor, Tensor]], num: int) -> list[tuple[Tensor, Tensor]]:
    """Return the layers of each of several critics in a row, from those of all side by side."""
    return [pair for critic in range(num) for pair in pairs[critic::num]]


@torch.no_grad()
def give(theirs: list[tuple[Tensor, Tensor]], ours: list[tuple[Tensor, Tensor]]) -> None:
    """Copy weights and biases."""
    for (weight, bias), (own_weight, own_bias) in zip(theirs, ours, strict=True):
        weight.copy_(own_weight)
        bias.copy_(own_bias)


def assert_close(theirs: list[tuple[Tensor, Tensor]], ours: list[tuple[Tensor, Tensor]]) -> None:
    for their_pair, our_pair in zip(theirs, ours, strict=True):
        for their_tensor, our_tensor in zip(their_pair, our_pair, strict=True):
            torch.testing.assert_close(their_tensor, our_tensor, atol=1e-6, rtol=1e-4)


def both(
    kind: type[Agent], other: type[SB3Agent], config: Any, env_id: str, num_envs: int = 1
) -> tuple[Any, Any]:
    """Return an agent of ours and one of SB3 with its settings."""
    theirs, _ = sb3_config(config, total_steps=1_000, num_envs=num_envs)
    ours = kind.create(make_vec_env(env_id, num_envs), config, seed=0, device="cpu")
    return ours, other.create(make_vec_env(env_id, num_envs), theirs, seed=1, device="cpu")


def transitions(rng: np.random.Generator, obs_size: int, action: Tensor) -> tuple[Batch, Any]:
    """Return the same transitions as both take them."""
    obs, next_obs = torch.from_numpy(rng.normal(size=(2, SIZE, obs_size)).astype(np.float32))
    reward = torch.from_numpy(3 * rng.normal(size=SIZE).astype(np.float32))
    terminated = torch.from_numpy(rng.random(SIZE) < 0.3)
    ours = Batch(obs, action, reward, next_obs, terminated, torch.zeros_like(terminated))
    stored = action.reshape(SIZE, -1)
    theirs = ReplayBufferSamples(
        obs, stored, next_obs, terminated.float().unsqueeze(1), reward.unsqueeze(1)
    )
    return ours, theirs


def take_steps(ours: Any, theirs: Any, batch: Batch, samples: Any, num_steps: int = 2) -> None:
    """Take gradient steps of both on one batch."""
    model = theirs.model
    model.replay_buffer.sample = lambda *args, **kwargs: samples
    for _ in range(num_steps):
        ours.update(batch)
        model.train(1, SIZE)


def test_a_gradient_step_of_dqn_is_that_of_sb3() -> None:
    config = DQNConfig(
        hidden_sizes=(8, 6), max_grad_norm=0.5, adam_epsilon=1e-3, gamma=0.9, learning_rate=0.01
    )
    ours, theirs = both(DQN, SB3DQN, config, "CartPole-v1")
    policy = theirs.model.policy
    give(layers(policy.q_net), layers(ours.q))
    with torch.no_grad():
        for x in ours.q_target.parameters():
            x.mul_(1.5)
    give(layers(policy.q_net_target), layers(ours.q_target))
    rng = np.random.default_rng(0)
    batch, samples = transitions(rng, 4, torch.from_numpy(rng.integers(2, size=SIZE)))
    take_steps(ours, theirs, batch, samples)
    assert_close(layers(policy.q_net), layers(ours.q))


@pytest.mark.parametrize(
    "changes",
    [
        {"normalize_advantages": "batch", "max_grad_norm": 0.5, "initialization": "orthogonal"},
        {"entropy_coefficient": 0.1, "value_coefficient": 0.7, "clip_range": 0.05},
    ],
)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_a_gradient_step_of_ppo_is_that_of_sb3(env_id: str, changes: dict[str, Any]) -> None:
    config = PPOConfig(
        rollout_steps=SIZE // 2,
        num_epochs=1,
        batch_size=SIZE,
        hidden_sizes=(8, 6),
        learning_rate=0.01,
        adam_epsilon=1e-3,
        **changes,
    )
    ours, theirs = both(PPO, SB3PPO, config, env_id, num_envs=2)
    policy = theirs.model.policy
    parts = [*layers(policy.mlp_extractor.policy_net), *layers(policy.action_net)]
    values = [*layers(policy.mlp_extractor.value_net), *layers(policy.value_net)]
    give(parts, layers(ours.actor))
    give(values, layers(ours.critic))
    rng = np.random.default_rng(1)
    space = ours.observation_space
    obs = rng.normal(size=(SIZE, *space.shape)).astype(np.float32)
    if env_id == "CartPole-v1":
        action: Any = rng.integers(2, size=SIZE)
    else:
        action = rng.normal(size=(SIZE, 1)).astype(np.float32)
    log_prob, value, advantage, target = rng.normal(size=(4, SIZE)).astype(np.float32)
    log_prob = log_prob / 5 - 1
    tensors = [torch.from_numpy(x) for x in (obs, action, log_prob, value, advantage, target)]
    ours.update(PPOBatch(*tensors))

    buffer = theirs.model.rollout_buffer
    shape = (SIZE // 2, 2)
    buffer.observations = obs.reshape(*shape, -1)
    buffer.actions = action.reshape(*shape, -1)
    for name, x in (
        ("log_probs", log_prob),
        ("values", value),
        ("advantages", advantage),
        ("returns", target),
    ):
        setattr(buffer, name, x.reshape(shape))
    buffer.full = True
    theirs.model.train()
    assert_close(parts, layers(ours.actor))
    assert_close(values, layers(ours.critic))
    if env_id == "Pendulum-v1":
        torch.testing.assert_close(policy.log_std, ours.distribution.log_std)


def test_a_gradient_step_of_the_actor_critic_is_that_of_a2c() -> None:
    config = ActorCriticConfig(
        hidden_sizes=(), learning_rate=0.01, entropy_coefficient=0.05, value_coefficient=0.7
    )
    ours, theirs = both(ActorCritic, SB3A2C, config, "CartPole-v1", num_envs=SIZE)
    policy = theirs.model.policy
    [(weight, bias)] = layers(ours.network)
    heads = [*layers(policy.action_net), *layers(policy.value_net)]
    give(heads, [(weight[:2], bias[:2]), (weight[2:], bias[2:])])
    rng = np.random.default_rng(2)
    obs = rng.normal(size=(SIZE, 4)).astype(np.float32)
    action = rng.integers(2, size=SIZE)
    reward = rng.normal(size=SIZE).astype(np.float32)
    next_value = rng.normal(size=SIZE).astype(np.float32)
    target = torch.from_numpy(reward + config.gamma * next_value)
    ours.update(ours.network(torch.from_numpy(obs)), torch.from_numpy(action), target)

    buffer = theirs.model.rollout_buffer
    value = policy.predict_values(torch.from_numpy(obs)).detach().flatten()
    buffer.add(obs, action, reward, np.zeros(SIZE), value, value)
    buffer.compute_returns_and_advantage(torch.from_numpy(next_value), np.zeros(SIZE))
    theirs.model.train()
    assert_close(heads, [(weight[:2], bias[:2]), (weight[2:], bias[2:])])


@pytest.mark.parametrize(("kind", "other", "num_critics"), [(DDPG, SB3DDPG, 1), (TD3, SB3TD3, 2)])
def test_a_gradient_step_of_actor_and_critics_is_that_of_sb3(
    kind: type[Agent], other: type[SB3Agent], num_critics: int
) -> None:
    rates = {"actor_learning_rate": 0.01, "critic_learning_rate": 0.01}
    settings: dict[str, Any] = {**rates, "hidden_sizes": (8, 6), "tau": 0.1, "batch_size": SIZE}
    config: Any = DDPGConfig(**settings)
    if kind is TD3:
        config = TD3Config(**settings, target_noise=0.0, policy_period=2)
    ours, theirs = both(kind, other, config, "Pendulum-v1")
    policy = theirs.model.policy
    our_critics = ours.critics if kind is TD3 else ours.critic
    give(layers(policy.actor.mu), layers(ours.actor))
    give(layers(policy.actor_target.mu), layers(ours.actor))
    give(layers(policy.critic), by_critic(layers(our_critics), num_critics))
    give(layers(policy.critic_target), by_critic(layers(our_critics), num_critics))
    rng = np.random.default_rng(3)
    action = torch.from_numpy(rng.uniform(-1, 1, (SIZE, 1)).astype(np.float32))
    batch, samples = transitions(rng, 3, action)
    batch = batch._replace(action=2 * action)  # ours are stored as the environment was given them
    take_steps(ours, theirs, batch, samples, num_steps=4)
    assert_close(layers(policy.actor.mu), layers(ours.actor))
    assert_close(layers(policy.critic), by_critic(layers(our_critics), num_critics))
    assert_close(layers(policy.actor_target.mu), layers(ours.actor_target))


def test_like_recipes_can_be_made_for_every_environment() -> None:
    for name in ("sb3-dqn", "sb3-a2c", "sb3-ppo", "sb3-ddpg", "sb3-td3", "sb3-sac"):
        for env_id in ("CartPole-v1", "LunarLander-v3", "Pendulum-v1", "MarioRL-1-1-v0", "Any-v0"):
            recipe = find_recipe(name, env_id, "like")
            assert type(recipe.config) is ALGORITHMS[name].config_class
