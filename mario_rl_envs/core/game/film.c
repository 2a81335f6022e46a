/* A film: see film.h. */
#include "game/film.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

bool film_add(Film *film, const Picture *picture) {
    if (film->num_frames == film->capacity) {
        size_t capacity = film->capacity ? 2 * film->capacity : FIRST_CAPACITY;
        void *frames = realloc(film->frames, capacity * sizeof *film->frames);
        if (frames == NULL) {
            return false;
        }
        film->frames = frames;
        film->capacity = capacity;
    }
    memcpy(film->frames[film->num_frames], picture->colors, sizeof *film->frames);
    film->num_frames++;
    return true;
}

void film_clear(Film *film) {
    free(film->frames);
    *film = (Film){0};
}
