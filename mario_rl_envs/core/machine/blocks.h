/* The vocabulary of compiled code: what mario_rl_envs/compile/ writes is a list of these.
 *
 * The code of a ROM is cut into units, each a C function in a file of its own, so that they are
 * compiled side by side. A unit holds basic blocks: instructions that run one after the other,
 * entered at the first alone. The blocks of a unit are numbered. A jump within a unit is a `goto`;
 * one to another unit calls that with the number of the block, as the last thing that the function
 * does, which compilers make a jump of.
 *
 *     #include "machine/blocks.h"
 *     DECLARE(2)
 *     UNIT_BEGIN(1)
 *     ENTRIES ENTRY(0, 0x8000) ENTRY(1, 0x8010) ENTRIES_END  // all blocks, by number
 *     BLOCK(0x8000, 2)             // its last instruction begins 2 cycles after the first
 *     READ_IMMEDIATE(LDA, 0, 0x10) // at + 0 cycles: LDA #$10
 *     WRITE_REGISTER(STA, 2, 0x2000)
 *     BLOCK_END(6)                 // cycles
 *     GO(0x8010)
 *     ...
 *     EXIT(2)                      // used by GO_TO(2, number of the block)
 *     UNIT_END
 *
 * A block runs only if all its instructions begin before `limit`; else the unit stops there, and
 * the interpreter runs up to the limit. Instructions for which there is no word here are not
 * compiled: the unit stops at them, too.
 */
#ifndef MARIO_RL_BLOCKS_H
#define MARIO_RL_BLOCKS_H

#include "machine/compiled.h"
#include "machine/operations.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNUSED __attribute__((unused))
#define HIDDEN __attribute__((visibility("hidden")))
#define EXPORTED __attribute__((visibility("default")))

enum {
    RAM_SIZE = 0x800,
    RAM_END = 0x2000, /* mirrored four times */
    APU_START = 0x4000,
    OAM_DMA = 0x4014,
    JOYPAD = 0x4016,
    PPU_STATUS = 0x2002,
    PRG_SIZE = 0x8000,
    PRG_START = 0x8000,
};

/* A CPU that is being run, its registers as operations.h wants them. From unit to unit `cycle`, `a`,
 * `x` and `y` are passed as arguments, which stay in registers; `pc` is known where it matters. */
typedef struct {
    const Pins *pins;
    int64_t limit, cycle;
    uint32_t pc, a, x, y, sp, nz, carry, overflow, others;
} Run;

/* Run from a block on. Returns whether it stopped because of the limit. */
typedef bool Unit(Run *run, uint32_t entry, int64_t cycle, uint32_t a, uint32_t x, uint32_t y);

/* Of the whole library: its units from 1 on, 0 being one that stops; by address, which block of
 * which unit begins there, as UNIT_SHARE * unit + number; 0 where none does. */
enum { UNIT_SHARE = 2048 };
HIDDEN extern Unit *const UNITS[];
HIDDEN extern const uint16_t ENTRY_OF[PRG_SIZE];

static inline uint32_t entry_of(uint32_t pc) {
    return pc >= PRG_START ? ENTRY_OF[pc - PRG_START] : 0;
}

static inline uint32_t ram_index(uint32_t base, uint32_t index) {
    uint32_t sum = base + index;
    return base + 0xFF < RAM_SIZE ? sum : sum % RAM_SIZE;
}

static inline uint32_t read_at(const Pins *pins, uint16_t address, int64_t cycle) {
    if (LIKELY(address < RAM_END)) {
        return pins->ram[address % RAM_SIZE];
    }
    if (LIKELY(address >= PRG_START)) {
        return pins->prg[address - PRG_START];
    }
    return pins->read(pins->bus, address, cycle);
}

/* Whether writing outside of RAM does nothing: to ROM, or to the APU, which is not emulated. */
static inline bool is_silent(uint32_t address) {
    return address >= APU_START && address != OAM_DMA && address != JOYPAD;
}

/* ---- Units ---- */

#define DECLARE(number) HIDDEN Unit unit_##number;
#define UNIT_BEGIN(number)                                                                         \
    DECLARE(number)                                                                                \
    bool unit_##number(Run *run, uint32_t entry, int64_t cycle, uint32_t a, uint32_t x,            \
                       uint32_t y) {                                                               \
        enum { THIS_UNIT = number };                                                               \
        const Pins *const pins = run->pins;                                                        \
        uint8_t *const ram = pins->ram;                                                            \
        UNUSED const uint8_t *const prg = pins->prg;                                               \
        const int64_t limit = run->limit;                                                          \
        uint32_t sp = run->sp, nz = run->nz, carry = run->carry, overflow = run->overflow;         \
        uint32_t others = run->others, pc = 0;                                                     \
        UNUSED uint32_t value;                                                                     \
        goto enter;
#define ENTRIES                                                                                    \
    enter:                                                                                         \
    switch (entry) {
#define ENTRY(number, address)                                                                     \
    case number: goto at_##address;
#define ENTRIES_END                                                                                \
    default: __builtin_unreachable();                                                              \
        }
#define SAVE_FLAGS()                                                                               \
    (run->sp = sp, run->nz = nz, run->carry = carry, run->overflow = overflow, run->others = others)
#define EXIT(number)                                                                               \
    to_##number : SAVE_FLAGS();                                                                    \
    return unit_##number(run, entry, cycle, a, x, y);
#define UNIT_END                                                                                   \
    dispatch:                                                                                      \
    entry = entry_of(pc) % UNIT_SHARE;                                                             \
    if (entry_of(pc) / UNIT_SHARE == THIS_UNIT) {                                                  \
        goto enter;                                                                                \
    }                                                                                              \
    run->pc = pc;                                                                                  \
    SAVE_FLAGS();                                                                                  \
    return UNITS[entry_of(pc) / UNIT_SHARE](run, entry, cycle, a, x, y);                           \
    limit_is_near:                                                                                 \
    *run = (Run){pins, limit, cycle, pc, a, x, y, sp, nz, carry, overflow, others};                \
    return true;                                                                                   \
    }

/* Go on at `pc`, wherever that is. */
#define DISPATCH() goto dispatch;

/* ---- Blocks ---- */

#define BLOCK(address, last)                                                                       \
    at_##address : if (!LIKELY(cycle + (last) < limit)) {                                          \
        pc = address;                                                                              \
        goto limit_is_near;                                                                        \
    }
#define BLOCK_END(cycles) cycle += (cycles);
/* Go on at a block of this unit, of another one, or at code that is not compiled. */
#define GO(address) goto at_##address;
#define GO_TO(unit, number)                                                                        \
    {                                                                                              \
        entry = number;                                                                            \
        goto to_##unit;                                                                            \
    }
#define STOP(address)                                                                              \
    {                                                                                              \
        pc = address;                                                                              \
        DISPATCH()                                                                                 \
    }

/* ---- Instructions; `at` is the cycle of the block at which they begin ---- */

#define IMPLIED(name) DO_##name;

#define READ(name, place)                                                                          \
    {                                                                                              \
        value = (place);                                                                           \
        DO_##name;                                                                                 \
    }
#define READ_CROSSING(name, place, base, index)                                                    \
    {                                                                                              \
        value = (place);                                                                           \
        cycle += crosses_page(base, index);                                                        \
        DO_##name;                                                                                 \
    }
#define READ_IMMEDIATE(name, at, operand) READ(name, operand)
#define READ_CONSTANT(name, at, operand) READ(name, operand)
#define READ_ZERO_PAGE(name, at, operand) READ(name, ram[operand])
#define READ_RAM(name, at, operand) READ(name, ram[operand])
#define READ_ZERO_PAGE_X(name, at, operand) READ(name, ram[(uint8_t)((operand) + x)])
#define READ_REGISTER(name, at, operand) READ(name, pins->read(pins->bus, operand, cycle + (at)))
#define READ_RAM_X(name, at, operand) READ_CROSSING(name, ram[ram_index(operand, x)], operand, x)
#define READ_RAM_Y(name, at, operand) READ_CROSSING(name, ram[ram_index(operand, y)], operand, y)
#define READ_ROM_X(name, at, operand)                                                              \
    READ_CROSSING(name, prg[(operand) - PRG_START + x], operand, x)
#define READ_ROM_Y(name, at, operand)                                                              \
    READ_CROSSING(name, prg[(operand) - PRG_START + y], operand, y)
#define READ_ZERO_PAGE_Y(name, at, operand) READ(name, ram[(uint8_t)((operand) + y)])
#define READ_ABSOLUTE_X(name, at, operand)                                                         \
    READ_CROSSING(name, read_at(pins, (uint16_t)((operand) + x), cycle + (at)), operand, x)
#define READ_ABSOLUTE_Y(name, at, operand)                                                         \
    READ_CROSSING(name, read_at(pins, (uint16_t)((operand) + y), cycle + (at)), operand, y)
#define READ_INDIRECT_Y(name, at, operand)                                                         \
    {                                                                                              \
        uint32_t pointer = read_pointer(ram, operand);                                             \
        value = read_at(pins, (uint16_t)(pointer + y), cycle + (at));                              \
        cycle += crosses_page(pointer, y);                                                         \
        DO_##name;                                                                                 \
    }

#define WRITE_ZERO_PAGE(name, at, operand) ram[operand] = (uint8_t)OF_##name;
#define WRITE_RAM(name, at, operand) ram[operand] = (uint8_t)OF_##name;
#define WRITE_ZERO_PAGE_X(name, at, operand) ram[(uint8_t)((operand) + x)] = (uint8_t)OF_##name;
#define WRITE_ZERO_PAGE_Y(name, at, operand) ram[(uint8_t)((operand) + y)] = (uint8_t)OF_##name;
#define WRITE_RAM_X(name, at, operand) ram[ram_index(operand, x)] = (uint8_t)OF_##name;
#define WRITE_RAM_Y(name, at, operand) ram[ram_index(operand, y)] = (uint8_t)OF_##name;
#define WRITE_REGISTER(name, at, operand)                                                          \
    if (!is_silent(operand)) {                                                                     \
        cycle += pins->write(pins->bus, operand, (uint8_t)OF_##name, cycle + (at));                \
    }
/* The address may be that of a register, whose writing may stop the CPU for long: then the block is
 * left, `cycles` after its beginning. */
#define WRITE_ANYWHERE(name, at, address, cycles, next)                                            \
    {                                                                                              \
        uint16_t place = (uint16_t)(address);                                                      \
        if (LIKELY(place < RAM_END)) {                                                             \
            ram[place % RAM_SIZE] = (uint8_t)OF_##name;                                            \
        } else if (!is_silent(place)) {                                                            \
            cycle += pins->write(pins->bus, place, (uint8_t)OF_##name, cycle + (at));              \
            cycle += (cycles);                                                                     \
            STOP(next)                                                                             \
        }                                                                                          \
    }
#define WRITE_INDIRECT_Y(name, at, operand, cycles, next)                                          \
    WRITE_ANYWHERE(name, at, read_pointer(ram, operand) + y, cycles, next)
#define WRITE_ABSOLUTE_X(name, at, operand, cycles, next)                                          \
    WRITE_ANYWHERE(name, at, (operand) + x, cycles, next)
#define WRITE_ABSOLUTE_Y(name, at, operand, cycles, next)                                          \
    WRITE_ANYWHERE(name, at, (operand) + y, cycles, next)

#define MODIFY(name, place)                                                                        \
    {                                                                                              \
        uint8_t *byte = &ram[place];                                                               \
        value = *byte;                                                                             \
        DO_##name;                                                                                 \
        *byte = (uint8_t)value;                                                                    \
    }
#define MODIFY_ZERO_PAGE(name, at, operand) MODIFY(name, operand)
#define MODIFY_RAM(name, at, operand) MODIFY(name, operand)
#define MODIFY_ZERO_PAGE_X(name, at, operand) MODIFY(name, (uint8_t)((operand) + x))
#define MODIFY_RAM_X(name, at, operand)                                                            \
    MODIFY(name, ram_index(operand, x))                                                            \
    cycle += crosses_page(operand, x);

/* ---- Jumps, the last instructions of their blocks ---- */

#define BRANCH(name, cycles, go)                                                                   \
    if (IF_##name) {                                                                               \
        cycle += (cycles);                                                                         \
        go                                                                                         \
    }
#define CALL(return_address)                                                                       \
    PUSH((return_address) >> 8);                                                                   \
    PUSH(return_address);
#define RETURN_FROM_CALL(cycles)                                                                   \
    pc = PULL();                                                                                   \
    pc = (uint16_t)((pc | (uint32_t)PULL() << 8) + 1);                                             \
    cycle += (cycles);                                                                             \
    DISPATCH()
#define RETURN_FROM_NMI(cycles)                                                                    \
    value = PULL();                                                                                \
    UNPACK_FLAGS(value);                                                                           \
    pc = PULL();                                                                                   \
    pc |= (uint32_t)PULL() << 8;                                                                   \
    cycle += (cycles);                                                                             \
    DISPATCH()
/* The pointer's high byte is read from the same page, even where it ends. */
#define JUMP_BY_POINTER(pointer, cycles)                                                           \
    pc = ram[pointer] | (uint32_t)ram[((pointer) & 0xFF00) | (((pointer) + 1) & 0xFF)] << 8;       \
    cycle += (cycles);                                                                             \
    DISPATCH()

/* A jump to itself: its turns up to the limit. A block of its own. */
#define WAIT(address)                                                                              \
    cycle += (limit - cycle + JUMP_CYCLES - 1) / JUMP_CYCLES * JUMP_CYCLES;                        \
    pc = address;                                                                                  \
    goto limit_is_near;

/* `LDA $2002; AND #$40; BNE (or BEQ) back`, a loop of so many cycles a turn: its turns up to the
 * sprite 0 hit (or its end), or up to the limit. A block of its own, from the LDA on. */
#define AWAIT_SPRITE_ZERO(awaits_hit, turn_cycles, next, load_cycles, back)                        \
    SET_A(pins->read(pins->bus, PPU_STATUS, cycle));                                               \
    {                                                                                              \
        bool is_over = ((a & SPRITE_ZERO_BIT) != 0) == (awaits_hit);                               \
        int64_t end =                                                                              \
            is_over ? cycle : pins->await_sprite_zero(pins->bus, awaits_hit, cycle, limit);        \
        int64_t turns = (end - cycle + (turn_cycles) - 1) / (turn_cycles);                         \
        int64_t turns_before_limit = (limit - cycle) / (turn_cycles);                              \
        if (turns > turns_before_limit) {                                                          \
            turns = turns_before_limit;                                                            \
        }                                                                                          \
        if (turns > 0) {                                                                           \
            SET_A(a & SPRITE_ZERO_BIT);                                                            \
            cycle += turns * (turn_cycles);                                                        \
            back                                                                                   \
        }                                                                                          \
        cycle += (load_cycles);                                                                    \
        next                                                                                       \
    }

/* ---- The library ---- */

#define LIBRARY(hash)                                                                              \
    static bool run_units(Cpu *cpu, const Pins *pins, int64_t limit) {                             \
        uint32_t nz, carry, overflow, others, place = entry_of(cpu->pc);                           \
        UNPACK_FLAGS(cpu->flags);                                                                  \
        Run run = {pins,   limit,   cpu->cycle, cpu->pc, cpu->a,   cpu->x,                         \
                   cpu->y, cpu->sp, nz,         carry,   overflow, others};                        \
        bool is_limit_near = UNITS[place / UNIT_SHARE](&run, place % UNIT_SHARE, cpu->cycle,       \
                                                       cpu->a, cpu->x, cpu->y);                    \
        *cpu = (Cpu){run.cycle,                                                                    \
                     (uint16_t)run.pc,                                                             \
                     (uint8_t)run.a,                                                               \
                     (uint8_t)run.x,                                                               \
                     (uint8_t)run.y,                                                               \
                     (uint8_t)run.sp,                                                              \
                     pack_flags(run.nz, run.overflow, run.carry, run.others)};                     \
        return is_limit_near;                                                                      \
    }                                                                                              \
    EXPORTED extern const CompiledCode COMPILED_CODE;                                              \
    const CompiledCode COMPILED_CODE = {COMPILED_ABI, hash, run_units};

/* The unit 0: the code at `run->pc` is not compiled. */
#define UNIT_THAT_STOPS                                                                            \
    static bool unit_0(Run *run, UNUSED uint32_t entry, int64_t cycle, uint32_t a, uint32_t x,     \
                       uint32_t y) {                                                               \
        run->cycle = cycle, run->a = a, run->x = x, run->y = y;                                    \
        return false;                                                                              \
    }

#endif
