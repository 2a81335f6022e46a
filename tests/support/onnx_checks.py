"""What an ONNX file does, beside what its agent does."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.sac import SAC
from numpy.typing import NDArray

EXACT = 1e-5  # in the unit of the output


class Exported:
    """An ONNX file as its user runs it."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map

    def run(self, obs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return all outputs by name."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, {"obs": obs}), strict=True))


def observations(space: gym.Space[Any], size: int) -> NDArray[Any]:
    """Return random observations, vectors larger than most that are trained on, [B, ...]."""
    rng = np.random.default_rng(size)
    assert isinstance(space, gym.spaces.Box)
    if space.dtype == np.uint8:
        return rng.integers(0, int(space.high.max()) + 1, (size, *space.shape), np.uint8)
    return (3 * rng.normal(size=(size, *space.shape))).astype(space.dtype)


def check_same(agent: Agent, path: Path) -> set[str]:
    """Check that a file does what an agent does; return the names of its outputs."""
    exported = Exported(path)
    for size in (1, 5, 64):
        obs = observations(agent.observation_space, size)
        outputs = exported.run(obs)
        expected = agent.act(obs)
        action = outputs.pop("action")
        assert (action.shape, action.dtype) == (expected.shape, expected.dtype)
        if isinstance(agent.action_space, gym.spaces.Discrete):
            assert np.array_equal(action, expected)
        else:
            np.testing.assert_allclose(action, expected, rtol=0, atol=EXACT)
        for name, ours in _ours(agent, obs).items():
            np.testing.assert_allclose(outputs[name], ours, rtol=EXACT, atol=EXACT, err_msg=name)
        if "mean" in outputs and size == 1 and obs.ndim == 2:
            _check_drawn(agent, obs, outputs["mean"], outputs["std"])
    return {"action", *outputs}


def _ours(agent: Any, obs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what the agent says by methods of its own."""
    values = {"action_values": "action_values", "probabilities": "action_probabilities"}
    if not isinstance(agent.action_space, gym.spaces.Discrete):
        return {}
    return {
        name: getattr(agent, method)(obs)
        for name, method in values.items()
        if hasattr(agent, method)
    }


def _check_drawn(agent: Agent, obs: NDArray[Any], mean: NDArray[Any], std: NDArray[Any]) -> None:
    """Check that what is drawn by the file's mean and deviation is what the agent draws."""
    space = agent.action_space
    assert isinstance(space, gym.spaces.Box)
    number = 20_000
    drawn = agent.act(np.repeat(obs[:1], number, axis=0), greedy=False)  # [20000, A]
    noise = np.random.default_rng(1).standard_normal((number, *space.shape))
    if isinstance(agent, SAC) or agent.algorithm == "sb3-sac":
        scaled = np.tanh(mean[0] + std[0] * noise)
        same = space.low + (scaled + 1) / 2 * (space.high - space.low)
    else:
        same = (mean[0] + std[0] * noise).clip(space.low, space.high)
    for quantile in (0.1, 0.5, 0.9):
        expected, actual = (np.quantile(x, quantile, axis=0) for x in (drawn, same))
        assert (np.abs(expected - actual) < 0.05 * (space.high - space.low)).all()
