/* A recording: see recording.h. */
#include "game/recording.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

bool recording_add(Recording *recording, const uint8_t *colors) {
    if (recording->num_frames == recording->capacity) {
        size_t capacity = recording->capacity ? 2 * recording->capacity : FIRST_CAPACITY;
        void *frames = realloc(recording->frames, capacity * sizeof *recording->frames);
        if (frames == NULL) {
            return false;
        }
        recording->frames = frames;
        recording->capacity = capacity;
    }
    memcpy(recording->frames[recording->num_frames], colors, sizeof *recording->frames);
    recording->num_frames++;
    return true;
}

void recording_clear(Recording *recording) {
    free(recording->frames);
    *recording = (Recording){0};
}
