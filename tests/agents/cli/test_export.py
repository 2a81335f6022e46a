"""`mario-rl export`: what it writes of a run, a checkpoint and a policy, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.cli.app import app
from mario_rl_agents.runs.loading import load_agent
from mario_rl_agents.weights.policies import policy_path, policy_record
from support.interface_toys import toy
from support.onnx_checks import Exported, check_same
from typer.testing import CliRunner

pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")


def export(*arguments: str | Path) -> tuple[int, str]:
    """Return the exit code and what was printed, on one line."""
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_a_run_is_exported(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "folder" / "agent.onnx"
    train = ["train", "dqn", "CartPole-v1", "--steps", "30", "--eval-episodes", "0"]
    assert CliRunner().invoke(app, [*train, "--out", str(run)]).exit_code == 0
    code, output = export(run, "--onnx", out)
    assert (code, output) == (0, f"{out}: obs -> action, action_values")
    check_same(load_agent(run, make_env=False, device="cpu"), out)
    assert "plays_best" not in Exported(out).metadata


def test_a_policy_of_the_package_is_exported(tmp_path: Path) -> None:
    out = tmp_path / "1-1.onnx"
    code, output = export("MarioRL-1-1-v0", "--onnx", out)
    assert (code, output) == (0, f"{out}: obs -> action, probabilities")
    exported = Exported(out)
    assert exported.metadata["plays_best"] == policy_record("MarioRL-1-1-v0").policy
    assert exported.metadata["env_id"] == "MarioRL-1-1-v0"
    agent = load_agent(policy_path("MarioRL-1-1-v0"), make_env=False, device="cpu")
    assert agent.env.spec is not None
    assert json.loads(exported.metadata["env_kwargs"]) == agent.env.spec.kwargs
    obs = np.full((1, 42, 42, 4), 80, np.uint8)
    assert np.array_equal(exported.run(obs)["action"], agent.act(obs))


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "agent.onnx", tmp_path / "agent.safetensors"
    RandomAgent.create(toy("vector", "discrete"), device="cpu").save(checkpoint)
    refused: dict[tuple[str | Path, ...], str] = {
        (checkpoint, "--onnx", out): "random has no network: there is nothing to export",
        (checkpoint, "--onnx", tmp_path / "agent.pt"): "--onnx must be a file that ends in .onnx",
        (tmp_path / "none", "--onnx", out): "there is no checkpoint at",
        ("MarioRL-9-9-v0", "--onnx", out): "no policy for 'MarioRL-9-9-v0' comes with the package",
        (checkpoint,): "Missing option '--onnx'",
    }
    for arguments, message in refused.items():
        code, output = export(*arguments)
        assert code == 2
        assert message in output
    assert [x.name for x in tmp_path.iterdir()] == ["agent.safetensors"]
