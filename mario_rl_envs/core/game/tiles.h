/* The visible level as a grid of blocks: an observation read from the RAM. */
#ifndef MARIO_RL_TILES_H
#define MARIO_RL_TILES_H

#include <stdint.h>

enum { TILES_HEIGHT = 13, TILES_WIDTH = 16 };

/* Write the grid, uint8 [13][16], of the RAM, [2048]; wrappers/ram.py has the meaning of the
 * numbers. */
void decode_tiles(const uint8_t *ram, uint8_t *out);

#endif
