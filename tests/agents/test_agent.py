"""What every algorithm has in common, checked for each of them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback, Episode, select_device
from mario_rl_agents.algorithms import load_algorithms
from mario_rl_agents.algorithms.a3c.a3c import A3CConfig
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.cem import CEMConfig
from mario_rl_agents.algorithms.ddpg import DDPGConfig
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.algorithms.naive_q import NaiveQConfig
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.algorithms.ppo import PPOConfig
from mario_rl_agents.algorithms.pqn import PQNConfig
from mario_rl_agents.algorithms.random import RandomConfig
from mario_rl_agents.algorithms.reinforce import Reinforce, ReinforceConfig
from mario_rl_agents.algorithms.sac import SACConfig
from mario_rl_agents.algorithms.sarsa import SarsaConfig
from mario_rl_agents.algorithms.sb3.configs import (
    SB3A2CConfig,
    SB3DDPGConfig,
    SB3DQNConfig,
    SB3PPOConfig,
    SB3QRDQNConfig,
    SB3RecurrentPPOConfig,
    SB3SACConfig,
    SB3TD3Config,
)
from mario_rl_agents.algorithms.sb3.on_policy import OnPolicySB3Agent
from mario_rl_agents.algorithms.td3 import TD3Config
from mario_rl_agents.envs import NoEnv
from mario_rl_agents.errors import CheckpointError, NoEnvError
from mario_rl_agents.recipes import ALGORITHMS, find_recipe, recipes_of
from mario_rl_agents.runs.onnx_file import export_onnx
from mario_rl_agents.seeding import generator_state
from mario_rl_agents.spaces import ARRAY, CONTINUOUS, DISCRETE, UNIFORM
from support.agent_toys import assert_same_weights, weights
from support.interface_toys import ACTIONS, OBSERVATIONS, toy
from support.onnx_checks import check_same
from support.signed_files import read_signed, write_signed

_REPLAY: Final[Mapping[str, Any]] = {
    "batch_size": 4,
    "replay_capacity": 100,
    "learning_starts": 8,
    "frame_stack": False,
}
_SB3_ACTOR: Final[Mapping[str, Any]] = {
    "buffer_size": 100,
    "learning_starts": 8,
    "batch_size": 4,
    "train_freq": 1,
    "net_arch": (8,),
}
_SB3_VALUE: Final[Mapping[str, Any]] = {
    **_SB3_ACTOR,
    "target_update_interval": 5,
    "exploration_fraction": 1.0,
}
_SB3_ROLLOUT: Final[Mapping[str, Any]] = {
    "n_steps": 1,
    "batch_size": 1,
    "n_epochs": 1,
    "normalize_advantage": False,
    "net_arch": (8,),
}
_DQN_CONFIG: Final = DQNConfig(**_REPLAY, target_update_period=5, hidden_sizes=(8,))
_SMALL: Final[Mapping[str, Any]] = {
    "random": RandomConfig(),
    "cem": CEMConfig(population_size=3, elite_fraction=0.67),
    "reinforce": ReinforceConfig(hidden_sizes=(8,)),
    "sarsa": SarsaConfig(hidden_sizes=(8,)),
    "naive_q": NaiveQConfig(hidden_sizes=(8,)),
    "dqn": _DQN_CONFIG,
    "double_dqn": _DQN_CONFIG,
    "actor_critic": ActorCriticConfig(learning_rate=1e-3, hidden_sizes=(8,)),
    "ppo": PPOConfig(rollout_steps=8, num_epochs=2, batch_size=4, hidden_sizes=(8,)),
    "pqn": PQNConfig(rollout_steps=8, batch_size=4, hidden_sizes=(8,)),
    "a3c": A3CConfig(num_workers=1, learning_rate=1e-3, hidden_sizes=(8,)),
    "ddpg": DDPGConfig(**_REPLAY, hidden_sizes=(8,)),
    "td3": TD3Config(**_REPLAY, random_steps=5, hidden_sizes=(8,)),
    "sac": SACConfig(**_REPLAY, hidden_sizes=(8,)),
    # A rollout of one step: SB3 can be left between rollouts alone.
    "sb3-a2c": SB3A2CConfig(n_steps=1, net_arch=(8,)),
    "sb3-ppo": SB3PPOConfig(**_SB3_ROLLOUT),
    "sb3-recurrent_ppo": SB3RecurrentPPOConfig(**_SB3_ROLLOUT, lstm_hidden_size=8),
    "sb3-dqn": SB3DQNConfig(**_SB3_VALUE),
    "sb3-qrdqn": SB3QRDQNConfig(**_SB3_VALUE, n_quantiles=4),
    "sb3-ddpg": SB3DDPGConfig(**_SB3_ACTOR, action_noise="ornstein-uhlenbeck"),
    "sb3-td3": SB3TD3Config(**_SB3_ACTOR, action_noise="normal"),
    "sb3-sac": SB3SACConfig(**_SB3_ACTOR),
}
# One that is not small has its defaults: a new algorithm needs no line here.
CONFIGS: Final[Mapping[str, Any]] = {
    name: _SMALL[name] if name in _SMALL else agent_class.config_class()
    for name, agent_class in ALGORITHMS.items()
}
SEGMENT: Final = {"a3c": 5}  # environment steps between two answers of callbacks, where not one
KINDS: Final = {"discrete": (DISCRETE, UNIFORM), "continuous": (CONTINUOUS, UNIFORM)}


def able(actions: str) -> list[str]:
    """Return the algorithms that accept a kind of actions."""
    accepted = {name: agent_class.accepts for name, agent_class in ALGORITHMS.items()}
    return [
        name
        for name, accepts in accepted.items()
        if accepts is not None and set(KINDS[actions]) & set(accepts.actions)
    ]


HANDLED: Final = [
    (algorithm, obs, actions)
    for algorithm in CONFIGS
    for obs in OBSERVATIONS
    for actions in KINDS
    if algorithm in able(actions)
]
EACH: Final = [case for case in HANDLED if case[1] == "vector"]
# SB3's agents have one adapter and one network for images in common.
SB3_ON_IMAGES: Final = (
    ("sb3-dqn", "discrete"),
    ("sb3-ppo", "discrete"),
    ("sb3-sac", "continuous"),
)


def marked(case: tuple[str, str, str]) -> Any:
    """Return a case, marked as slow where another has in small what it has."""
    algorithm, obs, actions = case
    is_one_more = algorithm.startswith("sb3-") and obs == "image"
    is_slow = is_one_more and (algorithm, actions) not in SB3_ON_IMAGES
    return pytest.param(*case, marks=[pytest.mark.slow] if is_slow else [])


each_kind = pytest.mark.parametrize(
    ("algorithm", "obs", "actions"), [marked(case) for case in HANDLED]
)
each = pytest.mark.parametrize(("algorithm", "obs", "actions"), EACH)
each_learner = pytest.mark.parametrize(
    ("algorithm", "obs", "actions"), [case for case in EACH if case[0] != "random"]
)


def make(algorithm: str, env: gym.Env[Any, Any], seed: int = 0) -> Agent:
    return ALGORITHMS[algorithm].create(env, CONFIGS[algorithm], seed=seed, device="cpu")


def batch_of(obs: str, size: int) -> Any:
    """Return random observations."""
    space, rng = OBSERVATIONS[obs], np.random.default_rng(7)
    assert space.shape is not None
    numbers = 50 * rng.normal(size=(size, *space.shape))
    return np.abs(numbers).astype(np.uint8) if obs == "image" else numbers.astype(np.float32) / 50


class Watch(Callback):
    """Writes down every call, and checks what each of them promises."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.episodes: list[Episode] = []
        self.counters = (0, 0, 0)

    def on_training_start(self, agent: Agent) -> None:
        self.calls.append("start")

    def on_step(self, agent: Agent) -> bool | None:
        self.calls.append("step")
        assert agent.num_steps == self.calls.count("step")
        return None

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        self.calls.append("update")
        assert all(key.startswith(("losses/", "charts/")) for key in losses)
        # The cross-entropy method has no loss.
        assert any(key.startswith("losses/") or agent.algorithm == "cem" for key in losses)
        assert all(type(value) is float for value in losses.values())
        assert agent.num_updates == self.calls.count("update")

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.calls.append("episode")
        self.episodes.append(episode)
        assert agent.num_episodes == len(self.episodes) == episode.index + 1
        assert agent.num_steps == episode.step

    def on_training_end(self, agent: Agent) -> None:
        self.calls.append("end")


class FailAt(Callback):
    """Fails at a step."""

    def __init__(self, at: int) -> None:
        self._at = at

    def on_step(self, agent: Agent) -> None:
        if agent.num_steps == self._at:
            raise RuntimeError("enough")


class FailToStart(Callback):
    """Fails before it has what its end is about."""

    window: Any

    def on_training_start(self, agent: Agent) -> None:
        raise RuntimeError("no screen")

    def on_training_end(self, agent: Agent) -> None:
        self.window.close()


def test_every_algorithm_is_here() -> None:
    assert ALGORITHMS.keys() == load_algorithms().keys()
    assert _SMALL.keys() <= ALGORITHMS.keys()
    for name, agent_class in ALGORITHMS.items():
        assert agent_class.algorithm == name
        assert type(CONFIGS[name]) is agent_class.config_class
        assert type(find_recipe(name, "Any-v0").config) is agent_class.config_class
        assert type(find_recipe(name, "MarioRL-1-1-v0").config) is agent_class.config_class
        assert load_algorithms()[name] is agent_class
        for recipe in recipes_of(name).values():
            assert type(recipe.config) is agent_class.config_class


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("algorithm", CONFIGS)
def test_actions_it_cannot_choose_are_refused_and_others_are_named(
    algorithm: str, actions: str
) -> None:
    if algorithm in able(actions):
        make(algorithm, toy("vector", actions))
        return
    with pytest.raises(ValueError, match=f"{algorithm} needs actions .*") as caught:
        make(algorithm, toy("vector", actions))
    assert str(toy("vector", actions).action_space) in str(caught.value)
    assert f": it is accepted by {', '.join(able(actions))}; or wrap" in str(caught.value)


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(3, start=1),
        gym.spaces.MultiBinary(2),
        gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
        gym.spaces.Box(-1, 1, (2, 2), np.float32),
        gym.spaces.Dict({}),
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", [name for name in CONFIGS if name != "random"])
def test_strange_actions_are_refused(algorithm: str, space: gym.Space[Any]) -> None:
    env = toy("vector", "discrete")
    env.unwrapped.action_space = space
    with pytest.raises(ValueError, match=f"{algorithm} needs actions .* has .*: .*wrap the env"):
        make(algorithm, env)


def test_a_device_that_is_not_here_is_refused_in_a_line() -> None:
    """PyTorch itself says a page of one that it is built without."""
    here = torch.accelerator.current_accelerator(check_available=True)
    elsewhere = "mps" if here is None or here.type != "mps" else "xpu"
    with pytest.raises(ValueError, match=f"device '{elsewhere}' cannot be used here") as error:
        select_device(elsewhere)
    assert len(str(error.value)) < 200
    assert str(error.value).count("\n") == 0


@each_learner
def test_what_create_is_given_is_checked(algorithm: str, obs: str, actions: str) -> None:
    env = toy(obs, actions)
    agent_class = ALGORITHMS[algorithm]
    with pytest.raises(ValueError, match=f"{algorithm} takes a .*Config as config, got RandomConf"):
        agent_class.create(env, RandomConfig())
    with pytest.raises(ValueError, match="there is no device 'cudo': use \"auto\", or "):
        agent_class.create(env, CONFIGS[algorithm], device="cudo")
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got -1"):
        agent_class.create(env, CONFIGS[algorithm], seed=-1, device="cpu")
    assert agent_class.accepts is not None
    if ARRAY in agent_class.accepts.observations:
        return
    env.unwrapped.observation_space = gym.spaces.Box(-1, 1, (3, 4, 5), np.float32)
    with pytest.raises(ValueError, match=f"{algorithm} needs observations a Box"):
        agent_class.create(env, CONFIGS[algorithm], device="cpu")


ANY_ARRAY: Final = {
    n for n, x in ALGORITHMS.items() if x.accepts and ARRAY in x.accepts.observations
}
UNREAD: Final[Mapping[str, tuple[gym.Space[Any], set[str]]]] = {
    # Observations, and algorithms that accept them as they are.
    "dict": (
        gym.spaces.Dict({"a": gym.spaces.Box(0, 1, (2,)), "b": gym.spaces.Discrete(3)}),
        set(),
    ),
    "tuple": (gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Discrete(3))), set()),
    "state": (gym.spaces.Discrete(16), ANY_ARRAY),  # of a table
    "states": (gym.spaces.MultiDiscrete([3, 4]), ANY_ARRAY),
    "table": (gym.spaces.Box(-1, 1, (3, 4), np.float32), ANY_ARRAY),
    "tiles": (
        gym.spaces.Box(0, 12, (13, 16), np.uint8),
        {*ANY_ARRAY, "ppo", "a3c", "actor_critic", "cem", "reinforce", "sb3-recurrent_ppo"},
    ),
}


@pytest.mark.parametrize("what", UNREAD)
@pytest.mark.parametrize("algorithm", CONFIGS)
def test_observations_it_cannot_read_are_refused_with_what_to_do(algorithm: str, what: str) -> None:
    space, readers = UNREAD[what]
    [actions, *_] = [kind for kind in ("discrete", "continuous") if algorithm in able(kind)]
    env = toy("vector", actions)
    env.unwrapped.observation_space = space
    if algorithm in readers:
        make(algorithm, env)
        return
    with pytest.raises(ValueError, match=f"{algorithm} needs observations ") as caught:
        make(algorithm, env)
    message = str(caught.value)
    assert str(space) in message
    assert "wrap it in gymnasium.wrappers.FlattenObservation" in message
    named = sorted(readers & set(able(actions)))
    assert ("it is accepted by" in message) == bool(named)
    assert f"it is accepted by {', '.join(named)}; or" in message or not named
    flat = gym.wrappers.FlattenObservation(env)
    assert make(algorithm, flat).act(np.stack([flat.observation(space.sample())])).shape[0] == 1


def test_what_has_no_flat_form_is_refused_too() -> None:
    env = toy("vector", "discrete")
    for space in (gym.spaces.Sequence(gym.spaces.Discrete(2)), gym.spaces.Dict({})):
        env.unwrapped.observation_space = space
        with pytest.raises(ValueError, match=r"ppo needs observations .* wrap the environment"):
            make("ppo", env)


@each
def test_an_id_is_made(algorithm: str, obs: str, actions: str, tmp_path: Path) -> None:
    env_id = "CartPole-v1" if actions == "discrete" else "Pendulum-v1"
    agent_class, path = ALGORITHMS[algorithm], tmp_path / "agent.safetensors"
    agent = agent_class.create(env_id, CONFIGS[algorithm], device="cpu")
    assert agent.env.spec is not None
    assert agent.env.spec.id == env_id
    agent.save(path)
    agent.env.close()
    again = agent_class.load(path, env_id, device="cpu")
    assert again.num_steps == 0
    again.env.close()
    with pytest.raises(ValueError, match="env 'CartPole-v9' cannot be made"):
        agent_class.create("CartPole-v9")
    with pytest.raises(TypeError, match=r"env must be .*, got None of type NoneType"):
        agent_class.create(None)  # type: ignore[arg-type]


@each
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": "1"}, "seed must be a whole number >= 0, got '1' of type str"),
        ({"seed": True}, "seed must be a whole number >= 0, got True of type bool"),
        ({"seed": 0.5}, "seed must be a whole number >= 0, got 0.5 of type float"),
        ({"seed": None}, "seed must be a whole number >= 0, got None of type NoneType"),
        ({"device": 0}, "device must be a text, got 0 of type int"),
        ({"device": None}, "device must be a text, got None of type NoneType"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(
    algorithm: str, obs: str, actions: str, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ALGORITHMS[algorithm].create(toy(obs, actions), CONFIGS[algorithm], **keywords)


@each
@pytest.mark.parametrize("total_steps", ["100", None, 1.5, True, -3])
def test_total_steps_of_the_wrong_type_are_named(
    algorithm: str, obs: str, actions: str, total_steps: Any
) -> None:
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got "):
        make(algorithm, toy(obs, actions)).learn(total_steps)


# With the switch of those that have it: what is no stack (C, H, W) is stored whole either way.
IMAGES: Final = [
    (algorithm, actions, switch)
    for algorithm, obs, actions in HANDLED
    if obs == "image" and algorithm != "random"
    for switch in ((False, True) if hasattr(CONFIGS[algorithm], "frame_stack") else (None,))
]


@pytest.mark.parametrize(("algorithm", "actions", "frame_stack"), IMAGES)
def test_images_may_have_their_channels_last(
    algorithm: str, actions: str, frame_stack: bool | None
) -> None:
    """What is learned is, to the bit, that of the same images with the channels first."""
    config = CONFIGS[algorithm]
    agent_class, changes = ALGORITHMS[algorithm], {"frame_stack": frame_stack}
    last_config = config if frame_stack is None else dataclasses.replace(config, **changes)
    first = agent_class.create(toy("image", actions), config, device="cpu")
    last = agent_class.create(toy("image", actions, channels_last=True), last_config, device="cpu")
    assert last.observation_space.shape == (36, 36, 2)
    for agent in (first, last):
        agent.learn(20)
    if isinstance(first, OnPolicySB3Agent):
        # SB3 hands such images to torch as they lie, which then adds up in another order.
        for name, x in weights(first).items():
            torch.testing.assert_close(weights(last)[name], x, atol=1e-3, rtol=1e-3)
        return
    assert_same_weights(dict(last.tensors()), dict(first.tensors()))
    obs = batch_of("image", 5)
    assert np.array_equal(last.act(np.moveaxis(obs, 1, -1)), first.act(obs))


@each_kind
def test_learn_tells_callbacks_of_every_step_in_order(
    algorithm: str, obs: str, actions: str
) -> None:
    agent, watch = make(algorithm, toy(obs, actions)), Watch()
    agent.learn(20, [watch])
    assert (agent.num_steps, agent.num_episodes) == (20, 3)
    assert agent.num_updates == watch.calls.count("update")
    assert (agent.num_updates == 0) == (algorithm == "random")
    assert watch.calls[0] == "start"
    assert watch.calls[-2:] == ["step", "end"]
    before = zip(watch.calls, watch.calls[1:], strict=False)
    assert not {("episode", "update"), ("episode", "episode"), ("episode", "end")} & set(before)
    assert [e.step for e in watch.episodes] == [6, 12, 18]
    assert [e.length for e in watch.episodes] == [6, 6, 6]
    assert all(e.terminated != e.truncated for e in watch.episodes)
    assert all(e.info["steps"] == 6 for e in watch.episodes)
    assert all(key.startswith("charts/") for key in agent.metrics())
    assert all(type(value) is float for value in agent.metrics().values())
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        agent.learn(0)


@each
def test_a_callback_ends_learn(algorithm: str, obs: str, actions: str) -> None:
    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.num_steps < 9

    agent, watch = make(algorithm, toy(obs, actions)), Watch()
    agent.learn(100, [Stop(), watch])
    assert 9 <= agent.num_steps < 9 + SEGMENT.get(algorithm, 1)
    assert watch.calls[-1] == "end"
    with pytest.raises(RuntimeError, match="enough"):
        agent.learn(100, [FailAt(agent.num_steps + 10)])
    agent.learn(3)


@each
def test_a_callback_that_cannot_start_is_told_of_no_end(
    algorithm: str, obs: str, actions: str
) -> None:
    agent, first, last = make(algorithm, toy(obs, actions)), Watch(), Watch()
    with pytest.raises(RuntimeError, match="no screen"):
        agent.learn(100, [first, FailToStart(), last])
    assert (first.calls, last.calls) == (["start", "end"], [])
    agent.learn(3, [last])
    assert agent.num_steps >= 3
    assert last.calls[-1] == "end"


@each_kind
def test_act_takes_and_returns_batches(algorithm: str, obs: str, actions: str) -> None:
    env = toy(obs, actions)
    agent = make(algorithm, env)
    agent.learn(14)
    before = weights(agent), {n: generator_state(g) for n, g in agent.generators.items()}
    for size in (1, 5):
        for greedy in (True, False):
            chosen = agent.act(batch_of(obs, size), greedy=greedy)
            assert chosen.shape == (size, *(env.action_space.shape or ()))
            assert all(env.action_space.contains(action) for action in chosen)
    assert_same_weights(before[0], weights(agent))
    many = batch_of(obs, 300)

    def first_actions(batch: Any, *, greedy: bool = True) -> Any:
        agent.begin_episodes(np.ones(len(batch), np.bool_))
        return agent.act(batch, greedy=greedy)

    if algorithm != "random":
        assert np.array_equal(first_actions(many), first_actions(many))
        # One by one or all at once is the same, but for the order that sums are taken in.
        single = np.concatenate([first_actions(many[i : i + 1]) for i in range(20)])
        np.testing.assert_allclose(single, first_actions(many)[:20], atol=1e-4)
    if algorithm != "naive_q":  # it does not explore
        drawn = [first_actions(many, greedy=False) for _ in range(2)]
        assert not np.array_equal(*drawn)
    for name, generator in agent.generators.items():
        generator.bit_generator.state = before[1][name]
    if algorithm != "random":
        agent.act(many)
        assert before[1] == {n: generator_state(g) for n, g in agent.generators.items()}


@each_kind
def test_what_is_drawn_has_the_probabilities_of_the_policy(
    algorithm: str, obs: str, actions: str
) -> None:
    agent = make(algorithm, toy(obs, actions))
    if not isinstance(agent, PolicyAgent | OnPolicySB3Agent):
        assert not hasattr(agent, "action_probabilities")  # videos draw them
        return
    agent.learn(14)
    if actions == "continuous":
        with pytest.raises(TypeError, match="continuous actions have no probabilities"):
            agent.action_probabilities(batch_of(obs, 1))
        return
    one = batch_of(obs, 1)
    [probabilities] = agent.action_probabilities(one)
    assert probabilities.sum() == pytest.approx(1.0)
    assert probabilities.argmax() == agent.act(one)[0]
    drawn = agent.act(one.repeat(2_000, axis=0), greedy=False)
    shares = np.bincount(drawn, minlength=3) / 2_000
    # Four standard deviations of a count, which are largest for a share of a half.
    np.testing.assert_allclose(shares, probabilities, atol=4 * 0.5 / 2_000**0.5)


NO_CRITIC: Final = {
    *("random", "cem", "sarsa", "naive_q", "dqn", "double_dqn", "pqn"),
    *("sb3-dqn", "sb3-qrdqn", "sb3-recurrent_ppo"),
}


@each_kind
def test_values_of_states_are_those_of_the_critic(algorithm: str, obs: str, actions: str) -> None:
    agent = make(algorithm, toy(obs, actions))
    many = batch_of(obs, 5)
    before = agent.state_values(many)
    if algorithm in NO_CRITIC:
        assert before is None
        return
    assert before is not None
    assert before.shape == (5,)
    with torch.no_grad():  # the biases of all outputs that are one number
        for network in agent.networks.values():
            for name, parameter in network.named_parameters():
                if name.endswith("bias") and parameter.shape[-1] == 1:
                    parameter.add_(5.0)
        if algorithm == "actor_critic":  # whose network has actor and critic side by side
            assert isinstance(agent, ActorCritic)
            list(agent.network.parameters())[-1][-1] += 5.0
    after = agent.state_values(many)
    assert after is not None
    np.testing.assert_allclose(after - before, 5.0, rtol=1e-4)


def test_reinforce_has_no_critic_without_a_learned_baseline() -> None:
    config = ReinforceConfig(baseline="none")
    agent = Reinforce.create(toy("vector", "discrete"), config, device="cpu")
    assert agent.state_values(batch_of("vector", 5)) is None


@each_kind
def test_save_and_load(algorithm: str, obs: str, actions: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent_class = ALGORITHMS[algorithm]
    agent = make(algorithm, toy(obs, actions), seed=3)
    agent.learn(17)
    agent.save(path, replay=True)
    saved = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"agent\.safetensors is already there"):
        agent.save(path, overwrite=False)
    assert path.read_bytes() == saved
    loaded = agent_class.load(path, toy(obs, actions), device="cpu")
    assert type(loaded) is agent_class
    assert_same_weights(weights(loaded), weights(agent))
    assert (loaded.config, loaded.seed) == (agent.config, 3)
    for name in ("num_steps", "num_updates", "num_episodes"):
        assert getattr(loaded, name) == getattr(agent, name)
    assert {n: generator_state(g) for n, g in loaded.generators.items()} == {
        n: generator_state(g) for n, g in agent.generators.items()
    }
    many = batch_of(obs, 20)
    for greedy in (True, False):
        assert np.array_equal(loaded.act(many, greedy=greedy), agent.act(many, greedy=greedy))
    # Both go on alike, the one in the episode that it is in, the other in the same one again.
    agent.learn(9)
    loaded.learn(9)
    assert_same_weights(weights(loaded), weights(agent))

    other_obs = "vector" if obs == "image" else "image"
    with pytest.raises(CheckpointError, match="observation space"):
        agent_class.load(path, toy(other_obs, actions), device="cpu")
    other = next(name for name in ALGORITHMS if name != algorithm)
    with pytest.raises(CheckpointError, match=f"holds an agent of algorithm '{algorithm}', not"):
        ALGORITHMS[other].load(path, toy(obs, actions), device="cpu")


@each_kind
def test_one_seed_gives_one_result(algorithm: str, obs: str, actions: str) -> None:
    def train(seed: int) -> tuple[dict[str, torch.Tensor], list[Episode]]:
        agent, watch = make(algorithm, toy(obs, actions), seed), Watch()
        agent.learn(26, [watch])
        return weights(agent), watch.episodes

    (first, episodes), (second, same), (third, others) = train(5), train(5), train(6)
    assert_same_weights(first, second)
    assert episodes == same
    assert episodes != others
    assert algorithm == "random" or any(not torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("obs", r"the observation at environment step \d+ is nan at index \(.*1,?\)"),
        ("reward", r"the reward of environment step \d+ is inf"),
    ],
)
@each
def test_numbers_of_the_environment_that_are_not_finite_stop_training(
    algorithm: str, obs: str, actions: str, wrong: str, message: str, tmp_path: Path
) -> None:
    class Saver(Callback):
        def on_step(self, agent: Agent) -> None:
            agent.save(path)

    path = tmp_path / "agent.safetensors"
    agent = make(algorithm, toy(obs, actions, wrong=wrong, at=16))
    with pytest.raises(FloatingPointError, match=message) as caught:
        agent.learn(100, [Saver()])
    assert any(f"environment step {step} " in str(caught.value) for step in (15, 16, 17))
    loaded = ALGORITHMS[algorithm].load(path, toy(obs, actions), device="cpu")
    assert 15 - SEGMENT.get(algorithm, 1) <= loaded.num_steps <= 15
    for x in (*weights(agent).values(), *weights(loaded).values()):
        assert not x.is_floating_point() or x.isfinite().all()


@each_learner
def test_a_loss_that_is_not_finite_stops_training(algorithm: str, obs: str, actions: str) -> None:
    agent = make(algorithm, toy(obs, actions))
    agent.learn(10)
    num_updates = agent.num_updates
    for network in agent.networks.values():
        for x in network.parameters():
            x.data.fill_(float("nan"))
    if algorithm == "cem":  # it goes on from its candidates
        agent.generation.weights.fill(np.nan)  # type: ignore[attr-defined]
    what = r"((losses|charts)/\w+|a weight of \S+)"
    where = rf"{what} is nan at gradient step {num_updates}, environment step 1\d"
    with pytest.raises(FloatingPointError, match=where):
        agent.learn(100)
    assert agent.num_updates == num_updates


@pytest.mark.parametrize("algorithm", ["sb3-a2c", "sb3-ppo", "sb3-recurrent_ppo"])
def test_weights_that_are_not_finite_are_named_after_an_export(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", False)  # as it leaves
    test_a_loss_that_is_not_finite_stops_training(algorithm, "vector", "discrete")


@each_kind
def test_without_an_environment_it_acts_and_refuses_to_learn(
    algorithm: str, obs: str, actions: str, tmp_path: Path
) -> None:
    path, again = tmp_path / "agent.safetensors", tmp_path / "again.safetensors"
    agent, env = make(algorithm, toy(obs, actions)), toy(obs, actions)
    agent.learn(20)
    agent.save(path, replay=True)
    alone, loaded = (ALGORITHMS[algorithm].load(path, x, device="cpu") for x in (None, env))
    assert isinstance(alone.env, NoEnv)
    assert (alone.num_envs, alone.num_steps) == (1, 20)
    assert alone.observation_space == agent.observation_space
    assert alone.action_space == agent.action_space
    for size in (1, 5):
        batch = batch_of(obs, size)
        for greedy in (True, False):
            chosen = alone.act(batch, greedy=greedy)
            # The cross-entropy method explores by candidates, which are in the replay memory.
            if greedy or algorithm != "cem":
                assert np.array_equal(chosen, loaded.act(batch, greedy=greedy))
            assert chosen.dtype == agent.action_space.dtype
            assert all(agent.action_space.contains(action) for action in chosen)
    before = weights(alone)
    with pytest.raises(NoEnvError, match=f"{algorithm} was loaded without an environment, .* load"):
        alone.learn(20)
    assert_same_weights(weights(alone), before)
    with pytest.raises(NoEnvError, match="has no episodes: play them in one of your own"):
        alone.env.step(alone.env.action_space.sample())
    alone.save(again)
    assert alone.env.spec is not None
    assert alone.env.spec.kwargs == {"obs": obs, "actions": actions}
    ALGORITHMS[algorithm].load(again, env, device="cpu").learn(20)


def test_a_file_cannot_name_spaces_that_are_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    make("ppo", toy("vector", "continuous")).save(path)
    header, tensors = read_signed(path)
    other = {**header, "spaces": {**header["spaces"], "action": header["spaces"]["observation"]}}
    write_signed(path, other, tensors)
    for env in (None, toy("vector", "continuous")):
        with pytest.raises(CheckpointError, match=r"is corrupted \(it has spaces .*: use another"):
            ALGORITHMS["ppo"].load(path, env)
    spaces = dict(header["spaces"], observation={**header["spaces"]["observation"], "shape": [999]})
    described = "Box(shape=(999,), dtype=float32)"
    write_signed(path, {**header, "spaces": spaces, "observation_space": described}, tensors)
    with pytest.raises(CheckpointError, match=r"Box\(.* has more numbers than the \d+ in it"):
        ALGORITHMS["ppo"].load(path)


def test_a_file_of_before_is_enough_where_bounds_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    for actions in ("discrete", "continuous"):
        agent = make("ppo", toy("image", actions))
        agent.save(path)
        header, tensors = read_signed(path)
        del header["spaces"]
        write_signed(path, header, tensors)
        if actions == "continuous":
            with pytest.raises(CheckpointError, match="does not say between which bounds its spa"):
                ALGORITHMS["ppo"].load(path)
            continue
        batch = batch_of("image", 3)
        assert np.array_equal(ALGORITHMS["ppo"].load(path).act(batch), agent.act(batch))


ON_IMAGES: Final = ("cem", "dqn", "sac", "sb3-ppo")
EXPORTED: Final = [case for case in HANDLED if case[1] == "vector" or case[0] in ON_IMAGES]
# One of each algorithm, and of each kind of what it does beside.
EXPORTED_FIRST: Final = [
    *{case[0]: case for case in reversed(EXPORTED) if case[1] == "vector"}.values(),
    ("ppo", "vector", "continuous"),
    ("dqn", "image", "discrete"),
    ("sac", "image", "continuous"),
]
DETERMINISTIC: Final = ("ddpg", "td3", "sb3-ddpg", "sb3-td3")


def output_of(algorithm: str, actions: str) -> set[str]:
    """Return what an exported agent says beside its action."""
    if actions == "continuous":
        return set() if algorithm in DETERMINISTIC else {"mean", "std"}
    if algorithm == "cem":
        return {"scores"}
    return {"probabilities" if ALGORITHMS[algorithm].is_stochastic else "action_values"}


@pytest.mark.parametrize(
    ("algorithm", "obs", "actions"),
    [pytest.param(*x, marks=[] if x in EXPORTED_FIRST else pytest.mark.slow) for x in EXPORTED],
)
def test_exported_it_acts_the_same(algorithm: str, obs: str, actions: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    agent, path = make(algorithm, toy(obs, actions)), tmp_path / "agent.onnx"
    agent.learn(40)
    if algorithm in ("random", "sb3-recurrent_ppo"):
        with pytest.raises(TypeError, match=f"{algorithm} (has no network|acts by all it has se)"):
            export_onnx(agent, path)
        assert not path.exists()
        return
    before = weights(agent)
    export_onnx(agent, path)
    assert_same_weights(weights(agent), before)
    assert check_same(agent, path) == {"action", *output_of(algorithm, actions)}
