"""The native core in C: machine, game, batch; `_core` is the compiled module (docs/native-core.md).

`mario_rl_envs.emulators.native` is what uses it. Importing `_core` raises ImportError where it has
not been compiled.
"""
