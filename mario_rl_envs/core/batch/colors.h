/* From the console's color numbers to RGB. */
#ifndef MARIO_RL_COLORS_H
#define MARIO_RL_COLORS_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/ppu.h"

/* Write the RGB of a picture of color numbers, [240][256], into uint8 [240][256][3]. */
void expand_rgb(const uint8_t *colors, uint8_t *out);

/* The same in plain C, where the above uses AVX2 if the processor has it; for tests. */
void expand_rgb_plain(const uint8_t *colors, uint8_t *out);

/* Write one channel of the RGB of color numbers, a multiple of 32. `is_plain`: in plain C. */
void expand_channel(const uint8_t *colors, int num_pixels, int channel, bool is_plain,
                    uint8_t *out);

#endif
