"""Train PPO with TorchRL's parts, on eight games that one native call steps.

Needs `pip install ".[agents]" torchrl` in the project's folder.
"""

import argparse

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torch.distributions import Categorical
from torchrl.collectors import Collector
from torchrl.envs import (
    Compose,
    GymWrapper,
    RewardScaling,
    RewardSum,
    ToTensorImage,
    TransformedEnv,
)
from torchrl.modules import MLP, ConvNet, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import mario_rl_envs  # noqa: F401 (registers the ids)

NUM_ENVS = 8
NUM_STEPS = 128  # of each game in a rollout

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="torchrl_ppo_mario.pt", help="where to save the agent")
arguments = parser.parse_args()


def make_network(num_outputs: int) -> nn.Module:
    """Return the network of Mnih et al. 2015, for four frames of 84 x 84."""
    return nn.Sequential(
        ConvNet(
            in_features=4,
            num_cells=[32, 64, 64],
            kernel_sizes=[8, 4, 3],
            strides=[4, 2, 1],
            activation_class=nn.ReLU,
        ),
        MLP(
            in_features=64 * 7 * 7,
            out_features=num_outputs,
            num_cells=[512],
            activation_class=nn.ReLU,
        ),
    )


torch.manual_seed(0)
# TorchRL resets the games itself, and makes tensors of all infos: of none here.
games = gym.make_vec(
    arguments.env, num_envs=NUM_ENVS, autoreset_mode="Disabled", info=[], channels="last"
)
env = TransformedEnv(
    GymWrapper(games, categorical_action_encoding=True),
    Compose(
        ToTensorImage(from_int=True, in_keys=["observation"]),
        RewardSum(),
        RewardScaling(loc=0.0, scale=0.1),
    ),
)
env.set_seed(0)
actor = ProbabilisticActor(
    TensorDictModule(make_network(env.action_spec.space.n), ["observation"], ["logits"]),
    in_keys=["logits"],
    distribution_class=Categorical,
    return_log_prob=True,
)
critic = ValueOperator(make_network(1), in_keys=["observation"])
advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
loss = ClipPPOLoss(actor, critic, clip_epsilon=0.1, entropy_coeff=0.01, normalize_advantage=True)
optimizer = torch.optim.Adam(loss.parameters(), lr=2.5e-4)
rollout_size = NUM_ENVS * NUM_STEPS
num_rollouts = -(-arguments.steps // rollout_size)  # the last one is played whole
collector = Collector(
    env,
    actor,
    frames_per_batch=rollout_size,
    total_frames=num_rollouts * rollout_size,
    auto_register_policy_transforms=False,  # the network needs none
)
steps = 0
for rollout in collector:  # [N, T]
    steps += rollout.numel()
    with torch.no_grad():
        advantage(rollout)
    flat = rollout.flatten()
    for _ in range(4):
        for batch in flat[torch.randperm(rollout_size)].chunk(4):
            losses = loss(batch)
            optimizer.zero_grad()
            (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
            nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()
    ended = rollout["next", "done"]
    returns = rollout["next", "episode_reward"][ended]
    print(f"{steps:9,d} steps  return {returns.mean():6.1f} of {len(returns)} episodes")
collector.shutdown()
torch.save(actor.state_dict(), arguments.out)
print(f"trained {steps} steps, saved {arguments.out}")
