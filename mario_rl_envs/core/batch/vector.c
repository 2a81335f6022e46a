/* A vector environment: what the pipeline of wrappers does for one game, done for each of many.
 *
 * The games share nothing that changes, so each is played by whichever thread is free, and the
 * results do not depend on which. Random numbers are drawn by the caller.
 */
#include "batch/vector.h"

#include <stdlib.h>
#include <string.h>

#include "batch/colors.h"
#include "batch/pool.h"
#include "game/tiles.h"

enum { NO_BUTTON = 0 };

/* A sub-environment: a game, and the memory of the wrappers around it. */
typedef struct {
    Game *game;
    uint8_t last_buttons;
    int newest;            /* the index of the last observation */
    uint8_t *observations; /* in a ring, [stack][...] */
    const char *error;
} Env;

struct Vector {
    VectorOptions options;
    Pool *pool;
    size_t view_size;      /* bytes of one observation */
    uint8_t *pictures;     /* of each thread, colors and grays */
    uint8_t *observations; /* of all environments */
    Env *envs;
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

static bool shows_picture(const VectorOptions *options) {
    return options->view == OBSERVE_GRAY || options->view == OBSERVE_RGB;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

Vector *vector_create(Game *const *games, const VectorOptions *options) {
    Vector *vector = calloc(1, sizeof *vector);
    if (vector == NULL) {
        return NULL;
    }
    size_t num_envs = (size_t)options->num_envs;
    vector->options = *options;
    vector->view_size = size_of_view(options);
    int num_threads = min_int(options->num_threads, options->num_envs);
    vector->pool = pool_create(num_threads);
    vector->pictures = calloc((size_t)num_threads, 2 * NUM_PIXELS);
    vector->observations = calloc(num_envs, vector_observation_size(vector));
    vector->envs = calloc(num_envs, sizeof *vector->envs);
    if (vector->pool == NULL || vector->pictures == NULL || vector->observations == NULL ||
        vector->envs == NULL) {
        vector_destroy(vector);
        return NULL;
    }
    for (size_t i = 0; i < num_envs; i++) {
        vector->envs[i].game = games[i];
        vector->envs[i].observations = vector->observations + i * vector_observation_size(vector);
    }
    return vector;
}

void vector_destroy(Vector *vector) {
    if (vector == NULL) {
        return;
    }
    pool_destroy(vector->pool);
    free(vector->pictures);
    free(vector->envs);
    free(vector->observations);
    free(vector);
}

size_t vector_observation_size(const Vector *vector) {
    return (size_t)vector->options.stack * vector->view_size;
}

uint8_t vector_last_buttons(const Vector *vector, int env) {
    return vector->envs[env].last_buttons;
}

void vector_set_last_buttons(Vector *vector, int env, uint8_t buttons) {
    vector->envs[env].last_buttons = buttons;
}

void vector_set_stack(Vector *vector, int env, const uint8_t *observations) {
    Env *to = &vector->envs[env];
    to->newest = vector->options.stack - 1;
    memcpy(to->observations, observations, vector_observation_size(vector));
}

static void observe(const Vector *vector, Env *env, uint8_t *out) {
    Console *console = &env->game->console;
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

static uint8_t *observation_at(const Vector *vector, const Env *env, int index) {
    return env->observations + (size_t)index * vector->view_size;
}

static void observe_next(const Vector *vector, Env *env) {
    env->newest = (env->newest + 1) % vector->options.stack;
    observe(vector, env, observation_at(vector, env, env->newest));
}

static void observe_first(const Vector *vector, Env *env) {
    observe(vector, env, env->observations);
    for (int i = 1; i < vector->options.stack; i++) {
        memcpy(observation_at(vector, env, i), env->observations, vector->view_size);
    }
    env->newest = 0;
}

static void observe_on_stack(const Vector *vector, Env *env) {
    observe(vector, env, observation_at(vector, env, env->newest));
}

/* The observations by age, the oldest first. */
static const uint8_t *observation_by_age(const Vector *vector, const Env *env, int index) {
    return observation_at(vector, env, (env->newest + 1 + index) % vector->options.stack);
}

static void write_frames(const Vector *vector, const Env *env, uint8_t *out) {
    const uint8_t *oldest = observation_by_age(vector, env, 0);
    size_t num_before = (size_t)(oldest - env->observations);
    size_t num_after = vector_observation_size(vector) - num_before;
    memcpy(out, oldest, num_after);
    memcpy(out + num_after, env->observations, num_before);
}

/* Write every channel of every frame as a picture of its own. */
static void write_channels_first(const Vector *vector, const Env *env, size_t num_colors,
                                 uint8_t *out) {
    if (num_colors == 1) { /* that is what they are */
        write_frames(vector, env, out);
        return;
    }
    size_t num_pixels = vector->view_size / num_colors;
    for (int i = 0; i < vector->options.stack; i++) {
        const uint8_t *from = observation_by_age(vector, env, i);
        for (size_t color = 0; color < num_colors; color++, out += num_pixels) {
            for (size_t pixel = 0; pixel < num_pixels; pixel++) {
                out[pixel] = from[pixel * num_colors + color];
            }
        }
    }
}

/* Write four gray frames, the usual stack, side by side: a compiler turns this into vectors. */
static void interleave_four(const Vector *vector, const Env *env, uint8_t *restrict out) {
    const uint8_t *from[4];
    for (int i = 0; i < 4; i++) {
        from[i] = observation_by_age(vector, env, i);
    }
    const uint8_t *a = from[0], *b = from[1], *c = from[2], *d = from[3];
    for (size_t pixel = 0; pixel < vector->view_size; pixel++) {
        out[4 * pixel] = a[pixel];
        out[4 * pixel + 1] = b[pixel];
        out[4 * pixel + 2] = c[pixel];
        out[4 * pixel + 3] = d[pixel];
    }
}

/* Write the channels of all frames side by side in every pixel. */
static void write_channels_last(const Vector *vector, const Env *env, size_t num_colors,
                                uint8_t *out) {
    size_t num_pixels = vector->view_size / num_colors;
    size_t num_channels = (size_t)vector->options.stack * num_colors;
    if (num_colors == 1 && vector->options.stack == 4) {
        interleave_four(vector, env, out);
        return;
    }
    for (int i = 0; i < vector->options.stack; i++) {
        const uint8_t *from = observation_by_age(vector, env, i);
        for (size_t color = 0; color < num_colors; color++, out++) {
            for (size_t pixel = 0; pixel < num_pixels; pixel++) {
                out[pixel * num_channels] = from[pixel * num_colors + color];
            }
        }
    }
}

static void write_observations(const Vector *vector, const Env *env, uint8_t *out) {
    const VectorOptions *options = &vector->options;
    size_t num_colors = options->view == OBSERVE_RGB ? 3 : 1;
    switch (shows_picture(options) ? options->layout : LAYOUT_FRAMES) {
    case LAYOUT_FIRST: write_channels_first(vector, env, num_colors, out); break;
    case LAYOUT_LAST: write_channels_last(vector, env, num_colors, out); break;
    default: write_frames(vector, env, out);
    }
}

void vector_get_stack(const Vector *vector, int env, uint8_t *observations) {
    write_frames(vector, &vector->envs[env], observations);
}

/* Sums rewards and terms as SkipFrame does. */
static const char *take_step(const Vector *vector, int index, Step *total, int *num_frames) {
    Env *env = &vector->envs[index];
    const VectorOptions *options = &vector->options;
    const uint8_t *sticky = vector->orders->sticky;
    *total = (Step){0};
    for (int frame = 0; frame < options->skip && !total->terminated; frame++) {
        if (sticky == NULL || !sticky[(size_t)index * (size_t)options->skip + (size_t)frame]) {
            env->last_buttons = vector->orders->buttons[index];
        }
        bool draw = shows_picture(options) && frame == options->skip - 1;
        Step step;
        const char *error = game_step(env->game, env->last_buttons, draw, &step);
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

/* The rewards of no-ops are dropped, as NoopReset drops them. */
static const char *begin(const Vector *vector, int index, Step *total, int *num_frames) {
    Env *env = &vector->envs[index];
    *total = (Step){0};
    info_read(env->game->console.now.ram, &total->info);
    while (*num_frames < vector->orders->num_noops[index] && !total->terminated) {
        Step step;
        const char *error = game_step(env->game, NO_BUTTON, false, &step);
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
    size_t num_envs = (size_t)vector->options.num_envs;
    results->rewards[index] = step->reward;
    results->terminated[index] = step->terminated;
    results->num_frames[index] = num_frames;
    info_write(&step->info, results->columns, results->flags, num_envs, (size_t)index);
    for (int i = 0; i < vector->options.num_terms; i++) {
        results->terms[(size_t)i * num_envs + (size_t)index] = step->terms[i];
    }
}

/* Where a thread draws a game: what is observed and what is recorded. The games that it plays one
 * after the other share the memory, which stays in the processor's cache. */
static Picture picture_for(const Vector *vector, int thread, const Game *game) {
    uint8_t *pixels = vector->pictures + (size_t)thread * 2 * NUM_PIXELS;
    bool has_colors = vector->options.view == OBSERVE_RGB || game->recording != NULL;
    return (Picture){
        .colors = has_colors ? pixels : NULL,
        .luma = vector->options.view == OBSERVE_GRAY ? pixels + NUM_PIXELS : NULL,
    };
}

static void do_order(const Vector *vector, int index) {
    Env *env = &vector->envs[index];
    Order order = (Order)vector->orders->orders[index];
    env->error = NULL;
    if (order != ORDER_NOTHING) {
        Step step;
        int num_frames = 0;
        env->error = order == ORDER_STEP ? take_step(vector, index, &step, &num_frames)
                                         : begin(vector, index, &step, &num_frames);
        if (env->error != NULL) {
            return;
        }
        write_results(vector, index, &step, num_frames);
        switch (order) {
        case ORDER_STEP: observe_next(vector, env); break;
        case ORDER_BEGIN: observe_first(vector, env); break;
        default: observe_on_stack(vector, env);
        }
    }
    size_t offset = (size_t)index * vector_observation_size(vector);
    write_observations(vector, env, vector->results->observations + offset);
}

static void play_env(void *context, int thread, int index) {
    const Vector *vector = context;
    Game *game = vector->envs[index].game;
    console_draw_on(&game->console, picture_for(vector, thread, game));
    do_order(vector, index);
    console_draw_on(&game->console, (Picture){0}); /* the next game is drawn there */
}

const char *vector_play(Vector *vector, const Orders *orders, const Results *results, int *env) {
    vector->orders = orders;
    vector->results = results;
    pool_run(vector->pool, play_env, vector, vector->options.num_envs);
    for (int i = 0; i < vector->options.num_envs; i++) {
        if (vector->envs[i].error != NULL) {
            *env = i;
            return vector->envs[i].error;
        }
    }
    return NULL;
}
