"""Compiled code does what the interpreter does: programs of all instructions, in any order."""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mario_rl_envs import core
from mario_rl_envs.compile.c_code import write_units
from mario_rl_envs.compile.control_flow import PRG_START, find_code
from mario_rl_envs.core import _core

CORE = Path(core.__file__).parent
COMPILER = os.environ.get("CC") or shutil.which("cc")
PRG_SIZE = 0x8000
NUM_FRAMES = 150
HEADER = b"NES\x1a" + bytes([2, 1, 1]) + bytes(9)
RESET = 0x8000
NMI = 0x9000
# Registers of the PPU, OAM DMA and the joypads.
REGISTERS = (*range(0x2000, 0x2008), 0x4014, 0x4016, 0x4017)
CALLS = (0x20,)
ENDS = ("BRK", "NOTHING", "RTI", "JMP", "JMP_INDIRECT", "STY_ELSEWHERE", "STX_ELSEWHERE")
# LDA #, LDX #, STA zp, STA (zp),Y, INX, DEY, PHA, PLA, LDA (zp),Y, STA abs,Y: so that registers and
# pointers differ.
OFTEN = (0xA9, 0xA2, 0x85, 0x91, 0xE8, 0x88, 0x48, 0x68, 0xB1, 0x99)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


def make_rom(code):
    """Return a ROM with code at some addresses; its vectors lead to RESET and NMI."""
    prg = bytearray(PRG_SIZE)
    vectors = NMI.to_bytes(2, "little") + RESET.to_bytes(2, "little") * 2
    for address, content in ({0xFFFA: vectors} | code).items():
        offset = address - PRG_START
        prg[offset : offset + len(content)] = content
    return HEADER + bytes(prg) + random.Random(0).randbytes(0x2000)


def random_program(rng, num_instructions):
    """Return instructions of all kinds, most of which lead to others of the program."""
    cartridge = _core.Cartridge(make_rom({PRG_START: bytes(range(256))}))
    table = [cartridge.instruction(PRG_START + opcode) for opcode in range(256)]
    usual = [opcode for opcode in range(256) if table[opcode][0] not in ENDS]
    code = bytearray()
    for _ in range(num_instructions):
        opcode = rng.choice([*usual, *4 * OFTEN, *4 * CALLS, rng.randrange(256)])
        size = table[opcode][2]
        if opcode in CALLS:
            operand = rng.choice([RESET, NMI]) + rng.randrange(2 * num_instructions)
        elif size == 3:
            in_ram, in_rom = rng.randrange(0x800), rng.randrange(PRG_START, 0x10000)
            operand = rng.choice([in_ram, in_rom, rng.choice(REGISTERS), rng.randrange(0x10000)])
        else:
            operand = rng.randrange(256)
        code += bytes([opcode]) + operand.to_bytes(2, "little")[: size - 1]
    return bytes(code) + bytes([0x4C]) + RESET.to_bytes(2, "little")


def compile_rom(rom, folder, num_units=2):
    library = folder / "library.so"
    files = write_units(rom, num_units)
    for name, text in files.items():
        (folder / name).write_text(text)
    options = ["-O1", "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-shared"]
    subprocess.run(
        [COMPILER, *options, "-I", CORE, *(folder / name for name in files), "-o", library],
        check=True,
    )
    return library


def assert_equal_frames(rom, library, num_frames=NUM_FRAMES):
    interpreted = _core.Game(_core.Cartridge(rom))
    compiled = _core.Game(_core.Cartridge(rom, library))
    rng = random.Random(1)
    for frame in range(num_frames):
        buttons = rng.randrange(256)
        interpreted.advance(buttons)
        compiled.advance(buttons)
        assert compiled.save() == interpreted.save(), frame
        if frame % 40 == 20:
            address = rng.randrange(0x800)
            interpreted.poke(address, 7)
            compiled.poke(address, 7)
            state = interpreted.save()
            interpreted.load(compiled.save())
            compiled.load(state)


@needs_compiler
@pytest.mark.parametrize("seed", range(6))
def test_random_programs(seed, tmp_path):
    rng = random.Random(seed)
    rom = make_rom({RESET: random_program(rng, 300), NMI: random_program(rng, 200) + b"\x40"})
    assert len(find_code(rom).leaders) > 20
    assert_equal_frames(rom, compile_rom(rom, tmp_path, num_units=1 + seed % 3))


@needs_compiler
@pytest.mark.parametrize("branch", ["D0", "F0"])
def test_waiting_loops(branch, tmp_path):
    # Turn NMI and both layers on, wait for sprite 0 within the picture; the NMI handler sets it up.
    wait = bytes.fromhex(f"AD 02 20 29 40 {branch} F9")
    reset = bytes.fromhex("A9 90 8D 00 20 A9 1E 8D 01 20 4C 0A 80")
    handler = bytes.fromhex("E6 10 A9 28 8D 00 02 8D 03 02 A9 02 8D 14 40") + wait
    handler += bytes.fromhex("E6 11 40")
    rom = make_rom({RESET: reset, NMI: handler})
    operations = [block[-1].operation for block in find_code(rom).blocks()]
    assert "WAIT" in operations
    assert "AWAIT_SPRITE_ZERO" in operations
    library = compile_rom(rom, tmp_path)
    assert_equal_frames(rom, library)
    game = _core.Game(_core.Cartridge(rom, library))
    for _ in range(5):
        game.advance(0)
    assert game.ram[0x10] >= 2  # the handler has run


@needs_compiler
def test_code_in_ram_is_interpreted(tmp_path):
    # Copy INC $20; RTS to $0300 and call it for ever.
    reset = bytes.fromhex("A9 E6 8D 00 03 A9 20 8D 01 03 A9 60 8D 02 03 20 00 03 4C 0F 80")
    rom = make_rom({RESET: reset, NMI: b"\x40"})
    library = compile_rom(rom, tmp_path)
    assert_equal_frames(rom, library)
    game = _core.Game(_core.Cartridge(rom, library))
    game.advance(0)
    assert game.ram[0x20] > 0


def test_units_divide_the_blocks():
    rom = make_rom({RESET: b"\xea\xd0\x00" * 40, NMI: b"\x40"})
    leaders = sorted(f"0x{address:04X}" for address in find_code(rom).leaders)
    for num_units in (1, 4):
        files = write_units(rom, num_units)
        assert len(files) == num_units + 1
        entries = re.findall(r"ENTRY\(\d+, (\w+)\)", "".join(files.values()))
        assert sorted(entries) == leaders


@needs_compiler
def test_a_library_of_another_rom_is_refused(tmp_path):
    rom, other = (make_rom({RESET: code, NMI: b"\x40"}) for code in (b"\xea\x60", b"\xe8\x60"))
    library = compile_rom(rom, tmp_path)
    with pytest.raises(OSError, match="compiled from another ROM"):
        _core.Cartridge(other, library)


def test_a_library_of_something_else_is_refused():
    with pytest.raises(OSError, match="cannot load compiled code"):
        _core.Cartridge(make_rom({}), _core.__file__)
