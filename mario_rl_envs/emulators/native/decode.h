/* Instructions, taken apart: what there is to do, and where the operand lies.
 *
 * Reading is where an interpreter's time goes: 3,500 instructions a frame, each to be fetched, told
 * from 150 others, and its operand found. Since the program never changes, that is done once, when
 * the cartridge is inserted. An operation says where its operand lies, too: `LDA $0770` is known to
 * read RAM, `LDA $8123` to read a constant, and only what may touch a register of the PPU (the
 * "elsewhere" below) asks the bus.
 */
#ifndef MARIO_RL_DECODE_H
#define MARIO_RL_DECODE_H

#include <stdint.h>

#include "cartridge.h"

enum {
    RAM_END = 0x2000, /* 2 KiB, seen four times */
    PPU_STATUS = 0x2002,
    SPRITE_ZERO_BIT = 0x40,
};

/* Where an operand lies. In these names X and Y are the index that is added; a register is any fixed
 * address that is neither in RAM nor in ROM. */
/* clang-format off */
#define READ_MODES(name)                                                                \
    name##_IMMEDIATE, name##_CONSTANT, name##_ZERO_PAGE, name##_RAM, name##_RAM_X,      \
    name##_RAM_Y, name##_ROM_X, name##_ROM_Y, name##_ZERO_PAGE_X, name##_INDIRECT_Y,    \
    name##_REGISTER, name##_ELSEWHERE
#define WRITE_MODES(name)                                                               \
    name##_ZERO_PAGE, name##_RAM, name##_RAM_X, name##_RAM_Y, name##_ZERO_PAGE_X,       \
    name##_INDIRECT_Y, name##_REGISTER, name##_ELSEWHERE
#define MODIFY_MODES(name)                                                              \
    name##_ZERO_PAGE, name##_RAM, name##_RAM_X, name##_ZERO_PAGE_X, name##_ELSEWHERE

enum Operation {
    NOTHING,           /* an opcode that does not exist */
    DECODE,            /* not decoded yet: not in ROM, or not all of it */
    WAIT,              /* JMP to itself */
    AWAIT_SPRITE_ZERO, /* LDA $2002 in a loop that waits for bit 6 */
    BRK, PHP, CLC, JSR, PLP, SEC, RTI, PHA, JMP, CLI, RTS, PLA, JMP_INDIRECT, SEI, DEY, TXA, TYA,
    TXS, TAY, TAX, CLV, TSX, INY, DEX, CLD, INX, NOP, SED,
    BPL, BMI, BVC, BVS, BCC, BCS, BNE, BEQ, /* in the order of their opcodes */
    ASL_A, ROL_A, LSR_A, ROR_A,             /* the same */
    READ_MODES(ORA), READ_MODES(AND), READ_MODES(EOR), READ_MODES(ADC), READ_MODES(LDA),
    READ_MODES(CMP), READ_MODES(SBC), READ_MODES(BIT), READ_MODES(LDY), READ_MODES(CPY),
    READ_MODES(CPX), READ_MODES(LDX),
    WRITE_MODES(STA), WRITE_MODES(STY), WRITE_MODES(STX),
    MODIFY_MODES(ASL), MODIFY_MODES(ROL), MODIFY_MODES(LSR), MODIFY_MODES(ROR),
    MODIFY_MODES(DEC), MODIFY_MODES(INC),
};
/* clang-format on */

/* How an opcode names its operand. */
enum Mode {
    IMMEDIATE,
    ZERO_PAGE,
    ABSOLUTE,
    ZERO_PAGE_X,
    ZERO_PAGE_Y,
    ABSOLUTE_X,
    ABSOLUTE_Y,
    INDIRECT_X,
    INDIRECT_Y,
    ACCUMULATOR,
    NO_MODE,
};

enum Kind { READS, WRITES, MODIFIES, NEITHER };

/* What an opcode is, before it is known where its operand lies. */
typedef struct {
    enum Kind kind;
    enum Mode mode;
    uint8_t operation; /* of the first mode, or of the only one */
    uint8_t size;      /* bytes */
} Opcode;

Opcode opcode_decode(uint8_t opcode);

/* Take apart the instruction that stands at `pc`. Its operand becomes the value itself where that
 * is known, else an address (in RAM: below 0x800), for branches the one that they go to. A branch
 * has two numbers of cycles: in the low four bits for going on, in the high four for going there. */
Instruction instruction_decode(const uint8_t bytes[MAX_INSTRUCTION_SIZE], uint16_t pc,
                               const uint8_t *program);

/* Take the whole program apart, as if an instruction began at every byte. */
void program_decode(Cartridge *cartridge);

#endif
