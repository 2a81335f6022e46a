"""PPO in one file, as CleanRL writes its agents: PyTorch, `gym.make_vec`, and nothing in between.

All games are stepped by one native call, on several threads. Copy the file, change what you like.
Needs `pip install ".[agents]"` in the project's folder, of which it imports PyTorch alone.
"""

import argparse
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import Tensor, nn
from torch.distributions import Categorical

import mario_rl_envs  # noqa: F401 (registers the ids)

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="cleanrl_ppo_mario.pt", help="where to save the network")
parser.add_argument("--seed", type=int, default=0, help="of the games and the network")
parser.add_argument("--num-envs", type=int, default=8, help="games")
parser.add_argument("--num-steps", type=int, default=128, help="steps a game in a rollout")
parser.add_argument("--num-epochs", type=int, default=4, help="passes over a rollout")
parser.add_argument("--num-minibatches", type=int, default=4, help="gradient steps in a pass")
parser.add_argument("--learning-rate", type=float, default=2.5e-4, help="at first; falls to 0")
parser.add_argument("--gamma", type=float, default=0.99, help="discount")
parser.add_argument("--gae-lambda", type=float, default=0.95, help="of the advantages")
parser.add_argument("--clip", type=float, default=0.1, help="how far the ratio may leave 1")
parser.add_argument("--entropy", type=float, default=0.01, help="weight of the entropy")
parser.add_argument("--value", type=float, default=0.5, help="weight of the value loss")
parser.add_argument("--max-norm", type=float, default=0.5, help="of the gradients")
parser.add_argument("--reward-scale", type=float, default=0.1, help="a step right earns about 10")
arguments = parser.parse_args()


def layer(module: Any, gain: float = 2**0.5) -> Any:
    """Return a linear or convolutional layer with orthogonal weights and no bias."""
    nn.init.orthogonal_(module.weight, gain)
    nn.init.zeros_(module.bias)
    return module


class Network(nn.Module):
    """The convolutions of Mnih et al. 2015 with two heads: logits and a value."""

    def __init__(self, num_actions: int) -> None:
        """Build the layers for four frames of 84 x 84."""
        super().__init__()
        self.body = nn.Sequential(
            layer(nn.Conv2d(4, 32, 8, stride=4)), nn.ReLU(),
            layer(nn.Conv2d(32, 64, 4, stride=2)), nn.ReLU(),
            layer(nn.Conv2d(64, 64, 3, stride=1)), nn.ReLU(),
            nn.Flatten(), layer(nn.Linear(64 * 7 * 7, 512)), nn.ReLU(),
        )  # fmt: skip
        self.actor = layer(nn.Linear(512, num_actions), 0.01)
        self.critic = layer(nn.Linear(512, 1), 1.0)

    def forward(self, obs: Tensor) -> tuple[Categorical, Tensor]:
        """Return the policy and the values, [B], of observations, uint8 [B, 4, 84, 84]."""
        features = self.body(obs / 255)
        return Categorical(logits=self.actor(features)), self.critic(features).squeeze(1)


torch.manual_seed(arguments.seed)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# The step that ends an episode returns the first observation of the next; the last is in infos.
envs = gym.make_vec(arguments.env, num_envs=arguments.num_envs, autoreset_mode="SameStep")
envs = RecordEpisodeStatistics(envs)
assert isinstance(envs.single_action_space, gym.spaces.Discrete)
network = Network(int(envs.single_action_space.n)).to(device)
optimizer = torch.optim.Adam(network.parameters(), arguments.learning_rate, eps=1e-5)

shape = (arguments.num_steps, arguments.num_envs)  # [T, N]
observations = torch.zeros((*shape, 4, 84, 84), dtype=torch.uint8, device=device)
actions = torch.zeros(shape, dtype=torch.long, device=device)
log_probs, rewards, ends, values, advantages = (torch.zeros(shape, device=device) for _ in range(5))

rollout_size = arguments.num_steps * arguments.num_envs
num_rollouts = -(-arguments.steps // rollout_size)  # the last one is played whole
obs, infos = envs.reset(seed=arguments.seed)
for rollout in range(num_rollouts):
    optimizer.param_groups[0]["lr"] = arguments.learning_rate * (1 - rollout / num_rollouts)

    # Play.
    for t in range(arguments.num_steps):
        observations[t] = torch.as_tensor(obs)
        with torch.no_grad():
            policy, values[t] = network(observations[t])
        actions[t] = policy.sample()
        log_probs[t] = policy.log_prob(actions[t])
        obs, reward, terminated, truncated, infos = envs.step(actions[t].cpu().numpy())
        reward = reward * arguments.reward_scale
        if truncated.any():  # the episode would have gone on: what would have come is the value
            final_obs = torch.as_tensor(np.stack(infos["final_obs"][truncated]), device=device)
            with torch.no_grad():
                reward[truncated] += arguments.gamma * network(final_obs)[1].cpu().numpy()
        rewards[t] = torch.as_tensor(reward)
        ends[t] = torch.as_tensor(terminated | truncated)

    # Generalized advantages (Schulman et al. 2016), from the last step back.
    with torch.no_grad():
        next_value = network(torch.as_tensor(obs, device=device))[1]  # [N]
    advantage = torch.zeros_like(next_value)
    for t in reversed(range(arguments.num_steps)):
        goes_on = arguments.gamma * (1 - ends[t])
        error = rewards[t] + goes_on * next_value - values[t]
        advantages[t] = advantage = error + goes_on * arguments.gae_lambda * advantage
        next_value = values[t]

    # Learn (Schulman et al. 2017): T and N are one axis now.
    flat_obs, flat_actions = observations.flatten(0, 1), actions.flatten()
    old_log_probs, flat_advantages = log_probs.flatten(), advantages.flatten()
    returns = (advantages + values).flatten()
    for _ in range(arguments.num_epochs):
        order = torch.randperm(rollout_size, device=device)
        for batch in order.chunk(arguments.num_minibatches):
            policy, value = network(flat_obs[batch])
            ratio = (policy.log_prob(flat_actions[batch]) - old_log_probs[batch]).exp()
            gain = flat_advantages[batch]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            clipped = ratio.clamp(1 - arguments.clip, 1 + arguments.clip)
            policy_loss = -torch.minimum(ratio * gain, clipped * gain).mean()
            value_loss = 0.5 * (value - returns[batch]).square().mean()
            entropy = policy.entropy().mean()
            loss = policy_loss + arguments.value * value_loss - arguments.entropy * entropy
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), arguments.max_norm)
            optimizer.step()

    steps = (rollout + 1) * rollout_size
    recent = np.mean(envs.return_queue) if envs.return_queue else float("nan")
    print(f"{steps:9,d} steps  return {recent:6.0f}  entropy {entropy.item():.2f}")

envs.close()
torch.save(network.state_dict(), arguments.out)
print(f"trained {steps} steps, saved {arguments.out}")
