/* Decoded instructions: the operation, and the place of its operand.
 *
 * Decoding would take most of an interpreter's time: 3,500 instructions a frame, each to be
 * fetched, told from 150 others, and its operand found. PRG ROM never changes, so that is done
 * once, when the cartridge is read. An operation includes the place of its operand: `LDA $0770`
 * reads RAM, `LDA $8123` is a constant, and only what may access a register (REGISTER and ELSEWHERE
 * below) goes through the bus.
 */
#ifndef MARIO_RL_DECODE_H
#define MARIO_RL_DECODE_H

#include <stdint.h>

#include "machine/cartridge.h"

enum {
    RAM_END = 0x2000, /* 2 KiB, mirrored four times */
    PPU_STATUS = 0x2002,
};

/* The place of an operand. In these names X and Y are the index that is added; REGISTER is any
 * fixed address that is neither in RAM nor in ROM, ELSEWHERE an address that is known at run time
 * only. */
/* clang-format off */
#define READ_MODES(X, name)                                                                \
    X(name##_IMMEDIATE) X(name##_CONSTANT) X(name##_ZERO_PAGE) X(name##_RAM)               \
    X(name##_RAM_X) X(name##_RAM_Y) X(name##_ROM_X) X(name##_ROM_Y) X(name##_ZERO_PAGE_X)  \
    X(name##_INDIRECT_Y) X(name##_REGISTER) X(name##_ELSEWHERE)
#define WRITE_MODES(X, name)                                                               \
    X(name##_ZERO_PAGE) X(name##_RAM) X(name##_RAM_X) X(name##_RAM_Y) X(name##_ZERO_PAGE_X) \
    X(name##_INDIRECT_Y) X(name##_REGISTER) X(name##_ELSEWHERE)
#define MODIFY_MODES(X, name)                                                              \
    X(name##_ZERO_PAGE) X(name##_RAM) X(name##_RAM_X) X(name##_ZERO_PAGE_X) X(name##_ELSEWHERE)

/* All operations. NOTHING is an unofficial opcode without effect; DECODE an instruction that is not
 * decoded yet, because not all of it is in ROM; WAIT a jump to itself; AWAIT_SPRITE_ZERO the LDA
 * $2002 of a loop that waits for bit 6. Branches and shifts are in the order of their opcodes. */
#define OPERATIONS(X)                                                                      \
    X(NOTHING) X(DECODE) X(WAIT) X(AWAIT_SPRITE_ZERO)                                      \
    X(BRK) X(PHP) X(CLC) X(JSR) X(PLP) X(SEC) X(RTI) X(PHA) X(JMP) X(CLI) X(RTS) X(PLA)    \
    X(JMP_INDIRECT) X(SEI) X(DEY) X(TXA) X(TYA) X(TXS) X(TAY) X(TAX) X(CLV) X(TSX) X(INY)  \
    X(DEX) X(CLD) X(INX) X(NOP) X(SED)                                                     \
    X(BPL) X(BMI) X(BVC) X(BVS) X(BCC) X(BCS) X(BNE) X(BEQ)                                \
    X(ASL_A) X(ROL_A) X(LSR_A) X(ROR_A)                                                    \
    READ_MODES(X, ORA) READ_MODES(X, AND) READ_MODES(X, EOR) READ_MODES(X, ADC)            \
    READ_MODES(X, LDA) READ_MODES(X, CMP) READ_MODES(X, SBC) READ_MODES(X, BIT)            \
    READ_MODES(X, LDY) READ_MODES(X, CPY) READ_MODES(X, CPX) READ_MODES(X, LDX)            \
    WRITE_MODES(X, STA) WRITE_MODES(X, STY) WRITE_MODES(X, STX)                            \
    MODIFY_MODES(X, ASL) MODIFY_MODES(X, ROL) MODIFY_MODES(X, LSR) MODIFY_MODES(X, ROR)    \
    MODIFY_MODES(X, DEC) MODIFY_MODES(X, INC)
/* clang-format on */

#define ENUMERATOR(name) name,
enum Operation { OPERATIONS(ENUMERATOR) };

/* clang-format off */
/* The addressing modes of opcodes. */
#define MODES(X)                                                                                   \
    X(IMMEDIATE) X(ZERO_PAGE) X(ABSOLUTE) X(ZERO_PAGE_X) X(ZERO_PAGE_Y) X(ABSOLUTE_X)              \
    X(ABSOLUTE_Y) X(INDIRECT_X) X(INDIRECT_Y) X(ACCUMULATOR) X(NO_MODE)
/* clang-format on */
enum Mode { MODES(ENUMERATOR) };

enum Kind { READS, WRITES, MODIFIES, NEITHER };

/* Decode the instruction at `pc`. Its operand becomes the value itself where that is known, else an
 * address (in RAM: below 0x800); for a branch its target, for INY the number of INYs in a row. A
 * branch has two numbers of cycles: not taken in the low four bits, taken in the high four. */
Instruction instruction_decode(const uint8_t bytes[MAX_INSTRUCTION_SIZE], uint16_t pc,
                               const uint8_t *prg);

/* The names of an operation and of a mode. */
const char *operation_name(uint8_t operation);
const char *mode_name(uint8_t mode);

/* Decode all of PRG ROM, as if an instruction began at every byte. */
void prg_decode(Cartridge *cartridge);

#endif
