"""The registered ids: one table, one loop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym

from mario_rl_envs.game.stages import STAGES

# By id, the keywords of `make_mario` that the id stands for.
ENVIRONMENTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        **{f"MarioRL-{stage}-v0": {"stage": stage} for stage in STAGES},
        "MarioRL-v0": {},
        "MarioRL-Random-v0": {"stages": list(STAGES)},
    }
)
ENV_IDS: Final = tuple(ENVIRONMENTS)


def register_environments() -> None:
    """Register every id that is not registered yet."""
    for env_id, keywords in ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(
                env_id,
                entry_point="mario_rl_envs.make:make_mario",
                vector_entry_point="mario_rl_envs.vector_env:make_mario_vector",
                kwargs=dict(keywords),
            )
