/* The CPU, a 6502 without decimal mode: an interpreter of instructions that decode.c has decoded.
 *
 * Two busy-waiting loops are recognized, and their iterations skipped by arithmetic: a jump to
 * itself (the whole game runs in the NMI handler, and between NMIs in this loop), and the loop that
 * waits for the sprite 0 hit (below the score, where the scrolling begins).
 *
 * Timing is nes-py's: an instruction does all that it does on its first cycle, then its other
 * cycles pass. One difference from the chip is here (others in decode.c): instructions that read,
 * modify and write take one cycle more when their index crosses a page.
 *
 * Instructions and their flags: https://www.nesdev.org/obelisk-6502-guide/reference.html
 */
#include "machine/cpu.h"

#include <stdbool.h>

#include "machine/bus.h"
#include "machine/decode.h"
#include "machine/operations.h"

#if defined(__GNUC__) || defined(__clang__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define RARELY_CALLED __attribute__((noinline, cold))
/* Threaded code: one indirect jump at the end of each operation, not one switch for all, takes a
 * tenth less time, because each jump is predicted by itself. Only these compilers can take the
 * address of a label. */
#define JUMPS_TO_LABELS 1
#pragma GCC diagnostic ignored "-Wpedantic"
#else
#define LIKELY(condition) (condition)
#define RARELY_CALLED
#define JUMPS_TO_LABELS 0
#endif

enum {
    VECTOR_NMI = 0xFFFA,
    VECTOR_RESET = 0xFFFC,
    VECTOR_IRQ = 0xFFFE,
    RAM_MASK = RAM_SIZE - 1,
    NMI_CYCLES = 7,
};

/* The place of an operand that is found when the instruction runs. */
typedef struct {
    uint16_t address;
    uint8_t size;      /* of the instruction, bytes */
    bool crosses_page; /* the index has carried into the address's high byte */
} Place;

RARELY_CALLED static Place find_operand(Bus *bus, uint8_t opcode_byte, uint16_t pc,
                                        uint16_t operand, uint8_t x, uint8_t y) {
    const uint8_t *ram = bus->machine->ram;
    Opcode opcode = bus->cartridge->opcodes[opcode_byte];
    uint16_t base = operand;
    uint8_t index = 0;
    switch (opcode.mode) {
    case IMMEDIATE: base = (uint16_t)(pc + 1); break;
    case ZERO_PAGE_X: base = (uint8_t)(operand + x); break;
    case ZERO_PAGE_Y: base = (uint8_t)(operand + y); break;
    case ABSOLUTE_X: index = x; break;
    case ABSOLUTE_Y: index = y; break;
    case INDIRECT_X: {
        uint8_t pointer = (uint8_t)(operand + x);
        base = (uint16_t)(ram[pointer] | ram[(uint8_t)(pointer + 1)] << 8);
        break;
    }
    default: break;
    }
    uint16_t address = (uint16_t)(base + index);
    return (Place){address, opcode.size, (address ^ base) >> 8};
}

void cpu_power_on(Cpu *cpu, const Cartridge *cartridge) {
    const uint8_t *vector = cartridge->prg + (VECTOR_RESET - PRG_START);
    *cpu = (Cpu){.pc = (uint16_t)(vector[0] | vector[1] << 8),
                 .sp = 0xFD,
                 .flags = ALWAYS_SET | INTERRUPT_DISABLE};
}

static void push(Cpu *cpu, uint8_t *ram, uint8_t value) {
    ram[STACK | cpu->sp--] = value;
}

void cpu_nmi(Cpu *cpu, Bus *bus) {
    uint8_t *ram = bus->machine->ram;
    const uint8_t *vector = bus->cartridge->prg + (VECTOR_NMI - PRG_START);
    push(cpu, ram, (uint8_t)(cpu->pc >> 8));
    push(cpu, ram, (uint8_t)cpu->pc);
    push(cpu, ram, cpu->flags);
    cpu->flags |= INTERRUPT_DISABLE;
    cpu->pc = (uint16_t)(vector[0] | vector[1] << 8);
    cpu->cycle += NMI_CYCLES;
}

#define FETCH() (in = *next, start = cycle, cycle += in.cycles)
#if JUMPS_TO_LABELS
#define OPERATION(name) LABEL_##name:
#define NEXT()                                                                                     \
    do {                                                                                           \
        if (cycle >= limit) {                                                                      \
            goto done;                                                                             \
        }                                                                                          \
        FETCH();                                                                                   \
        goto *LABELS[in.operation];                                                                \
    } while (0)
#define LABEL_ADDRESS(name) &&LABEL_##name,
#else
#define OPERATION(name) case name:
#define NEXT() goto next_operation
#endif

/* The operations, spelled out for every place that their operand may lie in. DO_ finds it in
 * `value`; an operation that modifies leaves its result there. */
#define READ(name)                                                                                 \
    OPERATION(name##_CONSTANT) next++;                                                             \
    OPERATION(name##_IMMEDIATE) {                                                                  \
        value = in.operand;                                                                        \
        next += 2;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM) next++;                                                                  \
    OPERATION(name##_ZERO_PAGE) {                                                                  \
        value = ram[in.operand];                                                                   \
        next += 2;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM_X) {                                                                      \
        value = ram[(in.operand + x) & RAM_MASK];                                                  \
        cycle += crosses_page(in.operand, x);                                                      \
        next += 3;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM_Y) {                                                                      \
        value = ram[(in.operand + y) & RAM_MASK];                                                  \
        cycle += crosses_page(in.operand, y);                                                      \
        next += 3;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ROM_X) {                                                                      \
        value = prg[in.operand - PRG_START + x];                                                   \
        cycle += crosses_page(in.operand, x);                                                      \
        next += 3;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ROM_Y) {                                                                      \
        value = prg[in.operand - PRG_START + y];                                                   \
        cycle += crosses_page(in.operand, y);                                                      \
        next += 3;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ZERO_PAGE_X) {                                                                \
        value = ram[(uint8_t)(in.operand + x)];                                                    \
        next += 2;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_INDIRECT_Y) {                                                                 \
        uint32_t pointer = read_pointer(ram, (uint8_t)in.operand);                                 \
        uint16_t address = (uint16_t)(pointer + y);                                                \
        bool is_in_ram = LIKELY(address < RAM_END);                                                \
        value = is_in_ram ? ram[address & RAM_MASK] : bus_read(bus, address, start);               \
        cycle += crosses_page(pointer, y);                                                         \
        next += 2;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_REGISTER) {                                                                   \
        value = bus_read(bus, in.operand, start);                                                  \
        next += 3;                                                                                 \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ELSEWHERE) {                                                                  \
        Place place = FIND_OPERAND();                                                              \
        value = bus_read(bus, place.address, start);                                               \
        cycle += place.crosses_page;                                                               \
        next += place.size;                                                                        \
        DO_##name;                                                                                 \
        NEXT();                                                                                    \
    }

#define WRITE(name)                                                                                \
    OPERATION(name##_RAM) next++;                                                                  \
    OPERATION(name##_ZERO_PAGE) {                                                                  \
        ram[in.operand] = (uint8_t)OF_##name;                                                      \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM_X) {                                                                      \
        ram[(in.operand + x) & RAM_MASK] = (uint8_t)OF_##name;                                     \
        next += 3;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM_Y) {                                                                      \
        ram[(in.operand + y) & RAM_MASK] = (uint8_t)OF_##name;                                     \
        next += 3;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ZERO_PAGE_X) {                                                                \
        ram[(uint8_t)(in.operand + x)] = (uint8_t)OF_##name;                                       \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_INDIRECT_Y) {                                                                 \
        uint32_t pointer = read_pointer(ram, (uint8_t)in.operand);                                 \
        cycle += bus_write(bus, (uint16_t)(pointer + y), (uint8_t)OF_##name, start);               \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_REGISTER) {                                                                   \
        cycle += bus_write(bus, in.operand, (uint8_t)OF_##name, start);                            \
        next += 3;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ELSEWHERE) {                                                                  \
        Place place = FIND_OPERAND();                                                              \
        cycle += bus_write(bus, place.address, (uint8_t)OF_##name, start);                         \
        next += place.size;                                                                        \
        NEXT();                                                                                    \
    }

#define MODIFY(name)                                                                               \
    OPERATION(name##_RAM) next++;                                                                  \
    OPERATION(name##_ZERO_PAGE) {                                                                  \
        value = ram[in.operand];                                                                   \
        DO_##name;                                                                                 \
        ram[in.operand] = (uint8_t)value;                                                          \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_RAM_X) {                                                                      \
        uint8_t *byte = &ram[(in.operand + x) & RAM_MASK];                                         \
        value = *byte;                                                                             \
        DO_##name;                                                                                 \
        *byte = (uint8_t)value;                                                                    \
        cycle += crosses_page(in.operand, x);                                                      \
        next += 3;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ZERO_PAGE_X) {                                                                \
        uint8_t *byte = &ram[(uint8_t)(in.operand + x)];                                           \
        value = *byte;                                                                             \
        DO_##name;                                                                                 \
        *byte = (uint8_t)value;                                                                    \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }                                                                                              \
    OPERATION(name##_ELSEWHERE) {                                                                  \
        Place place = FIND_OPERAND();                                                              \
        value = bus_read(bus, place.address, start);                                               \
        DO_##name;                                                                                 \
        cycle += bus_write(bus, place.address, (uint8_t)value, start);                             \
        cycle += place.crosses_page;                                                               \
        next += place.size;                                                                        \
        NEXT();                                                                                    \
    }

#define BRANCH(name)                                                                               \
    OPERATION(name) {                                                                              \
        if (IF_##name) {                                                                           \
            cycle = start + (in.cycles >> 4);                                                      \
            pc = in.operand;                                                                       \
            JUMP();                                                                                \
        }                                                                                          \
        cycle = start + (in.cycles & 15);                                                          \
        next += 2;                                                                                 \
        NEXT();                                                                                    \
    }

#define FIND_OPERAND()                                                                             \
    find_operand(bus, first == rom ? prg[next - rom] : scratch_opcode, PC(), in.operand,           \
                 (uint8_t)x, (uint8_t)y)
/* Continue at `pc`. */
#define JUMP()                                                                                     \
    do {                                                                                           \
        if (!LIKELY(pc >= PRG_START)) {                                                            \
            goto decode_here;                                                                      \
        }                                                                                          \
        first = rom;                                                                               \
        first_pc = PRG_START;                                                                      \
        next = rom + (pc - PRG_START);                                                             \
        NEXT();                                                                                    \
    } while (0)
#define PC() ((uint16_t)(first_pc + (next - first)))
#define IMPLIED(name)                                                                              \
    OPERATION(name) {                                                                              \
        DO_##name;                                                                                 \
        next++;                                                                                    \
        NEXT();                                                                                    \
    }

void cpu_interpret(Cpu *cpu, Bus *bus, int64_t limit) {
    uint8_t *const ram = bus->machine->ram;
    const uint8_t *const prg = bus->cartridge->prg;
    const Instruction *const rom = bus->cartridge->instructions;
    /* Outside of ROM instructions are decoded one at a time: DECODE follows each. */
    Instruction scratch[1 + MAX_INSTRUCTION_SIZE] = {{DECODE, 0, 0}};
    uint8_t scratch_opcode = 0;
    const Instruction *first = rom, *next = rom; /* `next` stands at `first_pc` + (next - first) */
    uint16_t first_pc = PRG_START, pc = cpu->pc;
    int64_t cycle = cpu->cycle;
    uint32_t a = cpu->a, x = cpu->x, y = cpu->y, sp = cpu->sp, value;
    uint32_t nz, carry, overflow, others; /* flags, see operations.h */
    UNPACK_FLAGS(cpu->flags);
    Instruction in; /* the one that runs, from cycle `start` on */
    int64_t start;

#if JUMPS_TO_LABELS
    static const void *const LABELS[] = {OPERATIONS(LABEL_ADDRESS)};
    JUMP();
#else
    JUMP();
next_operation:
    if (cycle >= limit) {
        goto done;
    }
    FETCH();
    switch ((enum Operation)in.operation)
#endif
    { OPERATION(NOTHING){next += in.operand;
    NEXT();
}
OPERATION(DECODE) {
    pc = PC();
    if (first == rom) {
        goto decode_here;
    }
    JUMP();
}
OPERATION(WAIT) {
    cycle = start + (limit - start + JUMP_CYCLES - 1) / JUMP_CYCLES * JUMP_CYCLES;
    NEXT();
}
OPERATION(AWAIT_SPRITE_ZERO) {
    SET_A(bus_read(bus, PPU_STATUS, start));
    /* AND and the branch back follow; the branch is taken while the loop waits. */
    bool awaits_hit = next[5].operation == BEQ;
    int turn_cycles = in.cycles + next[3].cycles + (next[5].cycles >> 4);
    bool is_over = (a & SPRITE_ZERO_BIT ? true : false) == awaits_hit;
    int64_t end = is_over ? start : bus_await_sprite_zero(bus, awaits_hit, start, limit);
    int64_t turns = (end - start + turn_cycles - 1) / turn_cycles;
    int64_t turns_before_limit = (limit - start) / turn_cycles;
    if (turns > turns_before_limit) {
        turns = turns_before_limit;
    }
    if (turns > 0) {
        SET_A(a & SPRITE_ZERO_BIT);
        cycle = start + turns * turn_cycles;
    } else {
        next += 3;
    }
    NEXT();
}

OPERATION(INY) {
    /* Sprites are four bytes apart in OAM, so INY mostly comes four in a row. */
    int times = start + (in.operand - 1) * in.cycles < limit ? in.operand : 1;
    SET_Y(y + (uint32_t)times);
    cycle = start + times * in.cycles;
    next += times;
    NEXT();
}
OPERATION(BRK) {
    pc = (uint16_t)(PC() + 2);
    PUSH(pc >> 8);
    PUSH(pc);
    PUSH(PACK_FLAGS() | BREAK);
    others |= INTERRUPT_DISABLE;
    pc = (uint16_t)(prg[VECTOR_IRQ - PRG_START] | prg[VECTOR_IRQ + 1 - PRG_START] << 8);
    JUMP();
}
OPERATION(JSR) {
    pc = (uint16_t)(PC() + 2); /* the last byte of this instruction */
    PUSH(pc >> 8);
    PUSH(pc);
    pc = in.operand;
    JUMP();
}
OPERATION(RTS) {
    pc = PULL();
    pc = (uint16_t)((pc | PULL() << 8) + 1);
    JUMP();
}
OPERATION(RTI) {
    value = PULL();
    UNPACK_FLAGS(value);
    pc = PULL();
    pc = (uint16_t)(pc | PULL() << 8);
    JUMP();
}
OPERATION(JMP) {
    pc = in.operand;
    JUMP();
}
OPERATION(JMP_INDIRECT) {
    /* The pointer's high byte is read from the same page, even where it ends. */
    uint16_t high = (uint16_t)((in.operand & 0xFF00) | ((in.operand + 1) & 0xFF));
    pc = bus_read(bus, in.operand, start);
    pc = (uint16_t)(pc | bus_read(bus, high, start) << 8);
    JUMP();
}
BRANCH(BPL)
BRANCH(BMI)
BRANCH(BVC)
BRANCH(BVS)
BRANCH(BCC)
BRANCH(BCS)
BRANCH(BNE)
BRANCH(BEQ)

IMPLIED(PHP)
IMPLIED(PLP)
IMPLIED(PHA)
IMPLIED(PLA)
IMPLIED(CLC)
IMPLIED(SEC)
IMPLIED(CLV)
IMPLIED(CLI)
IMPLIED(SEI)
IMPLIED(CLD)
IMPLIED(SED)
IMPLIED(INX)
IMPLIED(DEX)
IMPLIED(DEY)
IMPLIED(TXA)
IMPLIED(TYA)
IMPLIED(TAX)
IMPLIED(TAY)
IMPLIED(TSX)
IMPLIED(TXS)
IMPLIED(NOP)
IMPLIED(ASL_A)
IMPLIED(ROL_A)
IMPLIED(LSR_A)
IMPLIED(ROR_A)

READ(LDA)
READ(LDX)
READ(LDY)
READ(ORA)
READ(AND)
READ(EOR)
READ(ADC)
READ(SBC)
READ(CMP)
READ(CPX)
READ(CPY)
READ(BIT)
WRITE(STA)
WRITE(STX)
WRITE(STY)
MODIFY(ASL)
MODIFY(ROL)
MODIFY(LSR)
MODIFY(ROR)
MODIFY(INC)
MODIFY(DEC)
}
decode_here : for (uint16_t i = 0; i <= MAX_INSTRUCTION_SIZE; i++) {
    scratch[i] = (Instruction){DECODE, 0, 0};
}
first = next = scratch;
first_pc = pc;
if (cycle >= limit) {
    goto done;
}
uint8_t bytes[MAX_INSTRUCTION_SIZE] = {0};
scratch_opcode = bytes[0] = bus_read(bus, pc, cycle);
for (uint16_t i = 1; i < bus->cartridge->opcodes[bytes[0]].size; i++) {
    bytes[i] = bus_read(bus, (uint16_t)(pc + i), cycle);
}
scratch[0] = instruction_decode(bytes, pc, prg);
NEXT();

done : *cpu = (Cpu){cycle, PC(), (uint8_t)a, (uint8_t)x, (uint8_t)y, (uint8_t)sp, PACK_FLAGS()};
}
