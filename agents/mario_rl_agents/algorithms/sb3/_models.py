"""Models of Stable-Baselines3 from a configuration. Imported when an agent is made."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from mario_rl_agents.config import Config, Schedule

_ACTIVATIONS: Final[Mapping[str, type[nn.Module]]] = MappingProxyType(
    {"tanh": nn.Tanh, "relu": nn.ReLU}
)
# Fields that SB3 takes as `policy_kwargs`, as they are.
_POLICY_FIELDS: Final = frozenset(
    ("ortho_init", "n_critics", "n_quantiles", "lstm_hidden_size", "n_lstm_layers")
)
# Fields that stand for something else in SB3.
_OTHER_FIELDS: Final = frozenset(
    ("policy", "net_arch", "activation_fn", "adam_epsilon", "noise_std", "reward_scale")
)


class ProgressSchedule:
    """A schedule over environment steps, as a function of the progress that SB3 gives.

    Attributes:
        total_steps: At which the progress that remains is 0.
    """

    def __init__(self, schedule: Schedule) -> None:
        """Take the schedule."""
        self.schedule = schedule
        self.total_steps = 0

    def __call__(self, progress_remaining: float) -> float:
        """Return the value where `progress_remaining`, 1 at first, is 1 - step / total_steps."""
        return self.schedule(round((1.0 - progress_remaining) * self.total_steps))


def make_model(
    model_class: type[BaseAlgorithm],
    env: VecEnv,
    config: Config,
    *,
    seed: int,
    device: torch.device,
) -> BaseAlgorithm:
    """Return an untrained model; it seeds the global generators, as SB3 does.

    Args:
        model_class: Of SB3 or sb3-contrib.
        env: Its environments.
        config: Of that class.
        seed: Of everything random in the model.
        device: Where the networks are.
    """
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    arguments: dict[str, Any] = {
        name: ProgressSchedule(value) if isinstance(value, Schedule) else value
        for name, value in values.items()
        if name not in _POLICY_FIELDS | _OTHER_FIELDS
    }
    if "max_grad_norm" in values:  # SB3 always clips
        arguments["max_grad_norm"] = values["max_grad_norm"] or math.inf
    if values.get("action_noise") is not None:
        arguments["action_noise"] = _make_noise(
            values["action_noise"], values["noise_std"], env.action_space
        )
    policy = policy_name(values["policy"], env.observation_space, model_class.policy_aliases)
    return model_class(
        policy,
        env,
        policy_kwargs=_policy_kwargs(values, policy),
        seed=seed,
        device=device,
        **arguments,
    )


def schedules_of(model: BaseAlgorithm) -> list[ProgressSchedule]:
    """Return the schedules over environment steps in a model."""
    wrapped = (getattr(model, n, None) for n in ("lr_schedule", "clip_range", "clip_range_vf"))
    schedules = [getattr(x, "value_schedule", None) for x in wrapped]
    return [x for x in schedules if isinstance(x, ProgressSchedule)]


def policy_name(policy: str, space: gym.Space[Any], names: Mapping[str, Any]) -> str:
    """Return the name of SB3's policy for observations of `space`.

    Args:
        policy: What the configuration says.
        space: As the environments have it.
        names: Those that the model knows.
    """
    if policy != "auto":
        return policy
    kind = "Cnn" if is_image_space(space) else "Mlp"
    return next(name for name in names if name.startswith(kind))


def _policy_kwargs(values: Mapping[str, Any], policy: str) -> dict[str, Any]:
    """Return what is given only where it differs from what SB3 does by itself."""
    kwargs = {name: value for name, value in values.items() if name in _POLICY_FIELDS}
    kwargs["activation_fn"] = _ACTIVATIONS[values["activation_fn"]]
    if values["net_arch"] is not None and policy.startswith("Mlp"):
        kwargs["net_arch"] = list(values["net_arch"])
    if values["adam_epsilon"] is not None and not values.get("use_rms_prop", False):
        kwargs["optimizer_class"] = torch.optim.Adam
        kwargs["optimizer_kwargs"] = {"eps": values["adam_epsilon"]}
    return kwargs


def _make_noise(kind: str, std: float, space: gym.Space[Any]) -> ActionNoise:
    mean = np.zeros(space.shape or ())
    if kind == "normal":
        return NormalActionNoise(mean, np.full_like(mean, std))
    return OrnsteinUhlenbeckActionNoise(mean, np.full_like(mean, std))
