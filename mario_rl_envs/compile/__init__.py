"""Compiling the game's code: PRG ROM to C, and C to a library that the native core runs."""
