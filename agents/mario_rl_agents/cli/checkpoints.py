"""What an argument names: a checkpoint, a run's folder, or a policy of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mario_rl_agents.cli.terminal import usage_errors


class Found(NamedTuple):
    """The checkpoint that an argument names."""

    checkpoint: Path
    env_kwargs: dict[str, Any]  # keywords of gym.make that differ from those of its training
    is_policy: bool  # whether it is one of the package's


def find(argument: Path) -> Found:
    """Return the checkpoint that an argument names.

    Args:
        argument: A checkpoint or a run's folder; or, where there is no such file, the id of an
            environment that there is a policy for. Its games have no-op starts and no sticky
            actions.

    Raises:
        UsageError: It names neither.
        RunError: The folder holds no run, or a run without a checkpoint.
    """
    from mario_rl_agents.experiments.protocol import NO_OPS
    from mario_rl_agents.recipes import is_mario
    from mario_rl_agents.runs.loading import find_checkpoint
    from mario_rl_agents.weights.policies import policy_path

    if not argument.exists() and is_mario(str(argument)):
        with usage_errors():
            return Found(policy_path(str(argument)), dict(NO_OPS.env_kwargs), is_policy=True)
    with usage_errors(kind=FileNotFoundError):
        return Found(find_checkpoint(argument), {}, is_policy=False)
