"""An agent of your own: REINFORCE on CartPole, trained, evaluated, saved and loaded as all are."""

import argparse
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.runs.evaluation import evaluate
from torch import nn


class Reinforce(Agent):
    """Makes actions likelier by what they led to (Williams 1992)."""

    algorithm = "reinforce"

    def __init__(self, env: Any, config: Any, *, seed: int, device: torch.device) -> None:
        """Build the network; what stands in `networks` and `optimizers` is saved."""
        super().__init__(env, config, seed=seed, device=device)
        assert self.num_envs == 1, "one episode at a time"
        torch.manual_seed(seed)
        self.policy = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2)).to(device)
        self.networks = {"policy": self.policy}
        self.optimizers = {"adam": torch.optim.Adam(self.policy.parameters(), 1e-2)}
        self.episode: list[tuple[Any, Any, Any]] = []

    def reset(self) -> None:
        """Drop the episode in progress: training goes on with a new one."""
        self.episode = []

    def act(self, obs: Any, *, greedy: bool = True) -> Any:
        """Return the likeliest actions, or drawn ones: the highest logits with Gumbel noise."""
        with torch.inference_mode():
            logits = self.policy(self.to_batch(obs)).numpy(force=True)  # [B, A]
        noise = 0.0 if greedy else self.generators["exploration"].gumbel(size=logits.shape)
        return (logits + noise).argmax(axis=1)

    def observe(self, step: Step) -> Iterator[dict[str, float]]:
        """Keep the step; at the end of the episode, learn from all of it."""
        self.episode.append((step.obs[0].copy(), step.action[0], step.reward[0]))
        if not step.infos:  # no episode has ended
            return
        obs, action, reward = (np.stack(column) for column in zip(*self.episode, strict=True))
        self.episode = []
        to_go = np.cumsum(reward[::-1])[::-1]  # [T], the rewards from here on
        advantage = torch.tensor((to_go - to_go.mean()) / (to_go.std() + 1e-8))  # [T]
        log_prob = self.policy(torch.tensor(obs)).log_softmax(1)[range(len(obs)), action]  # [T]
        loss = -(log_prob * advantage).mean()
        self.optimizers["adam"].zero_grad()
        torch.autograd.backward(loss)
        self.optimizers["adam"].step()
        self.num_updates += 1
        yield {"losses/policy": loss.item()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30_000, help="environment steps")
    parser.add_argument("--out", default="reinforce.safetensors", help="the checkpoint")
    arguments = parser.parse_args()
    agent = Reinforce.create(gym.make("CartPole-v1"), seed=0, device="cpu")
    agent.learn(arguments.steps)
    agent.save(arguments.out)
    loaded = Reinforce.load(arguments.out, gym.make("CartPole-v1"), device="cpu")
    result = evaluate(loaded, gym.make("CartPole-v1"), num_episodes=10)
    print(f"return {result.return_mean:.0f} after {loaded.num_updates} episodes")
