"""Routes: recorded inputs through a stage, with the rewards and the final info that they bring.

Those of the package clear their stage. They were recorded on gym-super-mario-bros 7.4.0 (nes-py
8.2.1, NumPy 1.26); each joypad byte is held for four frames. `RouteSearch` finds others.
"""

from mario_rl_envs.routes.planner import Planner
from mario_rl_envs.routes.playing import play, verify
from mario_rl_envs.routes.recorder import RouteRecorder
from mario_rl_envs.routes.route import FRAMES_PER_STEP, Route, load, read, stages, write
from mario_rl_envs.routes.search import RouteSearch

__all__ = [
    "FRAMES_PER_STEP",
    "Planner",
    "Route",
    "RouteRecorder",
    "RouteSearch",
    "load",
    "play",
    "read",
    "stages",
    "verify",
    "write",
]
