/* The CPU: a 6502 without decimal mode.
 *
 * This header is the seam between the machine and a processor: console.c knows no more of it. There
 * are two processors: the interpreter in cpu.c, and code compiled from PRG ROM, which compiled.c
 * runs where a cartridge has it. Both keep these promises:
 *
 * - All that lasts between two calls is in `Cpu`; a save state holds it, so either can go on from
 *   where the other one stopped, at any instruction.
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
#include "machine/compiled.h"

/* Switch on: begin at the reset vector. */
void cpu_power_on(Cpu *cpu, const Cartridge *cartridge);

/* Run all instructions that begin before a cycle, by the cartridge's processor. */
void cpu_run(Cpu *cpu, struct Bus *bus, int64_t limit);

/* The same, by the interpreter. */
void cpu_interpret(Cpu *cpu, struct Bus *bus, int64_t limit);

/* Load compiled code of a cartridge's PRG ROM from a shared library, which stays loaded. Returns NULL,
 * or what is wrong with the library; the text is valid until the next call. */
const char *compiled_load(const char *path, const Cartridge *cartridge, const CompiledCode **code);

/* Enter the NMI handler: the PPU raises NMI at the start of vertical blank. */
void cpu_nmi(Cpu *cpu, struct Bus *bus);

#endif
