/* The CPU: a 6502 without decimal mode.
 *
 * This header is the seam between the machine and a processor: console.c knows no more of it.
 * cpu.c, the interpreter, can stand beside another implementation, compiled code say, that keeps
 * these promises:
 *
 * - All that lasts between two calls is in `Cpu`; a save state holds it, so any implementation can
 *   go on from where another one stopped, at any instruction.
 * - `cpu_run` reads and writes only the RAM of the bus's machine, the cartridge, and what
 *   `bus_read` and `bus_write` reach, each with the cycle at which its instruction begins; it adds
 *   the cycles that `bus_write` returns.
 * - It stops before the first instruction that begins at `limit` or later. Instructions that begin
 *   earlier are completed, so `cycle` may pass `limit`.
 * - Cycles are nes-py's, see decode.c.
 */
#ifndef MARIO_RL_CPU_H
#define MARIO_RL_CPU_H

#include <stdint.h>

#include "machine/cartridge.h"

struct Bus;

typedef struct {
    int64_t cycle; /* at which the next instruction begins, since power-on */
    uint16_t pc;
    uint8_t a, x, y, sp;
    uint8_t flags; /* N V 1 B D I Z C, from the highest bit */
} Cpu;

/* Switch on: begin at the reset vector. */
void cpu_power_on(Cpu *cpu, const Cartridge *cartridge);

/* Run all instructions that begin before a cycle. */
void cpu_run(Cpu *cpu, struct Bus *bus, int64_t limit);

/* Enter the NMI handler: the PPU raises NMI at the start of vertical blank. */
void cpu_nmi(Cpu *cpu, struct Bus *bus);

#endif
