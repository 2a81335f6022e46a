/* A recording: consecutive pictures as color numbers, a third of the size of RGB. */
#ifndef MARIO_RL_RECORDING_H
#define MARIO_RL_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/ppu.h"

typedef struct {
    uint8_t (*frames)[NUM_PIXELS]; /* colors, see PALETTE */
    size_t num_frames;
    size_t capacity;
} Recording;

/* Add a picture's colors, [240][256], at the end. Returns false, and leaves the recording as it is,
 * if memory is out. */
bool recording_add(Recording *recording, const uint8_t *colors);

/* Make the recording empty and free its memory. */
void recording_clear(Recording *recording);

#endif
