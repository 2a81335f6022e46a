"""Finding the code of a ROM: its instructions, cut into basic blocks.

From the vectors on every way is followed that the code can take: branches, jumps, calls and the
tables of the game's jump engine. What is found need not be all; the interpreter runs the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from mario_rl_envs.core import _core

PRG_START: Final = 0x8000
PRG_END: Final = 0x10000
_HEADER_SIZE: Final = 16  # of an iNES file, bytes
_NMI_VECTOR: Final = 0xFFFA
_RESET_VECTOR: Final = 0xFFFC
# A subroutine of Super Mario Bros. It never returns: the table of addresses that follows a call of
# it says where to go on, by the number in A.
_JUMP_ENGINE: Final = 0x8E04
_OAM_DMA: Final = 0x4014

BRANCHES: Final = frozenset({"BPL", "BMI", "BVC", "BVS", "BCC", "BCS", "BNE", "BEQ"})
WRITES: Final = frozenset({"STA", "STX", "STY"})
MODIFIES: Final = frozenset({"ASL", "ROL", "LSR", "ROR", "INC", "DEC"})
_INDEXED: Final = frozenset({"ABSOLUTE_X", "ABSOLUTE_Y", "ZERO_PAGE_Y"})
JUMPS: Final = frozenset({"JMP", "JMP_INDIRECT", "JSR", "RTS", "RTI", "WAIT"})


class Instruction(NamedTuple):
    """An instruction of PRG ROM, as the core has decoded it."""

    address: int
    operation: str  # with the place of its operand, as LDA_ZERO_PAGE
    mode: str  # of addressing
    size: int  # bytes
    cycles: int  # a branch: not taken in the low four bits, taken in the high four
    operand: int  # a value, an address, the target of a jump

    @property
    def next_address(self) -> int:
        """Where the instruction behind it begins."""
        return self.address + self.size

    @property
    def mnemonic(self) -> str:
        """The operation without a place, as LDA."""
        return self.operation.partition("_")[0]

    @property
    def place(self) -> str:
        """Of the operand; where that is known at run time only, the addressing mode."""
        place = self.operation.partition("_")[2]
        return self.mode if place == "ELSEWHERE" else place

    @property
    def is_compiled(self) -> bool:
        """Whether the interpreter is not needed for it."""
        if self.operation == "JMP_INDIRECT":
            return self.operand < 0x800  # else the pointer would have to be read from the bus
        if self.operation.endswith("_ELSEWHERE"):
            return self.mnemonic not in MODIFIES and self.mode in _INDEXED
        return self.operation not in ("BRK", "NOTHING", "DECODE")

    @property
    def may_stop_cpu(self) -> bool:
        """Whether the cycle at which the next instruction begins is known only when it has run."""
        return self.operation.endswith("_REGISTER") and self.operand == _OAM_DMA


class Code(NamedTuple):
    """The code of a ROM."""

    instructions: Mapping[int, Instruction]  # by address
    leaders: frozenset[int]  # addresses of first instructions of blocks, all of them compiled

    def blocks(self) -> Iterator[list[Instruction]]:
        """Return the blocks by address; the instructions of each run one after the other."""
        for leader in sorted(self.leaders):
            block = [self.instructions[leader]]
            while not _ends_block(block[-1]):
                next_address = block[-1].next_address
                if next_address in self.leaders or next_address not in self.instructions:
                    break
                block.append(self.instructions[next_address])
            yield block


def find_code(rom: bytes) -> Code:
    """Follow the code of a ROM, an iNES file, from the vectors on."""
    return _Search(prg_of(rom), _core.Cartridge(rom)).run()


def prg_of(rom: bytes) -> bytes:
    """Return the PRG ROM of an iNES file."""
    return rom[_HEADER_SIZE : _HEADER_SIZE + PRG_END - PRG_START]


def _ends_block(instruction: Instruction) -> bool:
    operation = instruction.operation
    return (
        operation in JUMPS
        or operation in BRANCHES
        or operation == "AWAIT_SPRITE_ZERO"
        or instruction.may_stop_cpu
        or not instruction.is_compiled
    )


class _Search:
    """The search for code: addresses to be looked at, and what was found."""

    def __init__(self, prg: bytes, cartridge: _core.Cartridge) -> None:
        self._prg = prg
        self._cartridge = cartridge
        self._instructions: dict[int, Instruction] = {}
        self._leaders: set[int] = set()
        self._to_visit: list[int] = []

    def run(self) -> Code:
        self._lead_to(self._word(_NMI_VECTOR), self._word(_RESET_VECTOR))
        while self._to_visit:
            self._visit_from(self._to_visit.pop())
        leaders = frozenset(
            address
            for address in self._leaders & self._instructions.keys()
            if self._instructions[address].is_compiled
        )
        return Code(self._instructions, leaders)

    def _word(self, address: int) -> int:
        return int.from_bytes(self._prg[address - PRG_START :][:2], "little")

    def _lead_to(self, *addresses: int) -> None:
        for address in addresses:
            if address not in self._leaders and PRG_START <= address < _NMI_VECTOR:
                self._leaders.add(address)
                self._to_visit.append(address)

    def _visit_from(self, address: int) -> None:
        """Look at the instructions that run one after the other from here on."""
        while address not in self._instructions:
            instruction = Instruction(address, *self._cartridge.instruction(address))
            if instruction.operation in ("BRK", "NOTHING", "DECODE"):
                return  # this is data, most likely
            self._instructions[address] = instruction
            self._follow(instruction)
            address = instruction.next_address
            if _ends_block(instruction):
                return

    def _follow(self, instruction: Instruction) -> None:
        operation, operand = instruction.operation, instruction.operand
        if operation in BRANCHES:
            self._lead_to(operand, instruction.next_address)
        elif operation == "JSR":
            self._lead_to(operand)
            if operand == _JUMP_ENGINE:
                self._lead_to(*self._jump_table(instruction.next_address))
            else:
                self._lead_to(instruction.next_address)
        elif operation == "JMP":
            self._lead_to(operand)
        elif operation not in JUMPS and _ends_block(instruction):
            self._lead_to(instruction.next_address)
        if operation == "AWAIT_SPRITE_ZERO":
            self._lead_to(instruction.address)

    def _jump_table(self, address: int) -> Iterator[int]:
        """Return the addresses of a table, which ends where code begins that it leads to.

        The code that a table leads to stands behind it, or before.
        """
        end = PRG_END
        while address < end and PRG_START <= (target := self._word(address)) < _NMI_VECTOR:
            yield target
            if target > address:
                end = min(end, target)
            address += 2
