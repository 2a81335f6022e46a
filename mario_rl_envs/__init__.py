"""Super Mario Bros for reinforcement learning: Gymnasium environments and wrappers.

Importing this package registers the environments:

    import gymnasium as gym
    import mario_rl_envs

    env = gym.make("MarioRL-1-1-v0")
"""

from mario_rl_envs import routes
from mario_rl_envs.compile import NativeInfo, native_info
from mario_rl_envs.registration import ENV_IDS, register_environments
from mario_rl_envs.version import __version__

__all__ = ["ENV_IDS", "NativeInfo", "__version__", "native_info", "routes"]

register_environments()
