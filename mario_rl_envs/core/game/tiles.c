/* The visible level as a grid of blocks: see tiles.h. */
#include "game/tiles.h"

#include "game/ram.h"

enum { NUM_OBJECTS = 6 }; /* slots for moving objects */

/* The kinds of tiles, explained in wrappers/ram.py. */
typedef enum { EMPTY, SOLID, ITEM, ENEMY, MARIO } Tile;

enum {
    BLOCK_SIZE = 16,  /* pixels */
    FIRST_ROW_Y = 32, /* pixels; the two rows of blocks above show the score */
    LARGE_LIFT_TILES = 3,
};

typedef struct {
    uint8_t *tiles; /* [13][16] */
    int left;       /* of the screen in the area, pixels */
} Grid;

static Tile tile_of_block(uint8_t block) {
    switch (block) {
    case 0x00:
    case 0x5F: /* hidden, until hit from below */
    case 0x60: return EMPTY;
    case 0x24: /* flagpole */
    case 0x25:
    case 0x26: /* vine */
    case 0xC2: /* coins */
    case 0xC3:
    case 0xC5: /* axe */ return ITEM;
    default: return SOLID;
    }
}

/* Put a tile where the pixel (x, y) of the area is, unless that is not on the screen. */
static void put_tile(Grid grid, Tile tile, int x, int y) {
    int column = x / BLOCK_SIZE - grid.left / BLOCK_SIZE;
    int row = y / BLOCK_SIZE - FIRST_ROW_Y / BLOCK_SIZE;
    if (row >= 0 && row < TILES_HEIGHT && column >= 0 && column < TILES_WIDTH) {
        grid.tiles[row * TILES_WIDTH + column] = (uint8_t)tile;
    }
}

/* Put a moving object: an enemy, a lift or an item, which the game keeps in the same slots. */
static void put_object(Grid grid, uint8_t kind, int x, int y) {
    switch (kind) {
    case 0x16: /* fireworks */
    case 0x18: /* signals to the game */
    case 0x34:
    case 0x35: /* Toad and the princess at the end of a castle */ break;
    case 0x24: /* large lifts */
    case 0x25:
    case 0x26:
    case 0x27:
    case 0x28:
    case 0x29:
    case 0x2A:
        for (int i = 0; i < LARGE_LIFT_TILES; i++) {
            put_tile(grid, SOLID, x + i * BLOCK_SIZE, y);
        }
        break;
    case 0x2B: /* small lifts */
    case 0x2C:
    case 0x32: /* springboard */ put_tile(grid, SOLID, x, y); break;
    case 0x2E: /* power-up */
    case 0x2F: /* vine */
    case 0x30: /* flags */
    case 0x31: put_tile(grid, ITEM, x, y + BLOCK_SIZE); break;
    default: /* 24 pixels high: the feet are a tile below the position */
        put_tile(grid, ENEMY, x, y + BLOCK_SIZE);
    }
}

void decode_tiles(const uint8_t *ram, uint8_t *out) {
    Grid grid = {.tiles = out, .left = ram[RAM_SCREEN_LEFT_PAGE] * 256 + ram[RAM_SCREEN_LEFT_X]};
    for (int column = 0; column < TILES_WIDTH; column++) {
        /* The game keeps two screens of blocks, of the area's even pages and of the odd ones. */
        int position = (grid.left / BLOCK_SIZE + column) % (2 * TILES_WIDTH);
        int page = position / TILES_WIDTH;
        for (int row = 0; row < TILES_HEIGHT; row++) {
            int block = (page * TILES_HEIGHT + row) * TILES_WIDTH + position % TILES_WIDTH;
            out[row * TILES_WIDTH + column] = (uint8_t)tile_of_block(ram[RAM_BLOCK_BUFFER + block]);
        }
    }
    /* A position is a sprite's upper left corner; its middle says in which tile it is. */
    for (int slot = 0; slot < NUM_OBJECTS; slot++) {
        if (ram[RAM_ENEMY_ACTIVE + slot] != 0) {
            int x = ram[RAM_ENEMY_X_PAGE + slot] * 256 + ram[RAM_ENEMY_X + slot] + BLOCK_SIZE / 2;
            put_object(grid, ram[RAM_ENEMY_TYPES + slot], x, ram[RAM_ENEMY_Y + slot]);
        }
    }
    if (ram[RAM_PLAYER_VIEWPORT] == 1) {
        /* A small player's position is that of the 32 pixels high tall one: the feet are what both
         * share. */
        int x = ram[RAM_PLAYER_X_PAGE] * 256 + ram[RAM_PLAYER_X] + BLOCK_SIZE / 2;
        put_tile(grid, MARIO, x, ram[RAM_PLAYER_Y_LEVEL] + BLOCK_SIZE / 2 + BLOCK_SIZE);
    }
}
