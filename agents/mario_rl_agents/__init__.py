"""Reinforcement-learning agents for any Gymnasium environment.

Import an algorithm from its own module, for example `from mario_rl_agents.double_dqn import
DoubleDQN`. This module stays empty so that the command line can print its help without loading
torch.
"""
