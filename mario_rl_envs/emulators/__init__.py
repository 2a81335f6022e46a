"""Emulators: the consoles that can run the game, behind one protocol."""

from mario_rl_envs.emulators.create import EMULATORS, create_emulator, create_game
from mario_rl_envs.emulators.emulator import Emulator

__all__ = ["EMULATORS", "Emulator", "create_emulator", "create_game"]
