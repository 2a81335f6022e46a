"""Reinforcement-learning agents for any Gymnasium environment.

    from mario_rl_agents import PPO, evaluate, load_agent

Each name is imported when it is first asked for, so that the command line can print its help
without loading torch.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mario_rl_agents.agent import Agent as Agent
    from mario_rl_agents.agent import Callback as Callback
    from mario_rl_agents.agent import Episode as Episode
    from mario_rl_agents.agent import Step as Step
    from mario_rl_agents.algorithms.a3c.a3c import A3C as A3C
    from mario_rl_agents.algorithms.a3c.a3c import A3CConfig as A3CConfig
    from mario_rl_agents.algorithms.actor_critic import ActorCritic as ActorCritic
    from mario_rl_agents.algorithms.actor_critic import ActorCriticConfig as ActorCriticConfig
    from mario_rl_agents.algorithms.cem import CEM as CEM
    from mario_rl_agents.algorithms.cem import CEMConfig as CEMConfig
    from mario_rl_agents.algorithms.ddpg import DDPG as DDPG
    from mario_rl_agents.algorithms.ddpg import DDPGConfig as DDPGConfig
    from mario_rl_agents.algorithms.double_dqn import DoubleDQN as DoubleDQN
    from mario_rl_agents.algorithms.dqn import DQN as DQN
    from mario_rl_agents.algorithms.dqn import DQNConfig as DQNConfig
    from mario_rl_agents.algorithms.naive_q import NaiveQ as NaiveQ
    from mario_rl_agents.algorithms.naive_q import NaiveQConfig as NaiveQConfig
    from mario_rl_agents.algorithms.ppo import PPO as PPO
    from mario_rl_agents.algorithms.ppo import PPOConfig as PPOConfig
    from mario_rl_agents.algorithms.pqn import PQN as PQN
    from mario_rl_agents.algorithms.pqn import PQNConfig as PQNConfig
    from mario_rl_agents.algorithms.random import RandomAgent as RandomAgent
    from mario_rl_agents.algorithms.reinforce import Reinforce as Reinforce
    from mario_rl_agents.algorithms.reinforce import ReinforceConfig as ReinforceConfig
    from mario_rl_agents.algorithms.sac import SAC as SAC
    from mario_rl_agents.algorithms.sac import SACConfig as SACConfig
    from mario_rl_agents.algorithms.sarsa import Sarsa as Sarsa
    from mario_rl_agents.algorithms.sarsa import SarsaConfig as SarsaConfig
    from mario_rl_agents.algorithms.td3 import TD3 as TD3
    from mario_rl_agents.algorithms.td3 import TD3Config as TD3Config
    from mario_rl_agents.config import exponential as exponential
    from mario_rl_agents.config import linear as linear
    from mario_rl_agents.config import piecewise as piecewise
    from mario_rl_agents.envs import make_vec_env as make_vec_env
    from mario_rl_agents.runs.evaluation import evaluate as evaluate
    from mario_rl_agents.runs.loading import load_agent as load_agent
    from mario_rl_agents.runs.onnx_file import export_onnx as export_onnx
    from mario_rl_agents.weights.policies import load_policy as load_policy
    from mario_rl_agents.weights.policies import policy_ids as policy_ids
    from mario_rl_agents.weights.policies import policy_record as policy_record

# Torch's threads wait for each other asleep instead of spinning. Where anything else wants a core,
# as the environment's own thread does, spinning made training ten times slower (2 against 22 steps
# per second on Mario, two busy cores). OpenMP reads it once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_MODULES = {  # name -> where it is defined
    "A3C": "algorithms.a3c.a3c",
    "A3CConfig": "algorithms.a3c.a3c",
    "ActorCritic": "algorithms.actor_critic",
    "ActorCriticConfig": "algorithms.actor_critic",
    "Agent": "agent",
    "Callback": "agent",
    "CEM": "algorithms.cem",
    "CEMConfig": "algorithms.cem",
    "DDPG": "algorithms.ddpg",
    "DDPGConfig": "algorithms.ddpg",
    "DQN": "algorithms.dqn",
    "DQNConfig": "algorithms.dqn",
    "DoubleDQN": "algorithms.double_dqn",
    "Episode": "agent",
    "NaiveQ": "algorithms.naive_q",
    "NaiveQConfig": "algorithms.naive_q",
    "PPO": "algorithms.ppo",
    "PPOConfig": "algorithms.ppo",
    "PQN": "algorithms.pqn",
    "PQNConfig": "algorithms.pqn",
    "Reinforce": "algorithms.reinforce",
    "ReinforceConfig": "algorithms.reinforce",
    "RandomAgent": "algorithms.random",
    "SAC": "algorithms.sac",
    "SACConfig": "algorithms.sac",
    "Step": "agent",
    "Sarsa": "algorithms.sarsa",
    "SarsaConfig": "algorithms.sarsa",
    "TD3": "algorithms.td3",
    "TD3Config": "algorithms.td3",
    "evaluate": "runs.evaluation",
    "exponential": "config",
    "linear": "config",
    "piecewise": "config",
    "export_onnx": "runs.onnx_file",
    "load_agent": "runs.loading",
    "load_policy": "weights.policies",
    "make_vec_env": "envs",
    "policy_ids": "weights.policies",
    "policy_record": "weights.policies",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the names that can be imported."""
    return sorted(__all__)
