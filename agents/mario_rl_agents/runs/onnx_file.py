"""Agents as ONNX files: what they do, for programs without PyTorch and without this package."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import torch

from mario_rl_agents.agent import Agent
from mario_rl_agents.checkpoint import describe_env
from mario_rl_agents.config import check, plain
from mario_rl_agents.files import replacing
from mario_rl_agents.networks.precision import in_float32

INPUT: Final = "obs"  # the name of the input
SUFFIX: Final = ".onnx"
_BATCH: Final = "batch"  # the name of the axis whose size is free
_PACKAGES: Final = ("onnx", "onnxscript")


def export_onnx(
    agent: Agent, path: str | os.PathLike[str], *, notes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write what an agent does as an ONNX file, all of it or nothing.

    Its input `obs` is a batch of observations as the environment gives them, [B, ...], images as
    bytes. What is done to them, as normalization, is in the file. The first output is `action`, as
    `agent.act(obs)` returns it; docs/deployment.md names the others. It computes in float32.

    Args:
        agent: It; it needs no environment.
        path: The file to write or replace, which ends in .onnx.
        notes: What else the metadata is to say, by key.

    Returns:
        The metadata of the file.

    Raises:
        ImportError: The extra `onnx` is not installed.
        TypeError: The agent has no network that acts by one observation alone.
        ValueError: `path` does not end in .onnx.
        OSError: The file cannot be written.
    """
    path = Path(path).expanduser()
    check("the path", str(path), path.suffix == SUFFIX, f"of a file that ends in {SUFFIX}")
    acting = agent.acting()
    _check_installed()
    space = agent.observation_space
    # Two: torch takes an axis of size 1 for one that is always so.
    obs = torch.from_numpy(np.zeros((2, *(space.shape or ())), space.dtype))
    with agent.playing():
        acting_copy = copy.deepcopy(acting)
    network = in_float32(acting_copy).to("cpu").eval().requires_grad_(False)
    with _silence():
        program = torch.onnx.export(
            network,
            (obs,),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(acting.outputs),
            dynamic_shapes=({0: torch.export.Dim(_BATCH)},),
            verbose=False,
        )
    assert program is not None
    metadata = {**_metadata(agent, acting.outputs), **(notes or {})}
    program.model.metadata_props.update(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        program.save(new)
    return metadata


def _check_installed() -> None:
    """Check that the extra is installed.

    Raises:
        ImportError: It is not.
    """
    for name in _PACKAGES:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ImportError(
                f"ONNX files are written by {name}, which is not installed: "
                'pip install "mario-rl-envs[onnx]"',
                name=name,
            ) from error


def _metadata(agent: Agent, outputs: Mapping[str, str]) -> dict[str, str]:
    """Return what a file says of its agent: texts, or JSON."""
    env = describe_env(agent.env)
    spaces = env["spaces"]
    as_json = {
        "env_kwargs": env["env_kwargs"],
        "observation_space": None if spaces is None else asdict(spaces.observation),
        "action_space": None if spaces is None else asdict(spaces.action),
        "outputs": dict(outputs),
        "num_steps": agent.num_steps,
    }
    return {
        "algorithm": agent.algorithm,
        "env_id": env["env_id"] or "",
        **{name: json.dumps(plain(value)) for name, value in as_json.items()},
        "producer": f"mario-rl-envs {version('mario-rl-envs')}",
    }


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter from speaking of what nobody here can mend."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)
