/* Drawing: the PPU's pixels. Its timing and registers are in ppu.c. */
#ifndef MARIO_RL_DRAWING_H
#define MARIO_RL_DRAWING_H

#include "machine/ppu.h"

enum {
    /* Bits of PPUCTRL, $2000. */
    CONTROL_NAMETABLE = 0x03,
    CONTROL_DOWN = 0x04,            /* $2007 increments by a row, not by a column */
    CONTROL_SPRITE_PAGE = 0x08,     /* pattern table of 8 x 8 sprites */
    CONTROL_BACKGROUND_PAGE = 0x10, /* pattern table of the background */
    CONTROL_TALL_SPRITES = 0x20,    /* 8 x 16 pixels */
    CONTROL_NMI = 0x80,             /* at the start of vertical blank */

    /* Bits of PPUMASK, $2001. */
    MASK_LEFT_BACKGROUND = 0x02, /* show it in the leftmost 8 columns, too */
    MASK_LEFT_SPRITES = 0x04,
    MASK_BACKGROUND = 0x08,
    MASK_SPRITES = 0x10,
    MASK_BOTH = MASK_BACKGROUND | MASK_SPRITES,

    /* Bits of the address: yyy NN YYYYY XXXXX, fine y, nametable, tile row, tile column. */
    ADDRESS_COLUMN = 0x001F,
    ADDRESS_ROW = 0x03E0,
    ADDRESS_NAMETABLE_X = 0x0400,
    ADDRESS_NAMETABLE_Y = 0x0800,
    ADDRESS_FINE_Y = 0x7000,
    ADDRESS_X = ADDRESS_COLUMN | ADDRESS_NAMETABLE_X,
    ADDRESS_Y = ADDRESS_ROW | ADDRESS_NAMETABLE_Y | ADDRESS_FINE_Y,
};

/* Draw the columns from x0 to before x1 of the line. */
void draw_pixels(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int x0, int x1);

/* Draw one whole line, or several of `max_lines` that are easily drawn together; return how many.
 * The PPU stays where it is. */
int draw_lines(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int max_lines);

/* Sprite evaluation: find the sprites of the next line, if that is still due. */
void evaluate_sprites(Ppu *ppu);

/* Whether sprite 0 is among the sprites of the line: the first then. */
bool has_sprite_zero(const Ppu *ppu);

/* The first of the columns from x0 to before x1 where sprite 0 hits the background, or -1. */
int find_sprite_zero_hit(const Ppu *ppu, const Cartridge *cartridge, int x0, int x1);

/* Move some tiles to the right, at most 32. */
static inline uint16_t move_right(uint16_t address, int num_tiles) {
    int column = (address & ADDRESS_COLUMN) + num_tiles;
    if (column > ADDRESS_COLUMN) {
        address ^= ADDRESS_NAMETABLE_X;
    }
    return (uint16_t)((address & ~ADDRESS_COLUMN) | (column & ADDRESS_COLUMN));
}

static inline bool shows(const Ppu *ppu, int layers) {
    return (ppu->mask & layers) == layers;
}

static inline int sprite_height(const Ppu *ppu) {
    return ppu->control & CONTROL_TALL_SPRITES ? 16 : 8;
}

static inline int nametable_offset(uint16_t address) {
    /* Vertical mirroring: two tables side by side; the two below are their mirrors. */
    return (address & ADDRESS_NAMETABLE_X) | (address & 0x3FF);
}

static inline int smaller(int a, int b) {
    return a < b ? a : b;
}

#endif
