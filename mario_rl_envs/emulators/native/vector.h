/* Many games at once: what the pipeline of wrappers does for one game, done for each of many. */
#ifndef MARIO_RL_VECTOR_H
#define MARIO_RL_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "game.h"
#include "observation.h"

typedef enum { OBSERVE_GRAY, OBSERVE_RGB, OBSERVE_RAM, OBSERVE_TILES, NUM_VIEWS } View;

/* What the games have in common. */
typedef struct {
    int num_lanes;
    int num_threads;
    int num_terms; /* of the reward, the clip included */
    int skip;      /* frames an action is repeated for */
    int stack;     /* observations that are shown together, those of so many steps */
    View view;
    const Resizer *resizer; /* NULL: pictures keep their size, 240 x 256 */
    int size;               /* that the resizer makes them */
} VectorOptions;

/* What a game is to do. */
typedef enum {
    ORDER_NOTHING, /* only its observation is written, as it was */
    ORDER_STEP,    /* hold the buttons for `skip` frames */
    ORDER_BEGIN,   /* an episode, from what was loaded, with `num_noops` frames of nothing */
    NUM_ORDERS,
} Order;

/* The numbers of an info, a column each. */
enum {
    COLUMN_COINS,
    COLUMN_LIFE,
    COLUMN_SCORE,
    COLUMN_STAGE,
    COLUMN_TIME,
    COLUMN_WORLD,
    COLUMN_X_POS,
    COLUMN_Y_POS,
    COLUMN_AREA,
    COLUMN_X_SCREEN,
    COLUMN_STATE,
    COLUMN_STATUS, /* see Power */
    NUM_COLUMNS,
};

/* Arrays over the games, [num_lanes] unless said otherwise. */
typedef struct {
    const uint8_t *orders; /* see Order */
    const uint8_t *buttons;
    const uint8_t *sticky; /* NULL, or [num_lanes][skip]: hold the buttons of the frame before */
    const int32_t *num_noops;
} Orders;

/* Arrays over the games, written where there was something to do; observations are always. */
typedef struct {
    uint8_t *observations; /* [num_lanes][stack][...] */
    double *rewards;
    uint8_t *terminated; /* by the last frame, be it a no-op */
    int32_t *num_frames; /* steps of the game that were taken, `skip` unless one ended it */
    int64_t *columns;    /* [NUM_COLUMNS][num_lanes] */
    uint8_t *flags;      /* whether the flag is reached */
    double *terms;       /* [game_num_terms][num_lanes] */
} Results;

typedef struct Vector Vector;

/* Take games with cartridges in them, [num_lanes]. They and the resizer must outlive the vector.
 * Returns NULL if memory is out. */
Vector *vector_create(Game *const *games, const VectorOptions *options);

/* End the threads and free everything but the games; NULL is fine. */
void vector_destroy(Vector *vector);

/* The bytes of the observations of one game, [stack][...]. */
size_t vector_observation_size(const Vector *vector);

/* What a pickle keeps of a game beside its machine: the buttons held last, the observations. */
uint8_t vector_last_buttons(const Vector *vector, int lane);
void vector_restore(Vector *vector, int lane, uint8_t last_buttons, const uint8_t *observations);

/* Do what is ordered, on several threads; what comes out does not depend on their number. Returns
 * NULL, or what went wrong in the game of number `*lane`, which then has to begin anew. */
const char *vector_play(Vector *vector, const Orders *orders, const Results *results, int *lane);

#endif
