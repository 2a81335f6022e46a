"""SB3's agents train as plain SB3 does, are resumed exactly, and disturb nobody."""

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents import checkpoint
from mario_rl_agents.agent import Agent, Callback
from mario_rl_agents.algorithms.sb3.agent import SB3Agent
from mario_rl_agents.algorithms.sb3.configs import (
    SB3A2CConfig,
    SB3DQNConfig,
    SB3PPOConfig,
    SB3RecurrentPPOConfig,
    SB3SACConfig,
    SB3TD3Config,
)
from mario_rl_agents.algorithms.sb3.off_policy import SB3DQN, SB3SAC, SB3TD3, OffPolicySB3Agent
from mario_rl_agents.algorithms.sb3.on_policy import SB3A2C, SB3PPO
from mario_rl_agents.algorithms.sb3.recurrent import SB3RecurrentPPO
from mario_rl_agents.config import linear
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.runs.evaluation import evaluate
from mario_rl_agents.seeding import generator_state
from support.agent_toys import assert_same_weights, weights
from support.sb3_toys import CASES, Watch, env_kwargs, make_agent, train_plainly


@pytest.mark.parametrize("name", CASES)
def test_a_plain_script_trains_the_same(name: str) -> None:
    """Returns, weights, optimizers and counters are equal to the bit."""
    case = CASES[name]
    agent, watch = make_agent(case), Watch()
    np.random.seed(99)  # what others have drawn does not matter
    torch.manual_seed(99)
    agent.learn(case.num_steps, [watch])
    model, returns = train_plainly(case)
    assert_same_weights(agent.model.policy.state_dict(), model.policy.state_dict())
    plain = sorted(x for each in returns for x in each)
    assert sorted(episode.episodic_return for episode in watch.episodes) == pytest.approx(plain)
    assert len(plain) > 1
    assert agent.num_steps == agent.model.num_timesteps == model.num_timesteps
    assert agent.model._n_updates == model._n_updates
    assert agent.num_updates >= model._n_updates > 0
    assert all(any(key.startswith("losses/") for key in losses) for losses in watch.losses)


def test_episodes_are_told_of_at_the_steps_at_which_they_ended() -> None:
    agent, watch = make_agent(CASES["ppo, 4"]), Watch()
    agent.learn(500, [watch])
    assert watch.steps == [128, 256, 384, 512]
    assert len(watch.losses) == 4
    assert {episode.step % 4 for episode in watch.episodes} == {0}
    assert len({episode.step for episode in watch.episodes}) > 4
    assert [episode.index for episode in watch.episodes] == list(range(agent.num_episodes))
    of_one = [e for e in watch.episodes if e.step <= 128]
    assert of_one
    assert sum(episode.length for episode in of_one) <= 128


class SaveAt(Callback):
    """Saves once so many steps are taken."""

    def __init__(self, path: Path, step: int) -> None:
        self._path, self._step = path, step
        self.at: int | None = None

    def on_step(self, agent: Agent) -> None:
        if self.at is None and agent.num_steps >= self._step:
            agent.save(self._path, replay=True)
            self.at = agent.num_steps


_NOISY: Mapping[str, Any] = {
    "buffer_size": 500,
    "learning_starts": 50,
    "batch_size": 8,
    "net_arch": (8,),
    "action_noise": "ornstein-uhlenbeck",
}
_RESUMED: Mapping[str, tuple[type[SB3Agent], Any, str, int]] = {
    "a schedule of PPO": (
        SB3PPO,
        SB3PPOConfig(
            n_steps=16,
            n_epochs=2,
            batch_size=12,
            learning_rate=linear(1e-3, 0, 400),
            clip_range=linear(0.2, 0, 400),
        ),
        "CartPole-v1",
        3,
    ),
    "RMSprop": (SB3A2C, SB3A2CConfig(), "Pendulum-v1", 2),
    "an LSTM": (
        SB3RecurrentPPO,
        SB3RecurrentPPOConfig(n_steps=16, n_epochs=1, batch_size=16, lstm_hidden_size=8),
        "CartPole-v1",
        2,
    ),
    "epsilon": (
        SB3DQN,
        SB3DQNConfig(
            buffer_size=100,  # it is full before the end
            learning_starts=50,
            batch_size=8,
            net_arch=(8,),
            n_steps=3,
            target_update_interval=40,
            exploration_fraction=0.9,
        ),
        "CartPole-v1",
        2,
    ),
    "noise that goes on, one": (SB3TD3, SB3TD3Config(**_NOISY), "Pendulum-v1", 1),
    "noise that goes on, two; a temperature": (SB3SAC, SB3SACConfig(**_NOISY), "Pendulum-v1", 2),
}


@pytest.mark.parametrize("what", _RESUMED)
def test_a_resumed_training_is_the_unbroken_one(what: str, tmp_path: Path) -> None:
    agent_class, config, env_id, num_envs = _RESUMED[what]
    kwargs = env_kwargs(env_id)
    path, total = tmp_path / "agent.safetensors", 220
    agent = agent_class.create(make_vec_env(env_id, num_envs, kwargs), config, seed=1, device="cpu")
    whole, saver = Watch(), SaveAt(path, 110)
    agent.learn(total, [whole, saver])
    assert saver.at is not None
    assert 110 <= saver.at < 220

    np.random.seed(5)
    torch.manual_seed(5)
    again = agent_class.load(path, make_vec_env(env_id, num_envs, kwargs), device="cpu")
    assert again.num_steps == saver.at
    rest = Watch()
    again.learn(total - again.num_steps, [rest])
    assert_same_weights(weights(again), weights(agent))  # counters and generators among them
    assert rest.episodes == [e for e in whole.episodes if e.step > saver.at]
    assert {n: generator_state(g) for n, g in again.generators.items()} == {
        n: generator_state(g) for n, g in agent.generators.items()
    }
    for name in ("num_steps", "num_updates", "num_episodes"):
        assert getattr(again, name) == getattr(agent, name)


def test_a_training_disturbs_no_other_and_none_it(tmp_path: Path) -> None:
    def states() -> list[Any]:
        return [
            random.getstate(),
            np.random.get_state(legacy=False)["state"]["key"].tolist(),
            torch.get_rng_state().tolist(),
        ]

    case = CASES["ppo, 4"]
    before = states()
    alone = make_agent(case)
    alone.learn(256)
    assert states() == before

    first, other = make_agent(case), make_agent(CASES["sac"], seed=8)

    class Meanwhile(Callback):
        def on_step(self, agent: Agent) -> None:
            evaluate(agent, case.env_id, num_episodes=1, sample=True)

    for _ in range(2):
        first.learn(128, [Meanwhile()])
        other.learn(20)
    assert_same_weights(weights(first), weights(alone))
    assert states() == before


def test_errors_of_the_environment_end_the_rollout_and_nothing_else() -> None:
    class Failing(gym.Wrapper[Any, Any, Any, Any]):
        num_left = 40

        def step(self, action: Any) -> Any:
            self.num_left -= 1
            if self.num_left == 0:
                raise OSError("the cable")
            return super().step(action)

    env = Failing(gym.make("CartPole-v1"))
    config = SB3PPOConfig(n_steps=32, batch_size=32, n_epochs=1)
    agent = SB3PPO.create(env, config, seed=0, device="cpu")
    watch = Watch()
    with pytest.raises(OSError, match="the cable"):
        agent.learn(200, [watch])
    assert watch.steps == [32]
    assert agent.num_steps == 39
    agent.learn(32, [watch])
    assert watch.steps == [32, 71]
    assert all(episode.length < 60 for episode in watch.episodes)


def test_a_callback_that_fails_leaves_a_training_that_goes_on(tmp_path: Path) -> None:
    class Failing(Callback):
        def on_step(self, agent: Agent) -> None:
            if agent.num_steps == 64:
                raise OSError("no space")

    config = SB3PPOConfig(n_steps=32, batch_size=32, n_epochs=1)
    whole = SB3PPO.create(gym.make("CartPole-v1"), config, seed=0, device="cpu")
    whole.learn(128)
    agent = SB3PPO.create(gym.make("CartPole-v1"), config, seed=0, device="cpu")
    with pytest.raises(OSError, match="no space"):
        agent.learn(128, [Failing()])
    agent.learn(64)
    assert_same_weights(agent.model.policy.state_dict(), whole.model.policy.state_dict())


def test_the_zip_beside_a_checkpoint_is_one_of_sb3(tmp_path: Path) -> None:
    case = CASES["ppo, 4"]
    agent = make_agent(case)
    agent.learn(128)
    agent.save(tmp_path / "agent.safetensors")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["agent.safetensors", "agent.sb3.zip"]
    model = case.model_class.load(tmp_path / "agent.sb3.zip", device="cpu")
    assert model.num_timesteps == 128
    assert_same_weights(model.policy.state_dict(), agent.model.policy.state_dict())
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert np.array_equal(model.predict(obs, deterministic=True)[0], agent.act(obs))
    (tmp_path / "agent.sb3.zip").write_bytes(b"not read")
    again = case.agent_class.load(tmp_path / "agent.safetensors", agent.envs, device="cpu")
    assert_same_weights(weights(again), weights(agent))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model/_n_updates": torch.tensor(-1)}, "_n_updates must be a number of type int"),
        ({"model/_n_updates": torch.tensor(1.0)}, "_n_updates must be a number of type int"),
        ({"model/exploration_rate": torch.tensor(float("nan"))}, "exploration_rate must be a numb"),
        ({"model/random/torch": torch.zeros(3, dtype=torch.uint8)}, "state of a global generator"),
        ({"model/random/numpy": torch.zeros(3)}, "state of a global generator is none"),
        ({"model/random/other": torch.zeros(3)}, "it has generators"),
        ({"model/other": torch.zeros(())}, "it counts"),
        ({"policy/q_net.q_net.0.bias": torch.full((8,), float("nan"))}, "not finite"),
    ],
)
def test_a_checkpoint_of_somebody_else_is_checked(
    change: dict[str, torch.Tensor], message: str
) -> None:
    agent = make_agent(CASES["dqn"])
    before = weights(agent)
    with pytest.raises(ValueError, match=message):
        agent.load_tensors({**agent.tensors(), **change})
    assert before.keys() == weights(agent).keys()


def test_a_network_larger_than_its_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = make_agent(CASES["dqn"])
    agent.save(path)
    header, tensors = checkpoint.load(path, "sb3-dqn", agent.env)
    config = {**header.config, "net_arch": [10**6, 10**6]}
    checkpoint.save(path, dataclasses.replace(header, config=config), tensors, None)
    with pytest.raises(CheckpointError, match=r"net_arch .* make a network of more than the"):
        SB3DQN.load(path, agent.env, device="cpu")


def test_a_replay_memory_of_somebody_else_is_checked() -> None:
    agent = make_agent(CASES["dqn"])
    assert isinstance(agent, OffPolicySB3Agent)
    agent.learn(20)
    state = agent.replay.state()
    assert len(agent.replay) == 20
    assert state["observations"].shape == (20, 1, 4)
    for change, message in (
        ({"rewards": state["rewards"][:5]}, "rewards must be float32 of shape"),
        ({"rewards": np.full((20, 1), np.inf, np.float32)}, "rewards has numbers that are not fin"),
        ({"actions": np.full((20, 1, 1), 7)}, "recorded actions must be of Discrete"),
        ({"place": np.array([20.0, 0.0])}, "two whole numbers"),
        ({"place": np.array([5_000, 0])}, "has none at 5,000"),
        ({"other": np.zeros(3)}, "it has the arrays"),
    ):
        with pytest.raises(ValueError, match=message):
            agent.replay.load_state({**state, **change})
    agent.replay.load_state(state)


def test_what_an_lstm_remembers_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agent.safetensors"
    agent = make_agent(CASES["recurrent ppo, 2"])
    agent.learn(64, [SaveAt(path, 64)])
    other = SB3RecurrentPPOConfig(n_steps=32, n_epochs=1, batch_size=32, lstm_hidden_size=4)
    small = SB3RecurrentPPO.create(agent.envs, other, device="cpu")
    with pytest.raises(ValueError, match="size mismatch"):
        small.load_tensors(agent.tensors())
    again = SB3RecurrentPPO.load(path, make_vec_env("CartPole-v1", 2), device="cpu")
    assert again.loop.kept_memory.keys() == {"lstm0", "lstm1", "lstm2", "lstm3"}
    monkeypatch.setattr(SB3RecurrentPPO, "memory", lambda self: {"lstm0": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"it remembers .'lstm0', 'lstm1', 'lstm2', 'lstm3'."):
        SB3RecurrentPPO.load(path, make_vec_env("CartPole-v1", 2), device="cpu")


def test_memory_is_forgotten_where_episodes_begin() -> None:
    agent = make_agent(CASES["recurrent ppo, 2"])
    assert isinstance(agent, SB3RecurrentPPO)
    obs = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    everywhere = np.ones(3, np.bool_)
    agent.begin_episodes(everywhere)
    fresh = agent.action_probabilities(obs)
    agent.act(obs)
    later = agent.action_probabilities(obs)
    assert (later != fresh).any(axis=1).all()
    agent.begin_episodes(np.array([False, True, False]))
    mixed = agent.action_probabilities(obs)
    assert np.array_equal(mixed[1], fresh[1])
    assert np.array_equal(mixed[[0, 2]], later[[0, 2]])
    agent.act(obs[:2])  # another batch begins anew
    agent.begin_episodes(everywhere)
    np.testing.assert_array_equal(agent.action_probabilities(obs), fresh)


def test_acting_explores_as_training_does() -> None:
    obs = np.random.default_rng(2).normal(size=(2_000, 4)).astype(np.float32)
    dqn = make_agent(CASES["dqn"])
    dqn.learn(400)
    rate = dqn.model.exploration_rate
    assert 0 < rate < 1
    differing = (dqn.act(obs, greedy=False) != dqn.act(obs)).mean()
    assert differing == pytest.approx(rate / 2, abs=0.05)

    config = SB3TD3Config(**{**_NOISY, "noise_std": 0.5})
    td3 = SB3TD3.create(gym.make("Pendulum-v1"), config, seed=0, device="cpu")
    look = np.zeros((2_000, 3), np.float32)
    assert td3.act(look, greedy=False).std() == pytest.approx(4 / 12**0.5, rel=0.1)  # at random
    td3.learn(60)
    center = td3.act(look)[0, 0]
    drawn = td3.act(look, greedy=False) - center
    inside = drawn[np.abs(drawn + center) < 1.99]
    # sigma sqrt(dt / (1 - (1 - theta dt)^2)), of actions whose bounds are -2 and 2; clipped.
    assert 0.5 < inside.std() < 2 * 0.5 * (1e-2 / (1 - (1 - 0.15e-2) ** 2)) ** 0.5


def test_recurrent_rollouts_that_cannot_be_normalized_are_refused() -> None:
    config = SB3RecurrentPPOConfig(n_steps=1, batch_size=2)
    with pytest.raises(ValueError, match="n_steps must be >= 2 to normalize advantages"):
        SB3RecurrentPPO.create(gym.make("CartPole-v1"), config, device="cpu")


def test_seeds_that_numpy_cannot_take_are_refused() -> None:
    with pytest.raises(ValueError, match="seed must be below 4294967296"):
        SB3A2C.create(gym.make("CartPole-v1"), SB3A2CConfig(), seed=2**32, device="cpu")
    config = SB3A2CConfig(n_steps=1, normalize_advantage=True)
    with pytest.raises(ValueError, match="n_steps must be >= 2 to normalize advantages"):
        SB3A2C.create(gym.make("CartPole-v1"), config, device="cpu")
    with pytest.raises(ValueError, match="leave encoder out"):
        SB3A2C.create(
            gym.make("CartPole-v1"), device="cpu", encoder=lambda space: torch.nn.Flatten()
        )
    agent = SB3A2C.create(gym.make("CartPole-v1"), device="cpu")
    with pytest.raises(TypeError, match="sb3-a2c learns in SB3's own loop"):
        agent.observe(None)  # type: ignore[arg-type]
