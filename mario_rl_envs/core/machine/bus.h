/* The CPU bus: the CPU's memory map, and the PPU's catching up with the CPU. */
#ifndef MARIO_RL_BUS_H
#define MARIO_RL_BUS_H

#include "machine/console.h"

typedef struct Bus {
    Machine *machine;
    const Cartridge *cartridge;
    Canvas *canvas;      /* NULL: nothing is drawn */
    int64_t first_cycle; /* of this frame */
    int num_dots;        /* run by the PPU in this frame */
} Bus;

/* Read a byte at any address, for an instruction that begins at this cycle. */
uint8_t bus_read(Bus *bus, uint16_t address, int64_t cycle);

/* Write a byte; returns the cycles for which that stops the CPU. */
int bus_write(Bus *bus, uint16_t address, uint8_t value, int64_t cycle);

/* The first cycle from this one on at which the sprite 0 flag reads set (or clear), if the CPU
 * does nothing but read $2002 until then; `limit` or later if that is not before `limit`. */
int64_t bus_await_sprite_zero(Bus *bus, bool set, int64_t cycle, int64_t limit);

#endif
