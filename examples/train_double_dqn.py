"""Train Double DQN from Python: the few lines behind `mario-rl train`.

Needs `pip install ".[agents]"` in the project's folder.
"""

import argparse

import gymnasium as gym
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQNConfig
from mario_rl_agents.config import linear
from mario_rl_agents.runs.evaluation import evaluate

import mario_rl_envs  # noqa: F401 (registers the ids)


class PrintEpisodes(Callback):
    """Say how every episode went."""

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Print a line."""
        x_pos = episode.info["x_pos"]
        print(f"step {episode.step:7d}  return {episode.episodic_return:6.0f}  x {x_pos:4d}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=50_000, help="environment steps")
parser.add_argument("--out", default="double_dqn.safetensors", help="where to save the agent")
arguments = parser.parse_args()

env = gym.make("MarioRL-1-1-v0")
config = DQNConfig(
    replay_capacity=50_000,
    learning_starts=min(1_000, arguments.steps // 2),
    target_update_period=500,
    epsilon=linear(1, 0.1, arguments.steps // 2),
)
agent = DoubleDQN.create(env, config, seed=0)
agent.learn(arguments.steps, [PrintEpisodes()])
agent.save(arguments.out)
env.close()

evaluation_env = gym.make("MarioRL-1-1-v0")
evaluation = evaluate(agent, evaluation_env, num_episodes=3, epsilon=0.05, seed=0)
print(f"mean x {evaluation.x_pos_mean:.0f}, cleared {evaluation.clear_rate:.0%} of 3 episodes")
evaluation_env.close()
