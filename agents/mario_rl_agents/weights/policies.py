"""The policies of the package, found and loaded by the id of their environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.agent import Agent
from mario_rl_agents.config import did_you_mean
from mario_rl_agents.experiments.protocol import NO_OPS
from mario_rl_agents.runs.loading import load_agent
from mario_rl_agents.weights.record import PolicyRecord, known_record
from mario_rl_envs import ENV_IDS

FOLDER: Final = Path(__file__).parent  # where the files are
SUFFIX: Final = ".safetensors"


def policy_ids() -> tuple[str, ...]:
    """Return the ids of the environments that there is a policy for, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def policy_path(env_id: str) -> Path:
    """Return the file of the policy for an environment.

    Args:
        env_id: As "MarioRL-1-1-v0", or with the module that registers it before a colon.

    Raises:
        ValueError: There is none; the message names those there are.
    """
    ids, env_id = policy_ids(), env_id.rpartition(":")[2]
    if env_id not in ids:
        close = "" if env_id in ENV_IDS else did_you_mean(env_id, ids)
        raise ValueError(
            f"no policy for {env_id!r} comes with the package{close or ':'} "
            f"there are policies for {', '.join(ids) or 'no environment'}; train one, and give its "
            "run's folder"
        )
    return FOLDER / f"{env_id}{SUFFIX}"


def policy_record(env_id: str) -> PolicyRecord:
    """Return how the policy for an environment was made, what it reaches, and how it plays.

    Args:
        env_id: As "MarioRL-1-1-v0".

    Raises:
        ValueError: There is none; the message names those there are.
        CheckpointError: Its file is damaged.
    """
    return known_record(policy_path(env_id))


def load_policy(
    env_id: str,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    render_mode: str | None = None,
    device: str = "auto",
) -> Agent:
    """Return the agent that comes with the package for an environment, ready to act.

    Its `env` is what it was trained in, with no-op starts and without sticky actions.

    Args:
        env_id: As "MarioRL-1-1-v0".
        env_kwargs: Keywords of gym.make that differ from that.
        render_mode: Of the environment.
        device: A torch device or "auto".

    Raises:
        ValueError: There is none, the environment cannot be made, or the device does not exist
            here.
        CheckpointError: Its file is damaged.
    """
    return load_agent(
        policy_path(env_id),
        env_kwargs={**NO_OPS.env_kwargs, **(env_kwargs or {})},
        render_mode=render_mode,
        device=device,
    )
