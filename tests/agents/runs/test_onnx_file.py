"""ONNX files: what is in the graph beside the networks, what they say, and what is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.config import read
from mario_rl_agents.envs import NoEnv
from mario_rl_agents.runs.loading import load_agent
from mario_rl_agents.runs.onnx_file import export_onnx
from mario_rl_agents.saved_spaces import SavedSpace
from mario_rl_agents.weights.policies import policy_path
from support.agent_toys import run_python
from support.interface_toys import toy
from support.onnx_checks import Exported, check_same, observations
from support.own_encoder import Halves

pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
SMALL: Any = {"hidden_sizes": (8,)}


def exported(agent: Agent, folder: Path) -> Exported:
    path = folder / "agent.onnx"
    export_onnx(agent, path)
    check_same(agent, path)
    return Exported(path)


def test_a_policy_of_the_package_acts_the_same_on_pixels(tmp_path: Path) -> None:
    policy = load_agent(policy_path("MarioRL-1-1-v0"), make_env=False, device="cpu")
    # A file computes in float32; the policy itself, where the processor has it, in bfloat16.
    size = policy.config.rollout_steps  # of a batch, which one environment has to fill
    config = dataclasses.replace(policy.config, precision="float32", batch_size=size)
    agent = PPO.create(policy.env, config, device="cpu")
    agent.load_tensors(policy.tensors())
    path = tmp_path / "agent.onnx"
    export_onnx(policy, path)
    check_same(agent, path)
    session = Exported(path).session
    (obs,) = session.get_inputs()
    assert (obs.name, obs.type, obs.shape) == ("obs", "tensor(uint8)", ["batch", 42, 42, 4])
    action, probabilities = session.get_outputs()
    assert (action.name, action.type, action.shape) == ("action", "tensor(int64)", ["batch"])
    assert (probabilities.name, probabilities.shape) == ("probabilities", ["batch", 5])


def test_what_the_agent_does_to_observations_is_in_the_file(tmp_path: Path) -> None:
    config = PPOConfig(rollout_steps=8, batch_size=8, normalize_observations=True, **SMALL)
    agent = PPO.create(toy("vector", "continuous"), config, device="cpu")
    agent.learn(40)
    assert (agent.normalizer.mean != 0).all()
    exported(agent, tmp_path)


def test_the_average_of_weights_is_what_is_exported(tmp_path: Path) -> None:
    config = PPOConfig(rollout_steps=8, batch_size=8, learning_rate=0.02, ema_decay=0.9, **SMALL)
    agent = PPO.create(toy("vector", "discrete"), config, device="cpu")
    agent.learn(40)
    path = tmp_path / "agent.onnx"
    export_onnx(agent, path)
    with agent.playing():
        check_same(agent, path)


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_it_computes_in_float32(precision: Any, tmp_path: Path) -> None:
    config = PPOConfig(precision=precision, **SMALL)
    agent = PPO.create(toy("vector", "discrete"), config, device="cpu")
    export_onnx(agent, tmp_path / "agent.onnx")
    obs = observations(agent.observation_space, 9)
    probabilities = Exported(tmp_path / "agent.onnx").run(obs)["probabilities"]
    exact = PPO.create(toy("vector", "discrete"), PPOConfig(**SMALL), device="cpu")
    exact.load_tensors(agent.tensors())
    np.testing.assert_allclose(probabilities, exact.action_probabilities(obs), atol=1e-6)
    if precision == "bfloat16":  # in which the agent itself still computes
        assert np.abs(agent.action_probabilities(obs) - probabilities).max() > 1e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"dueling": True},
        {"dueling": True, "layer_norm": True},
        {"encoder": "small"},
        {"encoder": "tiny"},
        {"encoder": "impala"},
    ],
    ids=str,
)
def test_every_network_can_be_exported(changes: dict[str, Any], tmp_path: Path) -> None:
    obs = "image" if "encoder" in changes else "vector"
    config = dataclasses.replace(DQNConfig(replay_capacity=100, learning_starts=8), **changes)
    exported(DQN.create(toy(obs, "discrete"), config, device="cpu"), tmp_path)


@pytest.mark.parametrize("actor_std", ["exponential", "clamped"])
def test_deviations_are_those_that_the_actor_means(actor_std: Any, tmp_path: Path) -> None:
    agent = SAC.create(toy("vector", "continuous"), SACConfig(actor_std=actor_std), device="cpu")
    exported(agent, tmp_path)


def test_an_encoder_of_ones_own_and_grids_can_be_exported(tmp_path: Path) -> None:
    agent = PPO.create(toy("vector", "discrete"), device="cpu", encoder=Halves)
    exported(agent, tmp_path)
    grid = NoEnv(spaces.Box(0, 12, (13, 16), np.uint8), spaces.Discrete(4))
    exported(PPO.create(grid, PPOConfig(**SMALL), device="cpu"), tmp_path)


def test_actions_of_another_type_keep_it(tmp_path: Path) -> None:
    actions = spaces.Box(np.array([-2.0, 0.1]), np.array([0.3, 4.0]), dtype=np.float64)
    env = NoEnv(spaces.Box(-1, 1, (3,), np.float64), actions)
    exported(PPO.create(env, PPOConfig(**SMALL), device="cpu"), tmp_path)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    agent = PPO.create(toy("vector", "continuous"), device="cpu")
    path = tmp_path / "agent.onnx"
    said = export_onnx(agent, path, notes={"note": "of a test"})
    assert Exported(path).metadata == said
    assert (said["algorithm"], said["env_id"], said["note"]) == ("ppo", "Toy-v0", "of a test")
    assert json.loads(said["env_kwargs"]) == {"obs": "vector", "actions": "continuous"}
    assert list(json.loads(said["outputs"])) == ["action", "mean", "std"]
    for name in ("observation_space", "action_space"):
        space = read(SavedSpace, json.loads(said[name])).made()
        assert space == getattr(agent, name)


def test_the_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agent.onnx"
    path.write_bytes(b"before")
    agent = PPO.create(toy("vector", "discrete"), device="cpu")
    with pytest.raises(ValueError, match=r"the path must be of a file that ends in \.onnx, got"):
        export_onnx(agent, tmp_path / "agent.pt")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OSError, match=r"folder\.onnx"):
        export_onnx(agent, tmp_path / "folder.onnx")
    assert path.read_bytes() == b"before"
    export_onnx(agent, path)
    assert {x.name for x in tmp_path.iterdir()} == {"agent.onnx", "folder.onnx"}


class OwnAgent(Agent):
    """An agent of one's own, which says nothing of what it does."""

    algorithm = "own"

    def act(self, obs: Any, *, greedy: bool = True) -> Any:
        return np.zeros(len(obs), np.int64)

    def observe(self, step: Any) -> Any:
        return ()


def test_an_agent_of_ones_own_is_asked_for_a_method(tmp_path: Path) -> None:
    agent = OwnAgent.create(gym.make("CartPole-v1"), device="cpu")
    with pytest.raises(TypeError, match=r"own has no network .* unless OwnAgent has a method act"):
        export_onnx(agent, tmp_path / "agent.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(missing: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "from typer.testing import CliRunner\n"
        "from mario_rl_agents.cli.app import app\n"
        f"out = {str(tmp_path / 'agent.onnx')!r}\n"
        "result = CliRunner().invoke(app, ['export', 'MarioRL-1-1-v0', '--onnx', out])\n"
        "print(result.exit_code, ' '.join(result.output.split()))\n"
    )
    assert run_python(code).strip() == (
        f"1 error: ONNX files are written by {missing}, which is not installed: pip install "
        '"mario-rl-envs[onnx]"'
    )
    assert list(tmp_path.iterdir()) == []
