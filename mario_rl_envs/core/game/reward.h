/* The reward: weighted terms, each counted on every frame from how the RAM changed.
 *
 * The terms are those of game/rewards.py, where they are explained.
 */
#ifndef MARIO_RL_REWARD_H
#define MARIO_RL_REWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a reward can be made of, in the order of TERMS in rewards.py. */
typedef enum {
    TERM_VELOCITY,
    TERM_PROGRESS,
    TERM_CLOCK,
    TERM_DYING,
    TERM_DEATH,
    TERM_FLAG,
    TERM_SCORE,
    TERM_COINS,
    NUM_TERMS,
} Term;

enum { MAX_REWARD_TERMS = NUM_TERMS + 1 }; /* the clip too */

/* The rules of an episode: its end, and the weights of its reward. */
typedef struct {
    bool is_single_stage; /* one stage with one life, or the whole game */
    int num_terms;
    Term terms[NUM_TERMS]; /* each at most once, in the order in which they are summed */
    double weights[NUM_TERMS];
    bool has_clip;
    double clip; /* the bound of a frame's sum, either way */
} Rules;

/* The furthest position reached in an area, in pixels. */
typedef struct {
    uint32_t area;
    int32_t x;
} Frontier;

/* What a reward remembers between frames: RewardState in rewards.py. */
typedef struct {
    int32_t x;
    int64_t clock;
    int64_t score;
    int64_t coins;
    bool dead;
    bool flag;
    size_t area;         /* the present one, an index into `frontiers` */
    Frontier *frontiers; /* in the order in which the areas were entered first */
    size_t num_frontiers;
    size_t capacity;
} RewardMemory;

/* The number of the reward's terms, the clip included. */
int reward_num_terms(const Rules *rules);

/* Begin an episode from the RAM as it is. Returns false if memory is out. */
bool reward_begin(RewardMemory *memory, const uint8_t *ram);

/* The reward of a frame, and its terms: [reward_num_terms], in the order of the rules, then the
 * clip. Returns false if memory is out. */
bool reward_frame(RewardMemory *memory, const Rules *rules, const uint8_t *ram, double *reward,
                  double *terms);

/* Take the area and the position that frames without control led to as the player's frontier: what
 * happened on those frames is not rewarded. Returns false if memory is out. */
bool reward_enter_area(RewardMemory *memory, const uint8_t *ram);

/* The position of an area's frontier; the area is added if it is new. Returns the area's index in
 * `frontiers`, or -1 if memory is out. */
ptrdiff_t reward_frontier(RewardMemory *memory, uint32_t area, int32_t x);

/* Become a copy of another memory. Returns false, and changes nothing, if memory is out. */
bool reward_copy(RewardMemory *memory, const RewardMemory *from);

void reward_free(RewardMemory *memory);

#endif
