"""Reinforcement-learning agents for any Gymnasium environment.

Import an algorithm from its own module: `from mario_rl_agents.algorithms.ppo import PPO`. This
module stays empty so that the command line can print its help without loading torch.
"""
