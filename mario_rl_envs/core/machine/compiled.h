/* The interface between the core and compiled code: PRG ROM translated to C on the user's machine,
 * and loaded as a shared library (mario_rl_envs/compile/ makes it).
 *
 * Whatever changes here, in operations.h or in blocks.h makes another interface of it: then
 * COMPILED_ABI must change, and libraries made before are refused.
 */
#ifndef MARIO_RL_COMPILED_H
#define MARIO_RL_COMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMPILED_ABI = 1 };

/* The name of the `CompiledCode` that a library exports. */
#define COMPILED_CODE mario_rl_compiled_code

/* All that lasts of the CPU between two instructions. */
typedef struct {
    int64_t cycle; /* at which the next instruction begins, since power-on */
    uint16_t pc;
    uint8_t a, x, y, sp;
    uint8_t flags; /* N V 1 B D I Z C, from the highest bit */
} Cpu;

/* What the CPU is connected to. */
typedef struct {
    uint8_t *ram;       /* [0x800] */
    const uint8_t *prg; /* [0x8000] */
    struct Bus *bus;
    /* As `bus_read`, `bus_write` and `bus_await_sprite_zero` in bus.h. */
    uint8_t (*read)(struct Bus *bus, uint16_t address, int64_t cycle);
    int (*write)(struct Bus *bus, uint16_t address, uint8_t value, int64_t cycle);
    int64_t (*await_sprite_zero)(struct Bus *bus, bool set, int64_t cycle, int64_t limit);
} Pins;

typedef struct {
    int32_t abi;       /* COMPILED_ABI */
    uint64_t prg_hash; /* of the PRG ROM that was compiled */
    /* Run whole blocks of instructions, all of which begin before `limit`. Returns whether it
     * stopped because of `limit`; else the code at `cpu->pc` is not compiled. */
    bool (*run)(Cpu *cpu, const Pins *pins, int64_t limit);
} CompiledCode;

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/: tells ROMs apart, protects from nothing. */
static inline uint64_t hash_prg(const uint8_t *prg, size_t size) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ prg[i]) * 0x100000001B3u;
    }
    return hash;
}

#endif
