"""Stops training at the first number that is not finite, and says where it appeared."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mario_rl_agents.errors import AgentError


class Learner(Protocol):
    """Who has losses: an agent, or a worker of one."""

    num_steps: int  # environment steps taken
    num_updates: int  # gradient steps taken


def read_losses(learner: Learner, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Return scalars as floats, in one transfer so that the device is waited for once.

    Call it before the optimizer steps: the weights are then still good.

    Args:
        learner: Whose losses they are; its counters go into the message.
        losses: Scalars under their log keys, such as `losses/td`.

    Raises:
        FloatingPointError: If one is NaN or infinite.
    """
    values = torch.stack([loss.detach() for loss in losses.values()]).tolist()
    named = dict(zip(losses, values, strict=True))
    for name, value in named.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name} is {value} at gradient step {learner.num_updates}, environment step "
                f"{learner.num_steps}: lower learning_rate, or scale the rewards down; the weights "
                "are those of the step before"
            )
    return named


def check_obs(obs: NDArray[Any], step: int, *, is_batch: bool = False) -> None:
    """Check an observation of the environment; whole numbers always pass.

    Args:
        obs: The observation, of any shape; or those of N sub-environments, [N, ...].
        step: The environment steps taken before it.
        is_batch: Whether it is the latter.

    Raises:
        FloatingPointError: If it holds NaN or infinity; the message names the first place.
    """
    # The sum is finite where all are, or nearly so; it costs a tenth of looking at each.
    if obs.dtype.kind != "f" or math.isfinite(obs.sum()) or np.isfinite(obs).all():
        return
    place = tuple(int(index[0]) for index in np.nonzero(~np.isfinite(obs)))
    where = f"{place[1:]} of sub-environment {place[0]}" if is_batch else str(place)
    raise FloatingPointError(
        f"the observation at environment step {step} is {obs[place]} at index {where}: the "
        "environment is at fault, or an action that it cannot take"
    )


def check_reward(reward: float, step: int) -> None:
    """Check a reward of the environment.

    Args:
        reward: The reward.
        step: The environment steps taken before it.

    Raises:
        FloatingPointError: If it is NaN or infinite.
    """
    if not math.isfinite(reward):
        raise FloatingPointError(
            f"the reward of environment step {step} is {reward}: the environment is at fault, or "
            "an action that it cannot take"
        )


def check_actions(agent: object, actions: Any, space: gym.Space[Any], num_rows: int) -> None:
    """Check what an agent's `act` has returned: kind, shape and type of number, no more.

    Args:
        agent: The agent, for the message.
        actions: What it has returned.
        space: Of a single action.
        num_rows: How many observations it was given.

    Raises:
        AgentError: It is not an action for each of them.
    """
    shape = None if space.shape is None else (num_rows, *space.shape)
    if isinstance(actions, np.ndarray):
        has_shape = len(actions) == num_rows if shape is None else actions.shape == shape
        # Of the same kind is int32 for int64, and no float.
        if has_shape and np.can_cast(actions.dtype, space.dtype or actions.dtype, "same_kind"):
            return
        got = f"an array of shape {actions.shape} and dtype {actions.dtype}"
    else:
        got = f"a value of type {type(actions).__name__}"
    wanted = "" if shape is None else f" of shape {shape} and dtype {space.dtype}"
    raise AgentError(
        f"act of {type(agent).__name__} must return a NumPy array{wanted}, an action for each "
        f"observation; got {got}"
    )


def check_updates(agent: object, updates: Any) -> None:
    """Check what an agent's `observe` has returned.

    Args:
        agent: The agent, for the message.
        updates: What it has returned.

    Raises:
        AgentError: It is nothing to iterate over.
    """
    if not isinstance(updates, Iterable):
        raise AgentError(
            f"observe of {type(agent).__name__} must return the losses of each gradient step, as a "
            f"list or by yield, or () where it takes none; got {_described(updates)}"
        )


def check_losses(agent: object, losses: Any) -> None:
    """Check what one of the gradient steps that `observe` takes has returned.

    Args:
        agent: The agent, for the message.
        losses: What it has returned.

    Raises:
        AgentError: They are no losses by name.
    """
    if not isinstance(losses, Mapping):
        raise AgentError(
            f"observe of {type(agent).__name__} must give the losses of a gradient step by name, "
            f'as {{"losses/td": 0.5}}; got {_described(losses)}'
        )


def _described(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
