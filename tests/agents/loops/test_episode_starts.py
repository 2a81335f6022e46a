"""Retries, and starts along demonstrations: uncounted, and resumed to the bit."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from mario_rl_agents.agent import Agent, Callback, Episode, Step
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.demonstrations.games import STATE_PERIOD, Demonstrations
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.envs import make_vec_env, reset_some
from mario_rl_agents.errors import DemonstrationsError
from mario_rl_agents.loops.callbacks import LoopState
from mario_rl_agents.loops.starts import BACK, NUM_KEPT, Starts
from numpy.typing import NDArray
from support.agent_toys import assert_same_weights, weights
from support.commands import fail

import mario_rl_envs  # noqa: F401  registers the environments of Mario

ENV = "MarioRL-1-1-v0"
SMALL: dict[str, Any] = {"size": 42, "channels": "last", "noop_max": 30, "sticky": 0.25}
CONFIG = PPOConfig(encoder="tiny", rollout_steps=32, batch_size=32, retries=0.9)


@dataclass(frozen=True)
class RunnerConfig:
    """The only setting that the loop reads."""

    retries: float = 0.0


class Runner(Agent):
    """Runs to the right, always: a Goomba ends it."""

    algorithm = "runner"
    config_class = RunnerConfig

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        super().__init__(env, config, seed=seed, device=device)
        self.steps: list[Step] = []

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        return np.full(len(obs), 3)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        self.steps.append(step)
        return ()


class Leader:
    """A teacher that does one thing, by default run to the right."""

    def __init__(self, action: int = 3) -> None:
        self.action = action

    def begin(self, envs: Any, mask: NDArray[np.bool_]) -> None:
        pass

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        return np.full(len(obs), self.action)

    def advance(self, actions: NDArray[np.int64]) -> None:
        pass


@pytest.fixture(scope="module")
def games() -> Demonstrations:
    """Return games of a teacher whose way is short."""
    kwargs = {**SMALL, "sticky": 0.0}
    return record(Leader(), ENV, kwargs, num_decisions=100, noise=0.2, num_envs=2)


@pytest.fixture
def shown(games: Demonstrations, tmp_path: Path) -> PPOConfig:
    """Return settings with which all episodes but the first begin along these games."""
    path = tmp_path / "games.safetensors"
    games.save(path)
    return dataclasses.replace(
        CONFIG, retries=0.0, demonstrations=(str(path),), cloning_epochs=1, demonstration_starts=1.0
    )


class Episodes(Callback):
    """Keeps the episodes that it is told of."""

    def __init__(self) -> None:
        self.all: list[Episode] = []

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.all.append(episode)


def run(retries: float, num_envs: int) -> tuple[list[int], int, list[Episode]]:
    """Return the lengths of what the first game played, how many ended in all, and those told."""
    runner = Runner.create(
        make_vec_env(ENV, num_envs, SMALL), RunnerConfig(retries), seed=0, device="cpu"
    )
    episodes = Episodes()
    runner.learn(400 * num_envs, [episodes])
    ends = [number for number, step in enumerate(runner.steps, start=1) if step.terminated[0]]
    num_ended = sum(int(step.terminated.sum()) for step in runner.steps)
    return np.diff([0, *ends]).tolist(), num_ended, episodes.all


@pytest.mark.parametrize("num_envs", [1, 3])
def test_a_failure_is_tried_again_from_shortly_before_it(num_envs: int) -> None:
    lengths, num_ended, told = run(0.0, num_envs)
    whole = min(lengths)
    assert whole >= 20
    assert len(told) == num_ended
    retried, num_ended, told = run(1.0, num_envs)
    assert retried[0] >= whole
    assert BACK[0] <= min(retried[1:]) < whole
    assert 0 < len(told) < num_ended
    assert [each.index for each in told] == list(range(len(told)))
    assert min(each.length for each in told) >= whole  # of retries nobody is told


def test_what_fails_again_goes_back_further() -> None:
    starts = Starts(make_vec_env(ENV, 2, SMALL), np.random.default_rng(0), retries=1.0)
    states = {-24: b"first", -8: b"second", 0: b"third"}
    found = set()
    for _ in range(100):
        starts.begin(0, states)
        drawn = starts.draw_retry(0, 10)  # the failure; BACK steps before it is -2 at the latest
        found.add(drawn and tuple(drawn.items()))
    # As many steps before the new beginning as before the old one.
    assert found == {((-16, b"first"), (0, b"second")), ((0, b"first"),), None}
    starts.begin(0)  # from the beginning: there is nothing before it
    assert starts.draw_retry(0, BACK[1]) is None


def test_the_latest_states_are_kept() -> None:
    envs = make_vec_env(ENV, 2, SMALL)
    envs.reset(seed=0)
    starts = Starts(envs, np.random.default_rng(0), retries=1.0)
    starts.begin(1, {0: b"its beginning"})
    for num_steps in range(1, 200):
        starts.note(1, num_steps)
    drawn = starts.draw_retry(1, 199)
    assert drawn is not None
    assert len(drawn) < NUM_KEPT
    assert max(drawn) == 0
    assert b"its beginning" not in drawn.values()


@pytest.mark.parametrize("num_envs", [1, 4])
def test_what_is_resumed_ends_as_what_was_not_interrupted(tmp_path: Path, num_envs: int) -> None:
    def envs() -> Any:
        return make_vec_env(ENV, num_envs, SMALL)

    path = tmp_path / "agent.safetensors"
    whole = PPO.create(envs(), CONFIG, seed=0, device="cpu")
    whole.learn(960)
    for length in (350, 500):
        first = PPO.create(envs(), CONFIG, seed=0, device="cpu")
        first.learn(length)
        first.save(path, replay=True)
        resumed = PPO.load(path, envs(), device="cpu")
        resumed.learn(whole.num_steps - resumed.num_steps)
        assert_same_weights(weights(resumed), weights(whole))
        assert resumed.num_episodes == whole.num_episodes


def test_states_lie_along_the_way_of_the_teacher(games: Demonstrations) -> None:
    obs, _ = games.replay()
    states = games.states()
    assert len(obs) // STATE_PERIOD - 4 <= len(states) <= len(obs) // STATE_PERIOD + 4
    envs = make_vec_env(ENV, 1, SMALL)
    known = {each.tobytes() for each in obs}
    began = [reset_some(envs, {0: None}, {0: state})[0].tobytes() for state in states]
    assert known.issuperset(began)
    assert len(set(began)) == len(states)


def test_episodes_begin_along_demonstrations(games: Demonstrations, shown: PPOConfig) -> None:
    num_envs = 4
    agent = PPO.create(make_vec_env(ENV, num_envs, SMALL), shown, seed=0, device="cpu")
    episodes = Episodes()
    agent.learn(1_500, [episodes])
    told = [episode.worker for episode in episodes.all]
    assert len(set(told)) == len(told)  # the first of each game: the others are not told of
    in_progress = agent.loop.state(replay=True).arrays["state_places"]
    assert {0} == set(in_progress[:, 1].tolist())
    assert len(in_progress) >= len(told) > 0
    starts = agent.starts
    assert starts is not None
    assert list(starts.shown) == games.states()
    half = Starts(agent.envs, np.random.default_rng(0), demonstrated=0.5)
    assert half.draw_shown() is None  # of nothing
    half.shown = starts.shown
    drawn = [half.draw_shown() for _ in range(400)]
    assert 150 < sum(each is None for each in drawn) < 250
    assert {each[0] for each in drawn if each} == set(starts.shown)
    assert half.draw_retry(0, 100) is None


def test_what_began_along_a_demonstration_is_resumed_to_the_bit(
    shown: PPOConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(shown, retries=0.5, demonstration_starts=0.5)
    path = tmp_path / "agent.safetensors"
    whole, first = (
        PPO.create(make_vec_env(ENV, 4, SMALL), config, seed=0, device="cpu") for _ in range(2)
    )
    whole.learn(1_280)
    first.learn(700)
    assert any(first.loop.state(replay=True).arrays["state_places"][:, 1] == 0)
    first.save(path, replay=True)
    resumed = PPO.load(path, make_vec_env(ENV, 4, SMALL), device="cpu")
    resumed.learn(whole.num_steps - resumed.num_steps)
    assert_same_weights(weights(resumed), weights(whole))
    assert resumed.num_episodes == whole.num_episodes


def test_starts_along_demonstrations_that_cannot_be_had_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="demonstration_starts must be a number in"):
        PPOConfig(demonstration_starts=1.5)
    path = tmp_path / "games.safetensors"
    record(Leader(action=0), "CartPole-v1", {}, num_decisions=10, num_envs=1).save(path)
    config = PPOConfig(demonstrations=(str(path),), demonstration_starts=0.5)
    with pytest.raises(ValueError, match="must be 0 where environments do not save"):
        PPO.create("CartPole-v1", config, device="cpu")
    with pytest.raises(DemonstrationsError, match="CartPole-v1 saves no states that episodes"):
        Demonstrations.load(path).states()
    without = PPO.create("CartPole-v1", PPOConfig(demonstration_starts=0.5), device="cpu")
    assert without.starts is None
    without.learn(1)


def test_states_of_another_emulator_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "games.safetensors"
    kwargs = {**SMALL, "sticky": 0.0, "emulator": "nes-py"}
    record(Leader(), ENV, kwargs, num_decisions=40, num_envs=1).save(path)
    config = dataclasses.replace(
        CONFIG, retries=0.0, demonstrations=(str(path),), demonstration_starts=1.0, cloning_epochs=1
    )
    agent = PPO.create(make_vec_env(ENV, 2, SMALL), config, device="cpu")
    with pytest.raises(
        DemonstrationsError, match=r"cannot begin along .* set demonstration_starts"
    ):
        agent.learn(4_000)
    agent.env.close()


def test_a_state_without_retries_does_not_fit_a_training_with_them() -> None:
    plain, other = (
        PPO.create(make_vec_env(ENV, 2, SMALL), config, device="cpu")
        for config in (dataclasses.replace(CONFIG, retries=0.0), CONFIG)
    )
    assert "retries" not in plain.generators
    plain.learn(64)
    with pytest.raises(ValueError, match="saved without retries"):
        other.loop.load_state(plain.loop.state(replay=True))


def test_environments_that_save_no_state_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be 0 where environments do not save"):
        PPO.create("CartPole-v1", PPOConfig(retries=0.5), device="cpu")
    envs = gym.make_vec(ENV, 2, autoreset_mode=AutoresetMode.SAME_STEP, **SMALL)
    with pytest.raises(ValueError, match="reset themselves in the step that ends one"):
        PPO.create(envs, CONFIG, device="cpu")
    path = tmp_path / "agent.safetensors"
    PPO.create(make_vec_env(ENV, 1, SMALL), CONFIG, device="cpu").save(path)
    there = PPO.load(path, envs, device="cpu")  # to act is all right
    assert there.act(np.zeros((2, 42, 42, 4), np.uint8)).shape == (2,)
    with pytest.raises(ValueError, match="reset themselves in the step that ends one"):
        there.learn(64)
    out = tmp_path / "run"
    message = fail(2, "train", "ppo", "CartPole-v1", "--set", "retries=0.5", "--out", out)
    assert "must be 0 where environments do not save" in message
    assert not out.exists()
    with pytest.raises(ValueError, match="retries must be"):
        PPOConfig(retries=1.5)


def test_damaged_states_are_refused() -> None:
    agent = PPO.create(make_vec_env(ENV, 4, SMALL), CONFIG, seed=0, device="cpu")
    agent.learn(1_000)
    state = agent.loop.state(replay=True)
    places = state.arrays["state_places"]
    assert len(places), "no retry is in progress"
    assert (places[:, 1] <= 0).all()
    for damaged in (places[:-1], places[:, :2], places + np.array([4, 0, 0]), -places):
        with pytest.raises(ValueError, match="do not go with them"):
            agent.loop.load_state(
                LoopState(state.values, {**state.arrays, "state_places": damaged})
            )
    moved = {**state.arrays, "state_places": places - np.array([0, 1, 0])}
    with pytest.raises(ValueError, match="no state that it began in"):
        agent.loop.load_state(LoopState(state.values, moved))
