/* A vector environment: what the pipeline of wrappers does for one game, done for each of many. */
#ifndef MARIO_RL_VECTOR_H
#define MARIO_RL_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch/resize.h"
#include "game/game.h"

typedef enum { OBSERVE_GRAY, OBSERVE_RGB, OBSERVE_RAM, OBSERVE_TILES, NUM_VIEWS } View;

/* How the stack of an environment is written: its frames [stack][height][width][colors] one after
 * the other, or all of them as the channels of one image, [stack * colors][height][width] or
 * [height][width][stack * colors]. */
typedef enum { LAYOUT_FRAMES, LAYOUT_FIRST, LAYOUT_LAST, NUM_LAYOUTS } Layout;

/* What the games have in common. */
typedef struct {
    int num_envs;
    int num_threads;
    int num_terms; /* of the reward, the clip included */
    int skip;      /* frames an action is repeated for */
    int stack;     /* observations that are shown together, those of so many steps */
    View view;
    const Resizer *resizer; /* NULL: pictures keep their size, 240 x 256 */
    int size;               /* that the resizer makes them */
    Layout layout;          /* of pictures; others are frames in any case */
} VectorOptions;

/* What an environment does in a call of `vector_play`.
 *
 * An episode begins from what was loaded into the game, with `num_noops` frames without a button.
 * Then ORDER_BEGIN fills the whole stack with the first observation; ORDER_BEGIN_ON_STACK keeps the
 * older observations of `vector_set_stack`, and replaces the newest by the first one. */
typedef enum {
    ORDER_NOTHING, /* only the observation is written, as it was */
    ORDER_STEP,    /* hold the buttons for `skip` frames */
    ORDER_BEGIN,
    ORDER_BEGIN_ON_STACK,
    NUM_ORDERS,
} Order;

/* Arrays over the games, [num_envs] unless said otherwise. */
typedef struct {
    const uint8_t *orders; /* see Order */
    const uint8_t *buttons;
    const uint8_t *sticky; /* NULL, or [num_envs][skip]: hold the buttons of the frame before */
    const int32_t *num_noops;
} Orders;

/* Arrays over the games, written where there was something to do; observations are always. */
typedef struct {
    uint8_t *observations; /* [num_envs], each as its Layout */
    double *rewards;
    uint8_t *terminated; /* by the last frame, be it a no-op */
    int32_t *num_frames; /* steps of the game that were taken, `skip` unless one ended it */
    int64_t *columns;    /* [NUM_COLUMNS][num_envs], see info.h */
    uint8_t *flags;      /* [NUM_FLAGS][num_envs] */
    double *terms;       /* [reward_num_terms][num_envs] */
} Results;

typedef struct Vector Vector;

/* Take games with cartridges in them, [num_envs]. They and the resizer must outlive the vector.
 * Returns NULL if memory is out. */
Vector *vector_create(Game *const *games, const VectorOptions *options);

/* End the threads and free everything but the games; NULL is fine. */
void vector_destroy(Vector *vector);

/* The bytes of the observations of one game, [stack][...]. */
size_t vector_observation_size(const Vector *vector);

/* The joypad byte that a game held last: a sticky action repeats it. */
uint8_t vector_last_buttons(const Vector *vector, int env);
void vector_set_last_buttons(Vector *vector, int env, uint8_t buttons);

/* Replace the observations that are shown together, [stack][...], the oldest first. */
void vector_set_stack(Vector *vector, int env, const uint8_t *observations);

/* Write the observations that are shown together as frames, [stack][...], the oldest first. */
void vector_get_stack(const Vector *vector, int env, uint8_t *observations);

/* Do what is ordered, on several threads; what comes out does not depend on their number. Returns
 * NULL, or what went wrong in environment `*env`, which then has to begin anew. */
const char *vector_play(Vector *vector, const Orders *orders, const Results *results, int *env);

#endif
