"""Settings of Stable-Baselines3's algorithms, under its names and with its defaults.

What they have beside SB3's arguments stands last: what SB3 takes as `policy_kwargs` and as an
object of noise, and `reward_scale`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from mario_rl_agents.config import (
    Config,
    Count,
    Finite,
    Fraction,
    Interval,
    NonNegative,
    Positive,
    PositiveFraction,
    Schedule,
    Sizes,
    Whole,
    check,
)

Policy = Literal["auto", "MlpPolicy", "CnnPolicy"]
LstmPolicy = Literal["auto", "MlpLstmPolicy", "CnnLstmPolicy"]
Activation = Literal["tanh", "relu"]
Noise = Literal["normal", "ornstein-uhlenbeck"]
GradientSteps = Annotated[int, Interval(-1)]


@dataclass(frozen=True)
class SB3DQNConfig(Config):
    """Settings of Stable-Baselines3's DQN.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 1e-4  # of Adam
    buffer_size: Count = 1_000_000  # transitions
    learning_starts: Whole = 100  # environment steps before the first gradient step
    batch_size: Count = 32  # transitions
    tau: PositiveFraction = 1.0  # how far the target network moves; 1 copies the network
    gamma: Fraction = 0.99  # discount per environment step
    train_freq: Count = 4  # steps of all sub-environments between gradient steps
    gradient_steps: GradientSteps = 1  # at once; -1: as many as environment steps before them
    n_steps: Count = 1  # rewards in a return
    target_update_interval: Count = 10_000  # environment steps per move of the target network
    exploration_fraction: PositiveFraction = 0.1  # of all steps, until epsilon is at its end
    exploration_initial_eps: Fraction = 1.0  # chance of a random action at first
    exploration_final_eps: Fraction = 0.05  # and at last
    max_grad_norm: Positive | None = 10.0  # L2 norm of all gradients; None: no clipping
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of MlpPolicy's hidden layers; None: SB3's, (64, 64)
    activation_fn: Activation = "relu"  # of hidden layers
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


@dataclass(frozen=True)
class SB3QRDQNConfig(Config):
    """Settings of sb3-contrib's QR-DQN (Dabney et al. 2018).

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 5e-5  # of Adam
    buffer_size: Count = 1_000_000  # transitions
    learning_starts: Whole = 100  # environment steps before the first gradient step
    batch_size: Count = 32  # transitions
    tau: PositiveFraction = 1.0  # how far the target network moves; 1 copies the network
    gamma: Fraction = 0.99  # discount per environment step
    train_freq: Count = 4  # steps of all sub-environments between gradient steps
    gradient_steps: GradientSteps = 1  # at once; -1: as many as environment steps before them
    n_steps: Count = 1  # rewards in a return
    target_update_interval: Count = 10_000  # environment steps per move of the target network
    exploration_fraction: PositiveFraction = 0.005  # of all steps, until epsilon is at its end
    exploration_initial_eps: Fraction = 1.0  # chance of a random action at first
    exploration_final_eps: Fraction = 0.01  # and at last
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of MlpPolicy's hidden layers; None: SB3's, (64, 64)
    activation_fn: Activation = "relu"  # of hidden layers
    n_quantiles: Count = 200  # of the distribution of returns, for each action
    adam_epsilon: Positive | None = None  # of Adam; None: 0.01 / batch_size
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


@dataclass(frozen=True)
class SB3A2CConfig(Config):
    """Settings of Stable-Baselines3's A2C.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 7e-4  # of RMSprop or Adam
    n_steps: Count = 5  # steps of all sub-environments in a gradient step
    gamma: Fraction = 0.99  # discount per environment step
    gae_lambda: Fraction = 1.0  # 0 trusts the values, 1 the rewards alone
    ent_coef: NonNegative = 0.0  # weight of the entropy bonus
    vf_coef: NonNegative = 0.5  # weight of the value loss
    max_grad_norm: Positive | None = 0.5  # L2 norm of all gradients; None: no clipping
    rms_prop_eps: Positive = 1e-5  # added to the root of RMSprop's mean square
    use_rms_prop: bool = True  # RMSprop; False: Adam
    normalize_advantage: bool = False  # to mean 0 and standard deviation 1
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of each of MlpPolicy's two networks; None: (64, 64)
    activation_fn: Activation = "tanh"  # of hidden layers; CnnPolicy's are ReLU
    ortho_init: bool = True  # orthogonal initial weights; False: PyTorch's own
    adam_epsilon: Positive = 1e-5  # added to the root of Adam's mean square
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


@dataclass(frozen=True)
class SB3PPOConfig(Config):
    """Settings of Stable-Baselines3's PPO.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 3e-4  # of Adam
    n_steps: Count = 2048  # steps of all sub-environments in a rollout
    batch_size: Count = 64  # transitions in a gradient step
    n_epochs: Count = 10  # times that each rollout is learned from
    gamma: Fraction = 0.99  # discount per environment step
    gae_lambda: Fraction = 0.95  # 0 trusts the values, 1 the rewards alone
    clip_range: Positive | Schedule = 0.2  # how far the ratio is rewarded to move from 1
    clip_range_vf: Positive | Schedule | None = None  # the same of values; None: anywhere
    normalize_advantage: bool = True  # to mean 0 and standard deviation 1 in each batch
    ent_coef: NonNegative = 0.0  # weight of the entropy bonus
    vf_coef: NonNegative = 0.5  # weight of the value loss
    max_grad_norm: Positive | None = 0.5  # L2 norm of all gradients; None: no clipping
    target_kl: Positive | None = None  # nats: an update ends beyond 1.5 times that; None: never
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of each of MlpPolicy's two networks; None: (64, 64)
    activation_fn: Activation = "tanh"  # of hidden layers; CnnPolicy's are ReLU
    ortho_init: bool = True  # orthogonal initial weights; False: PyTorch's own
    adam_epsilon: Positive = 1e-5  # added to the root of Adam's mean square
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none

    def check(self) -> None:
        """Check what concerns several fields."""
        _check_batch(self.batch_size, self.normalize_advantage)


@dataclass(frozen=True)
class SB3RecurrentPPOConfig(Config):
    """Settings of sb3-contrib's recurrent PPO.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 3e-4  # of Adam
    n_steps: Count = 128  # steps of all sub-environments in a rollout
    batch_size: Count = 128  # transitions in a gradient step
    n_epochs: Count = 10  # times that each rollout is learned from
    gamma: Fraction = 0.99  # discount per environment step
    gae_lambda: Fraction = 0.95  # 0 trusts the values, 1 the rewards alone
    clip_range: Positive | Schedule = 0.2  # how far the ratio is rewarded to move from 1
    clip_range_vf: Positive | Schedule | None = None  # the same of values; None: anywhere
    normalize_advantage: bool = True  # to mean 0 and standard deviation 1 in each batch
    ent_coef: NonNegative = 0.0  # weight of the entropy bonus
    vf_coef: NonNegative = 0.5  # weight of the value loss
    max_grad_norm: Positive | None = 0.5  # L2 norm of all gradients; None: no clipping
    target_kl: Positive | None = None  # nats: an update ends beyond 1.5 times that; None: never
    policy: LstmPolicy = "auto"  # "auto": CnnLstmPolicy for images, MlpLstmPolicy for all else
    net_arch: Sizes | None = None  # units of each network after its LSTM; None: (64, 64)
    activation_fn: Activation = "tanh"  # of hidden layers; those of convolutions are ReLU
    ortho_init: bool = True  # orthogonal initial weights; False: PyTorch's own
    lstm_hidden_size: Count = 256  # units of an LSTM
    n_lstm_layers: Count = 1  # of an LSTM
    adam_epsilon: Positive = 1e-5  # added to the root of Adam's mean square
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none

    def check(self) -> None:
        """Check what concerns several fields."""
        _check_batch(self.batch_size, self.normalize_advantage)


@dataclass(frozen=True)
class SB3DDPGConfig(Config):
    """Settings of Stable-Baselines3's DDPG.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 1e-3  # of Adam, for both networks
    buffer_size: Count = 1_000_000  # transitions
    learning_starts: Whole = 100  # environment steps of random actions before learning
    batch_size: Count = 256  # transitions
    tau: PositiveFraction = 0.005  # fraction of the way that targets move at a gradient step
    gamma: Fraction = 0.99  # discount per environment step
    train_freq: Count = 1  # steps of all sub-environments between gradient steps
    gradient_steps: GradientSteps = 1  # at once; -1: as many as environment steps before them
    action_noise: Noise | None = None  # on the actions of training; None: none at all
    n_steps: Count = 1  # rewards in a return
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of MlpPolicy's hidden layers; None: SB3's, (400, 300)
    activation_fn: Activation = "relu"  # of hidden layers
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square
    noise_std: NonNegative = 0.1  # of action_noise, in units of actions scaled to [-1, 1]
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


@dataclass(frozen=True)
class SB3TD3Config(Config):
    """Settings of Stable-Baselines3's TD3.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 1e-3  # of Adam, for all networks
    buffer_size: Count = 1_000_000  # transitions
    learning_starts: Whole = 100  # environment steps of random actions before learning
    batch_size: Count = 256  # transitions
    tau: PositiveFraction = 0.005  # fraction of the way that targets move at their updates
    gamma: Fraction = 0.99  # discount per environment step
    train_freq: Count = 1  # steps of all sub-environments between gradient steps
    gradient_steps: GradientSteps = 1  # at once; -1: as many as environment steps before them
    action_noise: Noise | None = None  # on the actions of training; None: none at all
    n_steps: Count = 1  # rewards in a return
    policy_delay: Count = 2  # gradient steps of the critics per one of the actor and the targets
    target_policy_noise: NonNegative = 0.2  # standard deviation, on the target's actions
    target_noise_clip: NonNegative = 0.5  # the largest of that noise
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of MlpPolicy's hidden layers; None: SB3's, (400, 300)
    activation_fn: Activation = "relu"  # of hidden layers
    n_critics: Count = 2  # the lowest of them is believed
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square
    noise_std: NonNegative = 0.1  # of action_noise, in units of actions scaled to [-1, 1]
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


@dataclass(frozen=True)
class SB3SACConfig(Config):
    """Settings of Stable-Baselines3's SAC.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.
    """

    learning_rate: Positive | Schedule = 3e-4  # of Adam, for all networks
    buffer_size: Count = 1_000_000  # transitions
    learning_starts: Whole = 100  # environment steps of random actions before learning
    batch_size: Count = 256  # transitions
    tau: PositiveFraction = 0.005  # fraction of the way that targets move at their updates
    gamma: Fraction = 0.99  # discount per environment step
    train_freq: Count = 1  # steps of all sub-environments between gradient steps
    gradient_steps: GradientSteps = 1  # at once; -1: as many as environment steps before them
    action_noise: Noise | None = None  # on the actions of training, beside the policy's own
    n_steps: Count = 1  # rewards in a return
    ent_coef: NonNegative | Literal["auto"] = "auto"  # weight of the entropy; "auto": learned
    target_update_interval: Count = 1  # gradient steps per move of the target networks
    target_entropy: Finite | Literal["auto"] = "auto"  # nats; "auto": -1 for each action
    policy: Policy = "auto"  # "auto": CnnPolicy for images, MlpPolicy for all else
    net_arch: Sizes | None = None  # units of MlpPolicy's hidden layers; None: SB3's, (256, 256)
    activation_fn: Activation = "relu"  # of hidden layers
    n_critics: Count = 2  # the lowest of them is believed
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square
    noise_std: NonNegative = 0.1  # of action_noise, in units of actions scaled to [-1, 1]
    reward_scale: Positive = 1.0  # factor on rewards; SB3 has none


def _check_batch(batch_size: int, normalizes: bool) -> None:
    check("batch_size", batch_size, batch_size >= 2 or not normalizes, ">= 2 to normalize")
