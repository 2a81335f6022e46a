"""Train Tianshou's Double DQN on four games; its replay memory keeps each frame once.

Needs `pip install ".[agents]" tianshou` in the project's folder.
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.env.atari.atari_network import DQNet, ScaledObsInputActionReprNet
from tianshou.trainer import OffPolicyTrainerParams

import mario_rl_envs  # noqa: F401 (registers the ids)

NUM_ENVS = 4

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="tianshou_dqn_mario.pt", help="where to save the agent")
arguments = parser.parse_args()

torch.manual_seed(0)
np.random.seed(0)  # Tianshou draws from it
env = gym.make(arguments.env)
assert isinstance(env.action_space, gym.spaces.Discrete)
envs = DummyVectorEnv([lambda: gym.make(arguments.env, info=[]) for _ in range(NUM_ENVS)])
envs.seed(0)
policy = DiscreteQLearningPolicy(
    model=ScaledObsInputActionReprNet(DQNet(4, 84, 84, int(env.action_space.n))),
    action_space=env.action_space,
    observation_space=env.observation_space,
    eps_training=1.0,
)
agent = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-4), gamma=0.99, target_update_freq=500)
memory = VectorReplayBuffer(
    50_000, buffer_num=NUM_ENVS, stack_num=4, ignore_obs_next=True, save_only_last_obs=True
)
collector = Collector(agent, envs, memory, exploration_noise=True)
collector.reset()
num_first = min(10_000, arguments.steps // 2)
# Not `random=True`: a DummyVectorEnv draws from the 256 buttons of the bare environment.
collector.collect(n_step=num_first)


def explore_less(epoch: int, step: int) -> None:
    """Lower epsilon from 1 to 0.05 over the first tenth of the training."""
    policy.set_eps_training(max(0.05, 1 - 9.5 * step / arguments.steps))


result = agent.run_training(
    OffPolicyTrainerParams(
        training_collector=collector,
        max_epochs=1,
        epoch_num_steps=arguments.steps - num_first,
        collection_step_num_env_steps=16,
        update_step_num_gradient_steps_per_sample=0.25,
        batch_size=32,
        training_fn=explore_less,
    )
)
torch.save(agent.state_dict(), arguments.out)
envs.close()
print(f"trained {num_first + result.train_step} steps, saved {arguments.out}")
