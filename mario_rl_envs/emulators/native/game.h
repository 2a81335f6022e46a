/* The game in the console: its rewards, its ends, what it says about itself, and the frames that no
 * player controls.
 *
 * The rules are those of game/ram.py, rewards.py and skipping.py, and there they are explained; here
 * they run where the console runs. tests/envs/test_native_rules.py compares the two.
 */
#ifndef MARIO_RL_GAME_H
#define MARIO_RL_GAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "film.h"

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

/* How the game is played. */
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

typedef enum { POWER_SMALL, POWER_TALL, POWER_FIREBALL, NUM_POWERS } Power;

/* What is said beside the observation: Info in env.py. */
typedef struct {
    int64_t coins;
    bool flag_get;
    int32_t life;
    int64_t score;
    int32_t stage;
    Power status;
    int64_t time;
    int32_t world;
    int32_t x_pos;
    int32_t y_pos;
    int32_t area;
    int32_t x_screen;
    int32_t state;
} Info;

typedef struct {
    Console console;
    Rules rules;
    RewardMemory memory;
    Film *film; /* NULL, or where every frame goes that is run by `game_step` */
} Game;

typedef struct {
    double reward;
    double terms[MAX_REWARD_TERMS]; /* as in the rules, then the clip if there is one */
    bool terminated;
    Info info; /* right after the frame on which the buttons were held, before any was skipped */
} Step;

/* Insert a cartridge, which must outlive the game, and switch on. The rules have no terms yet. */
void game_init(Game *game, const Cartridge *cartridge);

/* Free what the game has allocated, the film excepted, which is the caller's. */
void game_free(Game *game);

/* The number of the reward's terms, the clip included. */
int game_num_terms(const Rules *rules);

/* Write a byte of RAM. */
void game_poke(Game *game, uint16_t address, uint8_t value);

/* Begin an episode from the RAM as it is. Returns NULL, or what went wrong. */
const char *game_begin(Game *game);

/* Hold the buttons for one frame, and unless that ends the episode run through the frames that no
 * player controls. Returns NULL, or what went wrong; then `step` is not to be used.
 *
 * `draw` says that somebody will look; it may be left out, see `console_advance`. */
const char *game_step(Game *game, uint8_t buttons, bool draw, Step *step);

/* Take `num_frames` steps with the same buttons, fewer if one ends the episode: rewards and terms
 * are summed, the rest is the last step's. What SkipFrame does. */
const char *game_steps(Game *game, uint8_t buttons, int num_frames, bool draw, Step *step);

/* The number of bytes of the machine, as it is written down. */
size_t game_state_size(void);

/* Write the machine down, `game_state_size` bytes: the same on every computer. */
void game_save(const Game *game, uint8_t *out);

/* Become the machine that was written down. Returns NULL, or what is wrong with the bytes; then
 * nothing has changed. */
const char *game_load(Game *game, const uint8_t *data, size_t size);

/* What the RAM says. */
void game_info(const uint8_t *ram, Info *info);

/* Tells the areas of all stages apart. */
uint32_t game_area_key(const uint8_t *ram);

/* The position that an area's frontier is at; add the area if it is new. Returns the area's index in
 * `frontiers`, or -1 if memory is out. */
ptrdiff_t reward_frontier(RewardMemory *memory, uint32_t area, int32_t x);

void reward_free(RewardMemory *memory);

#endif
