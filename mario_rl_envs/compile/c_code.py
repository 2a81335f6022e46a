"""Writing the code of a ROM as C: a list of the macros that core/machine/blocks.h defines.

The text is derived from the ROM: it is written to the user's machine only, and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from mario_rl_envs.compile.control_flow import (
    BRANCHES,
    MODIFIES,
    PRG_START,
    WRITES,
    Code,
    Instruction,
    find_code,
    prg_of,
)

_INCLUDE: Final = '#include "machine/blocks.h"\n'
# Those to which an index is added; a read (and a write after it) takes a cycle more if that carries
# into the address's high byte.
_CROSSING: Final = frozenset(
    {"RAM_X", "RAM_Y", "ROM_X", "ROM_Y", "ABSOLUTE_X", "ABSOLUTE_Y", "INDIRECT_Y"}
)
# Those that are known when the instruction runs: a register may be among them.
_UNKNOWN: Final = frozenset({"ABSOLUTE_X", "ABSOLUTE_Y", "INDIRECT_Y"})
_UNIT_SHARE: Final = 2048  # as in blocks.h: more than a unit has blocks
_Block = list[Instruction]


def write_units(rom: bytes, num_units: int) -> dict[str, str]:
    """Return the C code of a ROM.

    Args:
        rom: A file in iNES format that the core accepts.
        num_units: The files that the blocks are divided into, to be compiled side by side.

    Returns:
        The text of each file by its name. All of them make one library; what it exports is defined
        in core/machine/compiled.h.
    """
    code = find_code(rom)
    units = _divide(list(code.blocks()), num_units)
    entries = _number(units)
    files = {
        f"unit_{number}.c": _write_unit(number, blocks, code, entries)
        for number, blocks in enumerate(units, start=1)
    }
    files["library.c"] = _write_library(prg_of(rom), len(units), entries)
    return files


def _divide(blocks: Sequence[_Block], num_units: int) -> list[list[_Block]]:
    """Cut the blocks into units of about as many instructions each."""
    total = sum(map(len, blocks))
    units: list[list[_Block]] = [[] for _ in range(num_units)]
    num_before = 0
    for block in blocks:
        units[num_before * num_units // total].append(block)
        num_before += len(block)
    return [unit for unit in units if unit]


def _hex(number: int) -> str:
    return f"0x{number:04X}"


def _number(units: Sequence[Sequence[_Block]]) -> dict[int, tuple[int, int]]:
    """Return the unit and the number therein of each block, by its address."""
    assert max(map(len, units)) <= _UNIT_SHARE, "the library's table has no room for that many"
    return {
        block[0].address: (number, entry)
        for number, blocks in enumerate(units, start=1)
        for entry, block in enumerate(blocks)
    }


def _write_library(prg: bytes, num_units: int, entries: Mapping[int, tuple[int, int]]) -> str:
    numbers = range(1, num_units + 1)
    entry_of = ", ".join(
        f"[{_hex(address - PRG_START)}] = {_UNIT_SHARE * number + entry}"
        for address, (number, entry) in entries.items()
    )
    return "\n".join(
        [
            _INCLUDE,
            "UNIT_THAT_STOPS",
            *(f"DECLARE({number})" for number in numbers),
            f"Unit *const UNITS[] = {{{', '.join(f'unit_{n}' for n in (0, *numbers))}}};",
            f"const uint16_t ENTRY_OF[PRG_SIZE] = {{{entry_of}}};",
            f"LIBRARY({_hash(prg)}u)",
            "",
        ]
    )


def _hash(data: bytes) -> int:
    """Return what `hash_prg` in core/machine/compiled.h does."""
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return number


def _write_unit(
    number: int, blocks: Sequence[_Block], code: Code, entries: Mapping[int, tuple[int, int]]
) -> str:
    writer = _Writer(number, code, entries)
    body = [line for block in blocks for line in writer.block(block)]
    return "\n".join(
        [
            _INCLUDE,
            *(f"DECLARE({other})" for other in sorted(writer.others)),
            f"UNIT_BEGIN({number})",
            "ENTRIES",
            *(f"ENTRY({entry}, {_hex(block[0].address)})" for entry, block in enumerate(blocks)),
            "ENTRIES_END",
            *body,
            *(f"EXIT({other})" for other in sorted(writer.others)),
            "UNIT_END",
            "",
        ]
    )


class _Writer:
    """Writes the blocks of a unit."""

    def __init__(self, number: int, code: Code, entries: Mapping[int, tuple[int, int]]) -> None:
        self._number = number
        self._code = code
        self._entries = entries
        self.others: set[int] = set()  # units that this one leads to

    def block(self, block: _Block) -> Iterator[str]:
        """Return the lines of a block."""
        starts = _starts(block)
        last = block[-1]
        yield f"BLOCK({_hex(block[0].address)}, {_last_start(block)})"
        for instruction, start in zip(block[:-1], starts, strict=False):
            yield self._instruction(instruction, start)
        yield from self._end(last, starts[-1])

    def _go(self, address: int) -> str:
        unit, entry = self._entries.get(address, (0, 0))
        if unit == self._number:
            return f"GO({_hex(address)})"
        if unit == 0:
            return f"STOP({_hex(address)})"
        self.others.add(unit)
        return f"GO_TO({unit}, {entry})"

    def _instruction(self, instruction: Instruction, start: int) -> str:
        name, place = instruction.mnemonic, instruction.place
        if not place or place == "A":
            return f"IMPLIED({instruction.operation})"
        arguments = [name, str(start), _hex(instruction.operand)]
        if name in WRITES and place in _UNKNOWN:
            arguments += [str(start + instruction.cycles), _hex(instruction.next_address)]
        kind = "WRITE" if name in WRITES else "MODIFY" if name in MODIFIES else "READ"
        return f"{kind}_{place}({', '.join(arguments)})"

    def _end(self, last: Instruction, start: int) -> Iterator[str]:
        """Return the lines of a block's last instruction, and of where to go on."""
        operation, operand, next_address = last.operation, last.operand, last.next_address
        end = start + last.cycles
        if operation in BRANCHES:
            yield f"BRANCH({operation}, {start + (last.cycles >> 4)}, {self._go(operand)})"
            yield f"BLOCK_END({start + last.cycles % 16})"
            yield self._go(next_address)
        elif operation == "JMP":
            yield f"BLOCK_END({end})"
            yield self._go(operand)
        elif operation == "JSR":
            yield f"CALL({_hex(next_address - 1)})"
            yield f"BLOCK_END({end})"
            yield self._go(operand)
        elif operation == "RTS":
            yield f"RETURN_FROM_CALL({end})"
        elif operation == "RTI":
            yield f"RETURN_FROM_NMI({end})"
        elif operation == "JMP_INDIRECT" and last.is_compiled:
            yield f"JUMP_BY_POINTER({_hex(operand)}, {end})"
        elif operation == "WAIT":
            yield f"BLOCK_END({start})"
            yield f"WAIT({_hex(last.address)})"
        elif operation == "AWAIT_SPRITE_ZERO":
            yield from self._await_sprite_zero(last)
        elif not last.is_compiled:
            yield f"BLOCK_END({start})"
            yield f"STOP({_hex(last.address)})"
        else:
            yield self._instruction(last, start)
            yield f"BLOCK_END({end})"
            yield self._go(next_address)

    def _await_sprite_zero(self, load: Instruction) -> Iterator[str]:
        """Return the loop `LDA $2002; AND #$40; BEQ (or BNE) back`."""
        mask = self._code.instructions[load.next_address]
        branch = self._code.instructions[mask.next_address]
        turn_cycles = load.cycles + mask.cycles + (branch.cycles >> 4)
        arguments = [
            str(int(branch.operation == "BEQ")),
            str(turn_cycles),
            self._go(load.next_address),
            str(load.cycles),
            self._go(load.address),
        ]
        yield f"AWAIT_SPRITE_ZERO({', '.join(arguments)})"


def _starts(block: _Block) -> list[int]:
    """Return at which cycle of the block each instruction begins, if no index crosses a page."""
    cycles = [instruction.cycles for instruction in block[:-1]]
    return list(accumulate(cycles, initial=0))


def _last_start(block: _Block) -> int:
    """Return at which cycle of the block the last instruction begins at the latest."""
    return _starts(block)[-1] + sum(map(_may_cross_page, block[:-1]))


def _may_cross_page(instruction: Instruction) -> bool:
    return instruction.mnemonic not in WRITES and instruction.place in _CROSSING
