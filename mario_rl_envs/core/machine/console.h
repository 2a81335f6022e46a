/* The console: CPU, PPU, RAM and joypads, run frame by frame.
 *
 * It runs one game, Super Mario Bros, on the simplest cartridge there is (NROM: 32 KiB of PRG ROM,
 * 8 KiB of CHR ROM, no mapper), and it reproduces nes-py 9.0.1 to the bit: the same RAM after every
 * frame, the same color in every pixel. Where nes-py differs from the NES, so does the core, and a
 * comment says so.
 */
#ifndef MARIO_RL_CONSOLE_H
#define MARIO_RL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine/cartridge.h"
#include "machine/cpu.h"
#include "machine/ppu.h"

enum {
    RAM_SIZE = 0x800,
};

/* All that changes while the machine runs, but for the picture: about 4.5 kB, copied as a whole. */
typedef struct {
    uint8_t ram[RAM_SIZE];
    Cpu cpu;
    Ppu ppu;
    int64_t num_cycles;   /* that the frames so far took */
    uint8_t buttons;      /* held down now, one bit a button, see game/actions.py */
    uint8_t joypad_bits;  /* what is left to be read of the buttons latched last */
    uint8_t joypad2_bits; /* of the second joypad, whose buttons are never pressed */
    bool is_strobing;     /* the joypads are latching: a read gives the first button */
} Machine;

typedef struct {
    Machine now;
    Machine before; /* as the last frame began, so that its picture can be drawn afterwards */
    const Cartridge *cartridge;
    Picture picture; /* where frames are drawn; its memory is the owner's of the console */
    bool is_drawn;   /* whether it shows the last frame */
} Console;

/* Insert a cartridge, which must outlive the console, and switch on. Nothing is drawn yet. */
void console_init(Console *console, const Cartridge *cartridge);

/* Start as if just bought: all memory zero, the screen black. */
void console_power_on(Console *console);

/* Draw on this picture from now on. Consoles that run one after the other may share its memory. */
void console_draw_on(Console *console, Picture picture);

/* Run one frame, 1/60 s, with these buttons held. Drawing costs time; a frame
 * that was not drawn is run again if `console_picture` is called. */
void console_advance(Console *console, uint8_t buttons, bool draw);

/* The picture after the last frame, as far as it is wanted. */
const Picture *console_picture(Console *console);

/* Become a machine that was copied from a console with the same cartridge: as it is now, and as its
 * last frame began. */
void console_restore(Console *console, const Machine *now, const Machine *before);

/* The number of bytes of a save state. */
size_t console_state_size(void);

/* Write a save state of `console_state_size` bytes: the same on every computer. */
void console_save(const Console *console, uint8_t *out);

/* Become the machine that was saved. Returns NULL, or what is wrong with the bytes; then nothing
 * has changed. */
const char *console_load(Console *console, const uint8_t *data, size_t size);

#endif
