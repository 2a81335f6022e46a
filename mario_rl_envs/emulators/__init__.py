"""Emulators: the consoles that can run the game, behind one protocol."""

from mario_rl_envs.emulators.emulator import EMULATORS, Emulator, create_emulator

__all__ = ["EMULATORS", "Emulator", "create_emulator"]
