/* A film: consecutive pictures as color numbers, a third of the size of RGB. */
#ifndef MARIO_RL_FILM_H
#define MARIO_RL_FILM_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/ppu.h"

typedef struct {
    uint8_t (*frames)[SCREEN_HEIGHT][SCREEN_WIDTH]; /* colors, see PALETTE */
    size_t num_frames;
    size_t capacity;
} Film;

/* Add a picture at the end. Returns false, and leaves the film as it is, if memory is out. */
bool film_add(Film *film, const Picture *picture);

/* Make the film empty and free its memory. */
void film_clear(Film *film);

#endif
