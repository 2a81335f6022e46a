"""Routes: recorded inputs that clear a stage, with the rewards and the final info that they bring.

Recorded on gym-super-mario-bros 7.4.0 (nes-py 8.2.1, NumPy 1.26); each joypad byte is held for four
frames.
"""

from mario_rl_envs.routes.route import FRAMES_PER_STEP, Route, load, stages

__all__ = ["FRAMES_PER_STEP", "Route", "load", "stages"]
