/* The cartridge: the ROM, decoded once and shared by all consoles. */
#ifndef MARIO_RL_CARTRIDGE_H
#define MARIO_RL_CARTRIDGE_H

#include <stddef.h>
#include <stdint.h>

#include "machine/compiled.h"

enum {
    PRG_SIZE = 0x8000,
    PRG_START = 0x8000, /* where PRG ROM begins in the CPU's memory map, up to 0xFFFF */
    MAX_INSTRUCTION_SIZE = 3,
    CHR_SIZE = 0x2000,
    NUM_TILE_ROWS = 2 * 256 * 8, /* two pattern tables of 256 tiles of 8 rows */
};

/* A decoded instruction, see decode.h. */
typedef struct {
    uint8_t operation;
    uint8_t cycles;
    uint16_t operand;
} Instruction;

/* A decoded opcode, without the place of its operand, see decode.h. */
typedef struct {
    uint8_t kind;
    uint8_t mode;
    uint8_t operation; /* of the first mode, or of the only one */
    uint8_t size;      /* bytes */
} Opcode;

typedef struct {
    uint8_t prg[PRG_SIZE];
    uint8_t chr[CHR_SIZE];
    Opcode opcodes[256];
    /* By address, as if an instruction began at every byte; then those behind the last byte. */
    Instruction instructions[PRG_SIZE + MAX_INSTRUCTION_SIZE];
    uint64_t tile_rows[NUM_TILE_ROWS]; /* 8 pixels each, a byte a pixel, the leftmost lowest */
    const CompiledCode *compiled;      /* of this PRG ROM; NULL: it is interpreted */
} Cartridge;

/* Decode a file in iNES format. Returns NULL, or what is wrong with it. */
const char *cartridge_init(Cartridge *cartridge, const uint8_t *file, size_t size);

/* The row of 8 pixels, 0 to 3, whose low and high bits these are, the leftmost pixel in the highest
 * bits: a byte each, the leftmost in the lowest. */
uint64_t tile_row(uint8_t low, uint8_t high);

#endif
