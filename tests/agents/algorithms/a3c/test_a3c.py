"""A3C: returns and losses by hand, learning, callbacks, checkpoints, what it refuses."""

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.a3c.a3c import (
    A3C,
    A3CConfig,
    ActorCritic,
    Segment,
    a3c_loss,
    n_step_returns,
)
from mario_rl_agents.algorithms.a3c.workers import start_process
from mario_rl_agents.config import linear
from mario_rl_agents.envs import single_spaces
from mario_rl_agents.errors import CheckpointError, ObservationError, RewardError, SetupError
from mario_rl_agents.networks.distributions import Gaussian
from support import worker_toys
from support.agent_toys import (
    assert_same_weights,
    cartpole,
    corridor,
    run_python,
    side,
    weights,
)
from support.own_encoder import Halves
from torch import Tensor


def test_n_step_returns_by_hand() -> None:
    reward = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    # 3 + 5, 2 + 4, 1 + 3; and without what follows 3, 2 + 1.5, 1 + 1.75.
    assert n_step_returns(reward, 10.0, 0.5).tolist() == [4.0, 6.0, 8.0]
    assert n_step_returns(reward, 0.0, 0.5).tolist() == [2.75, 3.5, 3.0]
    assert n_step_returns(reward[:1], 10.0, 0.5).tolist() == [6.0]


def literal_loss(network: ActorCritic, segment: Segment, config: A3CConfig) -> Tensor:
    """Return the loss as algorithm S3 of Mnih et al. 2016 has it, step by step backwards."""
    num_steps = len(segment.reward)
    with torch.no_grad():
        r = network.value(network.encoder(segment.obs[-1:]))[0, 0]
        if segment.terminated:
            r = torch.zeros_like(r)
    loss = torch.zeros((), dtype=torch.float64)
    for t in reversed(range(num_steps)):
        r = config.reward_scale * segment.reward[t] + config.gamma * r
        obs = segment.obs[t : t + 1]
        outputs = network.policy(network.encoder(obs))[0]
        value = network.value(network.encoder(obs))[0, 0]
        advantage = (r - value).item()
        if segment.action.dtype == torch.int64:
            p = outputs.exp() / outputs.exp().sum()
            log_prob, entropy = p[segment.action[t]].log(), -sum(x * x.log() for x in p)
        else:
            assert isinstance(network.distribution, Gaussian)
            std = network.distribution.log_std.exp()
            log_prob, entropy = torch.zeros(()), torch.zeros(())
            for mean, deviation, action in zip(outputs, std, segment.action[t], strict=True):
                density = (-((action - mean) ** 2) / (2 * deviation**2)).exp()
                log_prob = log_prob + (density / (deviation * math.sqrt(2 * math.pi))).log()
                entropy = entropy + 0.5 * (2 * math.pi * math.e * deviation**2).log()
        loss = loss - log_prob * advantage + config.value_coefficient * (r - value) ** 2
        loss = loss - config.entropy_coefficient * entropy
    return loss / num_steps


class Spaces(gym.Env[Any, Any]):
    """Only spaces."""

    def __init__(self, action_space: gym.Space[Any], obs_shape: tuple[int, ...] = (3,)) -> None:
        self.observation_space = gym.spaces.Box(-9, 9, obs_shape, np.float32)
        self.action_space = action_space


DISCRETE = gym.spaces.Discrete(4)
CONTINUOUS = gym.spaces.Box(-2, 2, (2,), np.float32)


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize("actions", [DISCRETE, CONTINUOUS])
def test_loss_and_gradient_are_those_of_the_paper(
    actions: gym.Space[Any], terminated: bool
) -> None:
    config = A3CConfig(
        gamma=0.9,
        value_coefficient=0.3,
        entropy_coefficient=0.2,
        reward_scale=0.5,
        hidden_sizes=(6, 5),
    )
    network = ActorCritic(*single_spaces(Spaces(actions)), config).double()
    generator = torch.Generator().manual_seed(1)
    for x in network.parameters():
        x.data = torch.randn(x.shape, generator=generator, dtype=torch.float64) / 2
    obs, reward = torch.randn(6, 3, generator=generator).double(), torch.randn(5).double()
    action = torch.tensor([3, 0, 1, 1, 2])
    if actions is CONTINUOUS:
        action = torch.randn(5, 2, generator=generator).double()
    segment = Segment(obs, action, reward, terminated)

    loss, parts = a3c_loss(network, segment, config)
    expected = literal_loss(network, segment, config)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-9)
    total = parts["losses/policy"] + 0.3 * parts["losses/value"] - 0.2 * parts["charts/entropy"]
    torch.testing.assert_close(loss, total)
    parameters = list(network.parameters())
    for mine, other in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("factory", [worker_toys.short_terminated, worker_toys.short_truncated])
def test_truncation_is_bootstrapped_and_termination_is_not(factory: Any) -> None:
    class First(Callback):
        value_loss = float("nan")

        def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
            self.value_loss = losses["losses/value"]

    first = First()
    agent = A3C.create(factory(), A3CConfig(num_workers=1, gamma=0.5), env_factory=factory)
    obs = torch.tensor([[0.1], [0.2], [0.3]])
    value = agent.network.value(obs).flatten().tolist()
    following = 0.0 if factory is worker_toys.short_terminated else value[2]
    returns = [1 + 0.5 * (2 + 0.5 * following), 2 + 0.5 * following]
    agent.learn(2, [first])
    errors = [(r - v) ** 2 for r, v in zip(returns, value[:2], strict=True)]
    assert first.value_loss == pytest.approx(sum(errors) / 2, rel=1e-5)


CORRIDOR_CONFIG = A3CConfig(
    num_workers=1, learning_rate=3e-3, gamma=0.9, entropy_coefficient=0.01, hidden_sizes=(32,)
)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_learns_the_corridor(num_workers: int) -> None:
    config = A3CConfig(**{**vars(CORRIDOR_CONFIG), "num_workers": num_workers})
    agent = A3C.create(corridor(), config, seed=1, env_factory=corridor)
    agent.learn(3000)
    cells = np.eye(5, dtype=np.float32)[:4]
    assert agent.act(cells).tolist() == [1, 1, 1, 1]
    value = agent.network.value(torch.from_numpy(cells)).flatten().tolist()
    np.testing.assert_allclose(value, [0.9**3, 0.9**2, 0.9, 1.0], atol=0.15)


def test_learns_from_images() -> None:
    config = A3CConfig(
        num_workers=1, learning_rate=1e-3, gamma=0.5, t_max=15, max_grad_norm=1.0, hidden_sizes=()
    )
    agent = A3C.create(side(), config, seed=1, env_factory=side)
    agent.learn(900)
    env, hits = side(), 0.0
    obs, _ = env.reset(seed=100)
    for _ in range(100):
        obs, reward, terminated, truncated, _ = env.step(agent.act(obs[None])[0])
        hits += float(reward)
        if terminated or truncated:
            obs, _ = env.reset()
    assert hits >= 95


def test_learns_continuous_actions() -> None:
    config = A3CConfig(
        num_workers=1,
        learning_rate=linear(5e-3, 0, 5000),
        t_max=8,
        gamma=0.0,
        hidden_sizes=(32,),
    )
    agent = A3C.create(worker_toys.Target(), config, seed=1, env_factory=worker_toys.Target)
    agent.learn(5000)
    actions = agent.act(np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(actions, [[1.2], [-0.8]], atol=0.3)
    explored = np.concatenate([agent.act(np.eye(2, dtype=np.float32), greedy=False)] * 20)
    assert (np.abs(explored) <= 2).all()


class Calls(Callback):
    """Writes down what is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.episodes: list[Episode] = []
        self.losses: list[dict[str, float]] = []

    def on_training_start(self, agent: Agent) -> None:
        self.calls.append("start")

    def on_step(self, agent: Agent) -> bool | None:
        self.calls.append("step")
        return None

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        self.calls.append("update")
        self.losses.append(losses)

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.calls.append("episode")
        self.episodes.append(episode)

    def on_training_end(self, agent: Agent) -> None:
        self.calls.append("end")


def test_callbacks_in_order() -> None:
    factory = worker_toys.short_truncated
    config = A3CConfig(num_workers=1, t_max=1)
    agent = A3C.create(factory(), config, env_factory=factory)
    calls = Calls()
    agent.learn(3, [calls])
    last = ["update", "episode", "step"]
    assert calls.calls == ["start", "update", "step", *last, "update", "step", "end"]
    assert calls.episodes == [Episode(0, 2, 3.0, 2, False, True, {})]
    assert calls.losses[0].keys() == {
        "losses/policy",
        "losses/value",
        "charts/entropy",
        "charts/gradient_norm",
        "charts/policy_lag",
    }
    # Steps of one segment are told of together, once it is over.
    agent = A3C.create(factory(), A3CConfig(num_workers=1, t_max=5), env_factory=factory)
    calls = Calls()
    agent.learn(5, [calls])
    episode = ["step", *last]
    assert calls.calls == ["start", *episode, *episode, "update", "step", "end"]
    assert (agent.num_steps, agent.num_updates, agent.num_episodes) == (5, 3, 2)


def test_many_workers_take_exactly_the_steps_asked_for() -> None:
    config = A3CConfig(num_workers=3, learning_rate=1e-3)
    agent = A3C.create(cartpole(), config, seed=0)
    for total in (1, 497, 1000):
        calls = Calls()
        first, before = agent.num_steps, agent.num_updates
        agent.learn(total - first, [calls])
        assert agent.num_steps == total
        assert calls.calls.count("step") == total - first
        assert calls.calls.count("update") == agent.num_updates - before
    assert float(agent.optimizer.state_dict()["state"][0]["step"]) == agent.num_updates
    assert max(x["charts/policy_lag"] for x in calls.losses) > 0
    assert all(e.episodic_return == e.length for e in calls.episodes)


def test_a_callback_stops_one_worker_at_the_end_of_its_segment() -> None:
    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.num_steps < 7

    factory = worker_toys.Seeded  # episodes of ten steps
    agent = A3C.create(factory(), A3CConfig(num_workers=1, t_max=5), env_factory=factory)
    calls = Calls()
    agent.learn(100, [Stop(), calls])
    assert agent.num_steps == calls.calls.count("step") == 10
    assert calls.calls[-3:] == ["episode", "step", "end"]


def test_gradients_are_clipped_and_the_rate_decays() -> None:
    factory = worker_toys.short_truncated
    before = A3C.create(factory(), A3CConfig(num_workers=1), env_factory=factory)
    config = A3CConfig(num_workers=1, max_grad_norm=1e-3)
    agent = A3C.create(factory(), config, env_factory=factory)
    agent.learn(2)
    # After one step exp_avg is (1 - beta1) times the gradient.
    gradient = agent.optimizer.state_dict()["state"][0]["exp_avg"] / (1 - 0.92)
    assert gradient.norm().item() == pytest.approx(1e-3, rel=1e-3)

    config = A3CConfig(num_workers=1, learning_rate=linear(1e-4, 0, 4))
    agent = A3C.create(factory(), config, env_factory=factory)
    changes, last = [], torch.cat([x.flatten() for x in before.network.parameters()])
    for _ in range(3):
        agent.learn(2)
        now = torch.cat([x.flatten() for x in agent.network.parameters()])
        changes.append((now - last).abs().max().item())
        last = now.clone()
    # Adam's first step is the learning rate; from 4 environment steps on that is 0.
    assert changes[0] == pytest.approx(1e-4, rel=1e-3)
    assert 2e-5 < changes[1] < 7e-5
    assert changes[2] == 0


RESUME = """
from support import agent_toys
from mario_rl_agents.algorithms.a3c.a3c import A3C
if __name__ == "__main__":
    agent = A3C.load({path!r}, agent_toys.corridor(), env_factory=agent_toys.corridor)
    agent.learn(203)
    agent.save({path!r} + ".resumed")
"""


def test_save_load_and_go_on_in_a_new_process(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    straight = A3C.create(corridor(), CORRIDOR_CONFIG, seed=2, env_factory=corridor)
    straight.learn(303)
    straight.save(path, replay=True)
    straight.learn(203)
    run_python(RESUME.format(path=str(path)))
    resumed = A3C.load(f"{path}.resumed", corridor())
    assert_same_weights(weights(resumed), weights(straight))
    assert resumed.num_steps == straight.num_steps == 506
    assert resumed.num_updates == straight.num_updates
    assert resumed.num_episodes == straight.num_episodes
    cells = np.eye(5, dtype=np.float32)
    assert resumed.act(cells).tolist() == straight.act(cells).tolist()
    with pytest.raises(CheckpointError, match="does not fit the environment"):
        A3C.load(path, cartpole())


def test_where_there_is_a_gpu_it_is_on_the_cpu_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.safetensors"
    gpu = "meta"  # a device that is on every machine
    monkeypatch.setattr(
        "mario_rl_agents.agent.select_device",
        lambda name: torch.device(gpu if name == "auto" else name),
    )
    made = A3C.create(corridor(), CORRIDOR_CONFIG, env_factory=corridor)
    made.save(path)
    for agent in (made, A3C.load(path, corridor())):
        assert agent.device == torch.device("cpu")
    with pytest.raises(ValueError, match='a3c computes on the cores of the CPU, got meta: use "cp'):
        A3C.load(path, corridor(), device=gpu)


def test_a_callback_saves_and_acts_with_the_weights_of_its_step(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"

    class Saver(Callback):
        def on_step(self, agent: Agent) -> None:
            if agent.num_steps == 100:
                agent.save(path)
                self.actions = agent.act(np.eye(5, dtype=np.float32)).tolist()

    saver = Saver()
    agent = A3C.create(corridor(), CORRIDOR_CONFIG, seed=2, env_factory=corridor)
    agent.learn(300, [saver])
    saved = A3C.load(path, corridor())
    assert saved.num_steps == 100
    other = A3C.create(corridor(), CORRIDOR_CONFIG, seed=2, env_factory=corridor)

    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.num_steps < 100

    other.learn(300, [Stop()])
    assert_same_weights(weights(saved), weights(other))
    assert other.act(np.eye(5, dtype=np.float32)).tolist() == saver.actions


def test_infos_are_sent_without_what_cannot_be() -> None:
    calls = Calls()
    agent = A3C.create(corridor(), CORRIDOR_CONFIG, env_factory=worker_toys.info)
    agent.learn(50, [calls])
    assert [set(episode.info) for episode in calls.episodes] == [{"cell"}] * len(calls.episodes)
    assert calls.episodes


def test_an_environment_is_made_again_by_its_spec() -> None:
    calls = Calls()
    env = gym.make("CartPole-v1", max_episode_steps=7, render_mode="rgb_array")
    agent = A3C.create(env, A3CConfig(num_workers=1), seed=0)
    agent.learn(50, [calls])
    assert [episode.length for episode in calls.episodes] == [7] * 7
    assert all(episode.truncated for episode in calls.episodes)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a3c needs actions Discrete\(n\) from 0 or a bounded"):
        A3C.create(Spaces(gym.spaces.MultiBinary(3)))
    with pytest.raises(ValueError, match="a3c needs observations a Box of shape"):
        A3C.create(Spaces(DISCRETE, (3, 3)))
    with pytest.raises(ValueError, match=r"on the cores of the CPU, got meta"):
        A3C.create(cartpole(), device="meta")
    agent = A3C.create(corridor())
    with pytest.raises(ValueError, match="pass env_factory to create or load, a function at the"):
        agent.learn(100)
    agent = A3C.create(corridor(), env_factory=lambda: corridor())
    with pytest.raises(ValueError, match=r"cannot be sent to a process .*lambda"):
        agent.learn(100)
    agent = A3C.create(cartpole(), encoder=lambda space: Halves(space))
    with pytest.raises(ValueError, match=r"the encoder cannot be sent .*lambda.*: pass a class"):
        agent.learn(100)
    with pytest.raises(ValueError, match="total_steps must be a whole number >= 1, got 0"):
        A3C.create(cartpole()).learn(0)


def test_a_wrapper_that_cannot_be_made_again_is_refused_before_any_worker_starts() -> None:
    agent = A3C.create(worker_toys.scaled(), A3CConfig(num_workers=2))
    with pytest.raises(
        ValueError, match=r"Scaled.* cannot be made again .*: pass env_factory.*Rec"
    ):
        agent.learn(100)
    calls = Calls()
    agent = A3C.create(
        worker_toys.scaled(), A3CConfig(num_workers=1), env_factory=worker_toys.scaled
    )
    agent.learn(14, [calls])
    assert [episode.episodic_return for episode in calls.episodes] == pytest.approx([7 / 15] * 2)


def test_a_video_of_every_worker_is_refused(tmp_path: Path) -> None:
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    agent = A3C.create(
        gym.wrappers.RecordVideo(env, str(tmp_path / "videos")), A3CConfig(num_workers=2)
    )
    with pytest.raises(ValueError, match="in the workers of a3c, where nothing is drawn"):
        agent.learn(100)


def test_an_id_that_makes_wrapped_environments_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = EnvSpec("Scaled-v0", entry_point="support.worker_toys:scaled")
    monkeypatch.setitem(gym.registry, "Scaled-v0", spec)
    calls = Calls()
    A3C.create("Scaled-v0", A3CConfig(num_workers=1)).learn(14, [calls])
    assert [episode.episodic_return for episode in calls.episodes] == pytest.approx([7 / 15] * 2)


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (cartpole, SetupError, "env_factory must make environments of the same kind"),
        (worker_toys.broken, SetupError, r"worker [01] .* \(ValueError: no such game\)"),
        (worker_toys.two_rewards, RewardError, "a reward must be one number, got .*0.5, 0.5"),
        (worker_toys.short_obs, ObservationError, r"must have shape \(5,\) .*; got \(1,\)"),
    ],
)
@pytest.mark.filterwarnings("error")  # no worker is replaced: its successors would end like it
def test_what_no_other_worker_could_do_better_is_told_once(
    factory: Any, error: type[Exception], message: str
) -> None:
    agent = A3C.create(corridor(), A3CConfig(num_workers=2), env_factory=factory)
    with pytest.raises(error, match=message) as caught:
        agent.learn(100)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_ctrl_c_does_not_reach_a_fork_server_that_is_starting() -> None:
    """It has SIGINT blocked from its first moment on; the main process has not."""
    code = (
        "import multiprocessing, signal\n"
        "from multiprocessing import forkserver\n"
        "from mario_rl_agents.algorithms.a3c.workers import start_process\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('forkserver').Process(target=abs, args=(1,))\n"
        "    start_process(process)\n"
        "    process.join()\n"
        "    for pid in (forkserver._forkserver._forkserver_pid, 'self'):\n"
        "        status = open(f'/proc/{pid}/status').read()\n"
        "        blocked = int(status.split('SigBlk:')[1].split()[0], 16)\n"
        "        print(bool(blocked & 1 << signal.SIGINT - 1))\n"
    )
    assert run_python(code).split() == ["True", "False"]


class Ends:
    """A process whose fork servers end in a number of attempts."""

    def __init__(self, num_ends: int, error: Exception) -> None:
        self.num_ends, self.error = num_ends, error

    def start(self) -> None:
        self.num_ends -= 1
        if self.num_ends >= 0:
            raise self.error


def test_a_fork_server_that_ended_is_replaced() -> None:
    process: Any = Ends(2, EOFError("unexpected EOF"))
    start_process(process)
    assert process.num_ends == -1
    endless: Any = Ends(9, ConnectionRefusedError())
    with pytest.raises(SetupError, match="3 fork servers, which start the workers, ended one aft"):
        start_process(endless)
    other: Any = Ends(1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        start_process(other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_workers", 0),
        ("t_max", 0),
        ("learning_rate", 0.0),
        ("learning_rate", linear(-1, 0, 9)),
        ("betas", (0.9, 1.0)),
        ("gamma", 1.5),
        ("reward_scale", -1.0),
        ("value_coefficient", -0.1),
        ("entropy_coefficient", -0.1),
        ("max_grad_norm", 0.0),
        ("hidden_sizes", (0,)),
        ("max_restarts", -1),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        A3CConfig(**{field: value})
