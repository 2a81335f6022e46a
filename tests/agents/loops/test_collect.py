"""The training loop: what agents are handed, when gradient steps are taken, going on exactly."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from mario_rl_agents.agent import Agent, Callback, Episode, Step
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config
from mario_rl_agents.envs import VecEnv, make_vec_env
from mario_rl_agents.errors import AgentError
from mario_rl_agents.runs.evaluation import evaluate
from numpy.typing import NDArray
from support.agent_toys import assert_same_weights, three_cartpoles, three_pendulums

import mario_rl_envs  # noqa: F401  registers the environments of Mario


class Recorder(Agent):
    """Keeps all that it is handed, and takes a gradient step each second time."""

    algorithm = "recorder"

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        super().__init__(env, config, seed=seed, device=device)
        self.steps: list[Step] = []
        self.events: list[str] = []

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        self.events.append("act")
        return self.generators["exploration"].integers(2, size=len(obs))

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        self.events.append("observe")
        self.steps.append(copy.deepcopy(step))
        return [{"losses/none": 0.0}] if len(self.steps) % 2 == 0 else []

    def reset(self) -> None:
        self.events.append("reset")


class Events(Callback):
    """Writes down what it is told among the agent's own events."""

    def on_update(self, agent: Recorder, losses: dict[str, float]) -> None:
        agent.events.append("update")

    def on_episode_end(self, agent: Recorder, episode: Episode) -> None:
        agent.events.append(f"episode {episode.index} of {episode.length} at {episode.step}")

    def on_step(self, agent: Recorder) -> None:
        agent.events.append(f"step {agent.num_steps}")


def short_cartpole(num_steps: int = 3) -> gym.Env[Any, Any]:
    return gym.make("CartPole-v1", max_episode_steps=num_steps)


def test_the_order_of_events() -> None:
    agent = Recorder.create(short_cartpole(2), device="cpu")
    agent.learn(2, [Events()])
    first = ["act", "observe", "step 1"]
    assert agent.events == [*first, "act", "observe", "update", "episode 0 of 2 at 2", "step 2"]


MODES: dict[str, Callable[[], VecEnv]] = {
    "ours": lambda: make_vec_env("CartPole-v1", 3, {"max_episode_steps": 4}),
    "disabled": lambda: SyncVectorEnv(
        [lambda: short_cartpole(4)] * 3, autoreset_mode=AutoresetMode.DISABLED
    ),
    "same step": lambda: SyncVectorEnv(
        [lambda: short_cartpole(4)] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    ),
    "next step": lambda: SyncVectorEnv([lambda: short_cartpole(4)] * 3),
    "shared memory": lambda: SyncVectorEnv(
        [lambda: short_cartpole(4)] * 3, autoreset_mode=AutoresetMode.DISABLED, copy=False
    ),
    "processes": lambda: AsyncVectorEnv(
        [lambda: short_cartpole(4)] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_steps_are_those_of_single_environments(mode: str) -> None:
    """Whatever resets the sub-environments, each is seen as a single one, true last ones too."""
    envs = MODES[mode]()
    agent = Recorder.create(envs, seed=7, device="cpu")
    agent.learn(3 * 13)
    envs.close()
    assert agent.num_episodes == 9
    for index in range(3):
        single = short_cartpole(4)
        obs, _ = single.reset(seed=7 + index)
        for step in agent.steps:
            next_obs, reward, terminated, truncated, info = single.step(step.action[index])
            assert np.array_equal(step.obs[index], obs)
            assert np.array_equal(step.next_obs[index], next_obs)
            assert step.reward[index] == reward
            assert (step.terminated[index], step.truncated[index]) == (terminated, truncated)
            assert (index in step.infos) == (terminated or truncated)
            obs = single.reset()[0] if terminated or truncated else next_obs
            assert step.infos.get(index, info) == info


def test_a_native_vector_is_taken_as_gymnasium_makes_it() -> None:
    """In its usual mode, in which a sub-environment resets itself at the next step."""
    keywords: dict[str, Any] = {"observation": "tiles", "max_episode_steps": 5}
    steps = []
    for envs in (
        gym.make_vec("MarioRL-1-1-v0", num_envs=2, **keywords),
        make_vec_env("MarioRL-1-1-v0", 2, keywords),
    ):
        agent = Recorder.create(envs, seed=3, device="cpu")
        agent.learn(2 * 12)
        envs.close()
        assert agent.num_episodes == 4
        steps.append(agent.steps)
    for one, other in zip(*steps, strict=True):
        assert np.array_equal(one.obs, other.obs)
        assert np.array_equal(one.next_obs, other.next_obs)
        assert np.array_equal(one.reward, other.reward)


@pytest.mark.parametrize(
    ("period", "num_updates"), [(1, [3, 3, 3, 3]), (2, [2, 1, 2, 1]), (6, [1, 0, 1, 0])]
)
def test_gradient_steps_are_counted_by_environment_steps(
    period: int, num_updates: list[int]
) -> None:
    class Count(Callback):
        def __init__(self) -> None:
            self.updates: list[int] = []

        def on_step(self, agent: Agent) -> None:
            self.updates.append(agent.num_updates)

    config = DQNConfig(learning_starts=6, replay_capacity=90, update_period=period, overlap=False)
    agent, count = DQN.create(three_cartpoles(), config, device="cpu"), Count()
    agent.learn(21, [count])
    # Six transitions are there after two steps; their gradient steps come with the third one.
    assert count.updates[:2] == [0, 0]
    assert np.diff(count.updates)[1:5].tolist() == num_updates


REPLAY = DQNConfig(
    learning_rate=1e-3,
    learning_starts=30,
    replay_capacity=150,
    target_update_period=20,
    hidden_sizes=(16,),
    overlap=False,
)
CASES: dict[str, tuple[type[Agent], Any, Callable[[], VecEnv]]] = {
    "dqn": (DQN, REPLAY, three_cartpoles),
    "n-step, prioritized": (
        DoubleDQN,
        replace(REPLAY, num_return_steps=3, prioritized=True, dueling=True),
        three_cartpoles,
    ),
    "overlap": (DQN, replace(REPLAY, overlap=True), three_cartpoles),
    "td3": (
        TD3,
        TD3Config(learning_starts=30, replay_capacity=150, hidden_sizes=(16, 16)),
        three_pendulums,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_off_policy_agents_resume_exactly_in_several_environments(
    case: str, tmp_path: Path
) -> None:
    """In the middle of episodes, with a memory that is full, twice."""
    agent_class, config, make = CASES[case]
    straight = agent_class.create(make(), config, seed=2, device="cpu")
    straight.learn(300)
    agent = agent_class.create(make(), config, seed=2, device="cpu")
    for index in range(2):
        agent.learn(99 if index else 102)
        agent.save(tmp_path / "agent.safetensors", replay=True)
        agent = agent_class.load(tmp_path / "agent.safetensors", make(), device="cpu")
    agent.learn(99)
    assert_same_weights(agent.tensors(), straight.tensors())
    assert agent.num_episodes == straight.num_episodes


def test_stepping_in_a_second_thread_changes_nothing() -> None:
    agents = []
    for overlap in (False, True):
        config = replace(REPLAY, overlap=overlap)
        agents.append(DQN.create(three_cartpoles(), config, seed=5, device="cpu"))
        agents[-1].learn(150)
    assert_same_weights(agents[0].tensors(), agents[1].tensors())


@pytest.mark.parametrize("mode", ["processes", "same step"])
@pytest.mark.parametrize(
    ("agent_class", "config"),
    [(PPO, PPOConfig(rollout_steps=8, batch_size=12, hidden_sizes=(8,))), (DQN, REPLAY)],
)
def test_episodes_that_cannot_be_repeated_are_begun_anew(
    mode: str, agent_class: type[Agent], config: Any, tmp_path: Path
) -> None:
    """What was recorded of them does not go on: no rollout and no episode in the memory."""
    path = tmp_path / "agent.safetensors"
    envs = MODES[mode]()
    agent = agent_class.create(envs, config, seed=1, device="cpu")
    agent.learn(39)
    agent.save(path, replay=True)
    envs.close()
    again = MODES[mode]()
    resumed = agent_class.load(path, again, device="cpu")
    recorded = len(resumed.replay)  # type: ignore[arg-type]
    assert recorded > 0
    resumed.learn(3)
    # The memory keeps its transitions, since none of them needs what comes next; a rollout does.
    assert len(resumed.replay) == (1 if agent_class is PPO else recorded + 3)  # type: ignore[arg-type]
    resumed.learn(27)
    again.close()
    assert resumed.num_steps == 69
    assert resumed.num_episodes > agent.num_episodes


def test_an_exception_drops_what_is_in_progress() -> None:
    class Stumble(Callback):
        def on_update(self, agent: Recorder, losses: dict[str, float]) -> None:
            raise KeyError("a callback's own")

    agent = Recorder.create(short_cartpole(5), device="cpu")
    with pytest.raises(KeyError):
        agent.learn(9, [Stumble()])
    assert (agent.num_steps, agent.events[-1]) == (2, "reset")
    agent.learn(2)
    assert not np.array_equal(agent.steps[-2].obs, agent.steps[-3].next_obs)  # a new episode


def test_bad_numbers_of_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        Recorder.create(short_cartpole(), device="cpu").learn(0)


class Wrong(Agent):
    """An agent of one's own that returns what it is told to."""

    algorithm = "wrong"
    action: Any = np.zeros(1, np.int32)
    losses: Any = ()

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> Any:
        return self.action

    def observe(self, step: Step) -> Any:
        return self.losses


@pytest.mark.parametrize(
    ("action", "got"),
    [
        ([0], "a value of type list"),
        (0, "a value of type int"),
        (torch.zeros(1, dtype=torch.int64), "a value of type Tensor"),
        (np.zeros((1, 1), np.int64), r"an array of shape \(1, 1\) and dtype int64"),
        (np.zeros(1), r"an array of shape \(1,\) and dtype float64"),
    ],
)
def test_what_act_returns_has_to_be_actions(action: Any, got: str) -> None:
    agent = Wrong.create(short_cartpole(), device="cpu")
    agent.learn(3)
    agent.action = action
    wanted = (
        r"act of Wrong must return a NumPy array of shape \(1,\) and dtype int64, an action for "
        rf"each observation; got {got}$"
    )
    with pytest.raises(AgentError, match=wanted):
        agent.learn(3)
    with pytest.raises(AgentError, match=wanted):
        evaluate(agent, short_cartpole(), num_episodes=1)
    assert agent.num_steps == 3


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (None, r"must return the losses of each gradient step, as a list or by yield, .*got None$"),
        (0.5, r"must return the losses of .*got a value of type float$"),
        ([0.5], r"must give the losses of a gradient step by name, as .*; got a value of type f"),
    ],
)
def test_what_observe_returns_has_to_be_losses_by_name(losses: Any, message: str) -> None:
    agent = Wrong.create(short_cartpole(), device="cpu")
    agent.losses = losses
    with pytest.raises(AgentError, match=f"observe of Wrong {message}"):
        agent.learn(3)
