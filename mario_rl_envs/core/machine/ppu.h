/* The picture processing unit: 262 lines of 341 dots make a picture of 240 lines of 256 pixels. */
#ifndef MARIO_RL_PPU_H
#define MARIO_RL_PPU_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/cartridge.h"

enum {
    PPU_PRERENDER_LINE = -1, /* the scanline before the picture */
    PPU_LAST_LINE = 260,
    PPU_LAST_DOT = 341,
    SCREEN_WIDTH = 256,
    SCREEN_HEIGHT = 240,
    NUM_PIXELS = SCREEN_HEIGHT * SCREEN_WIDTH,
    NUM_COLORS = 64,
    MAX_LINE_SPRITES = 8,
    TILE_SIZE = 8, /* pixels */
    TILES_PER_LINE = SCREEN_WIDTH / TILE_SIZE,
    STRIP_TILES = TILES_PER_LINE + 4, /* scrolling shows parts of more; they are made in fours */
    STRIP_WIDTH = STRIP_TILES * TILE_SIZE,
};

/* Where a picture is drawn, up to twice: the console's color numbers, and their grays, each
 * [240][256]. NULL: it is not wanted. */
typedef struct {
    uint8_t *colors; /* 0 to 63, see PALETTE */
    uint8_t *luma;   /* 0 to 255, see LUMA */
    bool is_plain;   /* drawn in plain C even where the processor has AVX2; for tests */
} Picture;

/* nes-py's RGB of each color. */
extern const uint8_t PALETTE[NUM_COLORS][3];

/* The gray of each color as Gymnasium's GrayscaleObservation makes it: 0.2125 R + 0.7154 G +
 * 0.0721 B, rounded down. */
extern const uint8_t LUMA[NUM_COLORS];

typedef struct {
    uint8_t nametables[0x800]; /* two: tiles, then the attribute table with their palettes */
    uint8_t palette[0x20];     /* 4 background and 4 sprite palettes of 4 colors */
    uint8_t oam[0x100];        /* 64 sprites: y, tile, attributes, x */
    int16_t line;              /* scanline: -1 pre-render, 0 to 239 the picture, to 260 invisible */
    int16_t dot;               /* the next dot of the line, 1 to 341 (0 after reset) */
    bool is_even_frame;
    bool is_vblank;          /* the flag in PPUSTATUS, cleared by reading it */
    bool is_sprite_zero_hit; /* an opaque pixel of sprite 0 met one of the background */
    bool is_second_write;    /* nesdev's w: the next write to $2005 or $2006 is the second of two */
    uint16_t address;        /* nesdev's v: of the next access to $2007, and of the tile drawn */
    uint16_t next_address;   /* nesdev's t: copied to `address` for the next line and picture */
    uint8_t fine_x;          /* pixels of scrolling within a tile, 0 to 7 */
    uint8_t read_buffer;     /* a read of $2007 gives what the read before has fetched */
    uint8_t oam_address;
    uint8_t control; /* $2000 as written */
    uint8_t mask;    /* $2001 as written */
    /* Sprite evaluation at the end of a line finds the sprites of the next one. It is put off until
     * they are needed or OAM is about to change. */
    bool is_evaluation_due;
    int16_t evaluation_line;
    uint8_t num_line_sprites;
    uint8_t line_sprites[MAX_LINE_SPRITES];
} Ppu;

/* The color and the gray of each of the 32 entries of the palette. */
typedef struct {
    uint8_t colors[32];
    uint8_t luma[32];
} Paint;

/* The 8 lines that a row of tiles covers, as palette entries, 0 to 15. */
typedef uint8_t Strip[TILE_SIZE][STRIP_WIDTH];

/* A picture that is being drawn, and what is prepared for it from the PPU's memory. */
typedef struct {
    Picture picture;
    bool is_new;      /* nothing is prepared */
    bool is_prepared; /* whether what follows is up to date; not after the CPU has written */
    uint8_t palette[0x20];
    Paint paint; /* of this palette */
    uint8_t oam[0x100];
    uint8_t oam_address;
    int sprite_height;
    uint8_t num_sprites[SCREEN_HEIGHT]; /* that evaluation on this line would find in this OAM */
    uint8_t sprites[SCREEN_HEIGHT][MAX_LINE_SPRITES];
    int strip_address; /* of the first tile of the strip, without fine y; -1: there is none */
    Strip strip;       /* drawn last; it begins with the left one of a pair of tiles */
} Canvas;

/* Switch on. */
void ppu_power_on(Ppu *ppu);

/* Run for some dots, and draw them unless `canvas` is NULL. */
void ppu_run(Ppu *ppu, const Cartridge *cartridge, Canvas *canvas, int num_dots);

/* The dots to run until the next event that the CPU must not run past: the start of vertical blank,
 * or the dot that odd frames leave out of the pre-render line. */
int ppu_dots_to_event(const Ppu *ppu);

/* Whether the dot run last raises NMI: it began vertical blank, and PPUCTRL enables NMI. */
bool ppu_raises_nmi(const Ppu *ppu);

/* The dots to run until the sprite 0 hit flag is set (or cleared), if the CPU writes nothing until
 * then; `max_dots` or more if that is not within so many dots. */
int ppu_dots_to_sprite_zero(const Ppu *ppu, const Cartridge *cartridge, bool set, int max_dots);

/* Read the PPU's own memory: CHR ROM, nametables, palette. */
uint8_t ppu_read_memory(const Ppu *ppu, const Cartridge *cartridge, uint16_t address);

/* Access a register, $2000 to $2007, by its last three bits; the PPU has caught up. */
uint8_t ppu_read(Ppu *ppu, const Cartridge *cartridge, int reg);
void ppu_write(Ppu *ppu, int reg, uint8_t value);

/* Do what was put off, so that the same dots lead to the same `Ppu`, drawn or not. */
void ppu_settle(Ppu *ppu);

/* OAM DMA: copy a page of the CPU's memory to OAM. */
void ppu_oam_dma(Ppu *ppu, const uint8_t *page);

#endif
