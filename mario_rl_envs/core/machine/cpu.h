/* The processor: a 6502 without decimal mode. */
#ifndef MARIO_RL_CPU_H
#define MARIO_RL_CPU_H

#include <stdint.h>

#include "machine/cartridge.h"

struct Bus;

typedef struct {
    int64_t cycle; /* at which the next instruction begins, counted from power-on */
    uint16_t pc;
    uint8_t a, x, y, sp;
    uint8_t flags; /* N V 1 B D I Z C, from the highest bit */
} Cpu;

/* Switch on: begin where the program says. */
void cpu_power_on(Cpu *cpu, const Cartridge *cartridge);

/* Run all instructions that begin before a cycle. */
void cpu_run(Cpu *cpu, struct Bus *bus, int64_t limit);

/* Interrupt the program for the PPU's vertical blank. */
void cpu_nmi(Cpu *cpu, struct Bus *bus);

#endif
