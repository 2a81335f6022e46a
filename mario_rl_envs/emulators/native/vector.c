/* Many games at once: what the pipeline of wrappers does for one game, done for each of many.
 *
 * The games share nothing that changes, so each is played by whichever thread is free, and which
 * that was cannot be seen in the results. What has to be drawn by lot is drawn by the caller.
 */
#include "vector.h"

#include <stdlib.h>
#include <string.h>

#include "pool.h"

enum { NO_BUTTON = 0 };

/* A game, and what the wrappers around it would remember. */
typedef struct {
    Game *game;
    uint8_t last_buttons;
    int newest;            /* the index of the last observation */
    uint8_t *observations; /* in a ring, [stack][...] */
    const char *error;
} Lane;

struct Vector {
    VectorOptions options;
    Pool *pool;
    size_t view_size;      /* bytes of one observation */
    uint8_t *observations; /* of all lanes */
    Lane *lanes;
    const Orders *orders; /* of the job that runs */
    const Results *results;
};

static size_t size_of_view(const VectorOptions *options) {
    size_t num_pixels = options->resizer != NULL ? (size_t)options->size * (size_t)options->size
                                                 : (size_t)SCREEN_HEIGHT * SCREEN_WIDTH;
    switch (options->view) {
    case OBSERVE_GRAY: return num_pixels;
    case OBSERVE_RGB: return 3 * num_pixels;
    case OBSERVE_RAM: return RAM_SIZE;
    default: return (size_t)TILES_HEIGHT * TILES_WIDTH;
    }
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

Vector *vector_create(Game *const *games, const VectorOptions *options) {
    Vector *vector = calloc(1, sizeof *vector);
    if (vector == NULL) {
        return NULL;
    }
    size_t num_lanes = (size_t)options->num_lanes;
    vector->options = *options;
    vector->view_size = size_of_view(options);
    vector->pool = pool_create(min_int(options->num_threads, options->num_lanes));
    vector->observations = calloc(num_lanes, vector_observation_size(vector));
    vector->lanes = calloc(num_lanes, sizeof *vector->lanes);
    if (vector->pool == NULL || vector->observations == NULL || vector->lanes == NULL) {
        vector_destroy(vector);
        return NULL;
    }
    for (size_t i = 0; i < num_lanes; i++) {
        vector->lanes[i].game = games[i];
        vector->lanes[i].observations = vector->observations + i * vector_observation_size(vector);
    }
    return vector;
}

void vector_destroy(Vector *vector) {
    if (vector == NULL) {
        return;
    }
    pool_destroy(vector->pool);
    free(vector->lanes);
    free(vector->observations);
    free(vector);
}

size_t vector_observation_size(const Vector *vector) {
    return (size_t)vector->options.stack * vector->view_size;
}

uint8_t vector_last_buttons(const Vector *vector, int lane) {
    return vector->lanes[lane].last_buttons;
}

void vector_restore(Vector *vector, int lane, uint8_t last_buttons, const uint8_t *observations) {
    Lane *to = &vector->lanes[lane];
    to->last_buttons = last_buttons;
    to->newest = vector->options.stack - 1;
    memcpy(to->observations, observations, vector_observation_size(vector));
}

static void observe(const Vector *vector, Lane *lane, uint8_t *out) {
    Console *console = &lane->game->console;
    switch (vector->options.view) {
    case OBSERVE_GRAY:
        if (vector->options.resizer != NULL) {
            resizer_gray(vector->options.resizer, console_picture(console)->luma, out);
        } else {
            memcpy(out, console_picture(console)->luma, vector->view_size);
        }
        break;
    case OBSERVE_RGB:
        if (vector->options.resizer != NULL) {
            resizer_rgb(vector->options.resizer, console_picture(console)->colors, out);
        } else {
            expand_rgb(console_picture(console)->colors, out);
        }
        break;
    case OBSERVE_RAM: memcpy(out, console->now.ram, RAM_SIZE); break;
    default: decode_tiles(console->now.ram, out);
    }
}

static void observe_next(const Vector *vector, Lane *lane) {
    lane->newest = (lane->newest + 1) % vector->options.stack;
    observe(vector, lane, lane->observations + (size_t)lane->newest * vector->view_size);
}

/* At the start of an episode the stack is full of its first observation. */
static void observe_first(const Vector *vector, Lane *lane) {
    observe(vector, lane, lane->observations);
    for (int i = 1; i < vector->options.stack; i++) {
        memcpy(lane->observations + (size_t)i * vector->view_size, lane->observations,
               vector->view_size);
    }
    lane->newest = 0;
}

/* The oldest observation comes first. */
static void write_observations(const Vector *vector, const Lane *lane, uint8_t *out) {
    size_t size = vector_observation_size(vector);
    size_t oldest = (size_t)((lane->newest + 1) % vector->options.stack) * vector->view_size;
    memcpy(out, lane->observations + oldest, size - oldest);
    memcpy(out + size - oldest, lane->observations, oldest);
}

/* Sums rewards and terms as SkipFrame does. */
static const char *take_step(const Vector *vector, int index, Step *total, int *num_frames) {
    Lane *lane = &vector->lanes[index];
    const VectorOptions *options = &vector->options;
    const uint8_t *sticky = vector->orders->sticky;
    bool shows_picture = options->view == OBSERVE_GRAY || options->view == OBSERVE_RGB;
    *total = (Step){0};
    for (int frame = 0; frame < options->skip && !total->terminated; frame++) {
        if (sticky == NULL || !sticky[(size_t)index * (size_t)options->skip + (size_t)frame]) {
            lane->last_buttons = vector->orders->buttons[index];
        }
        bool draw = shows_picture && frame == options->skip - 1;
        Step step;
        const char *error = game_step(lane->game, lane->last_buttons, draw, &step);
        if (error != NULL) {
            return error;
        }
        total->reward += step.reward;
        for (int i = 0; i < options->num_terms; i++) {
            total->terms[i] += step.terms[i];
        }
        total->terminated = step.terminated;
        total->info = step.info;
        ++*num_frames;
    }
    return NULL;
}

/* Rewards of no-ops are nobody's. */
static const char *begin(const Vector *vector, int index, Step *total, int *num_frames) {
    Lane *lane = &vector->lanes[index];
    *total = (Step){0};
    game_info(lane->game->console.now.ram, &total->info);
    while (*num_frames < vector->orders->num_noops[index] && !total->terminated) {
        Step step;
        const char *error = game_step(lane->game, NO_BUTTON, false, &step);
        if (error != NULL) {
            return error;
        }
        total->terminated = step.terminated;
        total->info = step.info;
        ++*num_frames;
    }
    return NULL;
}

static void write_results(const Vector *vector, int index, const Step *step, int num_frames) {
    const Results *results = vector->results;
    size_t num_lanes = (size_t)vector->options.num_lanes;
    results->rewards[index] = step->reward;
    results->terminated[index] = step->terminated;
    results->num_frames[index] = num_frames;
    results->flags[index] = step->info.flag_get;
    int64_t *columns = results->columns + index;
    columns[COLUMN_COINS * num_lanes] = step->info.coins;
    columns[COLUMN_LIFE * num_lanes] = step->info.life;
    columns[COLUMN_SCORE * num_lanes] = step->info.score;
    columns[COLUMN_STAGE * num_lanes] = step->info.stage;
    columns[COLUMN_TIME * num_lanes] = step->info.time;
    columns[COLUMN_WORLD * num_lanes] = step->info.world;
    columns[COLUMN_X_POS * num_lanes] = step->info.x_pos;
    columns[COLUMN_Y_POS * num_lanes] = step->info.y_pos;
    columns[COLUMN_AREA * num_lanes] = step->info.area;
    columns[COLUMN_X_SCREEN * num_lanes] = step->info.x_screen;
    columns[COLUMN_STATE * num_lanes] = step->info.state;
    columns[COLUMN_STATUS * num_lanes] = step->info.status;
    for (int i = 0; i < vector->options.num_terms; i++) {
        results->terms[(size_t)i * num_lanes + (size_t)index] = step->terms[i];
    }
}

static void play_lane(void *context, int index) {
    const Vector *vector = context;
    Lane *lane = &vector->lanes[index];
    Order order = (Order)vector->orders->orders[index];
    lane->error = NULL;
    if (order != ORDER_NOTHING) {
        Step step;
        int num_frames = 0;
        bool begins = order == ORDER_BEGIN;
        lane->error = begins ? begin(vector, index, &step, &num_frames)
                             : take_step(vector, index, &step, &num_frames);
        if (lane->error != NULL) {
            return;
        }
        write_results(vector, index, &step, num_frames);
        if (begins) {
            observe_first(vector, lane);
        } else {
            observe_next(vector, lane);
        }
    }
    size_t offset = (size_t)index * vector_observation_size(vector);
    write_observations(vector, lane, vector->results->observations + offset);
}

const char *vector_play(Vector *vector, const Orders *orders, const Results *results, int *lane) {
    vector->orders = orders;
    vector->results = results;
    pool_run(vector->pool, play_lane, vector, vector->options.num_lanes);
    for (int i = 0; i < vector->options.num_lanes; i++) {
        if (vector->lanes[i].error != NULL) {
            *lane = i;
            return vector->lanes[i].error;
        }
    }
    return NULL;
}
