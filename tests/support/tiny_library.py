"""A library of compiled code that has none: the interpreter runs everything.

It is made in no time, so that all that happens around compiled code can be tested for real.
"""

from __future__ import annotations

from typing import Final

from mario_rl_envs.core import _core
from mario_rl_envs.game.rom import find_rom, read_rom

ROM: Final = read_rom(find_rom())

_TEXT: Final = """
#include "machine/compiled.h"

static bool run(Cpu *cpu, const Pins *pins, int64_t limit) {{
    (void)cpu, (void)pins, (void)limit;
    {body}
    return true;
}}
extern const CompiledCode COMPILED_CODE __attribute__((visibility("default")));
const CompiledCode COMPILED_CODE = {{{abi}, {hash}u, run}};
"""


def tiny_units(
    *, abi: int = _core.COMPILED_ABI, prg: bytes = ROM[16 : 16 + 0x8000], body: str = ""
) -> dict[str, str]:
    """Return the C code of a library.

    Args:
        abi: The version of the interface that it claims to have.
        prg: The code of the ROM that it claims to be made from.
        body: C code that runs before the interpreter does.
    """
    text = _TEXT.format(abi=abi, hash=_fnv(prg), body=body)
    return {"library.c": text, "more.c": "int more(void);\nint more(void) { return 7; }\n"}


def _fnv(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash."""
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return number
