"""Which actions an algorithm can choose from, and the error that names those that can."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym
import numpy as np

# What each algorithm handles; the random agent handles everything.
DISCRETE: Final = "Discrete(n) from 0"
CONTINUOUS: Final = "a bounded Box of floats with one axis"
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "naive_q": (DISCRETE,),
        "dqn": (DISCRETE,),
        "double_dqn": (DISCRETE,),
        "actor_critic": (DISCRETE, CONTINUOUS),
        "a3c": (DISCRETE, CONTINUOUS),
        "ppo": (DISCRETE, CONTINUOUS),
        "ddpg": (CONTINUOUS,),
        "td3": (CONTINUOUS,),
        "sac": (CONTINUOUS,),
        "random": (DISCRETE, CONTINUOUS),
    }
)


def is_discrete(space: gym.Space[Any]) -> bool:
    """Return whether `space` is Discrete(n) from 0."""
    return isinstance(space, gym.spaces.Discrete) and space.start == 0


def is_continuous(space: gym.Space[Any]) -> bool:
    """Return whether `space` is a bounded Box of floats with one axis."""
    return (
        isinstance(space, gym.spaces.Box)
        and len(space.shape) == 1
        and np.issubdtype(space.dtype, np.floating)
        and space.is_bounded("both")
    )


def num_discrete_actions(algorithm: str, space: gym.Space[Any]) -> int:
    """Return the number of actions of a discrete space.

    Raises:
        ValueError: If its actions are others; the message names the algorithms that handle those.
    """
    if not is_discrete(space):
        raise _refusal(algorithm, space)
    assert isinstance(space, gym.spaces.Discrete)
    return int(space.n)


def box_actions(algorithm: str, space: gym.Space[Any]) -> gym.spaces.Box:
    """Return a space of continuous actions, shape [A].

    Raises:
        ValueError: If its actions are others; the message names the algorithms that handle those.
    """
    if not is_continuous(space):
        raise _refusal(algorithm, space)
    assert isinstance(space, gym.spaces.Box)
    return space


def check_actions(algorithm: str, space: gym.Space[Any]) -> None:
    """Check that an algorithm of several kinds of action can choose from a space.

    Raises:
        ValueError: If not; the message names the algorithms that can.
    """
    if not is_discrete(space) and not is_continuous(space):
        raise _refusal(algorithm, space)


def _refusal(algorithm: str, space: gym.Space[Any]) -> ValueError:
    kind = DISCRETE if is_discrete(space) else CONTINUOUS if is_continuous(space) else None
    able = [name for name, kinds in ACTIONS.items() if kind in kinds] or ["random"]
    return ValueError(
        f"{algorithm} needs actions {' or '.join(ACTIONS[algorithm])}, the environment has "
        f"{space}: {', '.join(able)} can choose from those; or wrap the environment"
    )
