"""The game's own code as a library: read from the ROM, written as C, compiled on this machine.

`python -m mario_rl_envs.compile` makes it, `emulator="native"` uses it, and `native_info` says
whether. docs/native-core.md tells how.
"""

from mario_rl_envs.compile.info import NativeInfo, native_info

__all__ = ["NativeInfo", "native_info"]
