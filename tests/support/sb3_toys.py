"""Plain scripts of Stable-Baselines3, and the same trainings behind our interface."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import sb3_contrib
import stable_baselines3 as sb3
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.sb3.agent import SB3Agent
from mario_rl_agents.algorithms.sb3.off_policy import SB3DDPG, SB3DQN, SB3QRDQN, SB3SAC, SB3TD3
from mario_rl_agents.algorithms.sb3.on_policy import SB3A2C, SB3PPO
from mario_rl_agents.algorithms.sb3.recurrent import SB3RecurrentPPO
from mario_rl_agents.envs import make_vec_env
from stable_baselines3.common.env_util import make_vec_env as sb3_make_vec_env


class Case(NamedTuple):
    """One training, said for both."""

    agent_class: type[SB3Agent]
    model_class: Any
    env_id: str
    num_envs: int
    num_steps: int
    settings: dict[str, Any]  # arguments of SB3, and fields of ours
    policy: str = "MlpPolicy"
    policy_kwargs: Mapping[str, Any] = MappingProxyType({})  # fields of ours, too


_REPLAY: Final[dict[str, Any]] = {"buffer_size": 1_000, "learning_starts": 100, "batch_size": 8}
_NET: Final[dict[str, Any]] = {"net_arch": (8,)}
CASES: Final = {
    "dqn": Case(
        SB3DQN,
        sb3.DQN,
        "CartPole-v1",
        1,
        600,
        {**_REPLAY, "train_freq": 2, "target_update_interval": 200, "learning_rate": 1e-3},
        policy_kwargs=_NET,
    ),
    "dqn, 3": Case(
        SB3DQN,
        sb3.DQN,
        "CartPole-v1",
        3,
        450,
        {**_REPLAY, "train_freq": 4, "gradient_steps": -1, "n_steps": 3, "gamma": 0.95},
        policy_kwargs=_NET,
    ),
    "qrdqn, 2": Case(
        SB3QRDQN,
        sb3_contrib.QRDQN,
        "CartPole-v1",
        2,
        300,
        {**_REPLAY, "target_update_interval": 100, "max_grad_norm": 1.0},
        policy_kwargs={**_NET, "n_quantiles": 5},
    ),
    "ppo": Case(
        SB3PPO,
        sb3.PPO,
        "CartPole-v1",
        1,
        600,
        {"n_steps": 128, "n_epochs": 3, "clip_range_vf": 0.5, "target_kl": 0.01},
        policy_kwargs=_NET,
    ),
    "ppo, 4": Case(
        SB3PPO,
        sb3.PPO,
        "CartPole-v1",
        4,
        600,
        {"n_steps": 32, "n_epochs": 3, "learning_rate": 1e-3},
        policy_kwargs={**_NET, "ortho_init": False},
    ),
    "ppo, truncated, 2": Case(
        SB3PPO, sb3.PPO, "Pendulum-v1", 2, 300, {"n_steps": 64, "n_epochs": 1}
    ),
    "a2c, 2": Case(SB3A2C, sb3.A2C, "CartPole-v1", 2, 400, {"ent_coef": 0.01}),
    "recurrent ppo, 2": Case(
        SB3RecurrentPPO,
        sb3_contrib.RecurrentPPO,
        "CartPole-v1",
        2,
        300,
        {"n_steps": 32, "n_epochs": 1, "batch_size": 32},
        policy="MlpLstmPolicy",
        policy_kwargs={"lstm_hidden_size": 8},
    ),
    "ddpg, 2": Case(SB3DDPG, sb3.DDPG, "Pendulum-v1", 2, 200, dict(_REPLAY), policy_kwargs=_NET),
    "td3": Case(
        SB3TD3,
        sb3.TD3,
        "Pendulum-v1",
        1,
        200,
        {**_REPLAY, "policy_delay": 3, "train_freq": 2},
        policy_kwargs=_NET,
    ),
    "sac": Case(SB3SAC, sb3.SAC, "Pendulum-v1", 1, 200, dict(_REPLAY), policy_kwargs=_NET),
}


class Watch(Callback):
    """Writes down episodes and losses, and at which steps it was asked."""

    def __init__(self) -> None:
        self.episodes: list[Episode] = []
        self.losses: list[dict[str, float]] = []
        self.steps: list[int] = []

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        self.episodes.append(episode)

    def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
        self.losses.append(losses)

    def on_step(self, agent: Agent) -> None:
        self.steps.append(agent.num_steps)


def make_agent(case: Case, seed: int = 3) -> SB3Agent:
    """Return the untrained agent of a case."""
    config = case.agent_class.config_class(**case.settings, **case.policy_kwargs)
    envs = make_vec_env(case.env_id, case.num_envs, env_kwargs(case.env_id))
    return case.agent_class.create(envs, config, seed=seed, device="cpu")


def env_kwargs(env_id: str) -> dict[str, Any]:
    """Return keywords of an environment: many short episodes."""
    return {"max_episode_steps": 30} if env_id == "Pendulum-v1" else {}


def train_plainly(case: Case, seed: int = 3) -> tuple[Any, list[list[float]]]:
    """Return SB3's model and the returns of each sub-environment, from a script without us."""
    envs = sb3_make_vec_env(
        case.env_id, case.num_envs, seed=seed, env_kwargs=env_kwargs(case.env_id)
    )
    kwargs = {k: list(v) if isinstance(v, tuple) else v for k, v in case.policy_kwargs.items()}
    model = case.model_class(
        case.policy, envs, policy_kwargs=kwargs, seed=seed, device="cpu", **case.settings
    )
    model.learn(case.num_steps)
    return model, envs.env_method("get_episode_rewards")
