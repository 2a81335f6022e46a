/* Resizing by area: the picture that an agent sees.
 *
 * The pictures equal Gymnasium's wrappers to the bit: GrayscaleObservation (done by the PPU
 * already, see LUMA), then ResizeObservation, which is OpenCV's resize with INTER_AREA: each new
 * pixel is the mean of the area that it covers. Compared were OpenCV 4.10, 4.12 and 5.0, all for
 * x86-64. A build for another processor may fuse multiplications with additions; then pixels whose
 * mean is half way between two grays may differ by one.
 *
 * Natively done are all squares that are no larger than the picture, sizes 1 to 240. Beyond,
 * INTER_AREA is no longer a mean of areas, and the caller falls back to OpenCV.
 */
#ifndef MARIO_RL_RESIZE_H
#define MARIO_RL_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine/ppu.h"

enum { MAX_RESIZER_SIZE = SCREEN_HEIGHT };

/* All that can be computed before the first picture for one size. It never changes, so that any
 * number of threads can share one. */
typedef struct Resizer Resizer;

/* Whether pictures of this side, in pixels, are made natively; if not, OpenCV must do it. */
bool resizer_is_native(int size);

/* Make a resizer to size x size pixels. NULL: the size is not native, or memory is out. */
Resizer *resizer_create(int size);

/* NULL is allowed. */
void resizer_destroy(Resizer *resizer);

/* The mean grays of a picture, [240][256], into uint8 [size][size]. */
void resizer_gray(const Resizer *resizer, const uint8_t *luma, uint8_t *out);

/* The mean colors of a picture of color numbers, [240][256], into uint8 [size][size][3]. */
void resizer_rgb(const Resizer *resizer, const uint8_t *colors, uint8_t *out);

/* Make a resizer in plain C, where others use AVX2 if the processor has it; for tests. It is used,
 * shared and destroyed as any other. */
Resizer *resizer_create_plain(int size);

#endif
