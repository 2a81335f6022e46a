"""Super Mario Bros for reinforcement learning: Gymnasium environments and wrappers.

Importing this package registers the environments:

    import gymnasium as gym
    import mario_rl_envs

    env = gym.make("MarioRL-1-1-v0")
"""

from mario_rl_envs import routes
from mario_rl_envs.registration import ENV_IDS, register_environments

__version__ = "0.1.0"
__all__ = ["ENV_IDS", "__version__", "routes"]

register_environments()
