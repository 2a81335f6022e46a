/* What the CPU's operations do to its registers. The interpreter (cpu.c) and compiled code
 * (blocks.h) differ in how they find the next operation and its operand; what the operation does
 * stands here once.
 *
 * These are macros over the variables of the function that uses them, so that registers stay in
 * registers of the processor: `ram`, and as uint32_t `a`, `x`, `y`, `sp`, `value` (the operand),
 * `nz`, `carry`, `overflow`, `others`. The flags Z and N are one number, `nz`: Z is set if the low
 * byte is 0, N if bit 7 is set, or bit 15 where the two differ from one result's (after BIT and
 * PLP). So most operations just keep their result.
 *
 * Instructions and their flags: https://www.nesdev.org/obelisk-6502-guide/reference.html
 */
#ifndef MARIO_RL_OPERATIONS_H
#define MARIO_RL_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STACK = 0x100, /* the page of RAM that it lies in */
    JUMP_CYCLES = 3,
    SPRITE_ZERO_BIT = 0x40, /* of PPUSTATUS */
};

enum Flag {
    CARRY = 0x01,
    ZERO = 0x02,
    INTERRUPT_DISABLE = 0x04, /* never tested: there are no IRQs; PHP and RTI move it */
    DECIMAL = 0x08,           /* the same */
    BREAK = 0x10,             /* exists on the stack alone */
    ALWAYS_SET = 0x20,
    OVERFLOW = 0x40,
    NEGATIVE = 0x80,
};

static inline uint8_t pack_flags(uint32_t nz, uint32_t overflow, uint32_t carry, uint32_t others) {
    return (uint8_t)((nz & 0x8080 ? NEGATIVE : 0) | (overflow ? OVERFLOW : 0) | ALWAYS_SET |
                     (nz & 0xFF ? 0 : ZERO) | (carry ? CARRY : 0) | others);
}

static inline bool crosses_page(uint32_t base, uint32_t index) {
    return (base & 0xFF) + index > 0xFF;
}

static inline uint32_t read_pointer(const uint8_t *ram, uint32_t address) {
    return ram[address] | (uint32_t)ram[(uint8_t)(address + 1)] << 8;
}

#define PACK_FLAGS() pack_flags(nz, overflow, carry, others)
#define UNPACK_FLAGS(flags)                                                                        \
    (nz = ((flags) & ZERO ? 0u : 1u) | ((flags) & NEGATIVE ? 0x8000u : 0u),                        \
     carry = (flags) & CARRY, overflow = (flags) & OVERFLOW,                                       \
     others = (flags) & (INTERRUPT_DISABLE | DECIMAL))
#define PUSH(what) (ram[STACK | sp] = (uint8_t)(what), sp = (uint8_t)(sp - 1))
#define PULL() (sp = (uint8_t)(sp + 1), ram[STACK | sp])

#define SET_A(what) (a = nz = (uint8_t)(what))
#define SET_X(what) (x = nz = (uint8_t)(what))
#define SET_Y(what) (y = nz = (uint8_t)(what))

/* Add with carry; to subtract is to add the complement. Overflow: both have the sign that the sum
 * has not. */
#define ADD(what)                                                                                  \
    do {                                                                                           \
        uint32_t addend = (what), sum = a + addend + carry;                                        \
        overflow = (a ^ sum) & (addend ^ sum) & 0x80;                                              \
        carry = sum >> 8;                                                                          \
        SET_A(sum);                                                                                \
    } while (0)
#define COMPARE(with) (carry = (with) >= value, nz = ((with) - value) & 0xFF)
#define SHIFT_LEFT(what, low_bit)                                                                  \
    do {                                                                                           \
        uint32_t shifted = (what) << 1 | (low_bit);                                                \
        carry = shifted >> 8;                                                                      \
        what = nz = (uint8_t)shifted;                                                              \
    } while (0)
#define SHIFT_RIGHT(what, high_bit)                                                                \
    do {                                                                                           \
        uint32_t shifted = (what) >> 1 | (high_bit) << 7;                                          \
        carry = (what) & 1;                                                                        \
        what = nz = shifted;                                                                       \
    } while (0)

/* Operations that read their operand, `value`. */
#define DO_LDA SET_A(value)
#define DO_LDX SET_X(value)
#define DO_LDY SET_Y(value)
#define DO_ORA SET_A(a | value)
#define DO_AND SET_A(a &value)
#define DO_EOR SET_A(a ^ value)
#define DO_ADC ADD(value)
#define DO_SBC ADD(value ^ 0xFF)
#define DO_CMP COMPARE(a)
#define DO_CPX COMPARE(x)
#define DO_CPY COMPARE(y)
#define DO_BIT (nz = (a & value) | (value & 0x80) << 8, overflow = value & 0x40)

/* What is written. */
#define OF_STA a
#define OF_STX x
#define OF_STY y

/* Operations that modify their operand. */
#define DO_ASL SHIFT_LEFT(value, 0)
#define DO_ROL SHIFT_LEFT(value, carry)
#define DO_LSR SHIFT_RIGHT(value, 0)
#define DO_ROR SHIFT_RIGHT(value, carry)
#define DO_INC (nz = value = (uint8_t)(value + 1))
#define DO_DEC (nz = value = (uint8_t)(value - 1))

/* Operations without an operand in memory. */
#define DO_ASL_A SHIFT_LEFT(a, 0)
#define DO_ROL_A SHIFT_LEFT(a, carry)
#define DO_LSR_A SHIFT_RIGHT(a, 0)
#define DO_ROR_A SHIFT_RIGHT(a, carry)
#define DO_PHP PUSH(PACK_FLAGS() | BREAK)
#define DO_PLP (value = PULL(), UNPACK_FLAGS(value))
#define DO_PHA PUSH(a)
#define DO_PLA SET_A(PULL())
#define DO_CLC (carry = 0)
#define DO_SEC (carry = 1)
#define DO_CLV (overflow = 0)
#define DO_CLI (others &= ~(uint32_t)INTERRUPT_DISABLE)
#define DO_SEI (others |= INTERRUPT_DISABLE)
#define DO_CLD (others &= ~(uint32_t)DECIMAL)
#define DO_SED (others |= DECIMAL)
#define DO_INX SET_X(x + 1)
#define DO_DEX SET_X(x - 1)
#define DO_INY SET_Y(y + 1)
#define DO_DEY SET_Y(y - 1)
#define DO_TXA SET_A(x)
#define DO_TYA SET_A(y)
#define DO_TAX SET_X(a)
#define DO_TAY SET_Y(a)
#define DO_TSX SET_X(sp)
#define DO_TXS (sp = x)
#define DO_NOP ((void)0)

/* Whether a branch is taken. */
#define IF_BPL (!(nz & 0x8080))
#define IF_BMI (nz & 0x8080)
#define IF_BVC (!overflow)
#define IF_BVS overflow
#define IF_BCC (!carry)
#define IF_BCS carry
#define IF_BNE (nz & 0xFF)
#define IF_BEQ (!(nz & 0xFF))

#endif
