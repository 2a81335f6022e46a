"""One of our configurations as the arguments of Stable-Baselines3 that mean the same.

Each field of ours has a rule: what it is in SB3, that it changes no result, or a sentence that says
what SB3 lacks. A test holds that no field is without one. The rules were read off SB3 2.9's source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from mario_rl_agents.algorithms.actor_critic import ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPGConfig
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.algorithms.ppo import PPOConfig
from mario_rl_agents.algorithms.sac import SACConfig
from mario_rl_agents.algorithms.sb3.configs import (
    SB3A2CConfig,
    SB3DDPGConfig,
    SB3DQNConfig,
    SB3PPOConfig,
    SB3SACConfig,
    SB3TD3Config,
)
from mario_rl_agents.algorithms.td3 import TD3Config
from mario_rl_agents.config import Count, Schedule, convert, value_at


class Mapped(NamedTuple):
    """What a field of ours is in SB3."""

    arguments: Mapping[str, Any] = MappingProxyType({})
    remark: str = ""  # what has no counterpart, one sentence


class _Training(NamedTuple):
    """What the meaning of a field depends on."""

    config: Any
    total_steps: int  # environment steps
    num_envs: int


Rule = Callable[[Any, _Training], Mapped]


def sb3_config(config: Any, *, total_steps: int, num_envs: int = 1) -> tuple[Any, list[str]]:
    """Return the SB3 configuration that means the same, and what cannot be mapped.

    Args:
        config: A `DQNConfig`, `ActorCriticConfig`, `PPOConfig`, `DDPGConfig`, `TD3Config` or
            `SACConfig`.
        total_steps: Environment steps of the training: SB3's exploration is a fraction of them.
        num_envs: Sub-environments: SB3 counts some periods in steps of all of them.

    Returns:
        An `SB3DQNConfig` or its like, and a sentence for each difference that remains.

    Raises:
        ValueError: If `config` is of an algorithm that SB3 has not, or a number is out of range.
    """
    total_steps = convert(Count, total_steps, "total_steps")
    num_envs = convert(Count, num_envs, "num_envs")
    if type(config) not in RULES:
        names = ", ".join(kind.__name__ for kind in RULES)
        raise ValueError(f"SB3 has a counterpart for {names}, got {config!r}")
    counterpart = RULES[type(config)]
    training = _Training(config, total_steps, num_envs)
    mapped = [rule(getattr(config, field), training) for field, rule in counterpart.fields.items()]
    arguments = dict(counterpart.fixed)
    for part in mapped:
        arguments |= part.arguments
    remarks = [part.remark for part in mapped if part.remark]
    return counterpart.config_class(**arguments), [*counterpart.remarks, *remarks]


def _is(name: str) -> Rule:
    """Return the rule of a field that SB3 has under another name, or the same."""
    return lambda value, training: Mapped({name: value})


def _lacks(usual: Any, remark: str) -> Rule:
    """Return the rule of a field that SB3 lacks: it does what `usual` says."""
    return lambda value, training: Mapped() if value == usual else Mapped(remark=remark)


def _changes_no_result(value: Any, training: _Training) -> Mapped:
    return Mapped()


def _is_a_number(name: str) -> Rule:
    """Return the rule of a schedule where SB3 takes a number: its value at first."""

    def rule(value: float | Schedule, training: _Training) -> Mapped:
        if not isinstance(value, Schedule):
            return Mapped({name: value})
        return Mapped(
            {name: value_at(value, 0)},
            f"SB3's {name} has no schedule: it stays at {value_at(value, 0):g}, the start of "
            f"{value}.",
        )

    return rule


def _update_period(period: int, training: _Training) -> Mapped:
    """Map environment steps per update: SB3 counts steps of all sub-environments."""
    common = math.gcd(period, training.num_envs)
    train_freq, num_updates = period // common, training.num_envs // common
    gradient_steps = num_updates * training.config.gradient_steps
    arguments = {"train_freq": train_freq, "gradient_steps": gradient_steps}
    if train_freq > 1 and num_updates > 1:
        return Mapped(
            arguments,
            f"An update every {period} environment steps is in SB3 {num_updates} at once "
            f"every {train_freq} steps of all {training.num_envs} sub-environments.",
        )
    return Mapped(arguments)


def _target_update_period(period: int, training: _Training) -> Mapped:
    """Map gradient steps per move of the target: SB3 counts environment steps."""
    config, remark = training.config, ""
    interval = max(period * config.update_period // config.gradient_steps, 1)
    if period * config.update_period % config.gradient_steps:
        remark = f"SB3 moves the target network every {interval} environment steps, not in between."
    elif interval < training.num_envs:
        remark = (
            f"SB3 moves the target network once a step of all {training.num_envs} "
            f"sub-environments, not every {interval} environment steps."
        )
    return Mapped({"target_update_interval": interval}, remark)


def _epsilon(epsilon: float | Schedule, training: _Training) -> Mapped:
    if training.config.exploration == "boltzmann":
        return Mapped()  # it is not used; `exploration` has the remark
    total_steps = training.total_steps
    start, end = value_at(epsilon, 0), value_at(epsilon, total_steps)
    fraction, remark = 1.0, ""
    if isinstance(epsilon, Schedule) and epsilon.kind == "linear":
        fraction = min(1.0, epsilon.steps[0] / total_steps)
    elif isinstance(epsilon, Schedule):
        remark = (
            f"SB3's epsilon falls in a line: from {start:g} to {end:g} over all steps, not by "
            f"{epsilon}."
        )
    arguments = {
        "exploration_initial_eps": start,
        "exploration_final_eps": end,
        "exploration_fraction": fraction,
    }
    return Mapped(arguments, remark)


def _random_steps(random_steps: int, training: _Training) -> Mapped:
    starts = training.config.learning_starts
    if random_steps == starts:
        return Mapped()
    return Mapped(
        remark=f"SB3 acts at random for learning_starts = {starts} steps, not for {random_steps}."
    )


def _exploration_noise(noise: float | Schedule, training: _Training) -> Mapped:
    std = value_at(noise, 0)
    arguments = {"action_noise": "normal", "noise_std": std} if std > 0 else {}
    if isinstance(noise, Schedule):
        return Mapped(
            arguments, f"SB3's noise has no schedule: it stays at {std:g}, the start of {noise}."
        )
    return Mapped(arguments)


def _actor_learning_rate(rate: float | Schedule, training: _Training) -> Mapped:
    critic = training.config.critic_learning_rate
    if rate == critic:
        return Mapped()
    return Mapped(
        remark=f"SB3 has one learning rate: the actor's is the critic's, {critic}, not {rate}."
    )


def _normalize_advantages(kind: str, training: _Training) -> Mapped:
    remark = "SB3 normalizes advantages over each batch, not over the rollout."
    return Mapped({"normalize_advantage": kind != "none"}, remark if kind == "rollout" else "")


def _value_clip(limit: float | None, training: _Training) -> Mapped:
    remark = "SB3 takes the error of the clipped value, not the larger of it and the other."
    return Mapped({"clip_range_vf": limit}, "" if limit is None else remark)


def _target_kl(limit: float | None, training: _Training) -> Mapped:
    if limit is None:
        return Mapped()
    # SB3 ends beyond 1.5 times its target_kl.
    remark = "SB3 looks at the divergence before the gradient step that it leaves out, not after."
    return Mapped({"target_kl": limit / 1.5}, remark)


def _temperature(temperature: float | Schedule | None, training: _Training) -> Mapped:
    if temperature is not None:
        return _is_a_number("ent_coef")(temperature, training)
    remark = (
        "SB3 learns the logarithm of the temperature by the gradient of the logarithm, not of the "
        "temperature."
    )
    return Mapped({"ent_coef": "auto"}, remark)


def _target_entropy(entropy: float | None, training: _Training) -> Mapped:
    return Mapped({"target_entropy": "auto" if entropy is None else entropy})


def _orthogonal(initialization: str, training: _Training) -> Mapped:
    remark = "SB3 begins with PyTorch's own initial weights, not with Glorot's."
    is_lost = initialization == "glorot"
    return Mapped({"ortho_init": initialization == "orthogonal"}, remark if is_lost else "")


_MSE: Final = _lacks("mse", "SB3 has squared errors of values alone, no Huber loss.")
_ENCODER: Final = _lacks("nature", "SB3 has Nature's convolutions alone.")
_PRECISION: Final = _lacks("float32", "SB3 computes in float32.")
_PYTORCH: Final = _lacks(
    "pytorch", "SB3 begins with PyTorch's own initial weights, not with orthogonal or Glorot's."
)
_NO_AVERAGE: Final = _lacks(0.0, "SB3 keeps no average of weights.")
_ONE_RATE: Final = _lacks(None, "SB3 has one learning rate for actor and critic.")
_NETWORKS: Final[Mapping[str, Rule]] = {
    "adam_epsilon": _is("adam_epsilon"),
    "gamma": _is("gamma"),
    "reward_scale": _is("reward_scale"),
    "hidden_sizes": _is("net_arch"),
    "encoder": _ENCODER,
    "precision": _PRECISION,
}
_REPLAY: Final[Mapping[str, Rule]] = {
    **_NETWORKS,
    "tau": _is("tau"),
    "batch_size": _is("batch_size"),
    "replay_capacity": _is("buffer_size"),
    "learning_starts": _is("learning_starts"),
    "replacement": _lacks(True, "SB3 draws batches with replacement."),
    "update_period": _update_period,
    "gradient_steps": _changes_no_result,  # `update_period` has it
    "initialization": _PYTORCH,
    "replay_dir": _changes_no_result,
    "frame_stack": _changes_no_result,
    "overlap": _changes_no_result,
    "compile": _changes_no_result,
}
_NOISY_ACTOR: Final[Mapping[str, Rule]] = {
    **_REPLAY,
    "actor_learning_rate": _actor_learning_rate,
    "critic_learning_rate": _is("learning_rate"),
    "random_steps": _random_steps,
    "exploration_noise": _exploration_noise,
}


class Counterpart(NamedTuple):
    """What a configuration of ours is in SB3."""

    config_class: type[Any]
    fields: Mapping[str, Rule]  # of ours
    fixed: Mapping[str, Any] = MappingProxyType({})  # arguments that no field of ours decides
    remarks: tuple[str, ...] = ()  # on what differs whatever the settings


_IN_ITS_UNIT: Final = (
    "Where actions are continuous, SB3 draws them in the environment's unit, not on a scale from "
    "-1 to 1."
)
_RELU: Final = MappingProxyType({"activation_fn": "relu"})

RULES: Final[Mapping[type[Any], Counterpart]] = MappingProxyType(
    {
        DQNConfig: Counterpart(
            SB3DQNConfig,
            {
                **_REPLAY,
                "learning_rate": _is("learning_rate"),
                "loss": _lacks("huber", "SB3 has the Huber loss of TD errors alone."),
                "target_update_period": _target_update_period,
                "exploration": _lacks(
                    "epsilon_greedy",
                    "SB3 has no Boltzmann exploration: it acts by epsilon, with its defaults.",
                ),
                "epsilon": _epsilon,
                "temperature": _changes_no_result,  # of Boltzmann exploration
                "max_grad_norm": _is("max_grad_norm"),
                "num_return_steps": _is("n_steps"),
                "layer_norm": _lacks(False, "SB3 has no layer normalization."),
                "ema_decay": _NO_AVERAGE,
                "dueling": _lacks(False, "SB3 has no dueling networks."),
                "prioritized": _lacks(False, "SB3 has no prioritized replay."),
                "priority_alpha": _changes_no_result,  # of prioritized replay
                "priority_beta": _changes_no_result,
            },
            _RELU,
            ("SB3 acts at random until learning_starts, whatever epsilon is.",),
        ),
        ActorCriticConfig: Counterpart(
            SB3A2CConfig,
            {
                **_NETWORKS,
                "learning_rate": _is("learning_rate"),
                "initialization": _orthogonal,
                "value_coefficient": _is("vf_coef"),
                "value_loss": _MSE,
                "detach": _lacks(True, "SB3 takes advantages and the next values as constants."),
                "entropy_coefficient": _is_a_number("ent_coef"),
                "max_grad_norm": _is("max_grad_norm"),
            },
            {**_RELU, "n_steps": 1, "gae_lambda": 1.0, "use_rms_prop": False},
            ("SB3 has networks of their own for policy and value, not a trunk.", _IN_ITS_UNIT),
        ),
        PPOConfig: Counterpart(
            SB3PPOConfig,
            {
                **_NETWORKS,
                "rollout_steps": _is("n_steps"),
                "num_epochs": _is("n_epochs"),
                "batch_size": _is("batch_size"),
                "learning_rate": _is("learning_rate"),
                "critic_learning_rate": _ONE_RATE,
                "gae_lambda": _is("gae_lambda"),
                "clip_range": _is("clip_range"),
                "value_coefficient": _is("vf_coef"),
                "value_loss": _MSE,
                "layer_norm": _lacks(False, "SB3 has no layer normalization."),
                "initialization": _orthogonal,
                "entropy_coefficient": _is_a_number("ent_coef"),
                "max_grad_norm": _is("max_grad_norm"),
                "normalize_advantages": _normalize_advantages,
                "normalize_observations": _lacks(
                    False, "SB3's PPO does not normalize observations."
                ),
                "normalize_rewards": _lacks(False, "SB3's PPO does not normalize rewards."),
                "value_clip": _value_clip,
                "target_kl": _target_kl,
                "demonstrations": _lacks((), "SB3 learns from no demonstrations."),
                "cloning_epochs": _changes_no_result,  # of demonstrations, as are the next
                "demonstration_coefficient": _changes_no_result,
                "demonstration_starts": _changes_no_result,
                "retries": _lacks(0.0, "SB3 tries no failure again."),
                "ema_decay": _NO_AVERAGE,
                "compile": _changes_no_result,
            },
            _RELU,
            (_IN_ITS_UNIT,),
        ),
        DDPGConfig: Counterpart(SB3DDPGConfig, _NOISY_ACTOR, _RELU),
        TD3Config: Counterpart(
            SB3TD3Config,
            {
                **_NOISY_ACTOR,
                "random_actions": _lacks("uniform", "SB3's random actions are uniform."),
                "shared_noise": _lacks(False, "SB3 draws noise for each component of an action."),
                "policy_period": _is("policy_delay"),
                "target_noise": _is("target_policy_noise"),
                "target_noise_clip": _is("target_noise_clip"),
                "layer_norm": _lacks(False, "SB3 does not normalize the critics' layers."),
                "num_return_steps": _is("n_steps"),
                "reward_clip": _lacks(None, "SB3 does not clip rewards."),
            },
            _RELU,
        ),
        SACConfig: Counterpart(
            SB3SACConfig,
            {
                **_REPLAY,
                "learning_rate": _is("learning_rate"),
                "critic_learning_rate": _ONE_RATE,
                "actor_std": _lacks("exponential", "SB3's actor names the log of a deviation."),
                "reparameterize": _lacks(True, "SB3 leads the actor's gradient through actions."),
                "value_network": _lacks(
                    False, "SB3 bootstraps from the critics' copies, not from a value network."
                ),
                "temperature": _temperature,
                "target_entropy": _target_entropy,
                "random_steps": _random_steps,
                "layer_norm": _lacks(False, "SB3 does not normalize the critics' layers."),
                "num_return_steps": _is("n_steps"),
            },
            _RELU,
            (
                "SB3 moves temperature, critics and actor one after the other, not all from the "
                "same weights.",
            ),
        ),
    }
)
