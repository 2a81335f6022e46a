/* Decoding: the table of opcodes, and what is known of an operand before the instruction runs.
 *
 * Timing is nes-py's. Differences from the chip: a taken branch across a page costs two cycles
 * more, not one; BRK takes 14 cycles; an unofficial opcode does nothing for one cycle.
 *
 * Opcodes: https://www.nesdev.org/obelisk-6502-guide/reference.html
 */
#include "machine/decode.h"

#include <stdbool.h>
#include <string.h>

#include "machine/console.h"
#include "machine/operations.h"

/* Cycles by opcode, without those for crossing pages and taking branches. */
static const uint8_t CYCLES[256] = {
    14, 6, 1, 1, 1, 3, 5, 1, 3, 2, 2, 1, 1, 4, 6, 1, /* 00 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* 10 */
    6,  6, 1, 1, 3, 3, 5, 1, 4, 2, 2, 1, 4, 4, 6, 1, /* 20 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* 30 */
    6,  6, 1, 1, 1, 3, 5, 1, 3, 2, 2, 1, 3, 4, 6, 1, /* 40 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* 50 */
    6,  6, 1, 1, 1, 3, 5, 1, 4, 2, 2, 1, 5, 4, 6, 1, /* 60 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* 70 */
    1,  6, 1, 1, 3, 3, 3, 1, 2, 1, 2, 1, 4, 4, 4, 1, /* 80 */
    2,  6, 1, 1, 4, 4, 4, 1, 2, 5, 2, 1, 1, 5, 1, 1, /* 90 */
    2,  6, 2, 1, 3, 3, 3, 1, 2, 2, 2, 1, 4, 4, 4, 1, /* A0 */
    2,  5, 1, 1, 4, 4, 4, 1, 2, 4, 2, 1, 4, 4, 4, 1, /* B0 */
    2,  6, 1, 1, 3, 3, 5, 1, 2, 2, 2, 1, 4, 4, 6, 1, /* C0 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* D0 */
    2,  6, 1, 1, 3, 3, 5, 1, 2, 2, 2, 1, 4, 4, 6, 1, /* E0 */
    2,  5, 1, 1, 1, 4, 6, 1, 2, 4, 1, 1, 1, 4, 7, 1, /* F0 */
};

#define STRING(name) #name,

const char *operation_name(uint8_t operation) {
    static const char *const NAMES[] = {OPERATIONS(STRING)};
    return NAMES[operation];
}

const char *mode_name(uint8_t mode) {
    static const char *const NAMES[] = {MODES(STRING)};
    return NAMES[mode];
}

/* Opcodes without an operand in memory; NOTHING for all others. */
static enum Operation decode_implied(uint8_t opcode) {
    switch (opcode) {
    case 0x00: return BRK;
    case 0x08: return PHP;
    case 0x18: return CLC;
    case 0x20: return JSR;
    case 0x28: return PLP;
    case 0x38: return SEC;
    case 0x40: return RTI;
    case 0x48: return PHA;
    case 0x4C: return JMP;
    case 0x58: return CLI;
    case 0x60: return RTS;
    case 0x68: return PLA;
    case 0x6C: return JMP_INDIRECT;
    case 0x78: return SEI;
    case 0x88: return DEY;
    case 0x8A: return TXA;
    case 0x98: return TYA;
    case 0x9A: return TXS;
    case 0xA8: return TAY;
    case 0xAA: return TAX;
    case 0xB8: return CLV;
    case 0xBA: return TSX;
    case 0xC8: return INY;
    case 0xCA: return DEX;
    case 0xD8: return CLD;
    case 0xE8: return INX;
    case 0xEA: return NOP;
    case 0xF8: return SED;
    default: return NOTHING;
    }
}

static uint8_t mode_size(enum Mode mode) {
    switch (mode) {
    case ABSOLUTE:
    case ABSOLUTE_X:
    case ABSOLUTE_Y: return 3;
    case ACCUMULATOR:
    case NO_MODE: return 1;
    default: return 2;
    }
}

/* The bits of an opcode are oooMMMgg: operation, mode, group. Unofficial opcodes
 * whose bits have a meaning (ASL #1, say) do that, as in nes-py. */
static Opcode opcode_decode(uint8_t opcode) {
    static const enum Mode MODES[3][8] = {
        {IMMEDIATE, ZERO_PAGE, NO_MODE, ABSOLUTE, NO_MODE, ZERO_PAGE_X, NO_MODE, ABSOLUTE_X},
        {INDIRECT_X, ZERO_PAGE, IMMEDIATE, ABSOLUTE, INDIRECT_Y, ZERO_PAGE_X, ABSOLUTE_Y,
         ABSOLUTE_X},
        {IMMEDIATE, ZERO_PAGE, ACCUMULATOR, ABSOLUTE, NO_MODE, ZERO_PAGE_X, NO_MODE, ABSOLUTE_X},
    };
    static const struct {
        enum Kind kind;
        uint8_t operation;
    } OPERATIONS[3][8] = {
        {{NEITHER, NOTHING},
         {READS, BIT_IMMEDIATE},
         {NEITHER, NOTHING},
         {NEITHER, NOTHING},
         {WRITES, STY_ZERO_PAGE},
         {READS, LDY_IMMEDIATE},
         {READS, CPY_IMMEDIATE},
         {READS, CPX_IMMEDIATE}},
        {{READS, ORA_IMMEDIATE},
         {READS, AND_IMMEDIATE},
         {READS, EOR_IMMEDIATE},
         {READS, ADC_IMMEDIATE},
         {WRITES, STA_ZERO_PAGE},
         {READS, LDA_IMMEDIATE},
         {READS, CMP_IMMEDIATE},
         {READS, SBC_IMMEDIATE}},
        {{MODIFIES, ASL_ZERO_PAGE},
         {MODIFIES, ROL_ZERO_PAGE},
         {MODIFIES, LSR_ZERO_PAGE},
         {MODIFIES, ROR_ZERO_PAGE},
         {WRITES, STX_ZERO_PAGE},
         {READS, LDX_IMMEDIATE},
         {MODIFIES, DEC_ZERO_PAGE},
         {MODIFIES, INC_ZERO_PAGE}},
    };
    enum Operation implied = decode_implied(opcode);
    if (implied != NOTHING) {
        bool has_address = implied == JSR || implied == JMP || implied == JMP_INDIRECT;
        return (Opcode){NEITHER, has_address ? ABSOLUTE : NO_MODE, (uint8_t)implied,
                        has_address ? 3 : 1};
    }
    if ((opcode & 0x1F) == 0x10) {
        return (Opcode){NEITHER, IMMEDIATE, BPL + (opcode >> 5), 2};
    }
    int group = opcode & 3, operation = opcode >> 5;
    if (group == 3) {
        return (Opcode){NEITHER, NO_MODE, NOTHING, 1};
    }
    enum Mode mode = MODES[group][(opcode >> 2) & 7];
    if (group == 2 && (operation == 4 || operation == 5)) { /* STX and LDX are indexed by Y */
        if (mode == ZERO_PAGE_X) {
            mode = ZERO_PAGE_Y;
        }
        if (mode == ABSOLUTE_X) {
            mode = ABSOLUTE_Y;
        }
    }
    if (mode == NO_MODE) {
        return (Opcode){NEITHER, NO_MODE, NOTHING, 1};
    }
    if (mode == ACCUMULATOR) {
        return (Opcode){NEITHER, mode, (uint8_t)(ASL_A + operation), 1};
    }
    return (Opcode){OPERATIONS[group][operation].kind, mode, OPERATIONS[group][operation].operation,
                    mode_size(mode)};
}

/* The variant of an operation for the place of its operand. An index adds up to 255 to an address,
 * which is known to be in RAM or ROM only where that cannot lead out of it. */
static int place_read(enum Mode mode, int operand) {
    bool stays_in_ram = operand <= RAM_END - 0x100;
    bool stays_in_rom = operand >= PRG_START && operand <= 0x10000 - 0x100;
    switch (mode) {
    case IMMEDIATE: return ORA_IMMEDIATE;
    case ZERO_PAGE: return ORA_ZERO_PAGE;
    case ZERO_PAGE_X: return ORA_ZERO_PAGE_X;
    case INDIRECT_Y: return ORA_INDIRECT_Y;
    case ABSOLUTE:
        if (operand < RAM_END) {
            return ORA_RAM;
        }
        return operand >= PRG_START ? ORA_CONSTANT : ORA_REGISTER;
    case ABSOLUTE_X:
        if (stays_in_ram) {
            return ORA_RAM_X;
        }
        return stays_in_rom ? ORA_ROM_X : ORA_ELSEWHERE;
    case ABSOLUTE_Y:
        if (stays_in_ram) {
            return ORA_RAM_Y;
        }
        return stays_in_rom ? ORA_ROM_Y : ORA_ELSEWHERE;
    default: return ORA_ELSEWHERE;
    }
}

static int place_write(enum Mode mode, int operand) {
    bool stays_in_ram = operand <= RAM_END - 0x100;
    switch (mode) {
    case ZERO_PAGE: return STA_ZERO_PAGE;
    case ZERO_PAGE_X: return STA_ZERO_PAGE_X;
    case INDIRECT_Y: return STA_INDIRECT_Y;
    case ABSOLUTE: return operand < RAM_END ? STA_RAM : STA_REGISTER;
    case ABSOLUTE_X: return stays_in_ram ? STA_RAM_X : STA_ELSEWHERE;
    case ABSOLUTE_Y: return stays_in_ram ? STA_RAM_Y : STA_ELSEWHERE;
    default: return STA_ELSEWHERE;
    }
}

static int place_modify(enum Mode mode, int operand) {
    switch (mode) {
    case ZERO_PAGE: return ASL_ZERO_PAGE;
    case ZERO_PAGE_X: return ASL_ZERO_PAGE_X;
    case ABSOLUTE: return operand < RAM_END ? ASL_RAM : ASL_ELSEWHERE;
    case ABSOLUTE_X: return operand <= RAM_END - 0x100 ? ASL_RAM_X : ASL_ELSEWHERE;
    default: return ASL_ELSEWHERE;
    }
}

static int place(Opcode opcode, int operand) {
    switch (opcode.kind) {
    case READS: return opcode.operation + place_read(opcode.mode, operand) - ORA_IMMEDIATE;
    case WRITES: return opcode.operation + place_write(opcode.mode, operand) - STA_ZERO_PAGE;
    case MODIFIES: return opcode.operation + place_modify(opcode.mode, operand) - ASL_ZERO_PAGE;
    default: return opcode.operation;
    }
}

Instruction instruction_decode(const uint8_t bytes[MAX_INSTRUCTION_SIZE], uint16_t pc,
                               const uint8_t *prg) {
    Opcode opcode = opcode_decode(bytes[0]);
    uint16_t operand = opcode.size == 3 ? (uint16_t)(bytes[1] | bytes[2] << 8) : bytes[1];
    uint8_t cycles = CYCLES[bytes[0]];
    int operation = place(opcode, operand);
    if (operation >= BPL && operation <= BEQ) {
        uint16_t next = (uint16_t)(pc + opcode.size);
        operand = (uint16_t)(next + (int8_t)bytes[1]);
        bool crosses = (next ^ operand) >> 8;
        cycles = (uint8_t)(cycles | (cycles + (crosses ? 3 : 1)) << 4);
    } else if (operation == JMP && operand == pc) {
        operation = WAIT;
    } else if (operation == INY) {
        operand = 1;
    } else if (operation == NOTHING) {
        operand = opcode.size;
    } else if (opcode.mode == ABSOLUTE && opcode.kind != NEITHER) {
        if (operand < RAM_END) {
            operand &= RAM_SIZE - 1;
        }
        if (opcode.kind == READS && operand >= PRG_START) {
            operand = prg[operand - PRG_START];
        }
    }
    return (Instruction){(uint8_t)operation, cycles, operand};
}

/* Whether `LDA $2002; AND #$40; BEQ (or BNE) back` begins here. */
static bool awaits_sprite_zero(const uint8_t *code) {
    static const uint8_t LOOP[] = {0xAD, 0x02, 0x20, 0x29, SPRITE_ZERO_BIT};
    bool branches_back = (code[5] == 0xF0 || code[5] == 0xD0) && code[6] == 0x100 - 7;
    return branches_back && memcmp(code, LOOP, sizeof LOOP) == 0;
}

/* The number of INY that stand in a row from here on. */
static uint16_t count_in_row(const uint8_t *prg, int i) {
    uint16_t num = 1;
    while (i + num < PRG_SIZE && prg[i + num] == prg[i]) {
        num++;
    }
    return num;
}

void prg_decode(Cartridge *cartridge) {
    const uint8_t *prg = cartridge->prg;
    for (int i = 0; i < 256; i++) {
        cartridge->opcodes[i] = opcode_decode((uint8_t)i);
    }
    for (int i = 0; i < PRG_SIZE + MAX_INSTRUCTION_SIZE; i++) {
        Instruction *instruction = &cartridge->instructions[i];
        if (i + MAX_INSTRUCTION_SIZE > PRG_SIZE) {
            *instruction = (Instruction){DECODE, 0, 0}; /* it may go on in RAM, at address 0 */
            continue;
        }
        *instruction = instruction_decode(prg + i, (uint16_t)(PRG_START + i), prg);
        if (instruction->operation == INY) {
            instruction->operand = count_in_row(prg, i);
        }
        if (i + 7 <= PRG_SIZE && awaits_sprite_zero(prg + i)) {
            instruction->operation = AWAIT_SPRITE_ZERO;
        }
    }
}
